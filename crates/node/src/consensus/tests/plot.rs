//! Validators that attempt a fork as it has to be done: each block that one of them proposes has a second
//! one beside it, valid like the first and of the same parent. One half of the honest validators is given
//! the first, with votes for it, the other half the second, and all of them in the plot vote for both.
//!
//! They run what honest ones run, and get to know of the chain what these do; only their ledgers make the
//! second blocks, and what they say is changed on its way out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::SystemTime,
};

use alloy_primitives::{B256, keccak256};
use commonware_actor::{Feedback, Unreliable};
use commonware_codec::{Decode as _, DecodeExt as _, Encode as _, ReadExt as _, varint::UInt};
use commonware_consensus::{
    simplex::types::{Finalize, Notarize, Proposal, Vote},
    types::{Epoch, Round},
};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, Sender as _};
use commonware_runtime::{IoBuf, IoBufs};
use windlass_chain::{
    Block,
    governance::{Committee, SeatedValidator},
};

use super::{
    liars::Lies,
    machine::Real,
    network::{Network, SimulatedSender},
};
use crate::consensus::{
    block::{BlockLimit, MAX_BLOCK_BYTES, OrderedBlock},
    committees::Committees,
    digest::Digest,
    exchange::key_bytes,
    scheme::{Scheme, Voting},
};

/// What several have in common who are in one plot. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    /// Of a thousand pairs of blocks, how many everybody is given both of.
    openly: u64,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The node keys of those who are in it.
    members: BTreeSet<B256>,
    /// By the hashes of both blocks.
    pairs: BTreeMap<B256, Arc<Pair>>,
}

/// Two valid blocks of one parent.
#[derive(Debug)]
struct Pair {
    blocks: [Block; 2],
    /// Who is given the first one; all others are given the second.
    first: BTreeSet<B256>,
    manner: Manner,
}

/// Who is given which block of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// One half the first, the other half the second.
    Split,
    /// Everybody both.
    Open,
}

impl Plot {
    /// A plot of nobody; of a thousand pairs of blocks everybody is given both of so many.
    pub(crate) fn new(openly: u64) -> Self {
        Self { openly, inner: Arc::default() }
    }

    /// Notes two blocks, and by their hashes decides who is given which of them.
    fn make(&self, blocks: [Block; 2], seats: &[SeatedValidator]) {
        let [hash, other] = [blocks[0].hash(), blocks[1].hash()];
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let honest = seats.iter().map(|seat| seat.node_key);
        let mut honest: Vec<B256> = honest.filter(|key| !inner.members.contains(key)).collect();
        honest.sort_by_key(|key| keccak256([hash, *key].concat()));
        // Of an odd number either half may be the larger one.
        let half = usize::midpoint(honest.len(), usize::from(hash[0] % 2));
        let chance = u64::from(u16::from_be_bytes([hash[1], hash[2]])) % 1_000;
        let manner = if chance < self.openly { Manner::Open } else { Manner::Split };
        let first = honest.into_iter().take(half).chain(inner.members.iter().copied()).collect();
        let pair = Arc::new(Pair { blocks, first, manner });
        inner.pairs.extend([(hash, Arc::clone(&pair)), (other, pair)]);
    }

    /// The two of which this is one, if it is.
    fn pair(&self, hash: B256) -> Option<Arc<Pair>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.pairs.get(&hash).cloned()
    }
}

impl Pair {
    /// Each block, and who of these is given it.
    fn shares(&self, to: &[PublicKey]) -> [(&Block, Vec<PublicKey>); 2] {
        let [first, second] = &self.blocks;
        match self.manner {
            Manner::Open => [(first, to.to_vec()), (second, to.to_vec())],
            Manner::Split => {
                let (ones, others) =
                    to.iter().cloned().partition(|key| self.first.contains(&key_bytes(key)));
                [(first, ones), (second, others)]
            }
        }
    }
}

/// One who is in a plot; it outlives its processes. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub(crate) struct Plotter {
    plot: Plot,
    /// How often it voted for two blocks, each before one half, and how often before everybody.
    pub(crate) told: Lies,
    pub(crate) openly: Lies,
    /// The views in which it has done so before halves: it does not give itself away there.
    views: Arc<Mutex<BTreeSet<Round>>>,
}

impl Plotter {
    /// Notes that it proposes two blocks to a committee.
    pub(crate) fn make(&self, blocks: [Block; 2], seats: &[SeatedValidator]) {
        self.plot.make(blocks, seats);
    }

    fn views(&self) -> std::sync::MutexGuard<'_, BTreeSet<Round>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Network<Real> {
    /// From its next start on a validator is in a plot.
    pub(crate) fn join_plot(&mut self, index: usize, plot: &Plot) -> Plotter {
        let validator = &mut self.validators[index];
        let key = key_bytes(&validator.key);
        plot.inner.lock().unwrap_or_else(PoisonError::into_inner).members.insert(key);
        let views = Arc::default();
        let plotter =
            Plotter { plot: plot.clone(), told: Lies::default(), openly: Lies::default(), views };
        validator.machine.plotter = Some(plotter.clone());
        plotter
    }
}

/// Who votes in an epoch, as a ledger keeps it.
pub(crate) type Kept = Arc<dyn Fn(u64) -> Option<Committee> + Send + Sync>;

