//! What a node knows of itself, for `windlass_status`.
//!
//! Consensus writes (tip, epoch, view, peers, stall), the pool writes its count, RPC reads. A
//! change raises the revision by one and wakes everybody who waits for a newer one; setting what
//! is already there changes nothing, so an idle node's revision stands still.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::B256;
use futures::channel::oneshot;
use serde::Serialize;

use crate::diagnosis::Diagnosis;

/// A node's own view, as `windlass_status` answers it.
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the RPC answer")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Rises with every change.
    pub revision: u64,
    /// The p2p identity that this node goes by.
    pub node_key: B256,
    /// The key that it votes with, or would.
    pub consensus_key: B256,
    /// Whether the epoch that it has entered has it as a validator, by this identity.
    pub seated: bool,
    /// Block 0's hash.
    pub genesis_hash: B256,
    /// The network's chain id.
    pub chain_id: u64,
    /// The epoch consensus is in.
    pub epoch: u64,
    /// The view within the epoch, as far as this node saw it end.
    pub view: u64,
    /// The last final and durable block.
    pub tip: StatusTip,
    /// The other nodes that the members name: validators and observers.
    pub peers: Vec<StatusPeer>,
    /// Whether the members name this node too, as far as it has the chain.
    pub named: bool,
    /// How many validators are reachable, this one included.
    pub connected_validators: usize,
    /// How many votes finalise a block.
    pub quorum: usize,
    /// How many validators there are.
    pub validators: usize,
    /// How many transactions the pool holds.
    pub pending_transactions: usize,
    /// Whether a quorum is reachable.
    pub quorum_connected: bool,
    /// Whether this node knows of a final block that it doesn't have yet.
    pub syncing: bool,
    /// The highest final block that it knows of.
    pub highest: u64,
    /// The blocks from before the state that its ledger began with, while it fetches them: it follows
    /// and serves meanwhile.
    pub earlier: Option<EarlierBlocks>,
    /// How far the ledger is that is made from the peers' state, while one is made.
    pub sync: Option<SyncStatus>,
    /// How many seconds catching up takes at this pace; `None` where it has caught up, or nothing can
    /// be said yet.
    pub left_s: Option<u64>,
    /// Whether consensus sleeps: nothing to do, tip final.
    pub idle: bool,
    /// Why there is no progress although there should be.
    pub stalled: Option<Stalled>,
    /// Why this validator doesn't vote, if it doesn't.
    pub not_voting: Option<String>,
    /// How many times this node has seen a validator vote twice, since it started.
    pub evidence: u64,
    /// Whether the node is about to end: whoever waits for news is answered now.
    pub ending: bool,
}

/// The tip in a [`Status`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusTip {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Unix milliseconds.
    pub timestamp_ms: u64,
}

/// A peer in a [`Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusPeer {
    /// Its p2p identity.
    pub node_key: B256,
    /// Whether it is connected now.
    pub connected: bool,
}

/// Blocks that a node still has to fetch, from the genesis on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EarlierBlocks {
    /// How many.
    pub blocks: u64,
    /// How many seconds that takes at this pace, where something can be said yet.
    pub left_s: Option<u64>,
}

/// How far a ledger is that is made from the peers' state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncStatus {
    /// How many accounts are there.
    pub accounts: u64,
    /// How many slots of storage.
    pub slots: u64,
    /// How many bytes of the state were taken.
    pub bytes: u64,
    /// How much of the state is there, in thousandths.
    pub per_mille: u16,
    /// The block that the ledger begins with, once the state is whole.
    pub block: Option<u64>,
    /// When this process began, in Unix milliseconds.
    pub began_ms: u64,
}

/// Why nothing moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stalled {
    /// Since when, in Unix milliseconds.
    pub since_ms: u64,
    /// In words, such as "2 of 4 validators connected, 3 needed".
    pub reason: String,
}

/// What a status starts from: what never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// This validator's p2p identity.
    pub node_key: B256,
    /// This validator's voting key.
    pub consensus_key: B256,
    /// Block 0's hash.
    pub genesis_hash: B256,
    /// The network's chain id.
    pub chain_id: u64,
    /// Every validator's node key, this one's included.
    pub validators: Vec<B256>,
}

/// How many of `validators` may be faulty: less than a third, ⌊(n−1)/3⌋.
pub const fn faulty(validators: usize) -> usize {
    validators.saturating_sub(1) / 3
}

/// How many of `validators` must vote for a block: more than two thirds (n − ⌊(n−1)/3⌋).
pub const fn quorum(validators: usize) -> usize {
    validators - faulty(validators)
}

/// The shared status. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub struct StatusBoard {
    inner: Arc<Mutex<Board>>,
    /// What consensus is doing. It is no part of the status: what is measured of peers changes while
    /// a network is idle.
    diagnosis: Diagnosis,
}

#[derive(Debug)]
struct Board {
    status: Status,
    /// The node keys of those who vote now.
    committee: Vec<B256>,
    /// The height that each peer said last that it has. It is no part of the status: an idle node's
    /// stands still while its peers repeat theirs.
    heights: BTreeMap<B256, u64>,
    waiters: Vec<oneshot::Sender<()>>,
}

