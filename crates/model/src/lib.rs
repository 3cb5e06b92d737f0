//! The words of Windlass as types: ids, specs, statuses, API bodies and error codes.
//!
//! Everything here is data. There is no I/O, no clock, no randomness and no async: whoever makes an
//! id brings the entropy, whoever stamps a time brings the milliseconds. Input is parsed at the edge
//! into these types, and inside the program an invalid name, id or spec cannot exist.
#![warn(missing_docs)]

pub mod api;
pub mod budget;
pub mod condition;
pub mod consensus;
pub mod error;
pub mod governance;
pub mod id;
pub mod key;
pub mod misconduct;
pub mod name;
pub mod network;
pub mod read;
pub mod receipt;
pub mod recovery;
pub mod route;
pub mod spec;
pub mod workload;

pub use error::{ErrorCode, Problem};
pub use id::{EventId, KeyId, LeaseId, NetworkId, NodeId, OperationId, OrganizationId, WorkloadId};
pub use name::Name;
