//! The members of storms: what they propose and vote, one transaction after the other, and what the
//! chain must have in the end.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::atomic::{AtomicU64, Ordering},
};

use alloy_primitives::{B256, Bytes, keccak256};
use commonware_cryptography::Signer as _;

use super::{
    machine::{Change, Real, proposal, vote},
    network::{Network, member_of, voting_key},
    storm::Storm,
};
use crate::{
    consensus::{exchange::key_bytes, signer::HandleSigner},
    seam::{Ledger as _, Origin},
};

/// Keys of other seeds are others'.
const FIRST_KEY: u64 = 10_000;

/// How many changes were decided in all storms of this process.
pub(super) static CHANGES: AtomicU64 = AtomicU64::new(0);

/// The members of a storm in which something is changed.
pub(super) struct Council {
    /// How many members there are, and how many transactions each has sent.
    nonces: Vec<u64>,
    /// How many validators must stay.
    least: usize,
    /// How many proposals were made.
    proposals: u64,
    /// Transactions that nobody has seen final, in order: one is given away once the last one is there.
    under_way: VecDeque<Bytes>,
    /// The validators as the proposals have them, by their numbers: whose they are, and their keys.
    validators: BTreeMap<u32, (usize, B256, B256)>,
    suspended: BTreeSet<u32>,
    /// The member that is suspended.
    silenced: Option<usize>,
    /// Whether the node that the genesis doesn't name was proposed.
    is_complete: bool,
    /// Keys that were made for replacements.
    keys: u64,
}

impl Council {
    pub(super) fn new(network: &Network<Real>, least: usize) -> Self {
        let members = network.genesis.members.len();
        let count = network.genesis.validators().count();
        let seats = network.genesis.validators().enumerate().map(|(index, one)| {
            let member = member_of(index, count, members);
            (number(index), (member, one.node_key, one.consensus_key))
        });
        Self {
            nonces: vec![0; members],
            least,
            proposals: 0,
            under_way: VecDeque::new(),
            validators: seats.collect(),
            suspended: BTreeSet::new(),
            silenced: None,
            is_complete: false,
            keys: 0,
        }
    }

    /// The members that can act.
    fn active(&self) -> Vec<usize> {
        (0..self.nonces.len()).filter(|member| Some(*member) != self.silenced).collect()
    }

    /// The keys of those that vote once everything is done that was proposed.
    fn seats(&self) -> BTreeSet<(B256, B256)> {
        let votes = |(number, (member, _, _)): &(&u32, &(usize, B256, B256))| {
            !self.suspended.contains(number) && Some(*member) != self.silenced
        };
        self.validators.iter().filter(votes).map(|(_, (_, node, vote))| (*node, *vote)).collect()
    }

    /// The same if a change were made; none if it would leave too few.
    fn after(&mut self, change: impl FnOnce(&mut Self)) -> Option<()> {
        let before = (self.suspended.clone(), self.silenced);
        change(self);
        if self.seats().len() >= self.least {
            return Some(());
        }
        (self.suspended, self.silenced) = before;
        None
    }

    /// Has the members decide a change, by as many votes as it takes.
    fn decide(&mut self, change: Change, active: &[usize]) {
        self.proposals += 1;
        for (place, member) in active.iter().take(active.len() / 2 + 1).enumerate() {
            let nonce = self.nonces[*member];
            self.nonces[*member] += 1;
            self.under_way.push_back(match place {
                0 => proposal(*member, nonce, change),
                _ => vote(*member, nonce, self.proposals),
            });
        }
        CHANGES.fetch_add(1, Ordering::Relaxed);
    }
}

/// The contract's number of a validator.
pub(super) fn number(index: usize) -> u32 {
    u32::try_from(index + 1).expect("small")
}

impl Network<Real> {
    /// The keys that a node began with: its identity, and the one of its votes.
    pub(super) fn keys_of(&self, index: usize) -> (B256, B256) {
        let validator = &self.validators[index];
        let vote = validator.voting_keys.last().expect("it has one");
        (key_bytes(&validator.key), key_bytes(&vote.signer.public_key()))
    }
}

