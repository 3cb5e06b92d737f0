//! A network of real validators on a simulated network and clock, which can be cut, killed and
//! restarted.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy_primitives::{Address, B256};
use commonware_cryptography::{Signer as _, ed25519::PublicKey};
use commonware_p2p::{
    Manager as _, Recipients, Sender as _,
    simulated::{self, Control, Link, Oracle},
};
use commonware_runtime::{Clock, Storage, Supervisor, deterministic};
use commonware_utils::{NZUsize, ordered::Set, probability};
use windlass_chain::genesis::{Fees, Genesis, Governance, Member, Permissions, SignatureScheme};

use super::{
    machine::{Machine, hashes, member},
    process::{Process, QUOTA},
    surroundings::Oddities,
    wire::Weather,
};
use crate::{
    consensus::{
        Settings,
        exchange::{Connected, key_bytes},
        marker::{MemoryMarker, VotingKey},
        max_message_size,
        signer::HandleSigner,
        work::Work,
    },
    journals::{Drawer, Journals},
    seam::{Ledger, Origin},
    status::{Identity, Status, StatusBoard, StatusTip},
};

/// What is said where two have different blocks at a height.
pub(super) const FORK: &str = "a fork";

/// The chain id of simulated networks.
pub(crate) const CHAIN_ID: u64 = 4_242;

pub(crate) struct Validator<M: Machine> {
    pub(crate) machine: M,
    /// The ledger of the process that runs, or ran last.
    pub(crate) ledger: M::Ledger,
    /// The identity that it began with, and those that it was given since.
    pub(crate) key: PublicKey,
    others: Vec<PublicKey>,
    pub(crate) voting_keys: Vec<VotingKey>,
    pub(crate) oddities: Oddities,
    pub(crate) weather: Weather,
    /// How many disks it has had.
    disks: u64,
    pub(super) status: Board,
    /// How far its clock is behind.
    pub(super) behind: Duration,
    /// How many blocks behind it takes the state of others, if it does.
    pub(super) far_behind: Option<u64>,
    pub(super) process: Process,
}

pub(crate) struct Network<M: Machine> {
    pub(crate) validators: Vec<Validator<M>>,
    pub(crate) context: deterministic::Context,
    pub(super) oracle: Oracle<PublicKey, deterministic::Context>,
    pub(super) reach: Arc<Mutex<Reach>>,
    pub(crate) genesis: Genesis,
    pub(super) settings: Settings,
    pub(super) starts: u64,
    sent: u64,
    /// How many sets of peers there were.
    peer_sets: u64,
    /// How many nodes have taken the state of others.
    pub(super) joins: u64,
}

/// What a network begins with.
#[derive(Clone, Copy)]
pub(crate) struct Beginning {
    pub(crate) validators: usize,
    /// How many nodes there are behind them that the genesis doesn't name.
    pub(crate) later: usize,
    /// How many members the validators belong to.
    pub(crate) members: usize,
    /// How many blocks an epoch has.
    pub(crate) epoch: u64,
}

/// Where a node tells how it is: another one when it goes by another identity.
pub(super) type Board = Arc<Mutex<StatusBoard>>;

/// A channel's two ends.
pub(crate) type SimulatedSender = simulated::Sender<PublicKey, deterministic::Context>;
pub(crate) type SimulatedReceiver = simulated::Receiver<PublicKey>;

/// Who can reach whom.
#[derive(Default)]
pub(super) struct Reach {
    pub(super) alive: BTreeSet<PublicKey>,
    cut: BTreeSet<(PublicKey, PublicKey)>,
}

/// A link that loses nothing.
pub(crate) fn link() -> Link {
    Link {
        latency: Duration::from_millis(10),
        jitter: Duration::from_millis(3),
        success_rate: probability!(1.0),
    }
}

