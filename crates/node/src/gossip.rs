//! Transactions go to every validator.
//!
//! What enters the pool is sent to all peers at once; whatever is still pending is sent again with
//! growing pauses, and when a peer connects, so that a transaction reaches the next leader however
//! many messages are lost. What came from a peer is not passed on at once (all validators are
//! connected to each other), but where it stays pending: whoever sent it may be gone, with nobody else
//! having it. Nothing is sent while nothing is pending.
//!
//! Message: the transactions (EIP-2718 bytes), each with its length, together at most 512 KiB, or one
//! that is larger; at most [`MAX_MESSAGE_BYTES`].

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use alloy_primitives::{B256, Bytes, keccak256};
use commonware_codec::{Buf, Decode, Encode, EncodeSize, Error as CodecError, RangeCfg};
use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender};
use commonware_runtime::Clock;

use crate::{
    consensus::{bell::Bell, heard::Heard, work::Work},
    intake::{self, Intake, Limits},
    seam::{Ledger, Origin},
};

/// How many bytes transactions have together that share a message.
const BATCH_BYTES: usize = 512 * 1_024;
/// The largest message.
pub const MAX_MESSAGE_BYTES: usize = MAX_TRANSACTION_BYTES + LENGTHS;
/// The largest transaction that is taken; with the spec's greatest contract it is half of that.
pub const MAX_TRANSACTION_BYTES: usize = 4 << 20;
/// How many transactions there are, and how long each is.
const LENGTHS: usize = 8;
/// How much of one peer, and in all, may wait for its admission.
const LIMITS: Limits = Limits {
    message: MAX_MESSAGE_BYTES,
    messages: usize::MAX,
    of_peer: MAX_MESSAGE_BYTES + 1_024,
    all: 16 * MAX_MESSAGE_BYTES,
};
/// The most transactions in a message.
const MAX_TRANSACTIONS: usize = 4_096;
/// The shortest time between two messages, so that many transactions share one.
const GATHER: Duration = Duration::from_millis(8);
/// The first and the longest pause before what is pending is sent again.
const FIRST_REPEAT: Duration = Duration::from_secs(1);
const LAST_REPEAT: Duration = Duration::from_secs(30);
/// The first pause where all that is pending came from peers: they repeat it themselves.
const FOR_PEERS: Duration = Duration::from_secs(4);
/// How many are admitted at once: what else waits for a thread waits for that many.
const AT_ONCE: usize = 64;
/// How many transactions from peers are remembered.
const REMEMBERED: usize = 16_384;

/// The gossip's state.
pub struct Gossip<E, L, S, B> {
    /// The clock; not the one that freezes.
    pub context: E,
    /// The pool.
    pub ledger: L,
    /// Where admissions run.
    pub work: Work,
    /// To the peers.
    pub sender: S,
    /// For those who send nonsense.
    pub blocker: B,
    /// Rung when the pool changes.
    pub bell: Bell,
    /// Who has connected.
    pub heard: Heard,
}

impl<E, L, S, B> std::fmt::Debug for Gossip<E, L, S, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gossip").finish_non_exhaustive()
    }
}

/// Transactions that peers have sent, the newest ones.
#[derive(Debug, Default)]
struct FromPeers {
    known: BTreeSet<B256>,
    order: VecDeque<B256>,
}

/// What came of sending what is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sent {
    /// Nothing is pending.
    Nothing,
    /// Peers have sent all of it.
    NothingFresh,
    /// Something was.
    Some,
}

