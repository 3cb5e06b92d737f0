//! The verbs of networks.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use windlass_model::spec::Template;

use super::{
    ExportArgs, ExtendArgs, GenesisArgs, GovernanceVerb, KeyVerb, RecoverArgs, RecoveryVerb,
};

#[derive(Debug, Subcommand)]
pub(crate) enum NetworkVerb {
    /// Create a network and return when it is usable, with the evidence
    ///
    /// Usable means: every node saw the first final block, a test transaction is in it, and the
    /// endpoint answered.
    Create(CreateArgs),
    /// List the networks
    Ls,
    /// Show a network and its nodes
    Show(NamedArgs),
    /// Say what is wrong with a network, since when, whose fault it is and what to do
    ///
    /// Asks every node and the endpoint anew. Exits with 0 if nothing is wrong and with 1 if something is. A
    /// network that sleeps or is stopped is told so, and is not woken.
    Doctor(NamedArgs),
    /// Say what consensus is doing: who leads, who votes, who is missing, why no block is made
    ///
    /// Each node answers for itself: its view and the leader of it, since when it misses which
    /// validators, round-trip times, how far clocks are apart. Nodes that do not answer are named.
    Consensus(NamedArgs),
    /// Show which validators voted twice, and write the evidence into a file
    ///
    /// Each node keeps what it saw itself, so all of this platform are asked. What they say is checked
    /// here, and votes that prove nothing are told as refused. A proposal can rest on evidence: see
    /// `windlass network propose`, --evidence.
    Evidence(EvidenceArgs),
    /// Read the logs of a network's nodes
    Logs(LogsArgs),
    /// End a network's processes and keep everything else
    Stop(ChangeArgs),
    /// Bring a stopped network back, at the same endpoint
    Start(ChangeArgs),
    /// End a network's processes until the next request to its endpoint
    ///
    /// A private network falls asleep by itself when nobody has asked it anything for `sleep_after_s` of
    /// its spec and no WebSocket is open. A request wakes it, and is answered when it is awake.
    Sleep(ChangeArgs),
    /// Wake a network that sleeps, before a request does
    Wake(ChangeArgs),
    /// Put a network's end off
    ///
    /// A network with a time to live (`ttl_s` of its spec) is stopped when it is over, and destroyed after
    /// a grace as long as its life, a day at most. Until then this brings it back.
    Extend(ExtendArgs),
    /// Print the genesis document, which proofs are verified against
    Genesis(GenesisArgs),
    /// Add and remove nodes while the network runs
    #[command(subcommand)]
    Node(NodeVerb),
    /// Say who may use a network's endpoint, for what and how often
    #[command(subcommand)]
    Key(KeyVerb),
    /// Leave nothing of a network and print the receipt
    Destroy(DestroyArgs),
    /// Write the whole state into a file, with the proof that it is final
    Export(ExportArgs),
    /// Agree on a new beginning when too many disks are lost
    #[command(subcommand)]
    Recovery(RecoveryVerb),
    /// Have a network begin anew with the state of an export, as its members signed
    Recover(RecoverArgs),
    #[command(flatten)]
    Govern(GovernanceVerb),
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass network create trade --validators 4
  windlass network create trade -f trade.toml
  windlass network create play --template dev
  windlass network create trade --validators 4 --json | jq -r .network.endpoint

A spec in TOML (every field has a default):
  name = \"trade\"
  validators = 4                  # or [[members]] with organization and validators
  chain_id = 424242               # random unless said
  min_block_interval_ms = 100
  gas_limit = 30000000
  contract_size_limit = 24576
  sleep_after_s = 1800            # without a request; the next one wakes it; 0 is never
  ttl_s = 0                       # then it is stopped, and later destroyed; 0 is without an end
  local_port = 0                  # or 8545: where this machine needs no key, if it is free
  archive = false                 # or true: calls, traces and proofs at every block
  cors_origins = [\"https://app.example.com\"]
  fees = { policy = \"free\" }      # or { policy = \"eip1559\", floor_wei = 1000000000 }, and a
                                  # balance in alloc for all who send, members who vote too
  genesis_from = \"genesis.json\"   # of Geth or Besu, beside the spec: its accounts and chain id
  [alloc.\"0x70997970c51812dc3a010c7d01b50e0d17dc79c8\"]
  balance = \"1000000000000000000\"
  [governance]                    # how members decide
  membership_threshold = 50       # more than so many percent of them, for members and validators
  parameters_threshold = 50
  proposal_lifetime_s = 604800

A consortium names its members, with the validators of each:
  name = \"ring\"
  kind = \"consortium\"
  [[members]]
  organization = \"acme\"
  validators = 2
  [[members]]
  organization = \"beta\"
  validators = 2
  account = \"0x70997970c51812dc3a010c7d01b50e0d17dc79c8\"   # if its key is held elsewhere")]
pub(crate) struct CreateArgs {
    /// The network's name: a-z, 0-9 and -, at most 40 characters [default: the spec's name]
    #[arg(required_unless_present = "file")]
    pub(crate) name: Option<String>,
    /// How many validators: 4 go on when one fails, 7 when two fail [default: 4]
    #[arg(
        long,
        conflicts_with = "file",
        value_name = "N",
        value_parser = whole_number,
        allow_negative_numbers = true
    )]
    pub(crate) validators: Option<u32>,
    /// What the network is like; `windlass template ls` lists them
    #[arg(long, conflicts_with = "file", value_name = "TEMPLATE")]
    pub(crate) template: Option<Template>,
    /// Begin with the accounts of a genesis.json of Geth or Besu, and its chain id
    #[arg(long, conflicts_with = "file", value_name = "FILE")]
    pub(crate) genesis_from: Option<PathBuf>,
    /// How long it lives, such as 2h or 7d; without it as long as nobody destroys it
    #[arg(long, conflicts_with = "file", value_name = "TIME", value_parser = super::budgets::seconds)]
    pub(crate) ttl: Option<u64>,
    /// A spec in TOML, or in JSON if the file ends in .json; - is stdin
    #[arg(short, long, value_name = "SPEC")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// Whether and how long to wait for an operation.
#[derive(Clone, Debug, Args)]
pub(crate) struct WaitArgs {
    /// Return at once with the operation
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// How long to wait, in seconds; the operation goes on after it
    #[arg(long, default_value_t = 120, value_name = "SECONDS", conflicts_with = "no_wait")]
    pub(crate) timeout: u64,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct NamedArgs {
    /// The network's name or id
    pub(crate) network: String,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass network evidence trade
  windlass network evidence trade 0x5d1e0c72 -o evidence.json
  windlass verify evidence.json --genesis genesis.json     # anywhere, offline")]
pub(crate) struct EvidenceArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// The hash of one piece of evidence, or the beginning of it [default: all]
    pub(crate) hash: Option<String>,
    /// Write the one piece of evidence into a file, which `windlass verify` checks
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ChangeArgs {
    /// The network's name or id
    pub(crate) network: String,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass network logs trade --tail 20
  windlass network logs trade -f --node 0")]
pub(crate) struct LogsArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// Wait for new lines
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// One node, by index, name or id [default: all]
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
    /// How many of each node's last lines to begin with [default: all that are kept]
    #[arg(long, value_name = "LINES")]
    pub(crate) tail: Option<u32>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass network destroy trade       asks first
  windlass network destroy trade -y --json | jq .operation.receipt")]
pub(crate) struct DestroyArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeVerb {
    /// List a network's nodes, with what each is to the members
    Ls(NamedArgs),
    /// Add nodes, and return when they follow the network
    ///
    /// The nodes of a member whose key this platform holds are registered as its observers at once,
    /// and the command returns when they have caught up. Those of an organization that is no member
    /// yet are let in when the members vote it in. The answer says with which command.
    Add(NodeAddArgs),
    /// Give a node a new disk: nothing is left of what it has, and it begins anew
    ///
    /// It keeps its name, its keys and its port, and fetches the chain from the others; the command returns
    /// when it follows them. A validator does not vote until the epoch ends, so the others have to be a
    /// quorum without it.
    Replace(NodeReplaceArgs),
    /// Leave nothing of a node and print the receipt
    ///
    /// A validator has to be voted out before: windlass network propose NETWORK remove-validator.
    Rm(NodeRmArgs),
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass network node add trade --member acme --count 3
  windlass network propose trade --as acme add-validator acme --node validator-4 validator-5")]
pub(crate) struct NodeAddArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// The organization that they belong to; it need not be a member yet
    #[arg(long, value_name = "ORGANIZATION")]
    pub(crate) member: String,
    /// How many
    #[arg(
        long,
        default_value_t = 1,
        value_name = "N",
        value_parser = whole_number,
        allow_negative_numbers = true
    )]
    pub(crate) count: u32,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass network node replace trade validator-2      asks first
  windlass network node replace trade validator-2 -y")]
pub(crate) struct NodeReplaceArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// The node, by name, id or index
    pub(crate) node: String,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass network node rm trade validator-4      asks first
  windlass network node rm trade validator-4 -y")]
pub(crate) struct NodeRmArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// The node, by name, id or index
    pub(crate) node: String,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass apply -f trade.toml --dry-run    shows what would change
  windlass apply -f trade.toml")]
pub(crate) struct ApplyArgs {
    /// A spec in TOML, or in JSON if the file ends in .json; - is stdin. It must have a name
    #[arg(short, long, value_name = "SPEC")]
    pub(crate) file: PathBuf,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

pub(super) fn whole_number(text: &str) -> Result<u32, &'static str> {
    text.parse().or(Err("a whole number is needed, such as 4"))
}
