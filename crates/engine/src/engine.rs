//! The [`Engine`] trait and the plain data that it takes and gives.

use std::{fmt, net::SocketAddr, path::Path};

use serde_json::Value;
use windlass_model::{
    KeyId, Name, NetworkId, NodeId, OrganizationId,
    api::BlockSummary,
    consensus::ConsensusReport,
    misconduct::DoubleVote,
    network::BlockRef,
    spec::{EngineName, NetworkSpec},
    workload::{Desired, Workload},
};

use crate::{EngineError, governance::Governance, recovery::Recovery};

/// Signs a 32-byte hash with a secp256k1 key: r ‖ s ‖ recovery id (0 or 1).
pub type Sign<'a> = dyn Fn([u8; 32]) -> [u8; 65] + 'a;

/// One call of a node's JSON-RPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcRequest {
    /// The method.
    pub method: &'static str,
    /// The positional parameters: a JSON array.
    pub params: Value,
}

/// The public keys of one validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorKeys {
    /// The node's name in the network.
    pub name: String,
    /// Ed25519 public key of its p2p identity.
    pub node_key: [u8; 32],
    /// Ed25519 public key of its votes.
    pub consensus_key: [u8; 32],
}

/// One member and its validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberKeys {
    /// The organization's name.
    pub organization: Name,
    /// The account by which it proposes and votes.
    pub account: [u8; 20],
    /// Its validators, in order.
    pub validators: Vec<ValidatorKeys>,
}

/// What a genesis is made from.
#[derive(Clone, Debug)]
pub struct GenesisInput<'a> {
    /// The spec.
    pub spec: &'a NetworkSpec,
    /// The members in the spec's order, with their validators' keys.
    pub members: Vec<MemberKeys>,
    /// When the network was declared, Unix seconds.
    pub declared_at_s: u64,
    /// The account that sends the test transaction; funded where transactions cost something.
    pub probe_account: [u8; 20],
}

/// A genesis document and the hash that commits to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisFile {
    /// The document.
    pub content: String,
    /// The hash of block 0: `0x` and 64 hex digits.
    pub hash: String,
}

/// Where one validator is reached by its peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// Ed25519 public key of its p2p identity.
    pub node_key: [u8; 32],
    /// Its p2p address.
    pub address: SocketAddr,
}

/// What a network began with that follows another one.
#[derive(Clone, Copy, Debug)]
pub struct Succession<'a> {
    /// The recovery file that members signed.
    pub recovery: &'a str,
    /// Where the export of the network before is.
    pub export: &'a Path,
}

/// What a node's workload is made from.
#[derive(Clone, Debug)]
pub struct NodeInput<'a> {
    /// The installation's id, a label.
    pub installation: &'a str,
    /// The organization, a label.
    pub organization: &'a OrganizationId,
    /// The network, a label.
    pub network: &'a NetworkId,
    /// The node.
    pub node: &'a NodeId,
    /// Where it listens for its peers.
    pub listen: SocketAddr,
    /// The genesis document.
    pub genesis: &'a str,
    /// The node's p2p key in the vault.
    pub node_key: &'a KeyId,
    /// The p2p key that is to replace it.
    pub next_node_key: Option<&'a KeyId>,
    /// How often its ledger was found damaged, and is to be put aside.
    pub repairs: u32,
    /// The node's consensus keys in the vault: one, or two while one replaces the other.
    pub consensus_keys: &'a [KeyId],
    /// The vault's directory.
    pub vault: &'a Path,
    /// Where peers are reached, whatever the chain says: the validators of the genesis, this one too.
    pub addresses: &'a [PeerAddress],
    /// The nodes that one dials until it has caught up, although the chain as it has it may not name
    /// them: those that were there when it was added, and those whose identity was replaced.
    pub bootstrap: &'a [PeerAddress],
    /// What the network began with, if it follows another one after a recovery.
    pub succession: Option<Succession<'a>>,
    /// The lease that it lives under: it ends by itself when nobody holds it.
    pub lease: Option<&'a Path>,
    /// The spec.
    pub spec: &'a NetworkSpec,
    /// Whether the process should be there.
    pub desired: Desired,
}

