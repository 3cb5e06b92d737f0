//! Benchmarks of whole networks, from outside: `cargo xtask bench network`, `consensus`, `sync`,
//! `chain` and `control`.
//!
//! They run the `windlass` of their own build, the release, and measure what a user sees: the time
//! of a command from its start to its end, of a transaction from sending it to holding its receipt,
//! and what the kernel says that the processes used. Nothing is asserted: the machine is noisy, so
//! figures are medians of rounds in one run, with the disk's own latency beside them.

mod chain;
mod cluster;
mod consensus;
mod contracts;
mod control;
mod large;
mod load;
mod network;
mod peer;
mod reads;
mod say;
mod slow;
mod summary;
mod sync;
mod usage;
mod wire;

use clap::{Parser, Subcommand};

/// Benchmarks of whole networks.
#[derive(Debug, Parser)]
#[command(name = "windlass-bench")]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Create, stop, start and destroy; an idle network; finality and throughput as a client sees them
    Network(network::Options),
    /// Finality by the number of validators and their distance, a dead leader, a change of validators, proofs
    Consensus(consensus::Options),
    /// A network with a large ledger: its start, memory, logs, and a node that joins it
    Sync(sync::Options),
    /// What a network of four executes in a second, its finality and writes under load, reads; anvil and Geth beside it
    Chain(chain::Options),
    /// Waking a network, what the gateway costs, and how many networks one platform keeps
    Control(control::Options),
}

#[tokio::main]
async fn main() {
    match Arguments::parse().benchmark {
        Benchmark::Network(options) => Box::pin(network::run(options)).await,
        Benchmark::Consensus(options) => Box::pin(consensus::run(options)).await,
        Benchmark::Sync(options) => Box::pin(sync::run(options)).await,
        Benchmark::Chain(options) => Box::pin(chain::run(options)).await,
        Benchmark::Control(options) => Box::pin(control::run(options)).await,
    }
}