/// How one who is in a plot changes what its process says.
#[derive(Clone)]
pub(crate) struct Tongue {
    pub(crate) plotter: Plotter,
    pub(crate) committees: Committees,
    pub(crate) kept: Kept,
}

/// What is said on a channel, where it is changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Topic {
    Votes,
    Blocks,
}

/// A message, and whom it goes to.
type Said = (Vec<PublicKey>, IoBuf);

impl Tongue {
    /// What is said instead of a message, if anything is.
    fn instead(&self, topic: Topic, message: &IoBuf, to: &[PublicKey]) -> Option<Vec<Said>> {
        match topic {
            Topic::Votes => self.votes(message.clone(), to),
            Topic::Blocks => self.blocks(message.clone(), to),
        }
    }

    fn blocks(&self, message: IoBuf, to: &[PublicKey]) -> Option<Vec<Said>> {
        let block = OrderedBlock::decode_cfg(message, &BlockLimit(MAX_BLOCK_BYTES)).ok()?;
        let pair = self.plotter.plot.pair(block.0.hash())?;
        let said = |(block, to): (&Block, _)| {
            (to, IoBuf::from(OrderedBlock(block.clone()).encode().to_vec()))
        };
        Some(pair.shares(to).map(said).into())
    }

    /// Whoever is given a block is told at once that it is to be final: nobody who wants a fork waits
    /// until enough others say so.
    fn votes(&self, mut message: IoBuf, to: &[PublicKey]) -> Option<Vec<Said>> {
        let UInt(epoch) = UInt::<u64>::read(&mut message).ok()?;
        let proposal = match Vote::<Scheme, Digest>::decode(message).ok()? {
            Vote::Notarize(vote) => vote.proposal,
            Vote::Finalize(vote) => vote.proposal,
            Vote::Nullify(vote) => {
                return self.plotter.views().contains(&vote.round).then(Vec::new);
            }
        };
        let pair = self.plotter.plot.pair(proposal.payload.into())?;
        let scheme = self.scheme(epoch)?;
        match pair.manner {
            Manner::Open => self.plotter.openly.fetch_add(1, Ordering::Relaxed),
            Manner::Split => {
                self.plotter.views().insert(proposal.round);
                self.plotter.told.fetch_add(1, Ordering::Relaxed)
            }
        };
        let said = pair.shares(to).into_iter().flat_map(|(block, to)| {
            let (round, parent) = (proposal.round, proposal.parent);
            let one = Proposal::new(round, parent, Digest::from(block.hash()));
            let votes = [
                Notarize::sign(scheme.as_ref(), one.clone()).map(Vote::Notarize),
                Finalize::sign(scheme.as_ref(), one).map(Vote::Finalize),
            ];
            votes.into_iter().flatten().map(move |vote: Vote<Scheme, Digest>| {
                let message = [UInt(epoch).encode().as_ref(), vote.encode().as_ref()].concat();
                (to.clone(), IoBuf::from(message))
            })
        });
        Some(said.collect())
    }

    /// What it signs with in an epoch.
    fn scheme(&self, epoch: u64) -> Option<Arc<Scheme>> {
        let entered = Epoch::new(epoch);
        if self.committees.hash_of(entered).is_none() {
            self.committees.learn(entered, &(self.kept)(epoch)?);
            self.committees.enter(entered, Voting::On)?;
        }
        self.committees.of(entered)
    }
}

/// The end of a channel that a process speaks into.
#[derive(Clone)]
pub(crate) struct Mouth {
    pub(crate) inner: SimulatedSender,
    /// Where what it says is changed.
    pub(crate) tongue: Option<(Topic, Tongue)>,
}

impl std::fmt::Debug for Mouth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mouth").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl LimitedSender for Mouth {
    type PublicKey = PublicKey;
    type Checked<'a> = Saying<'a>;

    fn check(&mut self, recipients: Recipients<PublicKey>) -> Result<Saying<'_>, SystemTime> {
        let forked = self.tongue.as_ref().map(|(topic, tongue)| Forked {
            topic: *topic,
            tongue: tongue.clone(),
            sender: self.inner.clone(),
        });
        Ok(Saying { honest: self.inner.check(recipients)?, forked })
    }
}

/// A message that is about to be sent.
pub(crate) struct Saying<'a> {
    honest: <SimulatedSender as LimitedSender>::Checked<'a>,
    forked: Option<Forked>,
}

/// What changes it.
struct Forked {
    topic: Topic,
    tongue: Tongue,
    sender: SimulatedSender,
}

impl CheckedSender for Saying<'_> {
    type PublicKey = PublicKey;

    fn recipients(&self) -> Vec<PublicKey> {
        self.honest.recipients()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let Some(Forked { topic, tongue, mut sender }) = self.forked else {
            return self.honest.send(message, priority);
        };
        let message = message.into().coalesce();
        let Some(said) = tongue.instead(topic, &message, &self.honest.recipients()) else {
            return self.honest.send(message, priority);
        };
        for (to, message) in said {
            let _sent = sender.send(Recipients::Some(to), message, priority);
        }
        Unreliable::new(Feedback::Ok)
    }
}
