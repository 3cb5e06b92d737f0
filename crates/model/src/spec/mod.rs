//! What a user declares: the spec of a network.
//!
//! [`Manifest`] is the file as written, with most fields optional; [`Manifest::resolve`] fills the
//! defaults in, checks every value and gives a [`NetworkSpec`], in which nothing invalid can stand.
//! [`crate::read`] reads it and says of a mistake where it is.

mod checks;
mod genesis_file;
pub mod template;
mod values;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ErrorCode, Name, Problem, error::Location};

pub use genesis_file::GenesisFile;
pub use template::Template;
pub use values::{AccountAddress, HexBytes, InvalidValue, Quantity};

/// Chain ids stay below 2^53, so that JavaScript clients read them exactly.
pub const MAX_CHAIN_ID: u64 = (1 << 53) - 1;
/// Wallets such as `MetaMask` take no greater one: EIP-155's `v`, twice as great, stays below 2^53.
pub const MAX_WALLET_CHAIN_ID: u64 = 4_503_599_627_370_476;
/// The least that a block's gas limit can be, in gas.
pub const MIN_GAS_LIMIT: u64 = 1_000_000;
/// The least cap of a transaction's gas: a proposal takes 350,000 where there are three members.
pub const MIN_GAS_CAP: u64 = 1_000_000;
/// The longest epoch in blocks: a decided change of validators has the rest of it made, empty if need be.
pub const MAX_EPOCH_LENGTH: u64 = 10_000;
/// The most that a block's gas limit can be, in gas.
pub const MAX_GAS_LIMIT: u64 = 10_000_000_000;
/// A private network that nobody asks anything for so many seconds falls asleep.
pub const SLEEP_AFTER_S: u32 = 1_800;
/// A network whose time is limited lives at least so many seconds.
pub const MIN_TTL_S: u32 = 60;
/// The longest time to live in seconds: ten years.
pub const MAX_TTL_S: u32 = 315_360_000;
/// What a node may have on disk unless said, in MiB.
pub const DISK_MIB: u32 = 10_240;
/// The most validators of one network.
pub const MAX_VALIDATORS: u32 = 100;

/// The software that runs a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// Our own: Ethereum blocks with BFT finality.
    #[default]
    Windlass,
}

/// How many organizations share a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NetworkKind {
    /// One organization's.
    #[default]
    Private,
    /// Several organizations'.
    Consortium,
}

/// What a transaction pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "policy", rename_all = "lowercase", deny_unknown_fields)]
pub enum Fees {
    /// The base fee is constantly zero, and fees are neither required nor charged.
    Free {},
    /// A base fee by EIP-1559 that does not fall below a floor.
    Eip1559 {
        /// The floor in wei per gas.
        #[serde(default = "one_gwei")]
        floor_wei: u64,
    },
}

fn one_gwei() -> u64 {
    1_000_000_000
}

/// What an account holds in block 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Allocation {
    /// Its balance in wei.
    pub balance: Quantity,
    /// Its nonce.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub nonce: u64,
    /// Its code, if it is a contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<HexBytes>,
    /// Its storage: slot → value, each a number below 2^256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<Quantity, Quantity>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A member: an organization's seat, with its validators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The organization's name.
    pub organization: Name,
    /// How many validators it runs.
    pub validators: u32,
    /// The account by which it proposes and votes; one is made, and its key held, unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountAddress>,
}

/// What a node may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeLimits {
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Processor time in thousandths of a core; 0 is no limit.
    pub cpu_millis: u32,
    /// What its directory may take on disk in MiB; 0 is no limit. A node that has reached it takes no
    /// transactions any more.
    pub disk_mib: u32,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self { memory_mib: 512, cpu_millis: 0, disk_mib: DISK_MIB }
    }
}

/// How members decide from the first block on; they can vote to change the thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GovernanceTerms {
    /// Members and validators change when more than so many percent of the active members are for it.
    pub membership_threshold: u8,
    /// Parameters change when more than so many percent are.
    pub parameters_threshold: u8,
    /// How long a proposal takes votes, in seconds.
    pub proposal_lifetime_s: u32,
}