/// How a node does, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// Rises with every change of what stands here.
    pub revision: u64,
    /// The hash of block 0.
    pub genesis_hash: String,
    /// The chain id.
    pub chain_id: u64,
    /// The newest final block.
    pub tip: BlockRef,
    /// Validators that it is connected with, itself counted if it is one.
    pub connected_validators: u32,
    /// Validators that a block needs.
    pub quorum: u32,
    /// Validators that there are.
    pub validators: u32,
    /// What it is to the members.
    pub seat: Seat,
    /// The keys by which the epoch that it has entered has it as a validator.
    pub seated_by: Option<SeatKeys>,
    /// Whether it has something to do, as a validator.
    pub work: Work,
    /// Whether it is behind and catching up.
    pub syncing: bool,
    /// The newest final block that it knows of.
    pub highest: u64,
    /// Whether it has every block up to its tip: it neither makes its ledger anew from the others'
    /// state nor lacks blocks from before one that it has made so.
    pub history: History,
    /// How much of the others' state it has taken, in thousandths, while it takes it.
    pub state_per_mille: Option<u16>,
    /// How many blocks from before its state it fetches while it follows.
    pub earlier_blocks: u64,
    /// How many seconds catching up takes, or fetching those, as far as it can tell.
    pub left_s: Option<u64>,
    /// Since when (Unix milliseconds) and why no block is made although there is work.
    pub stalled: Option<(u64, String)>,
    /// The other nodes that the members name, by their node keys (lower-case hex without `0x`), and
    /// whether it is connected with each.
    pub peers: Vec<(String, bool)>,
    /// What it says of the machine under it.
    pub machine: MachineReport,
}

/// What a node says of the machine under it; nothing, where it is of a version that does not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineReport {
    /// Its time of day when it answered, in Unix milliseconds.
    pub at_ms: Option<u64>,
    /// The version of its program.
    pub version: Option<String>,
    /// Bytes that it may still write to the file system of its directory.
    pub disk_free_bytes: Option<u64>,
    /// How large that file system is.
    pub disk_bytes: Option<u64>,
    /// Resident memory of its process.
    pub resident_bytes: Option<u64>,
    /// What its control group allows it, where there is one with a limit.
    pub memory_limit_bytes: Option<u64>,
    /// How far its clock is ahead of its peers', in microseconds.
    pub clock_ahead_us: Option<i64>,
}

/// The keys of a seat, in lower-case hex without `0x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatKeys {
    /// The p2p identity that the node goes by.
    pub node_key: String,
    /// The key that it votes with.
    pub consensus_key: String,
}

/// Whether a validator has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Its tip is final, and no transaction waits that a block can have.
    Nothing,
    /// A transaction waits, or a block is on its way.
    Something,
}

/// Which blocks a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// Every one up to its tip.
    Whole,
    /// Not all, or it makes its ledger anew.
    Lacking,
}

/// What a node is to the members of its network, as far as it has the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seat {
    /// It is a validator and votes.
    Votes,
    /// It is a validator and does not vote: why.
    Silent(String),
    /// It is not a validator and follows: why.
    Follows(String),
    /// No member has named it.
    Unnamed,
}

impl Seat {
    /// Whether it is a validator of the epoch.
    pub fn is_validator(&self) -> bool {
        matches!(self, Self::Votes | Self::Silent(_))
    }

    /// Why it does not vote, if it says so.
    pub fn why_silent(&self) -> Option<&str> {
        match self {
            Self::Votes | Self::Unnamed => None,
            Self::Silent(why) | Self::Follows(why) => Some(why),
        }
    }
}