impl FromPeers {
    fn insert(&mut self, hash: B256) {
        if self.known.insert(hash) {
            self.order.push_back(hash);
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

impl<E, L, S, B> Gossip<E, L, S, B>
where
    E: Clock,
    L: Ledger,
    S: Sender<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    /// Runs until the network closes.
    pub async fn run(self, receiver: impl Receiver<PublicKey = PublicKey>)
    where
        B: Clone,
    {
        let blocker = self.blocker.clone();
        let rules = (LIMITS, intake::take_all);
        intake::serve(receiver, blocker, rules, |intake| self.tell(intake)).await;
    }

    async fn tell(mut self, mut receiver: Intake) {
        let mut from_peers = FromPeers::default();
        let mut sequence = 0;
        let mut rings = self.bell.rings();
        let mut connections = self.heard.connections();
        let mut pause = FIRST_REPEAT;
        let mut repeat = None;
        let mut earliest = self.context.current();
        loop {
            let due = repeat;
            let wait = async {
                match due {
                    Some(due) => self.context.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            // Every branch only waits; the work is done below.
            let message = select! {
                message = receiver.recv() => match message {
                    Ok(message) => Some(message),
                    Err(_) => return,
                },
                () = self.bell.after(rings) => None,
                () = wait => None,
            };
            if let Some((peer, bytes)) = message {
                self.take(peer, bytes, &mut from_peers).await;
                continue;
            }
            let now = self.context.current();
            if let Ok(early) = earliest.duration_since(now) {
                self.context.sleep(early).await;
            }
            earliest = self.context.current() + GATHER;
            rings = self.bell.rings();
            let met = self.heard.connections() > connections;
            connections = self.heard.connections();
            let all = met || due.is_some_and(|due| due <= self.context.current());
            if all {
                sequence = 0;
            }
            let sent =
                self.send_after(&mut sequence, |hash| all || !from_peers.known.contains(hash));
            repeat = if all {
                pause = if met { FIRST_REPEAT } else { (pause * 2).min(LAST_REPEAT) };
                (sent == Sent::Some).then(|| self.context.current() + pause)
            } else if sent == Sent::Some {
                pause = FIRST_REPEAT;
                let soon = self.context.current() + pause;
                Some(repeat.map_or(soon, |due| due.min(soon)))
            } else if sent == Sent::NothingFresh && repeat.is_none() {
                pause = FOR_PEERS;
                Some(self.context.current() + pause)
            } else {
                repeat
            };
        }
    }

    /// Sends what entered the pool after a place in its order, and moves that on.
    fn send_after(&mut self, sequence: &mut u64, is_fresh: impl Fn(&B256) -> bool) -> Sent {
        let mut sent = Sent::Nothing;
        // The ledger hands out a bounded piece at a time.
        loop {
            let (next, pending) = self.ledger.pending_for_gossip(*sequence);
            let is_last = next == *sequence || pending.is_empty();
            *sequence = next;
            if is_last {
                return sent;
            }
            let fresh = pending.into_iter().filter(|(hash, _)| is_fresh(hash));
            let fresh: Vec<Bytes> = fresh.map(|(_, bytes)| bytes).collect();
            sent = sent.max(if fresh.is_empty() { Sent::NothingFresh } else { Sent::Some });
            self.send(fresh);
        }
    }

    /// Sends transactions, in as many messages as they need.
    fn send(&mut self, transactions: Vec<Bytes>) {
        let mut batch: Vec<bytes::Bytes> = Vec::new();
        let mut size = 0;
        for transaction in transactions {
            let length = transaction.0.encode_size();
            let is_full = size + length + LENGTHS > BATCH_BYTES || batch.len() >= MAX_TRANSACTIONS;
            if is_full && !batch.is_empty() {
                let _sent = self.sender.send(Recipients::All, batch.encode(), false);
                batch.clear();
                size = 0;
            }
            size += length;
            batch.push(transaction.0);
        }
        if !batch.is_empty() {
            let _sent = self.sender.send(Recipients::All, batch.encode(), false);
        }
    }

    /// Takes a peer's transactions into the pool.
    async fn take(
        &mut self,
        peer: PublicKey,
        bytes: commonware_runtime::IoBuf,
        from_peers: &mut FromPeers,
    ) {
        let Ok(transactions) = decode(bytes) else {
            commonware_p2p::block!(self.blocker, peer, "malformed transactions");
            return;
        };
        let transactions: Vec<Bytes> = transactions.into_iter().map(Bytes::from).collect();
        for some in transactions.chunks(AT_ONCE) {
            let (ledger, some) = (self.ledger.clone(), some.to_vec());
            let admit = move || {
                let hashes: Vec<B256> = some.iter().map(keccak256).collect();
                (hashes, ledger.admit_all(&some, Origin::Peer))
            };
            let Some((hashes, admitted)) = self.work.run(admit).await else { return };
            for hash in hashes {
                from_peers.insert(hash);
            }
            for refused in admitted.into_iter().filter_map(Result::err) {
                // Known ones come with every repetition, others lose a race with a block: no offence.
                tracing::trace!(%refused, "a peer's transaction was not admitted");
            }
        }
    }
}

/// The transactions of a message.
pub fn decode(message: impl Buf) -> Result<Vec<bytes::Bytes>, CodecError> {
    let limits = (RangeCfg::from(..=MAX_TRANSACTIONS), RangeCfg::from(..=MAX_MESSAGE_BYTES));
    Vec::<bytes::Bytes>::decode_cfg(message, &limits)
}
