//! Validators that lie: in their votes, about their state, or by flooding everybody.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::B256;
use commonware_codec::{DecodeExt, Encode, ReadExt, varint::UInt};
use commonware_consensus::{
    simplex::types::{Finalize, Notarize, Nullify, Proposal, Vote},
    types::Epoch,
};
use commonware_p2p::{Receiver as _, Recipients, Sender as _};
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _, deterministic};
use rand_core::Rng as _;
use windlass_chain::sync::{ANSWER_BYTES, Answer, Request};

use super::{
    machine::{Machine, Real},
    network::Network,
    process::{CHANNELS, STATE},
};
use crate::{
    consensus::{
        committees::Committees,
        digest::Digest,
        scheme::{Scheme, Voting},
    },
    seam::Ledger,
    sync::Message,
};

/// How often a flood comes, how many questions about the state are in it, and how many come.
const FLOOD_BEAT: Duration = Duration::from_millis(250);
const QUESTIONS: u64 = 20;
const FLOODS: u64 = 60;
/// How often one who floods repeats what it hears, and how many messages of a channel.
const ECHOES: usize = 5;
const ECHOED: usize = 1_000;

/// How a validator votes that lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    /// For each block that others vote for, and for one that is nowhere.
    Equivocates,
    /// It finalizes each block, and nullifies its view.
    NullifiesWhatItFinalizes,
    /// For each block, but it tells one other only, and finalizes nothing.
    Withholds,
}

/// Where a liar gets what it doesn't know itself: the ledger of an honest node, while that runs.
#[derive(Clone, Debug)]
pub(super) struct Accomplice<L> {
    ledger: Arc<Mutex<L>>,
}

impl<L: Ledger> Accomplice<L> {
    pub(super) fn new(ledger: L) -> Self {
        Self { ledger: Arc::new(Mutex::new(ledger)) }
    }

    /// Another one, since the process of the first may be gone.
    pub(super) fn replace(&self, ledger: L) {
        *self.ledger.lock().expect("no test panics here") = ledger;
    }

    fn ledger(&self) -> L {
        self.ledger.lock().expect("no test panics here").clone()
    }
}

/// How often a liar has lied.
pub(super) type Lies = Arc<AtomicU64>;

/// What a liar votes with.
struct Voter<L> {
    lie: Lie,
    committees: Committees,
    accomplice: Accomplice<L>,
    entered: BTreeMap<u64, Arc<Scheme>>,
    context: deterministic::Context,
}

impl<L: Ledger> Voter<L> {
    /// The committee of an epoch, once an honest node has entered that.
    fn scheme(&mut self, epoch: u64) -> Option<Arc<Scheme>> {
        if let Some(scheme) = self.entered.get(&epoch) {
            return Some(Arc::clone(scheme));
        }
        let committee = self.accomplice.ledger().committee(epoch).ok().flatten()?;
        self.committees.learn(Epoch::new(epoch), &committee);
        let scheme = self.committees.enter(Epoch::new(epoch), Voting::On)?;
        self.entered.insert(epoch, Arc::clone(&scheme));
        Some(scheme)
    }

    /// What it says to a vote.
    fn votes(&mut self, epoch: u64, vote: Vote<Scheme, Digest>) -> Vec<Vote<Scheme, Digest>> {
        let Some(scheme) = self.scheme(epoch) else { return Vec::new() };
        let mut nowhere = [0u8; 32];
        self.context.fill_bytes(&mut nowhere);
        let other = |proposal: &Proposal<Digest>| {
            Proposal::new(proposal.round, proposal.parent, Digest(nowhere))
        };
        let votes: Vec<Option<Vote<Scheme, Digest>>> = match (vote, self.lie) {
            (Vote::Notarize(vote), Lie::Equivocates) => [other(&vote.proposal), vote.proposal]
                .into_iter()
                .map(|one| Notarize::sign(scheme.as_ref(), one).map(Vote::Notarize))
                .collect(),
            (Vote::Finalize(vote), Lie::Equivocates) => [other(&vote.proposal), vote.proposal]
                .into_iter()
                .map(|one| Finalize::sign(scheme.as_ref(), one).map(Vote::Finalize))
                .collect(),
            (Vote::Finalize(vote), Lie::NullifiesWhatItFinalizes) => {
                let nullify = Nullify::sign::<Digest>(scheme.as_ref(), vote.proposal.round);
                let finalize = Finalize::sign(scheme.as_ref(), vote.proposal);
                vec![nullify.map(Vote::Nullify), finalize.map(Vote::Finalize)]
            }
            (Vote::Notarize(vote), Lie::Withholds) => {
                vec![Notarize::sign(scheme.as_ref(), vote.proposal).map(Vote::Notarize)]
            }
            (
                Vote::Notarize(_) | Vote::Nullify(_) | Vote::Finalize(_),
                Lie::NullifiesWhatItFinalizes | Lie::Equivocates | Lie::Withholds,
            ) => Vec::new(),
        };
        votes.into_iter().flatten().collect()
    }
}