impl Default for GovernanceTerms {
    fn default() -> Self {
        Self { membership_threshold: 50, parameters_threshold: 50, proposal_lifetime_s: 604_800 }
    }
}

/// How a node that is far behind catches up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SyncMode {
    /// From its peers' state, each part of it proven; earlier blocks follow.
    #[default]
    Fast,
    /// Block by block from where it is, each executed.
    Full,
}

/// A network as it is declared, every default filled in and every value checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// The software that runs it.
    pub engine: EngineName,
    /// How many organizations share it.
    pub kind: NetworkKind,
    /// The chain id, 1 to 2^53 − 1, unique on the installation.
    pub chain_id: u64,
    /// The gas limit of a block.
    pub gas_limit: u64,
    /// The gas limit of a transaction (EIP-7825).
    pub transaction_gas_cap: u64,
    /// The size limit of a contract's code in bytes (EIP-170).
    pub contract_size_limit: u32,
    /// The shortest time between two blocks in milliseconds.
    pub min_block_interval_ms: u64,
    /// Blocks in an epoch: validators change at its end.
    pub epoch_length: u64,
    /// What a transaction pays.
    pub fees: Fees,
    /// Web origins that may use the endpoint from a browser; `*` is any.
    pub cors_origins: Vec<String>,
    /// Accounts of block 0.
    pub alloc: BTreeMap<AccountAddress, Allocation>,
    /// The members and their validators.
    pub members: Vec<Member>,
    /// How members decide.
    #[serde(default)]
    pub governance: GovernanceTerms,
    /// What each node may use.
    pub node_limits: NodeLimits,
    /// How a node that is far behind catches up.
    #[serde(default)]
    pub sync: SyncMode,
    /// Whether each node keeps the states of all blocks, from when it is said.
    #[serde(default)]
    pub archive: bool,
    /// After so many seconds without a request it falls asleep, until the next one; 0 is never.
    #[serde(default)]
    pub sleep_after_s: u32,
    /// How many seconds it lives: then it is stopped, and some time later destroyed. 0 is without an end.
    #[serde(default)]
    pub ttl_s: u32,
    /// A loopback port at which the programs of this machine reach it without a key, while no other program
    /// listens there; 0 is none.
    #[serde(default)]
    pub local_port: u16,
}

impl NetworkSpec {
    /// How many validators there are.
    pub fn validators(&self) -> u32 {
        self.members.iter().map(|member| member.validators).sum()
    }

    /// How many validators may fail or lie without harm: (n − 1) / 3.
    pub fn tolerated_faults(&self) -> u32 {
        self.validators().saturating_sub(1) / 3
    }
}

/// A spec as a user writes it, in TOML or JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The network's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The software that runs it; `windlass` unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
    /// `private` unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<NetworkKind>,
    /// Drawn at random unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
    /// 30,000,000 unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gas_limit: Option<u64>,
    /// 16,777,216 (2^24) unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_gas_cap: Option<u64>,
    /// 24,576 unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract_size_limit: Option<u32>,
    /// 100 unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_block_interval_ms: Option<u64>,
    /// 64 unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch_length: Option<u64>,
    /// `free` unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fees: Option<Fees>,
    /// None unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors_origins: Option<Vec<String>>,
    /// Accounts of block 0.
    #[serde(
        default,
        deserialize_with = "values::each_once",
        skip_serializing_if = "Option::is_none"
    )]
    pub alloc: Option<BTreeMap<AccountAddress, Allocation>>,
    /// A `genesis.json` of Geth or Besu whose accounts the network begins with, beside the spec. Read
    /// by `windlass`; over REST, its contents go into `chain_id`, `alloc` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genesis_from: Option<String>,
    /// Validators of the one member of a private network; short for `members`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validators: Option<u32>,
    /// The members and their validators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<Member>>,
    /// How members decide: by more than half of them, within a week, unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub governance: Option<GovernanceTerms>,
    /// What each node may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_limits: Option<NodeLimits>,
    /// `fast` unless said; an archive is `full`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncMode>,
    /// Whether each node keeps the states of all blocks; those of the last 8,192 unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<bool>,
    /// After so many seconds without a request and without an open `WebSocket` it falls asleep, until the
    /// next request; 0 is never. 1,800 unless said, and never if it is a consortium's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sleep_after_s: Option<u32>,
    /// How many seconds it lives, from its declaration or from when this is changed: then it is stopped,
    /// and destroyed after a day at most unless it is extended. 0 is without an end, and so unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_s: Option<u32>,
    /// A loopback port from 1024 on at which the programs of this machine reach a private network without a
    /// key, while no other program listens there. 0 is none, and so unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_port: Option<u16>,
}

