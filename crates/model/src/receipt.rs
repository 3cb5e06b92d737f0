//! The release receipt: what a destroy hands back.
//!
//! Every thing that the network had is one line: what it was, how it was verified to be gone, and
//! when. A receipt is written only after every line is verified; there is no receipt with holes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Name, NetworkId};

/// The kind of a thing that a network had.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ReleasedKind {
    /// An operating-system process.
    Process,
    /// A TCP port that was listened on.
    Port,
    /// A Unix socket.
    Socket,
    /// A directory with everything in it.
    Directory,
    /// A file outside such a directory, or one worth naming.
    File,
    /// A control group.
    Cgroup,
    /// A key version in a key provider.
    Key,
    /// A stable URL at the gateway.
    Endpoint,
}

/// One thing that existed and is verified gone.
#[expect(clippy::struct_field_names, reason = "the moment of release is called so everywhere")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Released {
    /// What kind of thing.
    pub kind: ReleasedKind,
    /// Which one: `pid 4711`, `127.0.0.1:41233`, a path, a key's id.
    pub name: String,
    /// Whose it was: the node's name, or the network's own.
    pub owner: String,
    /// How its absence was verified, as a past participle: `no such process`, `connection refused`.
    pub verified: String,
    /// When it was verified gone, Unix milliseconds.
    pub released_at_ms: u64,
}

/// What a destroy, or the removal of a node, hands back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseReceipt {
    /// The network that is gone, or that the node was of.
    pub network: NetworkId,
    /// The name it had.
    pub name: Name,
    /// When it was asked for, Unix milliseconds.
    pub requested_at_ms: u64,
    /// When the last thing was verified gone, Unix milliseconds.
    pub completed_at_ms: u64,
    /// Everything that existed, in the order in which it went.
    pub released: Vec<Released>,
}
