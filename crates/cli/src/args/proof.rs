//! The verbs of proofs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum ProofVerb {
    /// Prove that a transaction is in a final block, and what it did
    Tx(TxProofArgs),
    /// Prove a log of a transaction
    Log(LogProofArgs),
    /// Prove how an account, and slots of its storage, are after the newest block
    Account(AccountProofArgs),
}

/// Where a proof comes from, where it begins, and where it goes.
#[derive(Clone, Debug, Args)]
pub(crate) struct ProofArgs {
    /// Begin from a checkpoint that `windlass verify` wrote, not from the genesis
    #[arg(long, value_name = "FILE")]
    pub(crate) since: Option<PathBuf>,
    /// Write the proof into a file [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  windlass proof tx trade 0x5c50… -o payment.json
  windlass network genesis trade -o genesis.json
  windlass verify payment.json --genesis genesis.json     # anywhere, offline")]
pub(crate) struct TxProofArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// The transaction's hash
    pub(crate) hash: String,
    #[command(flatten)]
    pub(crate) proof: ProofArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LogProofArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// The transaction's hash
    pub(crate) hash: String,
    /// Which of the transaction's logs, from 0
    pub(crate) position: u64,
    #[command(flatten)]
    pub(crate) proof: ProofArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AccountProofArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// The account's address
    pub(crate) address: String,
    /// A slot of its storage, as a number; may be given several times
    #[arg(long = "slot", value_name = "SLOT")]
    pub(crate) slots: Vec<String>,
    #[command(flatten)]
    pub(crate) proof: ProofArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass verify payment.json --genesis genesis.json
  windlass verify payment.json --genesis genesis.json --checkpoint-out today.json
  windlass verify newer.json --checkpoint today.json --json | jq .transaction.hash")]
pub(crate) struct VerifyArgs {
    /// The proof, evidence of `windlass network evidence`, or an export; - is stdin
    pub(crate) file: PathBuf,
    /// The network's genesis document, which is trusted
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// A checkpoint of its validators, which is trusted instead
    #[arg(long, value_name = "FILE", conflicts_with = "genesis")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Write the newest validators that the proof shows into a file, to begin from another time
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint_out: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct GenesisArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// Write the document into a file [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
