//! The command line as types. Every verb says what it does, what it answers, and shows an example.

mod action;
mod budgets;
mod database;
mod governance;
mod key;
mod network;
mod proof;
mod recovery;
mod run;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use windlass_model::{LeaseId, Name, OperationId, spec::Template};

pub(crate) use budgets::{ExtendArgs, Limit, QuotaArgs, QuotaVerb, UsageArgs};
pub(crate) use database::{
    DatabaseArgs, DatabaseVerb, NodeProcessArgs, NodeProcessVerb, PruneArgs,
};
pub(crate) use governance::{GovernanceVerb, ProposeArgs, SettleArgs, VoteArgs};
pub(crate) use key::{KeyRevokeArgs, KeyVerb};
pub(crate) use network::{
    ApplyArgs, CreateArgs, DestroyArgs, EvidenceArgs, LogsArgs, NetworkVerb, NodeAddArgs,
    NodeReplaceArgs, NodeRmArgs, NodeVerb, WaitArgs,
};
pub(crate) use proof::{GenesisArgs, ProofVerb, VerifyArgs};
pub(crate) use recovery::{
    AddSignatureArgs, ExportArgs, RecoverArgs, RecoveryFiles, RecoveryVerb, SignRecoveryArgs,
};
pub(crate) use run::RunArgs;

/// Declare, run, connect, prove and dismantle blockchain networks.
///
/// The result of a command is on stdout and nothing else is; progress, warnings and errors are on
/// stderr. Every error has a code, says what was wrong, and what to do.
#[derive(Debug, Parser)]
#[command(name = "windlass", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  windlass up                                  start the platform on this machine
  windlass network create trade --validators 4 a network, usable when the command returns
  windlass network destroy trade -y            nothing of it is left; prints the receipt
  windlass run -- npx hardhat test             a network for as long as a command runs

Exit codes: 1 failed, 2 wrong input, 3 no such object, 4 conflict, 5 denied, 6 unavailable.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of every verb.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Print the result as JSON, and an error as a problem document on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The platform's URL; its token comes from --token-file or the variable `WINDLASS_TOKEN`
    #[arg(long, global = true, env = "WINDLASS_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// A file that holds the platform's token (a token itself is never an argument: arguments are
    /// visible to every user of the machine)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// A platform by the name that `windlass context add` gave it
    #[arg(long, global = true, env = "WINDLASS_CONTEXT", value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The platform's data directory [default: `windlass` in `~/.local/share`]
    #[arg(long, global = true, env = "WINDLASS_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The organization to act in
    #[arg(long, global = true, env = "WINDLASS_ORGANIZATION", default_value = "default")]
    pub(crate) organization: String,
}

