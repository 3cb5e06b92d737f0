//! The verbs of export and recovery.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::WaitArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum RecoveryVerb {
    /// Write a recovery file for an export, for the members to sign
    Propose(ProposeRecoveryArgs),
    /// Check a recovery file against an export, and show who signed
    Show(RecoveryFiles),
    /// Sign a recovery file for a member
    Sign(SignRecoveryArgs),
    /// Add a signature that another tool made
    Add(AddSignatureArgs),
}

/// The two files that every recovery is about.
#[derive(Clone, Debug, Args)]
pub(crate) struct RecoveryFiles {
    /// The recovery file
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The export of the network that stands still
    #[arg(long, value_name = "EXPORT")]
    pub(crate) export: PathBuf,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  windlass network export trade -o trade.export
  windlass verify trade.export --genesis genesis.json     # anywhere, offline")]
pub(crate) struct ExportArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// Write the export into this file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ProposeRecoveryArgs {
    /// The export of the network that stands still
    #[arg(long, value_name = "EXPORT")]
    pub(crate) export: PathBuf,
    /// Write the recovery file here
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass network recovery sign trade --file recovery.json --export trade.export --as acme
  windlass network recovery sign --file recovery.json --export trade.export --print
                                          # the typed data (EIP-712) for the tool that has the key")]
pub(crate) struct SignRecoveryArgs {
    /// The network's name or id
    #[arg(required_unless_present = "print")]
    pub(crate) network: Option<String>,
    #[command(flatten)]
    pub(crate) files: RecoveryFiles,
    /// The member that signs; may be left out where this platform holds the key of one member only
    #[arg(id = "as", long = "as", value_name = "ORGANIZATION")]
    pub(crate) member: Option<String>,
    /// Print what is to be signed as typed data (EIP-712), and sign nothing
    #[arg(long)]
    pub(crate) print: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AddSignatureArgs {
    #[command(flatten)]
    pub(crate) files: RecoveryFiles,
    /// The signature: 0x and 130 hex digits
    #[arg(long, value_name = "HEX")]
    pub(crate) signature: String,
    /// The account that signed, where it is that of no member in the export: of one that was let in
    /// later, or has another account since
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) account: Option<String>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  windlass network recover trade --file recovery.json --export trade.export

docs/operate.md, \"When more than a third of the disks are lost\", has the way there.")]
#[expect(clippy::struct_excessive_bools, reason = "two options that do not depend on each other")]
pub(crate) struct RecoverArgs {
    /// The network's name or id
    pub(crate) network: String,
    #[command(flatten)]
    pub(crate) files: RecoveryFiles,
    /// Begin anew although the network can make blocks by itself, a node has newer blocks than the
    /// export, or none answers; every active member of the export has to have signed, and where newer
    /// blocks are given up, every active member after the newest of them too
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}
