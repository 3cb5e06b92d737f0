//! What the store keeps of a network: the whole noun as one value.
//!
//! A [`Record`] is loaded whole, changed in memory by pure code, and saved whole against the
//! resource version that it was loaded with. What nodes report is not here: it would be a write a
//! block.

mod node;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use windlass_model::{
    KeyId, LeaseId, Name, NetworkId, NodeId, OperationId, OrganizationId, WorkloadId,
    budget::End,
    governance::MemberName,
    network::{Evidence, Intent, NetworkState, Operation, Reason},
    receipt::{Released, ReleasedKind},
    recovery::Recovered,
    spec::NetworkSpec,
};

pub(crate) use self::node::{
    Blocks, KeyRow, Leaving, NewDisk, NodeRow, NodeStatus, ProcessRef, Rank, Registration,
    Replacements, Setup, Standing,
};
use crate::store::keys::EndpointKeyRow;

/// A network with everything that it owns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) network: NetworkRow,
    /// Those of the genesis in its order, then those that were added.
    pub(crate) nodes: Vec<NodeRow>,
    /// The operation under way, or else the last one.
    pub(crate) operation: Option<Operation>,
}

/// The network's own row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NetworkRow {
    pub(crate) id: NetworkId,
    pub(crate) organization: OrganizationId,
    pub(crate) name: Name,
    pub(crate) intent: Intent,
    pub(crate) state: NetworkState,
    /// Rises with every change of spec or intent.
    pub(crate) generation: u64,
    /// Rises with every save.
    pub(crate) resource_version: u64,
    /// The operation under way.
    pub(crate) operation: Option<OperationId>,
    pub(crate) spec: NetworkSpec,
    pub(crate) status: NetworkStatus,
    /// The genesis document, once it is made.
    pub(crate) genesis: Option<String>,
    /// What opens its endpoint, in the order of their making.
    pub(crate) keys: Vec<EndpointKeyRow>,
    pub(crate) created_at_ms: u64,
}

/// What reconcilers wrote down about a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct NetworkStatus {
    pub(crate) genesis_hash: Option<String>,
    /// Signed when the genesis is made, so that a crash doesn't make a second one; the key is gone.
    pub(crate) test_transaction: Option<StoredTransaction>,
    pub(crate) evidence: Option<Evidence>,
    pub(crate) reason: Option<Reason>,
    /// How often in a row the next step failed, and when it is tried again.
    pub(crate) failures: u32,
    pub(crate) retry_at_ms: u64,
    pub(crate) teardown: Option<TeardownRecord>,
    /// Requests wait at the gateway until it is usable.
    pub(crate) held: bool,
    /// The members' accounts, in the order of the spec; then those of organizations that came later.
    pub(crate) accounts: Vec<AccountRow>,
    /// The least ordinal that no node had yet, once one was removed.
    pub(crate) next_ordinal: u32,
    /// Where nodes were that are gone, as long as others are configured with it.
    pub(crate) departed: Vec<Departed>,
    /// What it lives under: when nobody holds it, the network is destroyed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lease: Option<LeaseId>,
    /// When its time is over, if it has an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<End>,
    /// What it began with, if it began anew with its own state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) succession: Option<Box<Succession>>,
}

/// What a network began with after a recovery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Succession {
    /// The recovery file that members signed: nodes check it for themselves.
    pub(crate) recovery: String,
    /// What is told of it.
    pub(crate) recovered: Recovered,
}

/// The account by which a member governs the network: one that the spec names, or one whose key is
/// held here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountRow {
    /// The key, chosen at the declaration; none if the spec names the account.
    pub(crate) key: Option<KeyId>,
    /// `0x` and 40 hex digits; known when the key is made.
    pub(crate) address: Option<String>,
    /// Whose it is, if the spec does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) member: Option<Name>,
}

/// Where a node was that is gone. Nodes that were configured with its address keep it: they are not
/// restarted because another one goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Departed {
    pub(crate) ordinal: u32,
    pub(crate) founder: bool,
    pub(crate) node_key: [u8; 32],
    pub(crate) port: u16,
    /// Nodes from this ordinal on were not configured with it.
    pub(crate) until: u32,
}

/// A signed transaction, ready to be sent: it is the same one however often it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredTransaction {
    pub(crate) method: String,
    pub(crate) params: serde_json::Value,
    pub(crate) hash: String,
}

/// How far a teardown is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TeardownRecord {
    /// Everything that was there when it began.
    pub(crate) inventory: Vec<Thing>,
    /// What is verified gone.
    pub(crate) released: Vec<Released>,
    /// The workloads whose removal succeeded.
    pub(crate) removed: Vec<WorkloadId>,
}

