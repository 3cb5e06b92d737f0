//! The verbs of a node's ledger.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct NodeProcessArgs {
    /// The node's directory
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) dir: Option<PathBuf>,
    /// The lease that it lives under
    #[arg(long, hide = true, value_name = "FILE")]
    pub(crate) lease: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) verb: Option<NodeProcessVerb>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum NodeProcessVerb {
    /// Look at the ledger of a node that is stopped
    #[command(subcommand)]
    Db(DatabaseVerb),
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DatabaseVerb {
    /// Check everything: each record, each block, the state and its tries
    ///
    /// What is wrong is listed. Nothing is changed.
    Verify(DatabaseArgs),
    /// Show what takes how much
    Stats(DatabaseArgs),
    /// Remove states of earlier blocks, and make the file as small as it can be
    ///
    /// Blocks, receipts and logs stay. Calls, traces and proofs at earlier blocks than those that are
    /// kept are refused from then on.
    Prune(PruneArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DatabaseArgs {
    /// The node's directory, as `windlass network destroy` names it in its receipt: DATA/workloads/NODE
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// How many blocks before the newest keep their states
    #[arg(long, value_name = "BLOCKS", default_value_t = 256)]
    pub(crate) keep: u64,
}