impl<M: Machine> Network<M> {
    /// A network of which no node runs yet; all are linked.
    pub(crate) async fn new(context: deterministic::Context, beginning: Beginning) -> Self {
        let Beginning { validators: count, later, members, epoch } = beginning;
        let key = |seed: u64| {
            (HandleSigner::from_seed(seed).public_key(), HandleSigner::from_seed(1_000 + seed))
        };
        let mut keys: Vec<_> = (0..).take(count).map(key).collect();
        keys.sort_by(|left, right| left.0.cmp(&right.0));
        let pairs: Vec<_> =
            keys.iter().map(|(node, vote)| (node.clone(), vote.public_key())).collect();
        let genesis = genesis(&pairs, members, epoch);
        let named: Vec<_> = keys.iter().map(|(node, _)| node.clone()).collect();
        keys.extend((500..).take(later).map(key));
        let peers: Vec<_> = keys.iter().map(|(node, _)| node.clone()).collect();
        let config = simulated::Config {
            max_size: max_message_size(),
            max_peers_per_set: NZUsize!(64),
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(2),
        };
        let (network, oracle) =
            simulated::Network::new_with_peers(context.child("network"), config, peers.clone())
                .await;
        network.start();
        let validators = keys
            .into_iter()
            .map(|(key, signer)| {
                let mut machine = M::new(&genesis);
                Validator {
                    ledger: machine.boot().expect("a new disk opens"),
                    machine,
                    status: Arc::new(Mutex::new(board(&key, &signer, &named))),
                    key,
                    others: Vec::new(),
                    voting_keys: vec![voting_key(signer)],
                    oddities: Oddities::default(),
                    weather: Weather::default(),
                    disks: 1,
                    behind: Duration::ZERO,
                    far_behind: None,
                    process: Process::default(),
                }
            })
            .collect();
        let settings = Settings {
            epoch_length: NonZeroU64::new(epoch).expect("an epoch has blocks"),
            far_behind: None,
        };
        let reach = Arc::default();
        let (starts, sent, peer_sets, joins) = (0, 0, 1, 0);
        let mut network = Self {
            validators,
            context,
            oracle,
            reach,
            genesis,
            settings,
            starts,
            sent,
            peer_sets,
            joins,
        };
        network.connect_all(&link()).await;
        network
    }

    /// Gives every pair this link.
    pub(crate) async fn connect_all(&mut self, link: &Link) {
        let count = self.validators.len();
        for from in 0..count {
            for to in (0..count).filter(|to| *to != from) {
                self.connect(from, to, link.clone()).await;
            }
        }
    }

    /// Cuts the link from one to another.
    pub(crate) async fn cut(&mut self, from: usize, to: usize) {
        for (from, to) in self.pairs(from, to) {
            let _absent = self.oracle.remove_link(from.clone(), to.clone()).await;
            self.reach.lock().expect("no test panics here").cut.insert((from, to));
        }
    }

    pub(crate) async fn connect(&mut self, from: usize, to: usize, link: Link) {
        for (from, to) in self.pairs(from, to) {
            let _exists = self.oracle.remove_link(from.clone(), to.clone()).await;
            let added = self.oracle.add_link(from.clone(), to.clone(), link.clone()).await;
            added.expect("both are registered");
            self.reach.lock().expect("no test panics here").cut.remove(&(from, to));
        }
    }

    /// Every identity of one with every identity of another.
    fn pairs(&self, from: usize, to: usize) -> Vec<(PublicKey, PublicKey)> {
        let (from, to) = (self.validators[from].keys(), self.validators[to].keys());
        from.iter().flat_map(|from| to.iter().map(|to| (from.clone(), to.clone()))).collect()
    }

    /// Gives a validator that doesn't run one more identity; which one it goes by the chain says. It has
    /// links to those whom the first one has links to.
    pub(crate) async fn give_identity(&mut self, index: usize, key: PublicKey) {
        self.validators[index].others.push(key.clone());
        let all: Vec<PublicKey> = self.validators.iter().flat_map(Validator::keys).collect();
        self.oracle.manager().track(self.peer_sets, Set::from_iter_dedup(all));
        self.peer_sets += 1;
        let first = &self.validators[index].key;
        let others = self.validators.iter().filter(|other| other.key != *first);
        for other in others.flat_map(Validator::keys) {
            let ways = [((&key, &other), (first, &other)), ((&other, &key), (&other, first))];
            for ((from, to), (first_from, first_to)) in ways {
                let is_cut = {
                    let cut = &mut self.reach.lock().expect("no test panics here").cut;
                    let is_cut = cut.contains(&(first_from.clone(), first_to.clone()));
                    is_cut && cut.insert((from.clone(), to.clone()))
                };
                if !is_cut {
                    let added = self.oracle.add_link(from.clone(), to.clone(), link()).await;
                    added.expect("both are registered");
                }
            }
        }
    }

    /// Sets back the clock of a validator that doesn't run yet.
    pub(crate) fn set_back(&mut self, index: usize, by: Duration) {
        let validator = &mut self.validators[index];
        validator.behind += by;
        validator.oddities.set_clock(Duration::ZERO, validator.behind);
    }

