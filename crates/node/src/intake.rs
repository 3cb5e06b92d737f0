//! What waits between p2p and a task that takes its time over messages, bounded in bytes.
//!
//! The library's queue of a channel is bounded in messages, of all peers together, and each of them may
//! be as large as the largest on any channel: a block. So that whoever sends large ones to a task that is
//! at work fills no memory, everything is taken out of that queue as it comes; what nobody wants, and what
//! exceeds its sender's share, is let go.

use std::{
    collections::BTreeMap,
    future::Future,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select;
use commonware_p2p::{Blocker, Message, Receiver};
use futures::{StreamExt as _, channel::mpsc};

/// What a message counts beside its bytes.
const OVERHEAD: usize = 256;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The bytes of one message; whoever sends a longer one is cut off.
    pub(crate) message: usize,
    /// How many messages of one peer.
    pub(crate) messages: usize,
    /// The bytes of one peer's.
    pub(crate) of_peer: usize,
    /// The bytes of all.
    pub(crate) all: usize,
}

/// What is done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It waits for the task.
    Take,
    /// It is let go.
    Drop,
    /// Its sender is cut off, for this reason.
    CutOff(&'static str),
}

/// The judgement of who wants every message.
pub(crate) fn take_all(_: &PublicKey, _: &[u8]) -> Judgement {
    Judgement::Take
}

/// A channel's messages, as they wait for their task.
#[derive(Debug)]
pub(crate) struct Intake {
    queue: mpsc::UnboundedReceiver<Message<PublicKey>>,
    waiting: Arc<Mutex<Waiting>>,
    capacity: NonZeroUsize,
}

/// The network is closed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the network is closed")]
pub(crate) struct Closed;

#[derive(Debug, Default)]
struct Waiting {
    of_peers: BTreeMap<PublicKey, Share>,
    bytes: usize,
}

/// What waits of one peer.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    messages: usize,
    bytes: usize,
}

impl Waiting {
    /// Whether there is room for a message; then it has it.
    fn take_in(&mut self, peer: &PublicKey, bytes: usize, limits: &Limits) -> bool {
        let share = self.of_peers.get(peer).copied().unwrap_or_default();
        let share = Share { messages: share.messages + 1, bytes: share.bytes + bytes };
        let is_full = share.messages > limits.messages
            || share.bytes > limits.of_peer
            || self.bytes + bytes > limits.all;
        if is_full {
            return false;
        }
        self.of_peers.insert(peer.clone(), share);
        self.bytes += bytes;
        true
    }

    fn let_out(&mut self, peer: &PublicKey, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        let Some(share) = self.of_peers.get_mut(peer) else { return };
        share.messages = share.messages.saturating_sub(1);
        share.bytes = share.bytes.saturating_sub(bytes);
        if share.messages == 0 {
            self.of_peers.remove(peer);
        }
    }
}

/// Runs a task on the messages of a channel, until it ends. Messages are judged as they come, by their
/// senders and contents.
pub(crate) async fn serve<R, B, T>(
    receiver: R,
    blocker: B,
    (limits, judge): (Limits, impl FnMut(&PublicKey, &[u8]) -> Judgement),
    task: impl FnOnce(Intake) -> T,
) -> T::Output
where
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
    T: Future,
{
    let (sender, queue) = mpsc::unbounded();
    let waiting = Arc::new(Mutex::new(Waiting::default()));
    let intake = Intake { queue, waiting: Arc::clone(&waiting), capacity: receiver.capacity() };
    let filling = async {
        fill(receiver, blocker, (limits, judge), (sender, waiting)).await;
        // The task takes what waits still, and then learns that there is no more.
        std::future::pending::<()>().await;
    };
    select! {
        () = filling => unreachable!("it waits for ever at its end"),
        output = task(intake) => output,
    }
}

async fn fill<R, B>(
    mut receiver: R,
    mut blocker: B,
    (limits, mut judge): (Limits, impl FnMut(&PublicKey, &[u8]) -> Judgement),
    (sender, waiting): (mpsc::UnboundedSender<Message<PublicKey>>, Arc<Mutex<Waiting>>),
) where
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    while let Ok((peer, content)) = receiver.recv().await {
        let judgement = if content.len() > limits.message {
            Judgement::CutOff("a message that is longer than any of its kind")
        } else {
            judge(&peer, content.as_ref())
        };
        match judgement {
            Judgement::Take => {
                let bytes = content.len() + OVERHEAD;
                let has_room = locked(&waiting).take_in(&peer, bytes, &limits);
                if has_room && sender.unbounded_send((peer, content)).is_err() {
                    return;
                }
            }
            Judgement::Drop => {}
            Judgement::CutOff(why) => {
                commonware_p2p::block!(blocker, peer, "{why}");
            }
        }
    }
}

impl Receiver for Intake {
    type Error = Closed;
    type PublicKey = PublicKey;

    async fn recv(&mut self) -> Result<Message<PublicKey>, Closed> {
        let (peer, content) = self.queue.next().await.ok_or(Closed)?;
        locked(&self.waiting).let_out(&peer, content.len() + OVERHEAD);
        Ok((peer, content))
    }

    fn capacity(&self) -> NonZeroUsize {
        self.capacity
    }
}

fn locked(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use commonware_cryptography::{Signer as _, ed25519};

    use super::*;

    const LIMITS: Limits = Limits { message: 1_000, messages: 3, of_peer: 2_000, all: 5_000 };

    fn peer(seed: u64) -> PublicKey {
        ed25519::PrivateKey::from_seed(seed).public_key()
    }

    #[test]
    fn a_peer_has_its_share_and_gets_it_back() {
        let mut waiting = Waiting::default();
        let (one, other) = (peer(1), peer(2));
        assert!(waiting.take_in(&one, 900, &LIMITS));
        assert!(waiting.take_in(&one, 900, &LIMITS));
        assert!(!waiting.take_in(&one, 900, &LIMITS), "too many bytes");
        assert!(waiting.take_in(&one, 10, &LIMITS));
        assert!(!waiting.take_in(&one, 10, &LIMITS), "too many messages");
        assert!(waiting.take_in(&other, 1_900, &LIMITS), "another has its own");
        assert!(!waiting.take_in(&peer(3), 1_900, &LIMITS), "of all together there is no more");
        waiting.let_out(&one, 900);
        assert!(waiting.take_in(&one, 800, &LIMITS));
        for bytes in [900, 10, 800] {
            waiting.let_out(&one, bytes);
        }
        waiting.let_out(&other, 1_900);
        assert!(waiting.of_peers.is_empty() && waiting.bytes == 0, "{waiting:?}");
    }
}
