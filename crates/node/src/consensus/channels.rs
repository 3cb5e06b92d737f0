//! The engine's channels, multiplexed by epoch.
//!
//! Messages of an epoch that isn't entered yet are kept, up to a bound, and come first when it is.

use std::{collections::VecDeque, num::NonZeroUsize};

use commonware_consensus::types::Epoch;
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{
    Channel, Message, Receiver, Sender,
    utils::mux::{self, Builder, MuxHandle, Muxer, SubReceiver, SubSender},
};
use commonware_runtime::Spawner;
use commonware_utils::channel::mpsc as queue;

/// How many messages of epochs to come are kept, per channel.
const KEPT_MESSAGES: usize = 512;

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
        if self.kept.len() >= KEPT_MESSAGES {
            self.kept.pop_front();
        }
        self.kept.push_back(message);
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