impl NetworkRow {
    /// When something is to be done about its end next.
    pub(crate) fn due_at_ms(&self) -> Option<u64> {
        let end = self.status.end.as_ref().filter(|_| self.intent != Intent::Destroyed);
        end.map(End::due_at_ms)
    }
}

impl AccountRow {
    /// The address, once it is known.
    pub(crate) fn bytes(&self) -> Option<[u8; 20]> {
        let digits = self.address.as_deref()?.strip_prefix("0x")?;
        hex::decode(digits).ok()?.try_into().ok()
    }
}

/// Something that a network has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Thing {
    pub(crate) kind: ReleasedKind,
    pub(crate) name: String,
    pub(crate) owner: String,
}

/// What a member sends to the governance contract through the platform: a proposal or a vote, until
/// its operation has ended. Declared before anything is signed, and signed before anything is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ballot {
    pub(crate) operation: OperationId,
    pub(crate) organization: OrganizationId,
    pub(crate) network: NetworkId,
    pub(crate) member: MemberName,
    /// The member's account, and its key.
    pub(crate) account: String,
    pub(crate) key: KeyId,
    /// The input of the transaction: `0x` hex.
    pub(crate) data: String,
    /// Once it is signed. No other one is made for this ballot.
    pub(crate) transaction: Option<StoredTransaction>,
    pub(crate) created_at_ms: u64,
}

impl Record {
    /// The nodes that clients are led to. What one has that does not vote may be of another day, and
    /// one that made its ledger from the others' state lacks old blocks for a while.
    pub(crate) fn best_nodes(&self) -> impl Iterator<Item = &NodeRow> {
        let best = self.nodes.iter().map(NodeRow::rank).max();
        self.nodes.iter().filter(move |node| Some(node.rank()) == best)
    }

    /// What the nodes here are called, by their node keys in hex.
    pub(crate) fn names_by_key(&self) -> BTreeMap<String, String> {
        let named = |node: &NodeRow| -> Vec<_> {
            node.node_keys().map(|key| (key, node.name.clone())).collect()
        };
        self.nodes.iter().flat_map(named).collect()
    }

    /// Whether one that stays has every block, or none of those that go has them.
    pub(crate) fn blocks_stay(&self, going: &[&NodeId]) -> bool {
        let goes = |node: &NodeRow| node.is_leaving() || going.contains(&&node.id);
        let lacks = |node: &NodeRow| node.status.blocks == Blocks::Some;
        let mut staying = self.nodes.iter().filter(|node| !goes(node)).peekable();
        let mut gone = self.nodes.iter().filter(|node| going.contains(&&node.id));
        staying.peek().is_none() || !staying.all(lacks) || gone.all(lacks)
    }

    /// The accounts that are known here, with whose they are.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (&Name, &AccountRow)> {
        let members = &self.network.spec.members;
        let accounts = self.network.status.accounts.iter().enumerate();
        accounts.filter_map(|(index, account)| {
            let named = members.get(index).map(|member| &member.organization);
            Some((named.or(account.member.as_ref())?, account))
        })
    }

    /// The ordinal that the next node gets.
    pub(crate) fn next_ordinal(&self) -> u32 {
        let after = self.nodes.iter().map(|node| node.ordinal.saturating_add(1));
        after.max().unwrap_or(0).max(self.network.status.next_ordinal)
    }

    /// The operation under way.
    pub(crate) fn operation_under_way(&self) -> Option<&Operation> {
        let id = self.network.operation.as_ref()?;
        self.operation.as_ref().filter(|operation| operation.id == *id)
    }

    /// The operation under way, to be changed.
    pub(crate) fn current_operation(&mut self) -> Option<&mut Operation> {
        let id = self.network.operation.as_ref()?;
        self.operation.as_mut().filter(|operation| operation.id == *id)
    }

    /// Every key that is held for it.
    pub(crate) fn key_ids(&self) -> impl Iterator<Item = &KeyId> {
        let of_nodes = self.nodes.iter().flat_map(NodeRow::key_ids);
        of_nodes
            .chain(self.network.status.accounts.iter().filter_map(|account| account.key.as_ref()))
    }

    /// The node of this id.
    pub(crate) fn node(&self, id: &NodeId) -> Option<&NodeRow> {
        self.nodes.iter().find(|node| node.id == *id)
    }

    /// The node of this id, to be changed.
    pub(crate) fn node_mut(&mut self, id: &NodeId) -> Option<&mut NodeRow> {
        self.nodes.iter_mut().find(|node| node.id == *id)
    }
}