    /// Gives a new transaction to one validator; its number.
    pub(crate) fn send(&mut self, index: usize) -> u64 {
        self.sent += 1;
        let bytes = M::transaction(self.sent);
        self.validators[index].ledger.admit(bytes, Origin::Client).expect("it is new");
        self.sent
    }

    /// Waits for a condition and says how long it took.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        limit_ms: u64,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> u64 {
        for waited_ms in 0..limit_ms {
            if holds(self) {
                return waited_ms;
            }
            self.turn().await;
            self.context.sleep(Duration::from_millis(1)).await;
        }
        let tips: Vec<_> =
            self.validators.iter().map(|validator| validator.ledger.tip().number).collect();
        let states: Vec<_> =
            self.validators.iter().map(|validator| validator.board().get()).collect();
        panic!("after {limit_ms} ms still not: {what}; tips {tips:?}; {states:#?}");
    }

    /// Waits until all running validators have the transaction; how long it took.
    pub(crate) async fn included(&mut self, number: u64, limit_ms: u64) -> u64 {
        self.until(&format!("transaction {number} final"), limit_ms, |network| {
            network.running().all(|validator| M::contains(&validator.ledger, number))
        })
        .await
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &Validator<M>> {
        self.validators.iter().filter(|validator| validator.process.is_running())
    }

    pub(crate) fn running_indices(&self) -> Vec<usize> {
        let all = self.validators.iter().enumerate();
        all.filter(|(_, validator)| validator.process.is_running())
            .map(|(index, _)| index)
            .collect()
    }

    /// The highest tip of all.
    pub(crate) fn tip(&self) -> u64 {
        let tips = self.validators.iter().map(|validator| validator.ledger.tip().number);
        tips.max().unwrap_or(0)
    }

    /// Deletes the journal of an epoch of a validator that doesn't run.
    pub(crate) async fn lose_journal(&mut self, index: usize, epoch: u64) {
        let validator = &self.validators[index];
        let store = validator.machine.journals().open().expect("a disk that has power opens");
        let drawer = Drawer::open(store, Work::Inline).expect("it has journals");
        let journals = Journals::new(self.context.child("files"), Arc::clone(&drawer));
        let partition = format!("{}consensus-{epoch}", validator.partitions(index));
        for partition in [format!("{partition}-begun"), partition] {
            journals.remove(&partition, None).await.expect("there was a journal");
        }
        drawer.flush().await.await;
    }

    /// Sets the clock of a node's machine, from now on ahead by so much or behind.
    pub(crate) fn set_clock(&self, index: usize, ahead_ms: u64, behind_ms: u64) {
        let by = Duration::from_millis;
        self.validators[index].oddities.set_clock(by(ahead_ms), by(behind_ms));
    }

    /// Gives a validator that doesn't run a new disk: only what lies with its key is left.
    pub(crate) fn lose_disk(&mut self, index: usize) {
        let validator = &mut self.validators[index];
        validator.machine = M::new(&self.genesis);
        validator.disks += 1;
    }

    /// A validator's grip on the network.
    pub(crate) fn control(&self, index: usize) -> Control<PublicKey, deterministic::Context> {
        self.oracle.control(self.validators[index].key.clone())
    }

    /// Who is connected with a validator.
    pub(crate) fn connected(&self, index: usize) -> Connected {
        connected(&self.reach, &self.validators[index].key)
    }

    /// A channel of a validator that doesn't run.
    pub(crate) async fn register(
        &self,
        index: usize,
        channel: u64,
    ) -> (SimulatedSender, SimulatedReceiver) {
        self.control(index).register(channel, QUOTA).await.expect("the network runs")
    }

    /// Has the others see a validator that doesn't run as connected.
    pub(crate) fn come(&self, index: usize) {
        let key = self.validators[index].key.clone();
        self.reach.lock().expect("no test panics here").alive.insert(key);
    }

    /// Has the others see that it is gone.
    pub(super) fn go(&self, index: usize) {
        let keys = self.validators[index].keys();
        self.reach.lock().expect("no test panics here").alive.retain(|key| !keys.contains(key));
    }

    /// Has a validator that doesn't run send bytes that mean nothing.
    pub(crate) async fn send_nonsense(&mut self, index: usize, channel: u64) {
        let (mut sender, _receiver) = self.register(index, channel).await;
        for length in [0_usize, 1, 2, 9, 40, 41, 100, 1_000, 100_000] {
            for byte in [0_u8, 1, 0x7f, 0xff] {
                let bytes = bytes::Bytes::from(vec![byte; length]);
                let _sent = sender.send(Recipients::All, bytes, false);
            }
        }
        self.pass(100).await;
    }

    /// Whether a node takes the state of others where it is far behind.
    pub(super) fn takes_states(&self, index: usize) -> bool {
        self.validators[index].far_behind.is_some()
    }

    pub(crate) fn status(&self, index: usize) -> Status {
        self.validators[index].board().get()
    }

    pub(crate) async fn pass(&self, duration_ms: u64) {
        self.context.sleep(Duration::from_millis(duration_ms)).await;
    }

    /// No two validators have different blocks at a height.
    pub(crate) fn assert_one_chain(&self) {
        let chains: Vec<Vec<B256>> =
            self.validators.iter().map(|validator| hashes(&validator.ledger)).collect();
        let longest = chains.iter().max_by_key(|chain| chain.len()).expect("there are some");
        for chain in &chains {
            assert_eq!(chain[..], longest[..chain.len()], "{FORK}");
        }
    }
}

