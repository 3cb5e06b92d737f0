//! What is on its way to a peer, bounded in bytes.
//!
//! The library's queue to a peer is bounded in messages, and each of them may be a block. So that whoever
//! asks for large ones and does not read them fills no memory, an answer is let go, as if it were lost,
//! while others have as many bytes under way to its peer; and its questions are let go meanwhile, so that
//! they cost no work either.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use commonware_actor::{Feedback, Unreliable};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{CheckedSender, LimitedSender, Message, Receiver, Recipients};
use commonware_runtime::{IoBuf, IoBufs};

/// How many bytes of answers are under way to a peer, before the last one: two of the largest.
const MOST: usize = 16 << 20;
/// Where a message of the library's resolver says what it is, after its number; and that it asks.
/// Source: `commonware_resolver::p2p::wire`.
const KIND: usize = 8;
const QUESTION: u8 = 0;

/// A sender that answers a peer only while it reads. What goes to several at once is not counted.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing<S> {
    sender: S,
    under_way: UnderWay,
    most: usize,
}

/// The messages of a channel of the library's resolver, without the questions of who has not read the
/// answers to earlier ones.
#[derive(Debug)]
pub(crate) struct Asked<R> {
    receiver: R,
    under_way: UnderWay,
    most: usize,
}

/// How many bytes each peer has still to take. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
struct UnderWay(Arc<Mutex<BTreeMap<PublicKey, usize>>>);

/// A message on its way: its bytes count until the last handle on it is gone.
struct Held {
    content: IoBuf,
    peer: PublicKey,
    under_way: UnderWay,
}

/// A sender to peers that may be sent something.
#[derive(Debug)]
pub(crate) struct Checked<C> {
    sender: C,
    /// To whom alone, and how much may be under way to it.
    one: Option<(PublicKey, usize)>,
    under_way: UnderWay,
}

impl<S> Outgoing<S> {
    fn new(sender: S, most: usize) -> Self {
        Self { sender, under_way: UnderWay::default(), most }
    }

    /// A channel on which large answers are given.
    pub(crate) fn answering<R>((sender, receiver): (S, R)) -> (Self, R) {
        (Self::new(sender, MOST), receiver)
    }

    /// A channel of the library's resolver.
    pub(crate) fn resolving<R>((sender, receiver): (S, R)) -> (Self, Asked<R>) {
        let sender = Self::new(sender, MOST);
        let under_way = sender.under_way.clone();
        (sender, Asked { receiver, under_way, most: MOST })
    }
}

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PublicKey, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a peer has yet to take so much.
    fn exceeds(&self, peer: &PublicKey, most: usize) -> bool {
        self.lock().get(peer).is_some_and(|bytes| *bytes >= most)
    }

    /// Counts a message to a peer; `None` where too much is under way to it already.
    fn hold(&self, content: IoBuf, peer: PublicKey, most: usize) -> Option<Bytes> {
        let mut under_way = self.lock();
        let bytes = under_way.entry(peer.clone()).or_default();
        if *bytes >= most {
            return None;
        }
        *bytes += content.len();
        drop(under_way);
        Some(Bytes::from_owner(Held { content, peer, under_way: self.clone() }))
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.content.as_ref()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock();
        let Some(bytes) = under_way.get_mut(&self.peer) else { return };
        *bytes = bytes.saturating_sub(self.content.len());
        if *bytes == 0 {
            under_way.remove(&self.peer);
        }
    }
}

impl<S: LimitedSender<PublicKey = PublicKey>> LimitedSender for Outgoing<S> {
    type PublicKey = PublicKey;
    type Checked<'a>
        = Checked<S::Checked<'a>>
    where
        Self: 'a;

    fn check(
        &mut self,
        recipients: Recipients<PublicKey>,
    ) -> Result<Self::Checked<'_>, SystemTime> {
        let one = match &recipients {
            Recipients::One(peer) => Some((peer.clone(), self.most)),
            Recipients::All | Recipients::Some(_) => None,
        };
        let sender = self.sender.check(recipients)?;
        Ok(Checked { sender, one, under_way: self.under_way.clone() })
    }
}

impl<C: CheckedSender<PublicKey = PublicKey>> CheckedSender for Checked<C> {
    type PublicKey = PublicKey;

