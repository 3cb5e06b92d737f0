//! What the peers have told of their tips, and how long a node waits for it.
//!
//! A certificate proves a tip where its epoch's committee is known. A node that is far behind knows
//! it not yet, and can only believe: the height that more validators than can be faulty claim to
//! have, one honest one has.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use alloy_primitives::B256;
use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select;
use commonware_runtime::Clock;

use super::{bell::Bell, committees::Committees};
use crate::{
    seam::Ledger,
    status::{faulty, quorum},
};

/// How long a tip is waited for without a block before the engine starts all the same.
const TIP_PATIENCE: Duration = Duration::from_secs(5);

/// What the peers have told, for those who wait for it. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub struct Heard {
    inner: Arc<Mutex<Inner>>,
    /// Rung when a peer was heard for the first time, says more, or connects.
    pub bell: Bell,
}

#[derive(Debug, Default)]
struct Inner {
    /// The height that each peer said last that it has.
    claims: BTreeMap<PublicKey, u64>,
    /// The highest proven tip, and who has shown which block for it, until that is here: how high it is
    /// shows then.
    proven: u64,
    witness: Option<(PublicKey, B256)>,
    /// How often a peer has connected.
    connections: u64,
}

impl Heard {
    /// Nothing yet; `bell` is rung at each news.
    pub fn new(bell: Bell) -> Self {
        Self { inner: Arc::default(), bell }
    }

    /// How many of these have told their tip.
    fn among(&self, peers: &[PublicKey]) -> usize {
        let inner = self.lock();
        peers.iter().filter(|peer| inner.claims.contains_key(*peer)).count()
    }

    /// The highest tip that is proven, or that more of these validators claim than can be faulty.
    pub fn highest(&self, validators: &[PublicKey]) -> u64 {
        let claimed = self.claimed(validators);
        self.lock().proven.max(claimed)
    }

    /// What more of these validators claim than can be faulty.
    fn claimed(&self, validators: &[PublicKey]) -> u64 {
        let inner = self.lock();
        let claimed = validators.iter().filter_map(|peer| inner.claims.get(peer).copied());
        let mut claimed: Vec<u64> = claimed.collect();
        claimed.sort_unstable_by(|left, right| right.cmp(left));
        claimed.get(faulty(validators.len())).copied().unwrap_or(0)
    }

    /// What more of these validators claim than can be faulty. Where so few of them are heard that all of
    /// these may be faulty, the others may have gone long ago: then it is what more of all peers claim
    /// than can be faulty of as many. That is no proof, and it decides only how this node tries to catch
    /// up.
    pub fn believable(&self, validators: &[PublicKey]) -> u64 {
        if self.among(validators) > faulty(validators.len()) {
            return self.claimed(validators);
        }
        let inner = self.lock();
        let mut claimed: Vec<u64> = inner.claims.values().copied().collect();
        claimed.sort_unstable_by(|left, right| right.cmp(left));
        claimed.get(faulty(claimed.len())).copied().unwrap_or(0)
    }

    /// The height that a peer said last that it has.
    pub fn claim(&self, peer: &PublicKey) -> Option<u64> {
        self.lock().claims.get(peer).copied()
    }

    /// Those that claim to have more than a height, and how much.
    pub fn above(&self, height: u64) -> Vec<(PublicKey, u64)> {
        let inner = self.lock();
        let above = inner.claims.iter().filter(|(_, claim)| **claim > height);
        above.map(|(peer, claim)| (peer.clone(), *claim)).collect()
    }

    /// How often a peer has connected.
    pub fn connections(&self) -> u64 {
        self.lock().connections
    }

    /// Peers have connected.
    pub fn connected(&self) {
        self.lock().connections += 1;
        self.bell.ring();
    }

    /// The block that was shown as the highest proven tip, while it is not known to be here.
    pub fn awaited(&self) -> Option<B256> {
        self.lock().witness.as_ref().map(|(_, block)| *block)
    }

    /// That block is here, and has this height; tells who has said that it has another one.
    pub fn arrived(&self, height: u64) -> Option<PublicKey> {
        let mut inner = self.lock();
        let (peer, _) = inner.witness.take()?;
        if inner.proven == height {
            return None;
        }
        inner.proven = height;
        inner.claims.insert(peer.clone(), height);
        Some(peer)
    }

    /// Notes what a peer claims, and how much of it is proven by which block; true if it was heard the
    /// first time.
    pub fn note(
        &self,
        peer: &PublicKey,
        claimed: u64,
        (proven, block): (u64, Option<B256>),
    ) -> bool {
        let (first, news) = {
            let mut inner = self.lock();
            let before = inner.claims.insert(peer.clone(), claimed);
            let news = before.is_none_or(|before| claimed > before) || proven > inner.proven;
            if proven > inner.proven {
                inner.proven = proven;
                inner.witness = block.map(|block| (peer.clone(), block));
            }
            (before.is_none(), news)
        };
        if news {
            self.bell.ring();
        }
        first
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a node that starts finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its peers' tip is reached, or no block came for long enough.
    Tip,
    /// Peers claim to be further than is fetched block by block.
    FarBehind {
        /// How far.
        claimed: u64,
    },
}

/// Waits until a quorum of those who vote now was heard and their tip is reached, or no block came
/// for long enough; or until peers are found to be more than `far` ahead.
pub async fn caught_up<E: Clock, L: Ledger>(
    clock: &E,
    ledger: &L,
    heard: &Heard,
    committees: &Committees,
    far: Option<u64>,
) -> Found {
    let mut patience: Option<(u64, SystemTime)> = None;
    let begun = clock.current();
    loop {
        let rings = heard.bell.rings();
        let validators = committees.node_keys();
        // Whoever answers first need not be one of those who decide.
        let early = (begun + TIP_PATIENCE).duration_since(clock.current()).ok();
        let mut wait = early.filter(|left| !left.is_zero());
        let claimed = match wait {
            Some(_) => heard.claimed(&validators),
            None => heard.believable(&validators),
        };
        if far.is_some_and(|far| claimed > ledger.tip().number.saturating_add(far)) {
            return Found::FarBehind { claimed };
        }
        let here = usize::from(validators.contains(committees.node_key()));
        if heard.among(&validators) + here >= quorum(validators.len()) {
            let (tip, now) = (ledger.tip().number, clock.current());
            let since = patience.filter(|(at, _)| *at == tip).unwrap_or((tip, now));
            patience = Some(since);
            let left = (since.1 + TIP_PATIENCE).duration_since(now).unwrap_or_default();
            if tip >= heard.highest(&validators) || left.is_zero() {
                return Found::Tip;
            }
            wait = Some(wait.map_or(left, |early| early.min(left)));
        }
        match wait {
            // Both branches only wait.
            Some(left) => select! {
                () = clock.sleep(left) => {},
                () = heard.bell.after(rings) => {},
            },
            None => heard.bell.after(rings).await,
        }
    }
}
