//! The control plane from outside, over a world in memory.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test where they cannot go on")]
#![expect(clippy::large_futures, reason = "each test runs a few futures, on a stack of its own")]
#![expect(clippy::as_conversions, reason = "small numbers of a test's own making")]

mod accidents;
mod budgets;
mod crash;
mod demand;
mod doctor;
mod fake;
mod keys;
mod leases;
mod model;
mod nodes;
mod service;
