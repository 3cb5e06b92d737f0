//! Where workloads run: the driver trait, a fake of it, and the suite that every driver passes.
//!
//! A substrate turns a [`Workload`] into a running process and back into nothing. It is five verbs,
//! `ensure`, `remove`, `list`, `watch` and `usage`, plus log streaming, and it knows nothing of
//! networks, consensus or databases. `control` holds a `dyn` [`Substrate`]; which one it is, only
//! `cli` knows.
//!
//! The rooms within:
//! - [`driver`]: the trait, with the hard truths of running processes in its documentation.
//! - [`instance`]: what a driver reports: instances, exits, changes, usage, removals.
//! - [`lease`]: what ends a workload when whoever it runs for is gone.
//! - [`resident`]: the program's side of the contract: claim the directory, announce, exit.
//! - [`fake`]: a substrate in memory whose calls fail, hang and repeat on command.
//! - [`conformance`]: the suite that a driver passes before anything may rely on it.
//!
//! Deliberately absent: restarting what crashed (the control plane decides that, with backoff), any
//! record of what *should* run, and any knowledge of what a workload's files mean.
#![warn(missing_docs)]

pub mod clock;
pub mod conformance;
pub mod driver;
pub mod error;
pub mod fake;
pub mod instance;
pub mod lease;
pub mod resident;

pub use driver::{ChangeStream, LineStream, LogOptions, Substrate, fingerprint};
pub use error::SubstrateError;
pub use instance::{
    Change, ChangeKind, ExitRecord, Instance, InstanceState, LabelSelector, Layer, OUT_OF_MEMORY,
    Removal, Running, Usage,
};
pub use windlass_model::{
    WorkloadId,
    receipt::{Released, ReleasedKind},
    workload::{Desired, Limits, Program, Workload},
};