    fn recipients(&self) -> Vec<PublicKey> {
        self.sender.recipients()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let Some((peer, most)) = self.one else { return self.sender.send(message, priority) };
        match self.under_way.hold(message.into().coalesce(), peer, most) {
            Some(held) => self.sender.send(held, priority),
            None => Unreliable::new(Feedback::Ok),
        }
    }
}

impl<R: Receiver<PublicKey = PublicKey>> Receiver for Asked<R> {
    type Error = R::Error;
    type PublicKey = PublicKey;

    async fn recv(&mut self) -> Result<Message<PublicKey>, R::Error> {
        loop {
            let (peer, message) = self.receiver.recv().await?;
            let asks = message.as_ref().get(KIND) == Some(&QUESTION);
            if !asks || !self.under_way.exceeds(&peer, self.most) {
                return Ok((peer, message));
            }
        }
    }

    fn capacity(&self) -> NonZeroUsize {
        self.receiver.capacity()
    }
}

#[cfg(test)]
mod tests {
    use commonware_cryptography::{Signer as _, ed25519};
    use commonware_p2p::Sender as _;
    use futures::FutureExt as _;

    use super::*;

    /// A network on which everything stays on its way.
    #[derive(Clone, Debug, Default)]
    struct Slow(Arc<Mutex<Vec<IoBufs>>>);

    impl LimitedSender for Slow {
        type PublicKey = PublicKey;
        type Checked<'a> = Self;

        fn check(&mut self, _: Recipients<PublicKey>) -> Result<Self, SystemTime> {
            Ok(self.clone())
        }
    }

    impl CheckedSender for Slow {
        type PublicKey = PublicKey;

        fn recipients(&self) -> Vec<PublicKey> {
            Vec::new()
        }

        fn send(self, message: impl Into<IoBufs> + Send, _: bool) -> Unreliable<Feedback> {
            self.0.lock().unwrap().push(message.into());
            Unreliable::new(Feedback::Ok)
        }
    }

    #[test]
    fn who_does_not_read_is_sent_no_more_than_its_share() {
        let peer = |seed| ed25519::PrivateKey::from_seed(seed).public_key();
        let slow = Slow::default();
        let mut sender = Outgoing::new(slow.clone(), 1_000);
        let send = |sender: &mut Outgoing<Slow>, to| sender.send(to, vec![7; 400], false);
        for _ in 0..10 {
            send(&mut sender, Recipients::One(peer(1)));
        }
        let under_way =
            |bytes| slow.0.lock().unwrap().iter().map(IoBufs::len).sum::<usize>() == bytes;
        assert!(under_way(1_200), "the last one begins below the bound");
        send(&mut sender, Recipients::One(peer(2)));
        send(&mut sender, Recipients::All);
        assert!(under_way(2_000), "others are sent theirs");
        slow.0.lock().unwrap().clear();
        assert!(sender.under_way.lock().is_empty());
        send(&mut sender, Recipients::One(peer(1)));
        assert!(under_way(400), "it has read what it was sent");
    }

    /// A closed network, which has brought these.
    #[derive(Debug)]
    struct Brought(Vec<Message<PublicKey>>);

    impl Receiver for Brought {
        type Error = std::fmt::Error;
        type PublicKey = PublicKey;

        async fn recv(&mut self) -> Result<Message<PublicKey>, Self::Error> {
            self.0.pop().ok_or(std::fmt::Error)
        }

        fn capacity(&self) -> NonZeroUsize {
            NonZeroUsize::MIN
        }
    }

    #[test]
    fn who_does_not_read_asks_in_vain_but_answers() {
        let peer = |seed| ed25519::PrivateKey::from_seed(seed).public_key();
        let message = |seed, kind| (peer(seed), IoBuf::from(vec![0, 0, 0, 0, 0, 0, 0, 0, kind, 9]));
        let heard = |reads: usize| {
            let slow = Slow::default();
            let brought = Brought(vec![message(1, 0), message(1, 1), message(2, 0)]);
            let (mut sender, mut asked) = Outgoing::resolving((slow.clone(), brought));
            sender.send(Recipients::One(peer(1)), vec![7; MOST], false);
            slow.0.lock().unwrap().truncate(1 - reads);
            let mut heard = Vec::new();
            while let Some(Ok(message)) = asked.recv().now_or_never() {
                heard.push(message);
            }
            heard
        };
        assert_eq!(heard(0), [message(2, 0), message(1, 1)], "its question is not heard");
        assert_eq!(heard(1), [message(2, 0), message(1, 1), message(1, 0)]);
    }
}
