//! What a simulated node does in consensus, under one identity after another, as the chain has it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::simulated::Oracle;
use commonware_runtime::{Metrics, Spawner, Storage, Supervisor, deterministic};
use rand_core::CryptoRng;

use super::{
    network::{Board, Reach, SimulatedSender, connected},
    plot::{Mouth, Plotter, Tongue, Topic},
    process::{BLOCKS, CHANNELS, QUOTA, TIPS, VOTES},
    wire::{Weather, Wire},
};
use crate::{
    consensus::{
        Channels, Parts, Settings, StartError,
        committees::Committees,
        epochs::EpochError,
        exchange::{Connected, key_bytes},
        marker::VotingKey,
        peers::Tracking,
        start,
        steady::Wall,
        work::Work,
    },
    run::identity::known,
    seam::Ledger,
    status::{Identity, StatusBoard, StatusTip},
};

/// What a process takes part with.
pub(super) struct Life<L> {
    pub(super) ledger: L,
    pub(super) work: Work,
    pub(super) partitions: String,
    /// Its identities.
    pub(super) keys: Vec<PublicKey>,
    /// Where it is in a plot.
    pub(super) plotter: Option<Plotter>,
    pub(super) voting_keys: Vec<VotingKey>,
    pub(super) settings: Settings,
    pub(super) status: Board,
    pub(super) wall: Wall,
    pub(super) weather: Weather,
    pub(super) oracle: Oracle<PublicKey, deterministic::Context>,
    pub(super) reach: Arc<Mutex<Reach>>,
    pub(super) wires: deterministic::Context,
}

type Wires = Channels<Mouth, Wire>;

impl<L: Ledger> Life<L> {
    /// The identity by which the chain has the node.
    pub(super) fn known(&self) -> PublicKey {
        let epoch_length = self.settings.epoch_length.get();
        let index = known(&self.ledger, epoch_length, &self.keys).expect("the ledger reads");
        self.keys[index].clone()
    }

    pub(super) async fn channels(&self, key: &PublicKey) -> Wires {
        let control = self.oracle.control(key.clone());
        let mut channels = Vec::new();
        for channel in 0..CHANNELS {
            let (sender, inner) = control.register(channel, QUOTA).await.expect("the network runs");
            let wire = Wire {
                inner,
                context: self.wires.child("wire"),
                weather: self.weather.clone(),
                ready: VecDeque::new(),
                held: None,
                of_tips: channel == TIPS,
            };
            channels.push((self.mouth(key, channel, sender), wire));
        }
        let mut next = || channels.remove(0);
        Channels {
            votes: next(),
            certificates: next(),
            resolver: next(),
            blocks: next(),
            backfill: next(),
            tips: next(),
            transactions: next(),
            state: next(),
        }
    }

    /// What goes out on a channel, changed where it is in a plot.
    fn mouth(&self, key: &PublicKey, channel: u64, inner: SimulatedSender) -> Mouth {
        let topic = match channel {
            VOTES => Some(Topic::Votes),
            BLOCKS => Some(Topic::Blocks),
            _ => None,
        };
        let tongue = topic.zip(self.plotter.clone()).map(|(topic, plotter)| {
            let signers = self.voting_keys.iter().map(|key| key.signer.clone()).collect();
            let genesis = self.ledger.genesis().hash();
            let committees = Committees::new(genesis, key.clone(), Vec::new(), signers);
            let ledger = self.ledger.clone();
            // Its disk may have failed.
            let kept = Arc::new(move |epoch| ledger.committee(epoch).ok().flatten());
            (topic, Tongue { plotter, committees, kept })
        });
        Mouth { inner, tongue }
    }

    /// Who is connected with it.
    pub(super) fn connected(&self, key: &PublicKey) -> Connected {
        connected(&self.reach, key)
    }

    /// Has the others see the node by this identity, and by no other one of it.
    pub(super) fn come(&self, key: &PublicKey) {
        let mut reach = self.reach.lock().expect("no test panics here");
        reach.alive.retain(|other| !self.keys.contains(other));
        reach.alive.insert(key.clone());
    }

    /// Runs until consensus ends, and says how, or why it did not start.
    pub(super) async fn run<E>(
        self,
        context: E,
        (mut key, mut channels): (PublicKey, Wires),
    ) -> Result<EpochError, String>
    where
        E: commonware_runtime::Clock + CryptoRng + Spawner + Storage + Metrics + Supervisor,
    {
        for time in 0_u64.. {
            let context = context.child("consensus").with_attribute("time", time);
            let parts = self.parts(&key);
            let ended = match Box::pin(start(context, parts, channels)).await {
                Ok(mut consensus) => match (&mut consensus.epochs).await {
                    Ok(Err(error)) => error,
                    ended => return Err(format!("{ended:?}")),
                },
                Err(StartError::Epoch(error)) => error,
                Err(error) => return Err(format!("{error:?}")),
            };
            let EpochError::OtherIdentity(other) = ended else { return Ok(ended) };
            key = *other;
            self.come(&key);
            channels = self.channels(&key).await;
        }
        unreachable!("a node has two identities")
    }

    fn parts(
        &self,
        key: &PublicKey,
    ) -> Parts<
        L,
        commonware_p2p::simulated::Control<PublicKey, deterministic::Context>,
        commonware_p2p::simulated::Manager<PublicKey, deterministic::Context>,
    > {
        Parts {
            ledger: self.ledger.clone(),
            work: self.work.clone(),
            serving: Work::Inline,
            partitions: self.partitions.clone(),
            node_key: key.clone(),
            other_node_keys: self.keys.iter().filter(|other| *other != key).cloned().collect(),
            voting_keys: self.voting_keys.clone(),
            settings: self.settings,
            blocker: self.oracle.control(key.clone()),
            peers: self.oracle.manager(),
            track: Box::new(|_| Tracking::Done),
            connected: self.connected(key),
            status: self.board(key),
            wall: self.wall.clone(),
        }
    }

    /// The board of this identity.
    fn board(&self, key: &PublicKey) -> StatusBoard {
        let mut board = self.status.lock().expect("no test panics here");
        let shown = board.get();
        if shown.node_key != key_bytes(key) {
            let tip = self.ledger.tip();
            let identity = Identity {
                node_key: key_bytes(key),
                consensus_key: shown.consensus_key,
                genesis_hash: shown.genesis_hash,
                chain_id: shown.chain_id,
                validators: shown.peers.iter().map(|peer| peer.node_key).collect(),
            };
            let (number, hash, timestamp_ms) = (tip.number, tip.hash, tip.timestamp_ms);
            *board = StatusBoard::new(identity, StatusTip { number, hash, timestamp_ms });
        }
        board.clone()
    }
}
