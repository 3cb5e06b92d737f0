//! Which validators vote in which epoch, as far as this node knows.
//!
//! An epoch becomes known when the node enters it: its validators are read from the state at the
//! block before. The committee of an epoch that isn't known yet can't be verified against, so a
//! node that is far behind catches up epoch by epoch.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use alloy_primitives::B256;
use commonware_consensus::types::Epoch;
use commonware_cryptography::{
    certificate::{Provider, Scoped},
    ed25519::PublicKey,
};
use commonware_utils::ordered::BiMap;

use super::{
    scheme::{Scheme, Voting},
    signer::HandleSigner,
};

/// How many past epochs stay verifiable.
const KEPT_EPOCHS: usize = 1_024;

/// The known epochs' committees. A clone is another handle on the same.
#[derive(Clone)]
pub struct Committees {
    known: Arc<Mutex<BTreeMap<u64, Arc<Scheme>>>>,
    genesis: B256,
    node_key: PublicKey,
    signer: HandleSigner,
    /// The genesis' validators, which are every epoch's until governance changes them.
    validators: BiMap<PublicKey, PublicKey>,
}

impl fmt::Debug for Committees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committees").field("node_key", &self.node_key).finish_non_exhaustive()
    }
}

impl Committees {
    /// Knows no epoch yet.
    pub fn new(
        genesis: B256,
        validators: BiMap<PublicKey, PublicKey>,
        node_key: PublicKey,
        signer: HandleSigner,
    ) -> Self {
        Self { known: Arc::default(), genesis, node_key, signer, validators }
    }

    /// Makes an epoch known; a repeat changes whether the node votes in it.
    pub fn enter(&self, epoch: Epoch, voting: Voting) -> Arc<Scheme> {
        let scheme = Arc::new(Scheme::new(
            self.genesis,
            self.validators.clone(),
            &self.node_key,
            &self.signer,
            voting,
        ));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(epoch.get(), Arc::clone(&scheme));
        while known.len() > KEPT_EPOCHS {
            known.pop_first();
        }
        scheme
    }

    /// The committee of an epoch, if it is known.
    pub fn of(&self, epoch: Epoch) -> Option<Arc<Scheme>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&epoch.get()).cloned()
    }

    /// The newest known epoch.
    pub fn newest(&self) -> Epoch {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Epoch::new(known.last_key_value().map_or(0, |(epoch, _)| *epoch))
    }

    /// Every validator's node key, in order, of the newest epoch.
    pub fn validators(&self) -> &BiMap<PublicKey, PublicKey> {
        &self.validators
    }

    /// This node's identity.
    pub fn node_key(&self) -> &PublicKey {
        &self.node_key
    }
}

impl Provider for Committees {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        self.of(epoch).map(Scoped::scheme)
    }
}
