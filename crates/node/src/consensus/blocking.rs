//! Peers that break the protocol are cut off, and that is counted by what their messages were about.

use commonware_actor::Feedback;
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{BlockedSubscription, Blocker};

use crate::diagnosis::{Diagnosis, Subject};

/// Cuts peers off because of messages about one thing.
#[derive(Clone, Debug)]
pub(crate) struct Counted<B> {
    blocker: B,
    about: Subject,
    diagnosis: Diagnosis,
}

impl<B> Counted<B> {
    pub(crate) fn new(blocker: B, about: Subject, diagnosis: &Diagnosis) -> Self {
        Self { blocker, about, diagnosis: diagnosis.clone() }
    }
}

impl<B: Blocker<PublicKey = PublicKey>> Blocker for Counted<B> {
    type PublicKey = PublicKey;

    fn block(&mut self, peer: PublicKey) -> Feedback {
        self.diagnosis.cut_off(self.about);
        self.blocker.block(peer)
    }

    fn blocked(&mut self) -> BlockedSubscription<PublicKey> {
        self.blocker.blocked()
    }
}