impl<M: Machine> Validator<M> {
    /// Where it tells how it is.
    pub(crate) fn board(&self) -> StatusBoard {
        self.status.lock().expect("no test panics here").clone()
    }

    /// All its identities.
    pub(super) fn keys(&self) -> Vec<PublicKey> {
        [&self.key].into_iter().chain(&self.others).cloned().collect()
    }

    /// Whether its disk is not the first one.
    pub(super) fn has_new_disk(&self) -> bool {
        self.disks > 1
    }

    /// What the names of its journals begin with.
    pub(super) fn partitions(&self, index: usize) -> String {
        format!("v{index}-{}-", self.disks)
    }
}

/// Who is connected with a node of this identity.
pub(super) fn connected(reach: &Arc<Mutex<Reach>>, me: &PublicKey) -> Connected {
    let (reach, me) = (Arc::clone(reach), me.clone());
    Box::new(move || reach.lock().expect("no test panics here").of(&me))
}

impl Reach {
    fn of(&self, me: &PublicKey) -> Vec<PublicKey> {
        let joined = |other: &PublicKey| {
            !self.cut.contains(&(me.clone(), other.clone()))
                && !self.cut.contains(&(other.clone(), me.clone()))
        };
        self.alive.iter().filter(|other| *other != me && joined(other)).cloned().collect()
    }
}

/// Whose validator is the one with this index, of so many: each member has some that follow each other.
pub(super) fn member_of(index: usize, validators: usize, members: usize) -> usize {
    index * members / validators
}

/// The genesis of a network of these validators, each with a node key and a consensus key.
fn genesis(pairs: &[(PublicKey, PublicKey)], members: usize, epoch_length: u64) -> Genesis {
    let validators =
        pairs.iter().enumerate().map(|(index, (node, vote))| windlass_chain::genesis::Validator {
            name: format!("validator-{index}"),
            node_key: key_bytes(node),
            consensus_key: key_bytes(vote),
            account: Address::ZERO,
            endpoint: String::new(),
        });
    let mut seats: Vec<Member> = (0..members)
        .map(|index| Member {
            organization: format!("member-{index}"),
            endpoint: String::new(),
            account: member(index),
            validators: Vec::new(),
        })
        .collect();
    for (index, validator) in validators.enumerate() {
        seats[member_of(index, pairs.len(), members)].validators.push(validator);
    }
    Genesis {
        chain_id: CHAIN_ID,
        timestamp: 0,
        gas_limit: 30_000_000,
        contract_size_limit: 24_576,
        transaction_gas_cap: 16_777_216,
        min_block_interval_ms: 0,
        epoch_length,
        signature_scheme: SignatureScheme::Ed25519,
        fees: Fees::Free,
        alloc: BTreeMap::new(),
        governance: Governance::default(),
        permissions: Permissions::default(),
        predecessor: None,
        members: seats,
    }
}

/// A key whose record of votes outlives every crash.
pub(crate) fn voting_key(signer: HandleSigner) -> VotingKey {
    VotingKey { signer, marker: Arc::new(MemoryMarker::default()) }
}

fn board(key: &PublicKey, signer: &HandleSigner, peers: &[PublicKey]) -> StatusBoard {
    let identity = Identity {
        node_key: key_bytes(key),
        consensus_key: key_bytes(&signer.public_key()),
        genesis_hash: B256::ZERO,
        chain_id: 1,
        validators: peers.iter().map(key_bytes).collect(),
    };
    StatusBoard::new(identity, StatusTip::default())
}