impl Storm<'_> {
    /// The members go on with what they are at, or begin something new.
    pub(super) async fn govern(&mut self) {
        let Some(council) = &self.council else { return };
        if council.under_way.is_empty() {
            let mut active = council.active();
            let first = self.pick(active.len());
            active.rotate_left(first);
            let Some(change) = self.change().await else { return };
            let council = self.council.as_mut().expect("it was there");
            council.decide(change, &active);
        }
        let running = self.running();
        if !running.is_empty() {
            let to = running[self.pick(running.len())];
            self.submit(to);
        }
    }

    /// What the members want next.
    async fn change(&mut self) -> Option<Change> {
        match self.pick(8) {
            0..2 => self.complete(),
            2..5 => self.suspend_or_resume(),
            5 => self.silence(),
            _ => self.renew().await,
        }
    }

    /// The node that comes later becomes a validator of the first member.
    fn complete(&mut self) -> Option<Change> {
        let (node, vote) = self.network.keys_of(self.network.validators.len() - 1);
        let council = self.council.as_mut()?;
        if council.is_complete || council.silenced == Some(0) {
            return None;
        }
        council.is_complete = true;
        council.validators.insert(number(council.validators.len()), (0, node, vote));
        Some(Change::Add(node, vote))
    }

    fn suspend_or_resume(&mut self) -> Option<Change> {
        let count = self.council.as_ref()?.validators.len();
        let validator = number(self.pick(count));
        let council = self.council.as_mut()?;
        if council.suspended.remove(&validator) {
            return Some(Change::Resume(validator));
        }
        council.after(|council| {
            council.suspended.insert(validator);
        })?;
        Some(Change::Suspend(validator))
    }

    /// One of several members is suspended, or taken back.
    fn silence(&mut self) -> Option<Change> {
        let count = self.council.as_ref()?.nonces.len();
        let member = self.pick(count);
        let council = self.council.as_mut()?;
        if let Some(silenced) = council.silenced.take() {
            return Some(Change::ResumeMember(number(silenced)));
        }
        if count == 1 {
            return None;
        }
        council.after(|council| council.silenced = Some(member))?;
        Some(Change::SuspendMember(number(member)))
    }

    /// A node comes again with one key more, which the members put in the place of the one that it has.
    async fn renew(&mut self) -> Option<Change> {
        let count = self.council.as_ref()?.validators.len();
        let index = self.pick(count);
        let is_identity = self.pick(2) == 0;
        if self.lies(index) {
            return None;
        }
        let council = self.council.as_mut()?;
        council.keys += 1;
        let signer = HandleSigner::from_seed(FIRST_KEY + council.keys);
        let key = key_bytes(&signer.public_key());
        let (_, node, vote) = council.validators.get_mut(&number(index))?;
        *if is_identity { node } else { vote } = key;
        if self.network.running_indices().contains(&index) {
            self.network.kill(index).await;
        }
        let change = if is_identity {
            self.network.give_identity(index, signer.public_key()).await;
            Change::ReplaceNode(number(index), key)
        } else {
            self.network.validators[index].voting_keys.insert(0, voting_key(signer));
            Change::ReplaceConsensus(number(index), key)
        };
        self.begin(index).await;
        Some(change)
    }

    /// Gives the transaction on its way to a validator.
    pub(super) fn submit(&mut self, to: usize) {
        let validator = &self.network.validators[to];
        let next = self.council.as_ref().and_then(|council| council.under_way.front());
        if let Some(bytes) = next
            && !validator.machine.has_failed()
        {
            // It may be there already.
            let _known = validator.ledger.admit(bytes.clone(), Origin::Client);
        }
    }

    /// Whether the transaction on its way has arrived.
    pub(super) fn settle(&mut self) {
        let next = self.council.as_ref().and_then(|council| council.under_way.front());
        let Some(hash) = next.map(keccak256) else { return };
        let there = self.running().into_iter().any(|index| {
            let validator = &self.network.validators[index];
            let chain = validator.ledger.honest.chain();
            !validator.machine.has_failed()
                && chain.transaction(hash).expect("the ledger reads").is_some()
        });
        if there && let Some(council) = &mut self.council {
            council.under_way.pop_front();
        }
    }

    /// Everything that was decided is in the state.
    pub(super) fn check_council(&self) {
        let Some(council) = self.council.as_ref().filter(|one| one.under_way.is_empty()) else {
            return;
        };
        let ledger = &self.network.validators[self.running()[0]].ledger;
        let seats = ledger.next_validators().expect("the ledger reads");
        let seats: BTreeSet<(B256, B256)> =
            seats.iter().map(|seat| (seat.node_key, seat.consensus_key)).collect();
        assert_eq!(seats, council.seats(), "what the members decided is so");
    }
}
