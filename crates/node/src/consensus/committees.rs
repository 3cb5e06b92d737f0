//! Which validators vote in which epoch, as far as this node knows.
//!
//! An epoch becomes known when the node has the block before it: its validators are read from the
//! governance contract's state there, and kept. The committee of an epoch that isn't known yet can't
//! be verified against, so a node that is far behind catches up epoch by epoch.
//!
//! Members may vote in whatever bytes they like as keys. A validator whose keys are no Ed25519 public
//! keys, or are another's, has no seat: every node leaves out the same ones.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::B256;
use commonware_consensus::types::Epoch;
use commonware_cryptography::{
    certificate::{Provider, Scoped},
    ed25519::PublicKey,
};
use commonware_utils::ordered::BiMap;
use windlass_chain::governance::{Committee, SeatedValidator};

use super::{
    scheme::{Scheme, Voting},
    signer::{HandleSigner, public_key},
};
use crate::seam::Ledger;

/// How many past epochs stay verifiable.
const KEPT_EPOCHS: usize = 1_024;

/// The known epochs' committees. A clone is another handle on the same.
#[derive(Clone)]
pub struct Committees {
    known: Arc<Mutex<BTreeMap<u64, Known>>>,
    genesis: B256,
    node_key: PublicKey,
    /// Identities that this node can have instead.
    others: Vec<PublicKey>,
    signers: Vec<HandleSigner>,
}

/// The committee of one epoch.
struct Known {
    seats: BiMap<PublicKey, PublicKey>,
    /// What the contract has for this set.
    hash: B256,
    scheme: Arc<Scheme>,
}

impl fmt::Debug for Committees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committees").field("node_key", &self.node_key).finish_non_exhaustive()
    }
}

impl Committees {
    /// Knows no epoch yet. A node has several keys of a kind while one of them is replaced: it goes by
    /// `node_key`, and `others` are the identities that it can have instead.
    pub fn new(
        genesis: B256,
        node_key: PublicKey,
        others: Vec<PublicKey>,
        signers: Vec<HandleSigner>,
    ) -> Self {
        Self { known: Arc::default(), genesis, node_key, others, signers }
    }

    /// Makes an epoch's committee known; this node doesn't vote in it before it enters it.
    pub fn learn(&self, epoch: Epoch, committee: &Committee) {
        let seats = committee.seats.iter().filter_map(pair).collect::<Vec<_>>();
        let seats = BiMap::try_from(seats).expect("only who can have a seat is kept");
        let scheme = self.scheme(&seats, Voting::Off);
        let mut known = self.lock();
        known.insert(epoch.get(), Known { seats, hash: committee.hash, scheme });
        while known.len() > KEPT_EPOCHS {
            known.pop_first();
        }
    }

    /// The committee of a known epoch, in which this node votes from now on, or does not.
    pub fn enter(&self, epoch: Epoch, voting: Voting) -> Option<Arc<Scheme>> {
        let mut known = self.lock();
        let entered = known.get_mut(&epoch.get())?;
        entered.scheme = self.scheme(&entered.seats, voting);
        Some(Arc::clone(&entered.scheme))
    }

    /// The committee of an epoch, if it is known.
    pub fn of(&self, epoch: Epoch) -> Option<Arc<Scheme>> {
        Some(Arc::clone(&self.lock().get(&epoch.get())?.scheme))
    }

    /// The consensus key that the committee of a known epoch has for this node.
    pub fn consensus_key(&self, epoch: Epoch) -> Option<PublicKey> {
        self.lock().get(&epoch.get())?.seats.get_value(&self.node_key).cloned()
    }

    /// The identity by which a known epoch has this node, if it is another one than it goes by.
    pub fn other_identity(&self, epoch: Epoch) -> Option<PublicKey> {
        let known = self.lock();
        let seats = &known.get(&epoch.get())?.seats;
        if seats.get_value(&self.node_key).is_some() {
            return None;
        }
        self.others.iter().find(|key| seats.get_value(key).is_some()).cloned()
    }

    /// The hash that the contract has for the validators of a known epoch.
    pub fn hash_of(&self, epoch: Epoch) -> Option<B256> {
        Some(self.lock().get(&epoch.get())?.hash)
    }

    /// The newest known epoch.
    pub fn newest(&self) -> Epoch {
        Epoch::new(self.lock().last_key_value().map_or(0, |(epoch, _)| *epoch))
    }

    /// The node keys of the newest known epoch's validators, in order.
    pub fn node_keys(&self) -> Vec<PublicKey> {
        self.node_keys_of(self.newest())
    }

    /// The node keys of an epoch's validators, in order; none where it is not known.
    pub fn node_keys_of(&self, epoch: Epoch) -> Vec<PublicKey> {
        let known = self.lock();
        let seats = known.get(&epoch.get()).map(|known| &known.seats);
        seats.map_or_else(Vec::new, |seats| seats.keys().iter().cloned().collect())
    }

    /// Whether the validators of the next epoch will be others than those of the newest.
    pub fn are_to_change(&self, ledger: &impl Ledger) -> bool {
        self.hash_of(self.newest()).is_some_and(|hash| hash != ledger.next_validators_hash())
    }

    /// This node's identity.
    pub fn node_key(&self) -> &PublicKey {
        &self.node_key
    }

    fn scheme(&self, seats: &BiMap<PublicKey, PublicKey>, voting: Voting) -> Arc<Scheme> {
        let (node_key, signers) = (&self.node_key, &self.signers);
        Arc::new(Scheme::new(self.genesis, seats.clone(), node_key, signers, voting))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pair(one: &SeatedValidator) -> Option<(PublicKey, PublicKey)> {
    Some((public_key(&one.node_key.0)?, public_key(&one.consensus_key.0)?))
}

impl Provider for Committees {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        self.of(epoch).map(Scoped::scheme)
    }
}