impl<M: Machine> Network<M> {
    /// Has a validator that doesn't run answer each vote, and how often it did.
    pub(super) async fn lie(
        &mut self,
        index: usize,
        lie: Lie,
        accomplice: Accomplice<M::Ledger>,
    ) -> Lies {
        let validator = &self.validators[index];
        let signers = vec![validator.voting_keys[0].signer.clone()];
        let genesis = accomplice.ledger().genesis().hash();
        let committees = Committees::new(genesis, validator.key.clone(), Vec::new(), signers);
        let only = self.validators[usize::from(index == 0)].key.clone();
        let (mut sender, mut receiver) = self.register(index, 0).await;
        self.come(index);
        let told = Lies::default();
        let lies = Arc::clone(&told);
        self.context.child("liar").spawn(move |context| async move {
            let entered = BTreeMap::new();
            let mut voter = Voter { lie, committees, accomplice, entered, context };
            while let Ok((_, mut message)) = receiver.recv().await {
                let Ok(UInt(epoch)) = UInt::<u64>::read(&mut message) else { continue };
                let Ok(vote) = Vote::<Scheme, Digest>::decode(message) else { continue };
                for vote in voter.votes(epoch, vote) {
                    let mut message = UInt(epoch).encode().to_vec();
                    message.extend_from_slice(&vote.encode());
                    let to = match lie {
                        Lie::Equivocates | Lie::NullifiesWhatItFinalizes => Recipients::All,
                        Lie::Withholds => Recipients::One(only.clone()),
                    };
                    let _sent = sender.send(to, bytes::Bytes::from(message), true);
                    lies.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        told
    }

    /// Has a validator that doesn't run repeat what it hears on the other channels than those of
    /// votes and the state, and ask everybody about their state again and again.
    pub(super) async fn flood(&mut self, index: usize) {
        self.come(index);
        for channel in 1..CHANNELS - 1 {
            let (mut sender, mut receiver) = self.register(index, channel).await;
            self.context.child("flood").spawn(move |_| async move {
                for _ in 0..ECHOED {
                    let Ok((_, message)) = receiver.recv().await else { return };
                    let message = bytes::Bytes::from(Vec::<u8>::from(message));
                    for _ in 0..ECHOES {
                        let _sent = sender.send(Recipients::All, message.clone(), false);
                    }
                }
            });
        }
        let (mut sender, _) = self.register(index, STATE).await;
        self.context.child("flood").spawn(move |context| async move {
            for round in 0..FLOODS {
                let requests = [
                    Request::Accounts { from: B256::ZERO, to: B256::repeat_byte(0xff) },
                    Request::Changed { after: round },
                    Request::Blocks { last: u64::MAX, count: u64::MAX },
                ];
                for number in 0..QUESTIONS {
                    let request = requests[usize::try_from(number % 3).expect("small")].clone();
                    let asked = Message::Ask(number, request).encode();
                    let _sent = sender.send(Recipients::All, asked, false);
                }
                context.sleep(FLOOD_BEAT).await;
            }
        });
    }
}

impl Network<Real> {
    /// Has a validator that doesn't run tell less than there is to those who ask about the state;
    /// how often it did.
    pub(super) async fn lie_in_sync(
        &mut self,
        index: usize,
        accomplice: Accomplice<<Real as Machine>::Ledger>,
    ) -> Lies {
        self.come(index);
        let (mut sender, mut receiver) = self.register(index, STATE).await;
        let told = Lies::default();
        let lies = Arc::clone(&told);
        self.context.child("liar").spawn(move |_| async move {
            while let Ok((peer, bytes)) = receiver.recv().await {
                let bytes: Vec<u8> = bytes.into();
                let Some(Message::Ask(number, request)) = Message::decode(&bytes) else { continue };
                let ledger = accomplice.ledger();
                let chain = ledger.chain().expect("it is real");
                // Its process may be gone.
                let Ok(answer) = chain.answer(&request, ANSWER_BYTES) else { continue };
                let lie = match answer {
                    Answer::Accounts(mut range) => {
                        range.accounts.pop();
                        Answer::Accounts(range)
                    }
                    Answer::Changed(mut changed) => {
                        changed.accounts.clear();
                        changed.slots.clear();
                        Answer::Changed(changed)
                    }
                    other => other,
                };
                lies.fetch_add(1, Ordering::Relaxed);
                let told = Message::Tell(number, lie).encode();
                let _sent = sender.send(Recipients::One(peer), told, false);
            }
        });
        told
    }
}