impl StatusBoard {
    /// A board of a node that has heard nothing yet.
    pub fn new(identity: Identity, tip: StatusTip) -> Self {
        let Identity { node_key, consensus_key, genesis_hash, chain_id, validators: keys } =
            identity;
        let validators = keys.len();
        let committee = keys.clone();
        let peers = keys
            .into_iter()
            .filter(|key| *key != node_key)
            .map(|node_key| StatusPeer { node_key, connected: false })
            .collect();
        let status = Status {
            revision: 1,
            node_key,
            consensus_key,
            seated: false,
            genesis_hash,
            chain_id,
            epoch: 0,
            view: 0,
            tip,
            peers,
            named: committee.contains(&node_key),
            connected_validators: 1,
            quorum: quorum(validators),
            validators,
            pending_transactions: 0,
            quorum_connected: quorum(validators) <= 1,
            syncing: false,
            highest: tip.number,
            earlier: None,
            sync: None,
            left_s: None,
            idle: false,
            stalled: None,
            not_voting: None,
            evidence: 0,
            ending: false,
        };
        let diagnosis = Diagnosis::new(node_key);
        diagnosis.know(&committee);
        let board = Board { status, committee, heights: BTreeMap::new(), waiters: Vec::new() };
        Self { inner: Arc::new(Mutex::new(board)), diagnosis }
    }

    /// What consensus is doing.
    pub fn diagnosis(&self) -> &Diagnosis {
        &self.diagnosis
    }

    /// What is known now.
    pub fn get(&self) -> Status {
        self.lock().status.clone()
    }

    /// The height that each peer said last that it has.
    pub fn heights(&self) -> BTreeMap<B256, u64> {
        self.lock().heights.clone()
    }

    /// Changes the status; the revision rises only if something is different afterwards.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        self.update_with(|status, _committee| change(status));
    }

    fn update_with(&self, change: impl FnOnce(&mut Status, &mut Vec<B256>)) {
        let waiters = {
            let mut board = self.lock();
            let mut next = board.status.clone();
            change(&mut next, &mut board.committee);
            next.revision = board.status.revision;
            if next == board.status {
                return;
            }
            next.revision += 1;
            board.status = next;
            mem::take(&mut board.waiters)
        };
        for waiter in waiters {
            // A waiter that gave up is no failure.
            let _gone = waiter.send(());
        }
    }

    /// Notes who is connected, with the height that it said that it has, and what follows from it.
    pub fn set_connected(&self, connected: &BTreeMap<B256, Option<u64>>) {
        let told = connected.iter().filter_map(|(key, height)| Some((*key, (*height)?)));
        self.lock().heights.extend(told);
        self.update_with(|status, committee| {
            for peer in &mut status.peers {
                peer.connected = connected.contains_key(&peer.node_key);
            }
            status.count(committee);
        });
    }

    /// Notes who votes from now on, and whom the members name besides.
    pub fn set_peers(&self, validators: &[B256], all: &[B256]) {
        self.diagnosis.know(all);
        self.update_with(|status, committee| {
            validators.clone_into(committee);
            status.named = all.contains(&status.node_key);
            let others = all.iter().filter(|key| **key != status.node_key);
            let known = mem::take(&mut status.peers);
            let known: BTreeMap<_, _> = known.iter().map(|peer| (peer.node_key, *peer)).collect();
            let unknown = |key| StatusPeer { node_key: key, connected: false };
            status.peers = others
                .map(|key| known.get(key).copied().unwrap_or_else(|| unknown(*key)))
                .collect();
            status.count(committee);
        });
    }

    /// The first status newer than `revision`. Dropping the future is safe: it only reads.
    pub async fn newer_than(&self, revision: u64) -> Status {
        loop {
            let woken = {
                let mut board = self.lock();
                if board.status.revision > revision {
                    return board.status.clone();
                }
                let (wake, woken) = oneshot::channel();
                board.waiters.retain(|waiter| !waiter.is_canceled());
                board.waiters.push(wake);
                woken
            };
            // Whether it was used or dropped, the status is looked at again.
            let _woken = woken.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        // No update panics half way: the new status is complete before it is put in place.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Status {
    /// How many of the committee are connected, this node counted if it is one of them.
    fn count(&mut self, committee: &[B256]) {
        let connected = |key: &B256| {
            let mut peers = self.peers.iter().filter(|peer| peer.connected);
            *key == self.node_key || peers.any(|peer| peer.node_key == *key)
        };
        let connected = committee.iter().filter(|key| connected(key)).count();
        self.connected_validators = connected;
        self.validators = committee.len();
        self.quorum = quorum(committee.len());
        self.quorum_connected = connected >= self.quorum;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn key(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn board() -> StatusBoard {
        let identity = Identity {
            node_key: key(1),
            consensus_key: key(9),
            genesis_hash: key(0),
            chain_id: 7,
            validators: (1..=4).map(key).collect(),
        };
        StatusBoard::new(identity, StatusTip::default())
    }

    #[test]
    fn only_a_change_raises_the_revision_and_wakes() {
        let board = board();
        let mut waiting = Box::pin(board.newer_than(1));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        board.update(|status| status.idle = false);
        assert_eq!(waiting.as_mut().now_or_never(), None);
        board.set_connected(&[2, 3, 8].map(|byte| (key(byte), None)).into());
        let status = waiting.now_or_never().expect("the update wakes");
        assert_eq!((status.revision, status.connected_validators), (2, 3));
        assert!(status.quorum_connected);
    }

    #[test]
    fn a_quorum_is_more_than_two_thirds() {
        let quorums: Vec<usize> = (1..=10).map(quorum).collect();
        assert_eq!(quorums, [1, 2, 3, 3, 4, 5, 5, 6, 7, 7]);
    }
}