impl Cli {
    /// A variable of the environment that is empty says nothing.
    pub(crate) fn without_empty(mut self) -> Self {
        let global = &mut self.global;
        global.url.take_if(|url| url.is_empty());
        global.context.take_if(|name| name.is_empty());
        global.data_dir.take_if(|path| path.as_os_str().is_empty());
        if global.organization.is_empty() {
            "default".clone_into(&mut global.organization);
        }
        self
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the platform on this machine until it is told to stop
    ///
    /// Prints the console's URL and a one-time login link when it listens. Networks that ran before
    /// are found and adopted as they are. Stopping the platform (Ctrl-C, SIGTERM) does not stop
    /// networks; `windlass down` does.
    Up(UpArgs),
    /// Stop all networks, then the gateway, then the platform
    ///
    /// Networks keep their data, keys, ports and URLs and are started again with
    /// `windlass network start`.
    Down(DownArgs),
    /// Run a command with a network that lives as long as the command
    ///
    /// The command finds the network in its environment, with the keys of ten test accounts that have a
    /// balance. stdin, stdout and stderr are the command's, signals are passed on to it, and its exit code
    /// is the answer. With --json, the receipt is told on stderr at the end.
    ///
    /// The network is on the platform that runs, or on one of its own that is started for it. However
    /// the command ends, and however this program does, nothing of the network is left.
    Run(RunArgs),
    /// Show the platform
    Status,
    /// Make a new one-time login link for the console
    Login,
    /// Create, show, stop, start and destroy networks
    #[command(subcommand, visible_alias = "net")]
    Network(NetworkVerb),
    /// Get proofs that anybody can check without asking anybody
    #[command(subcommand)]
    Proof(ProofVerb),
    /// Check a proof, offline: only the proof and what is trusted are read
    Verify(VerifyArgs),
    /// Make a network what a file says
    ///
    /// Creates it if it is absent, changes what differs, and does nothing if nothing does.
    Apply(ApplyArgs),
    /// Write a commented spec to begin with
    Init(InitArgs),
    /// See what networks a spec can begin with
    #[command(subcommand)]
    Template(TemplateVerb),
    /// See and set what an organization may have
    #[command(subcommand)]
    Quota(QuotaVerb),
    /// Show what networks have used: processor time, memory, disk and requests
    ///
    /// It is written down once a minute, by network and hour of the clock, and kept when a network is gone.
    /// Requests are those over HTTP that a node answered.
    Usage(UsageArgs),
    /// Follow asynchronous actions
    #[command(subcommand, visible_alias = "op")]
    Operation(OperationVerb),
    /// Show what happened, and follow what happens
    ///
    /// Networks and operations as they are now, in the order in which they changed. With --follow it goes on
    /// with what happens from now on, and takes a lost connection up again where it was.
    Events(EventsArgs),
    /// Name several platforms and choose one
    #[command(subcommand)]
    Context(ContextVerb),
    /// Print shell completions
    #[command(
        after_help = "Example:\n  windlass completions bash > ~/.local/share/bash-completion/completions/windlass"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the version
    Version,
    /// One node of a network, which the platform starts; and `db`, to look at its ledger
    Node(NodeProcessArgs),
    /// The process in front of the networks; the platform starts it
    #[command(hide = true)]
    Gateway(WorkloadArgs),
}

#[expect(clippy::struct_excessive_bools, reason = "flags that do not depend on each other")]
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass up
  windlass up --data-dir /srv/windlass --listen 127.0.0.1:7400
  windlass up --json | jq -r .login_url")]
pub(crate) struct UpArgs {
    /// Where API and console listen; without it 127.0.0.1:7300, or a free port if that is taken
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Where the networks' endpoints listen; without it a free port, which is kept
    #[arg(long, value_name = "127.0.0.1:PORT")]
    pub(crate) gateway_listen: Option<std::net::SocketAddr>,
    /// Allow --listen to name an address that other machines reach. There is no TLS here: put a
    /// proxy in front
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// Accept networks that need more memory or processors than this machine has, with a warning;
    /// without it they are refused with the sum
    #[arg(long, env = "WINDLASS_OVERCOMMIT")]
    pub(crate) overcommit: bool,
    /// The lease in the data directory that the platform lives under: when nobody holds it, everything
    /// is destroyed, the directory too
    #[arg(long, hide = true, value_name = "LEASE")]
    pub(crate) lease: Option<LeaseId>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DownArgs {
    /// Stop the platform only; networks and their endpoints go on
    #[arg(long)]
    pub(crate) keep_networks: bool,
    /// How long to wait for everything to stop, in seconds
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub(crate) timeout: u64,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct WorkloadArgs {
    /// The workload's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// The lease that it lives under
    #[arg(long, value_name = "FILE")]
    pub(crate) lease: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OperationVerb {
    /// List the operations, the newest first
    Ls,
    /// Show an operation with its steps
    Show {
        /// The operation's id
        operation: OperationId,
    },
    /// Wait for an operation and show what came of it
    Wait {
        /// The operation's id
        operation: OperationId,
        /// How long to wait, in seconds
        #[arg(long, default_value_t = 120, value_name = "SECONDS")]
        timeout: u64,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TemplateVerb {
    /// List the templates
    Ls,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass init
  windlass init --template consortium --name ring ring.toml
  windlass apply -f ring.toml")]
pub(crate) struct InitArgs {
    /// The file, which must not be there yet
    #[arg(default_value = "windlass.toml", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What the network is like; `windlass template ls` lists them
    #[arg(long, default_value_t = Template::Private, value_name = "TEMPLATE")]
    pub(crate) template: Template,
    /// The network's name
    #[arg(long, default_value = "my-network", value_name = "NAME")]
    pub(crate) name: Name,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass events -f
  windlass events -f --network trade --kind operation
  windlass events --json | jq -r 'select(.kind == \"operation\") | .operation.state'")]
pub(crate) struct EventsArgs {
    /// Go on with what happens from now on
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only what is about this network, by name or id
    #[arg(long, value_name = "NETWORK")]
    pub(crate) network: Option<String>,
    /// Only these kinds; may be given several times
    #[arg(long, value_name = "KIND", value_parser = ["network", "network_gone", "operation", "tip"])]
    pub(crate) kind: Vec<String>,
    /// Begin after the event with this id
    #[arg(long, value_name = "ID")]
    pub(crate) since: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContextVerb {
    /// List the platforms that have a name
    Ls,
    /// Give a platform a name; its token is read from --token-file or from stdin
    #[command(
        after_help = "Example:\n  ssh server cat /srv/windlass/token | windlass context add server --url https://windlass.example.com"
    )]
    Add {
        /// The name
        name: String,
    },
    /// Use this platform from now on
    Use {
        /// The name
        name: String,
    },
    /// Forget a platform
    Rm {
        /// The name
        name: String,
    },
}