impl NodeReport {
    /// Whether it has heard of the network, so that what it says of its seat can be relied on: a node
    /// that has just started knows the genesis and nothing else.
    pub fn is_settled(&self) -> bool {
        self.quorum_connected() || self.stalled.is_some()
    }

    /// Whether it is connected with a quorum, itself counted.
    pub fn quorum_connected(&self) -> bool {
        self.connected_validators >= self.quorum
    }
}

/// The transaction by which a new network shows that it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestTransaction {
    /// Sends it.
    pub send: RpcRequest,
    /// Its hash.
    pub hash: String,
}

/// The chain software that runs a network.
pub trait Engine: fmt::Debug + Send + Sync {
    /// Its name in a spec.
    fn name(&self) -> EngineName;

    /// Memory in MiB that one node of a network of so many validators needs to live; what a machine
    /// is measured against at a create.
    fn memory_per_node_mib(&self, validators: u32) -> u32;

    /// How many messages the validators send each other to agree on one block; what processors are
    /// measured against at a create.
    fn messages_per_block(&self, validators: u32) -> u64;

    /// Makes the genesis. The same input gives the same bytes.
    fn genesis(&self, input: &GenesisInput<'_>) -> Result<GenesisFile, EngineError>;

    /// Describes one node's process. The same input gives the same workload.
    fn workload(&self, input: &NodeInput<'_>) -> Result<Workload, EngineError>;

    /// The name of the socket in [`Workload::sockets`] that answers JSON-RPC.
    fn rpc_socket(&self) -> &'static str;

    /// Asks a node how it does.
    fn status_request(&self) -> RpcRequest;

    /// Asks a node how it does, and has it answer when its revision is above the one given, or
    /// after `timeout_ms` milliseconds.
    fn await_status_request(&self, revision: u64, timeout_ms: u64) -> RpcRequest;

    /// Reads the answer to either of the two.
    fn read_status(&self, answer: &Value) -> Result<NodeReport, EngineError>;

    /// Asks a node what consensus is doing.
    fn consensus_request(&self) -> RpcRequest;

    /// Reads the answer.
    fn read_consensus(&self, answer: &Value) -> Result<ConsensusReport, EngineError>;

    /// Asks a node which validators it saw vote twice.
    fn misconduct_request(&self) -> RpcRequest;

    /// Reads the answer.
    fn read_misconduct(&self, answer: &Value) -> Result<Vec<DoubleVote>, EngineError>;

    /// Where a node answers to a GET with what it measures, in Prometheus' text format.
    fn metrics_path(&self) -> &'static str;

    /// Makes the test transaction of an account that has sent `nonce` before.
    fn test_transaction(
        &self,
        spec: &NetworkSpec,
        account: [u8; 20],
        nonce: u64,
        sign: &Sign<'_>,
    ) -> Result<TestTransaction, EngineError>;

    /// Asks a node for a transaction's receipt.
    fn receipt_request(&self, hash: &str) -> RpcRequest;

    /// Reads the final block that a receipt names; `None` while there is no receipt.
    fn read_receipt(&self, answer: &Value) -> Result<Option<BlockRef>, EngineError>;

    /// Asks a node for a block with its transactions.
    fn block_request(&self, number: u64) -> RpcRequest;

    /// Reads the answer; `None` where there is no such block.
    fn read_block(&self, answer: &Value) -> Result<Option<BlockSummary>, EngineError>;

    /// Asks a node for its newest block's number: what an endpoint is probed with.
    fn height_request(&self) -> RpcRequest;

    /// Reads the answer.
    fn read_height(&self, answer: &Value) -> Result<u64, EngineError>;

    /// How members govern a network of this engine; `None` if they don't.
    fn governance(&self) -> Option<&dyn Governance>;

    /// How a network of this engine begins anew with its own state; `None` if it can't.
    fn recovery(&self) -> Option<&dyn Recovery>;
}
