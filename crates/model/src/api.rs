//! Bodies of the REST API that are not objects themselves, and the event stream.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    EventId, Name, NetworkId, OrganizationId,
    network::{BlockRef, Network, Operation},
};

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The objects.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_cursor: Option<String>,
}

/// An organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Its name, unique on the installation.
    pub name: Name,
}

/// What a mutation answers: the object as it is now, and the operation that carries it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The network.
    pub network: Network,
    /// The operation; absent where nothing was to be done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub operation: Option<Operation>,
    /// What the user should know, such as that three validators tolerate no fault.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
}

/// One difference between a spec and what is declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpecChange {
    /// The field's path.
    pub field: String,
    /// As it is.
    pub from: serde_json::Value,
    /// As it would be.
    pub to: serde_json::Value,
}

/// What an apply would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum ApplyPlan {
    /// The network would be created.
    Create,
    /// These fields would change.
    Update {
        /// The differences.
        changes: Vec<SpecChange>,
    },
    /// It is as the spec says.
    Nothing,
}

/// The platform itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlatformStatus {
    /// The program's version.
    pub version: String,
    /// The platform's process.
    pub pid: u32,
    /// Where API and console listen.
    pub url: String,
    /// Where the gateway listens.
    pub gateway_url: Option<String>,
    /// The gateway's process.
    pub gateway_pid: Option<u32>,
    /// The data directory.
    pub data_dir: String,
    /// When it started, Unix milliseconds.
    pub started_at_ms: u64,
    /// How many networks there are.
    pub networks: u64,
    /// How many node processes run.
    pub running_nodes: u64,
}

/// A one-time login link for the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginLink {
    /// The link. It works once.
    pub url: String,
    /// Until when, Unix milliseconds.
    pub expires_at_ms: u64,
}

/// A block, as the network page lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockSummary {
    /// The height.
    pub number: u64,
    /// The hash.
    pub hash: String,
    /// Unix milliseconds.
    pub timestamp_ms: u64,
    /// Gas used.
    pub gas_used: u64,
    /// Its transactions, in order.
    pub transactions: Vec<TransactionSummary>,
}

/// A transaction, as the network page lists it. Amounts are `0x` hex, in wei.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransactionSummary {
    /// The hash.
    pub hash: String,
    /// The sender.
    pub from: String,
    /// The recipient; absent for a deployment.
    pub to: Option<String>,
    /// The value in wei.
    pub value: String,
}

/// One event of the platform's ordered stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its position; `None` for a tick, which is not kept.
    pub id: Option<EventId>,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventBody {
    /// A network came to be or changed; the object as it is now.
    Network {
        /// The network.
        network: Box<Network>,
    },
    /// A network is gone.
    NetworkGone {
        /// Its id.
        network: NetworkId,
    },
    /// An operation came to be or changed.
    Operation {
        /// The operation.
        operation: Box<Operation>,
    },
    /// A network's tip moved. A tick: it is not kept.
    Tip {
        /// The network.
        network: NetworkId,
        /// The new tip.
        tip: BlockRef,
    },
}

/// The kinds of events.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A network came to be or changed.
    Network,
    /// A network is gone.
    NetworkGone,
    /// An operation came to be or changed.
    Operation,
    /// A network's tip moved.
    Tip,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Network, Self::NetworkGone, Self::Operation, Self::Tip];

    /// The word in the stream.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::NetworkGone => "network_gone",
            Self::Operation => "operation",
            Self::Tip => "tip",
        }
    }
}

impl EventBody {
    /// What kind it is.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::Network { .. } => EventKind::Network,
            Self::NetworkGone { .. } => EventKind::NetworkGone,
            Self::Operation { .. } => EventKind::Operation,
            Self::Tip { .. } => EventKind::Tip,
        }
    }

    /// Which network it is about.
    pub fn network(&self) -> &NetworkId {
        match self {
            Self::Network { network } => &network.id,
            Self::NetworkGone { network } | Self::Tip { network, .. } => network,
            Self::Operation { operation } => &operation.network,
        }
    }
}