/// What a manifest leaves to the platform.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The chain id where the manifest has none.
    pub chain_id: u64,
    /// The member where the manifest names none: the organization that declares.
    pub organization: Name,
}

impl Manifest {
    /// Fills the defaults in and checks every value.
    pub fn resolve(&self, defaults: &Defaults) -> Result<NetworkSpec, Box<Problem>> {
        if let Some(file) = &self.genesis_from {
            return Err(invalid(
                "genesis_from",
                format!("the platform does not read `{file}` on its user's machine"),
                "declare the network with `windlass`, which reads it; or give what is in it as \
                 `chain_id`, `gas_limit` and `alloc`",
            ));
        }
        let archive = self.archive.unwrap_or(false);
        let kind = self.kind.unwrap_or_default();
        let spec = NetworkSpec {
            engine: self.engine.unwrap_or_default(),
            kind,
            chain_id: self.chain_id.unwrap_or(defaults.chain_id),
            gas_limit: self.gas_limit.unwrap_or(30_000_000),
            transaction_gas_cap: self.transaction_gas_cap.unwrap_or(1 << 24),
            contract_size_limit: self.contract_size_limit.unwrap_or(24_576),
            min_block_interval_ms: self.min_block_interval_ms.unwrap_or(100),
            epoch_length: self.epoch_length.unwrap_or(64),
            fees: self.fees.clone().unwrap_or(Fees::Free {}),
            cors_origins: self.cors_origins.clone().unwrap_or_default(),
            alloc: self.alloc.clone().unwrap_or_default(),
            members: self.resolve_members(defaults)?,
            governance: self.governance.unwrap_or_default(),
            node_limits: self.node_limits.unwrap_or_default(),
            sync: self.sync.unwrap_or(if archive { SyncMode::Full } else { SyncMode::Fast }),
            archive,
            sleep_after_s: self.sleep_after_s.unwrap_or(match kind {
                NetworkKind::Private => SLEEP_AFTER_S,
                NetworkKind::Consortium => 0,
            }),
            ttl_s: self.ttl_s.unwrap_or(0),
            local_port: self.local_port.unwrap_or(0),
        };
        if archive && spec.sync == SyncMode::Fast {
            return Err(invalid(
                "sync",
                "an archive has the states of all blocks, and `fast` takes the newest one",
                "leave `sync` out: a node of an archive executes each block",
            ));
        }
        checks::check(&spec)?;
        Ok(spec)
    }

    fn resolve_members(&self, defaults: &Defaults) -> Result<Vec<Member>, Box<Problem>> {
        match (&self.members, self.validators) {
            (Some(_), Some(_)) => Err(invalid(
                "validators",
                "the spec has both `validators` and `members`",
                "`validators` is short for one member: leave one of the two out",
            )),
            (Some(members), None) => Ok(members.clone()),
            (None, validators) => Ok(vec![Member {
                organization: defaults.organization.clone(),
                validators: validators.unwrap_or(4),
                account: None,
            }]),
        }
    }
}

fn invalid(field: &str, detail: impl Into<String>, hint: impl Into<String>) -> Box<Problem> {
    let location = Location { field: Some(field.to_owned()), ..Location::default() };
    Box::new(Problem::new(ErrorCode::InvalidSpec, detail, hint).at(location))
}

#[cfg(test)]
mod tests;
