//! The control plane from outside, over a world in memory.

mod crash;
mod fake;
mod service;
