//! Engines: the chain software that runs a network, described without running it.
//!
//! An [`Engine`] turns a network's spec into a genesis document, into workloads for a substrate, and
//! into the questions by which the control plane learns how a node does. Everything here is a pure
//! function of its arguments: no I/O, no clock, no randomness. Who sends an [`RpcRequest`] to a node
//! and reads its answer is the control plane; who starts a workload is a substrate.
//!
//! Deliberately absent: any process handling, any private key, any retry.
#![warn(missing_docs)]

mod engine;
mod error;
pub mod governance;
pub mod recovery;
pub mod windlass;

pub use engine::{
    Engine, GenesisFile, GenesisInput, History, MachineReport, MemberKeys, NodeInput, NodeReport,
    PeerAddress, RpcRequest, Seat, SeatKeys, Sign, Succession, TestTransaction, ValidatorKeys,
    Work,
};
pub use error::EngineError;
