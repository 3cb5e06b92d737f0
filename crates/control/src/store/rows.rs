//! What the store keeps of a network: the whole noun as one value.
//!
//! A [`Record`] is loaded whole, changed in memory by pure code, and saved whole against the
//! resource version that it was loaded with. What nodes report is not here: it would be a write a
//! block.

use serde::{Deserialize, Serialize};
use windlass_model::{
    KeyId, Name, NetworkId, NodeId, OperationId, OrganizationId, WorkloadId,
    governance::MemberName,
    network::{Evidence, Intent, NetworkState, Operation, Reason},
    receipt::{Released, ReleasedKind},
    spec::NetworkSpec,
};

/// A network with everything that it owns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) network: NetworkRow,
    /// In the order of the genesis.
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
    /// The secret part of the endpoint's URL.
    pub(crate) endpoint_key: String,
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
    /// The members' accounts, in the order of the spec.
    pub(crate) accounts: Vec<AccountRow>,
}

/// The account by which a member governs the network: one that the spec names, or one whose key is
/// held here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountRow {
    /// The key, chosen at the declaration; none if the spec names the account.
    pub(crate) key: Option<KeyId>,
    /// `0x` and 40 hex digits; known when the key is made.
    pub(crate) address: Option<String>,
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

/// A node with its keys and port.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeRow {
    pub(crate) id: NodeId,
    pub(crate) name: String,
    pub(crate) member: Name,
    pub(crate) node_key: KeyRow,
    pub(crate) consensus_key: KeyRow,
    /// The p2p port, once one is chosen.
    pub(crate) port: Option<u16>,
    pub(crate) status: NodeStatus,
}

/// A key version: the id is chosen at the declaration, the public half is known once it is made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyRow {
    pub(crate) id: KeyId,
    pub(crate) public: Option<[u8; 32]>,
}

/// What reconcilers wrote down about a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct NodeStatus {
    /// The process that was last seen running and not yet seen ended.
    pub(crate) process: Option<ProcessRef>,
    /// How often it was started again after it had ended by itself.
    pub(crate) restarts: u32,
    /// How often in a row it ended or did not start.
    pub(crate) failures: u32,
    /// When it is started again.
    pub(crate) retry_at_ms: u64,
    pub(crate) reason: Option<Reason>,
    /// Its port is another's: a new one is to be chosen.
    pub(crate) port_taken: bool,
}

/// A process, named for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessRef {
    pub(crate) pid: u32,
    pub(crate) start_time_ticks: u64,
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
    /// The operation under way, to be changed.
    pub(crate) fn current_operation(&mut self) -> Option<&mut Operation> {
        let id = self.network.operation.as_ref()?;
        self.operation.as_mut().filter(|operation| operation.id == *id)
    }

    /// Every key that is held for it.
    pub(crate) fn key_ids(&self) -> impl Iterator<Item = &KeyId> {
        let of_nodes =
            self.nodes.iter().flat_map(|node| [&node.node_key.id, &node.consensus_key.id]);
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
