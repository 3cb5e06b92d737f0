//! The verbs by which members govern a network.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use windlass_model::governance::{Named, Voice};

use super::{WaitArgs, action::ActionArgs, network::NamedArgs};

/// What members see and do together.
#[derive(Debug, Subcommand)]
pub(crate) enum GovernanceVerb {
    /// List the members of a network
    Members(NamedArgs),
    /// List the validators that the members decided on
    Validators(NamedArgs),
    /// List the observers of the members
    Observers(NamedArgs),
    /// Show what the members decided of blocks, fees, permissions and votes
    Parameters(NamedArgs),
    /// List the accounts that were given permissions
    Permissions(NamedArgs),
    /// List the proposals, the newest first
    Proposals(NamedArgs),
    /// Show a proposal with its votes
    Proposal(ProposalArgs),
    /// Propose a change for a member whose key this platform holds
    ///
    /// Returns when the proposal is in a final block. The proposal is its member's vote for it: if
    /// that suffices, it is executed at once.
    Propose(Box<ProposeArgs>),
    /// Vote on a proposal for a member whose key this platform holds
    ///
    /// Returns when the vote is in a final block. The vote that suffices executes the proposal.
    Vote(VoteArgs),
    /// Settle a proposal that no vote settled
    ///
    /// A proposal can be decided without a vote when members or thresholds change, and it can expire:
    /// then any member executes it, rejects it, or writes down that it is over, as its votes stand.
    Settle(SettleArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ProposalArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// The proposal's number
    pub(crate) proposal: u64,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass network vote trade 3 yes --as acme
  windlass network vote trade 3 no --as beta --print   for the tool that holds beta's key")]
pub(crate) struct VoteArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// The proposal's number
    pub(crate) proposal: u64,
    /// For or against it
    pub(crate) vote: VoiceArg,
    /// The member that votes, by organization or id; may be left out where this platform holds the
    /// key of one member only
    #[arg(id = "as", long = "as", value_name = "ORGANIZATION")]
    pub(crate) member: Option<Named>,
    /// Print the transaction as JSON and send nothing
    #[arg(long)]
    pub(crate) print: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  windlass network settle trade 3 --as acme")]
pub(crate) struct SettleArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// The proposal's number
    pub(crate) proposal: u64,
    /// The member that sends it, by organization or id; may be left out where this platform holds the
    /// key of one member only
    #[arg(id = "as", long = "as", value_name = "ORGANIZATION")]
    pub(crate) member: Option<Named>,
    /// Print the transaction as JSON and send nothing
    #[arg(long)]
    pub(crate) print: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum VoiceArg {
    Yes,
    No,
}

impl From<VoiceArg> for Voice {
    fn from(voice: VoiceArg) -> Self {
        match voice {
            VoiceArg::Yes => Self::Yes,
            VoiceArg::No => Self::No,
        }
    }
}

#[expect(clippy::struct_excessive_bools, reason = "flags that do not depend on each other")]
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass network propose trade --as acme suspend-validator validator-3
  windlass network propose trade --as acme suspend-validator validator-3 --evidence 0x5d1e0c72
  windlass network propose trade --as acme add-validator beta --node validator-4 validator-5
  windlass network propose trade --as acme remove-member beta --reason \"left the consortium\"
  windlass network propose trade --as acme set gas-limit 60000000
  windlass network propose trade --as acme set fees eip1559 --floor-wei 1000000000
  windlass network propose trade --as acme allow 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --send
  windlass network propose trade -f proposal.toml

A proposal in TOML, in the shape of the REST API; several actions are executed together:
  as = \"acme\"
  reason = \"a larger block, and a smaller pause\"
  [[actions]]
  action = \"set_gas_limit\"
  gas_limit = 60000000
  [[actions]]
  action = \"set_block_interval\"
  min_block_interval_ms = 50")]
pub(crate) struct ProposeArgs {
    /// The network's name or id
    pub(crate) network: String,
    #[command(subcommand)]
    pub(crate) action: Option<ActionArgs>,
    /// A proposal in TOML, or in JSON if the file ends in .json; - is stdin
    #[arg(short, long, value_name = "PROPOSAL")]
    pub(crate) file: Option<PathBuf>,
    /// The member that proposes, by organization or id; may be left out where this platform holds
    /// the key of one member only
    #[arg(id = "as", long = "as", global = true, value_name = "ORGANIZATION")]
    pub(crate) member: Option<Named>,
    /// Why, for the other members; 256 bytes at most
    #[arg(long, global = true, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// The hash of the evidence that it rests on, or the beginning of it, as `windlass network
    /// evidence` shows it; it is put before the reason
    #[arg(long, global = true, value_name = "HASH")]
    pub(crate) evidence: Option<String>,
    /// The members accept that the validators that come of it may lack a quorum of reachable ones
    #[arg(long, global = true)]
    pub(crate) force: bool,
    /// Print the transaction as JSON and send nothing
    #[arg(long, global = true)]
    pub(crate) print: bool,
    /// Return at once with the operation
    #[arg(long, global = true)]
    pub(crate) no_wait: bool,
    /// How long to wait, in seconds; the operation goes on after it
    #[arg(long, global = true, default_value_t = 120, value_name = "SECONDS")]
    pub(crate) timeout: u64,
}

impl ProposeArgs {
    pub(crate) fn wait(&self) -> WaitArgs {
        WaitArgs { no_wait: self.no_wait, timeout: self.timeout }
    }
}
