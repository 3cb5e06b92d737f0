//! The engine's channels, multiplexed by epoch.
//!
//! Messages of an epoch that isn't entered yet are kept, up to a bound, and come first when it is. The
//! bound is one of bytes: none is larger than a vote or a certificate can be, and no peer's share of
//! the places is taken by another's.

use std::{collections::VecDeque, num::NonZeroUsize};

use commonware_consensus::{simplex, types::Epoch};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{
    Channel, Message, Receiver, Sender,
    utils::mux::{self, Builder, MuxHandle, Muxer, SubReceiver, SubSender},
};
use commonware_runtime::Spawner;
use commonware_utils::channel::mpsc as queue;

use super::{digest::Digest, scheme::Scheme};
use crate::config::MAX_VALIDATORS;

/// How many messages of epochs to come are kept, per channel, and how many of them of one peer: the
/// newest.
const KEPT_MESSAGES: usize = 2_048;
const KEPT_OF_PEER: usize = 32;

/// Votes, certificates and the engine's requests, multiplexed by epoch.
pub(super) struct EngineChannels<S: Sender> {
    pub(super) votes: Mux<S>,
    pub(super) certificates: Mux<S>,
    pub(super) resolver: Mux<S>,
}

/// One of them.
pub(super) struct Mux<S: Sender> {
    handle: MuxHandle<S>,
    pub(super) early: queue::Receiver<(Channel, Message<S::PublicKey>)>,
    kept: VecDeque<(Channel, Message<S::PublicKey>)>,
}

impl<S: Sender<PublicKey = PublicKey>> EngineChannels<S> {
    /// Starts the multiplexers.
    pub(super) fn start<E, R>(
        context: &E,
        votes: (S, R),
        certificates: (S, R),
        resolver: (S, R),
    ) -> Self
    where
        E: Spawner,
        R: Receiver<PublicKey = PublicKey>,
    {
        Self {
            votes: Mux::start(context.child("votes"), votes),
            certificates: Mux::start(context.child("certificates"), certificates),
            resolver: Mux::start(context.child("requests"), resolver),
        }
    }
}

impl<S: Sender<PublicKey = PublicKey>> Mux<S> {
    fn start<E, R>(context: E, (sender, receiver): (S, R)) -> Self
    where
        E: Spawner,
        R: Receiver<PublicKey = PublicKey>,
    {
        let (muxer, handle, early) =
            Muxer::builder(context, sender, receiver).with_backup().build();
        muxer.start();
        Self { handle, early, kept: VecDeque::new() }
    }

    /// Keeps an early message.
    pub(super) fn keep(&mut self, message: (Channel, Message<PublicKey>)) {
        keep(&mut self.kept, message);
    }

    /// Opens an epoch's sub-channel, with what came for it before.
    pub(super) async fn open(&mut self, epoch: Epoch) -> Option<(SubSender<S>, Replay)> {
        let (sender, receiver) = self.handle.register(epoch.get()).await.ok()?;
        while let Ok(message) = self.early.try_recv() {
            self.keep(message);
        }
        let (mine, later): (VecDeque<_>, VecDeque<_>) = self
            .kept
            .drain(..)
            .filter(|(of, _)| *of >= epoch.get())
            .partition(|(of, _)| *of == epoch.get());
        self.kept = later;
        let kept = mine.into_iter().map(|(_, message)| message).collect();
        Some((sender, Replay { kept, receiver }))
    }
}

/// Keeps an early message in the place of one of its sender's, or of the oldest, where there is no room.
fn keep(
    kept: &mut VecDeque<(Channel, Message<PublicKey>)>,
    message: (Channel, Message<PublicKey>),
) {
    let (_, (peer, content)) = &message;
    if content.len() > most_bytes() {
        return;
    }
    let of_peer = kept.iter().filter(|(_, (other, _))| other == peer).count();
    let goes = if of_peer >= KEPT_OF_PEER {
        kept.iter().position(|(_, (other, _))| other == peer)
    } else {
        (kept.len() >= KEPT_MESSAGES).then_some(0)
    };
    if let Some(goes) = goes {
        kept.remove(goes);
    }
    kept.push_back(message);
}

/// How many bytes a vote, a certificate or a request of the engine has at most.
fn most_bytes() -> usize {
    let validators = u32::try_from(MAX_VALIDATORS).expect("a small number");
    simplex::max_payload_size::<Scheme, Digest>(validators)
}

/// A receiver that yields what was kept first.
#[derive(Debug)]
pub(super) struct Replay {
    kept: VecDeque<Message<PublicKey>>,
    receiver: SubReceiver<PublicKey>,
}

impl Receiver for Replay {
    type Error = mux::Error;
    type PublicKey = PublicKey;

    async fn recv(&mut self) -> Result<Message<PublicKey>, Self::Error> {
        match self.kept.pop_front() {
            Some(message) => Ok(message),
            None => self.receiver.recv().await,
        }
    }

    fn capacity(&self) -> NonZeroUsize {
        self.receiver.capacity()
    }
}

#[cfg(test)]
mod tests {
    use commonware_cryptography::Signer as _;
    use commonware_runtime::IoBuf;

    use super::*;
    use crate::consensus::signer::HandleSigner;

    #[test]
    fn what_comes_early_takes_no_more_than_its_senders_share() {
        let peer = |seed| HandleSigner::from_seed(seed).public_key();
        let message = |seed, epoch, bytes| (epoch, (peer(seed), IoBuf::from(vec![7; bytes])));
        let mut kept = VecDeque::new();
        let honest = |kept: &VecDeque<(Channel, Message<PublicKey>)>| {
            let of = |one: &&(Channel, Message<PublicKey>)| one.1.0 == peer(1);
            kept.iter().filter(of).map(|one| one.0).collect::<Vec<_>>()
        };
        keep(&mut kept, message(1, 5, most_bytes()));
        for epoch in 0..10_000 {
            keep(&mut kept, message(2, u64::MAX - epoch, 10));
            keep(&mut kept, message(2, 6, most_bytes() + 1));
        }
        assert_eq!((honest(&kept), kept.len()), (vec![5], 1 + KEPT_OF_PEER));
        // Of its own the newest are kept.
        for epoch in 6..100 {
            keep(&mut kept, message(1, epoch, 10));
        }
        assert_eq!(honest(&kept), (100 - 32..100).collect::<Vec<_>>());
        for seed in 3..200 {
            for _ in 0..KEPT_OF_PEER {
                keep(&mut kept, message(seed, 6, most_bytes()));
            }
        }
        assert_eq!(kept.len(), KEPT_MESSAGES);
        let bytes: usize = kept.iter().map(|(_, (_, content))| content.len()).sum();
        assert!(bytes < 32 << 20, "{bytes}");
    }
}
