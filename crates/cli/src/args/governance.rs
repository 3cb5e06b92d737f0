//! The verbs by which members govern a network.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use windlass_model::{
    governance::{
        Action, Ed25519Key, KeyKind, Named, NewObserver, NewValidator, Permission, Voice,
    },
    spec::{AccountAddress, Fees},
};

use super::{WaitArgs, network::NamedArgs};

/// Without nodes the command line must have it.
const REQUIRED: &str = "it is required where no node is named";

/// The floor of the base fee where none is said, as in a spec.
const ONE_GWEI: u64 = 1_000_000_000;

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
    Propose(ProposeArgs),
    /// Vote on a proposal for a member whose key this platform holds
    ///
    /// Returns when the vote is in a final block. The vote that suffices executes the proposal.
    Vote(VoteArgs),
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

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ActionArgs {
    /// An organization becomes a member, with its first nodes
    AddMember {
        /// Its name
        // Another id than that of the option by which every verb names an organization.
        #[arg(id = "new_member", value_name = "ORGANIZATION")]
        organization: String,
        /// Nodes of this platform, by name, that become its validators: account, keys and endpoints
        /// are taken from them
        #[arg(long = "node", num_args = 1.., value_name = "NODE",
              conflicts_with_all = ["account", "validators", "observers"])]
        nodes: Vec<String>,
        /// The account by which it proposes and votes
        #[arg(long, required_unless_present = "nodes")]
        account: Option<AccountAddress>,
        /// Where the other members reach it: a host and port, or a URL
        #[arg(long, default_value = "", hide_default_value = true)]
        endpoint: String,
        /// A validator of it; again for each
        #[arg(long = "validator", value_name = "NAME,NODE_KEY,CONSENSUS_KEY[,HOST:PORT]",
              value_parser = new_validator)]
        validators: Vec<NewValidator>,
        /// An observer of it; again for each
        #[arg(long = "observer", value_name = "NODE_KEY[,HOST:PORT]", value_parser = new_observer)]
        observers: Vec<NewObserver>,
    },
    /// A member can't act, and its validators don't vote
    SuspendMember {
        /// Its organization or id
        member: Named,
    },
    /// A suspended member is one as before
    ResumeMember {
        /// Its organization or id
        member: Named,
    },
    /// A member goes, and its validators and observers with it
    RemoveMember {
        /// Its organization or id
        member: Named,
    },
    /// A member gets one more validator, or several that are nodes of this platform
    AddValidator {
        /// Its organization or id
        member: Named,
        /// The validator's name
        #[arg(required_unless_present = "nodes")]
        name: Option<String>,
        /// Nodes of this platform, by name, that become validators: names, keys and endpoints are
        /// taken from them
        #[arg(long = "node", num_args = 1.., value_name = "NODE",
              conflicts_with_all = ["name", "node_key", "consensus_key", "account", "endpoint"])]
        nodes: Vec<String>,
        /// Its p2p identity, 64 hex digits
        #[arg(long, required_unless_present = "nodes")]
        node_key: Option<Ed25519Key>,
        /// The public key of its votes, 64 hex digits
        #[arg(long, required_unless_present = "nodes")]
        consensus_key: Option<Ed25519Key>,
        /// Its account, if it has one
        #[arg(long)]
        account: Option<AccountAddress>,
        /// Where it is reached: `host:port`
        #[arg(long)]
        endpoint: Option<String>,
    },
    /// A validator goes, and its keys never come back
    RemoveValidator {
        /// Its name or id
        validator: Named,
    },
    /// A validator does not vote
    SuspendValidator {
        /// Its name or id
        validator: Named,
    },
    /// A suspended validator votes again
    ResumeValidator {
        /// Its name or id
        validator: Named,
    },
    /// A validator gets another key
    ReplaceKey {
        /// Its name or id
        validator: Named,
        /// Which of its keys
        kind: KeyKindArg,
        /// The new one, 64 hex digits
        key: Ed25519Key,
    },
    /// A parameter has another value
    #[command(subcommand)]
    Set(SetArgs),
    /// An account gets permissions
    Allow(PermissionArgs),
    /// An account loses permissions
    Deny(PermissionArgs),
    /// The rules of blocks have another version from a height on
    UpgradeRules {
        /// The version
        #[arg(id = "rules", value_name = "VERSION")]
        version: u32,
        /// The first block under it
        #[arg(long = "at", value_name = "HEIGHT")]
        height: u64,
    },
}

#[expect(clippy::struct_excessive_bools, reason = "flags that do not depend on each other")]
#[derive(Clone, Debug, Args)]
pub(crate) struct PermissionArgs {
    /// The account's address
    account: AccountAddress,
    /// To send transactions
    #[arg(long)]
    send: bool,
    /// To deploy contracts
    #[arg(long)]
    deploy: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KeyKindArg {
    Node,
    Consensus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SwitchArg {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PolicyArg {
    Free,
    Eip1559,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SetArgs {
    /// The gas limit of a block
    GasLimit {
        /// In gas, 1000000 to 10000000000
        gas_limit: u64,
    },
    /// What transactions pay
    Fees {
        /// Nothing, or a base fee by EIP-1559
        policy: PolicyArg,
        /// The floor of the base fee [default: 1000000000]
        #[arg(long, value_name = "WEI")]
        floor_wei: Option<u64>,
    },
    /// The least time between two blocks
    BlockInterval {
        /// Such as 200ms or 1s, at most 600s
        #[arg(value_parser = milliseconds)]
        interval: u32,
    },
    /// Whether sending and deploying need a permission
    Permissioning {
        /// Sending does
        #[arg(long)]
        senders: SwitchArg,
        /// Deploying does
        #[arg(long)]
        deployers: SwitchArg,
    },
    /// A proposal needs more than so many percent of the active members
    Threshold {
        /// For members and validators, 50 to 99
        #[arg(long, value_name = "PERCENT")]
        members: u8,
        /// For parameters, 50 to 99
        #[arg(long, value_name = "PERCENT")]
        parameters: u8,
    },
}

impl From<ActionArgs> for Action {
    fn from(action: ActionArgs) -> Self {
        match action {
            ActionArgs::AddMember { organization, nodes, endpoint, .. } if !nodes.is_empty() => {
                Self::AddMemberNodes { organization, endpoint, nodes }
            }
            ActionArgs::AddMember {
                organization,
                account,
                endpoint,
                validators,
                observers,
                nodes: _,
            } => {
                let account = account.expect(REQUIRED);
                Self::AddMember { organization, account, endpoint, validators, observers }
            }
            ActionArgs::SuspendMember { member } => Self::SuspendMember { member },
            ActionArgs::ResumeMember { member } => Self::ResumeMember { member },
            ActionArgs::RemoveMember { member } => Self::RemoveMember { member },
            ActionArgs::AddValidator { member, nodes, .. } if !nodes.is_empty() => {
                Self::AddValidatorNodes { member, nodes }
            }
            ActionArgs::AddValidator {
                member,
                name,
                node_key,
                consensus_key,
                account,
                endpoint,
                nodes: _,
            } => Self::AddValidator {
                member,
                name: name.expect(REQUIRED),
                node_key: node_key.expect(REQUIRED),
                consensus_key: consensus_key.expect(REQUIRED),
                account,
                endpoint: endpoint.unwrap_or_default(),
            },
            ActionArgs::RemoveValidator { validator } => Self::RemoveValidator { validator },
            ActionArgs::SuspendValidator { validator } => Self::SuspendValidator { validator },
            ActionArgs::ResumeValidator { validator } => Self::ResumeValidator { validator },
            ActionArgs::ReplaceKey { validator, kind, key } => {
                let kind = match kind {
                    KeyKindArg::Node => KeyKind::Node,
                    KeyKindArg::Consensus => KeyKind::Consensus,
                };
                Self::ReplaceKey { validator, kind, key }
            }
            ActionArgs::Set(set) => set.into(),
            ActionArgs::Allow(args) => {
                let permissions = args.permissions();
                Self::Allow { account: args.account, permissions }
            }
            ActionArgs::Deny(args) => {
                let permissions = args.permissions();
                Self::Deny { account: args.account, permissions }
            }
            ActionArgs::UpgradeRules { version, height } => Self::UpgradeRules { version, height },
        }
    }
}

impl PermissionArgs {
    fn permissions(&self) -> std::collections::BTreeSet<Permission> {
        let named = [(self.send, Permission::Send), (self.deploy, Permission::Deploy)];
        named.into_iter().filter(|(named, _)| *named).map(|(_, one)| one).collect()
    }
}

impl From<SetArgs> for Action {
    fn from(set: SetArgs) -> Self {
        match set {
            SetArgs::GasLimit { gas_limit } => Self::SetGasLimit { gas_limit },
            SetArgs::Fees { policy: PolicyArg::Free, .. } => Self::SetFees { fees: Fees::Free {} },
            SetArgs::Fees { policy: PolicyArg::Eip1559, floor_wei } => {
                let floor_wei = floor_wei.unwrap_or(ONE_GWEI);
                Self::SetFees { fees: Fees::Eip1559 { floor_wei } }
            }
            SetArgs::BlockInterval { interval } => {
                Self::SetBlockInterval { min_block_interval_ms: interval }
            }
            SetArgs::Permissioning { senders, deployers } => Self::SetPermissioning {
                senders: senders == SwitchArg::On,
                deployers: deployers == SwitchArg::On,
            },
            SetArgs::Threshold { members, parameters } => {
                Self::SetThreshold { membership: members, parameters }
            }
        }
    }
}

fn milliseconds(text: &str) -> Result<u32, &'static str> {
    let (digits, factor) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => (digits, 1),
        (None, Some(digits)) => (digits, 1_000),
        (None, None) => return Err("a time with its unit is needed, such as 200ms or 1s"),
    };
    let number: u32 = digits.parse().or(Err("a whole number is needed before the unit"))?;
    number.checked_mul(factor).ok_or("that is too long")
}

fn new_validator(text: &str) -> Result<NewValidator, &'static str> {
    let wrong =
        "a validator is NAME,NODE_KEY,CONSENSUS_KEY or NAME,NODE_KEY,CONSENSUS_KEY,HOST:PORT";
    let parts: Vec<&str> = text.split(',').collect();
    let (name, node, consensus, endpoint) = match parts.as_slice() {
        [name, node, consensus] => (name, node, consensus, ""),
        [name, node, consensus, endpoint] => (name, node, consensus, *endpoint),
        _ => return Err(wrong),
    };
    let key = |text: &str| text.parse().or(Err("a key is 64 hex digits"));
    Ok(NewValidator {
        name: (*name).to_owned(),
        node_key: key(node)?,
        consensus_key: key(consensus)?,
        account: None,
        endpoint: endpoint.to_owned(),
    })
}

fn new_observer(text: &str) -> Result<NewObserver, &'static str> {
    let (key, endpoint) = text.split_once(',').unwrap_or((text, ""));
    let node_key = key.parse().or(Err("a key is 64 hex digits"))?;
    Ok(NewObserver { node_key, endpoint: endpoint.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        action: ActionArgs,
    }

    /// The action that a command line stands for, as the REST API takes it.
    #[track_caller]
    fn check(line: &str, expect: &serde_json::Value) {
        let words = ["propose"].into_iter().chain(line.split(' '));
        let line = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        let action = Action::from(line.action);
        assert_eq!(&serde_json::to_value(action).unwrap(), expect);
    }

    #[test]
    fn every_kind_of_action_has_its_form() {
        use serde_json::json;
        let (key, account) = ("ab".repeat(32), format!("0x{}", "11".repeat(20)));
        check(
            &format!(
                "add-member delta --account {account} --endpoint delta.example:1 \
                 --validator v,{key},{key},host:1 --observer {key}"
            ),
            &json!({"action": "add_member", "organization": "delta", "account": account,
                "endpoint": "delta.example:1", "observers": [{"node_key": key, "endpoint": ""}],
                "validators": [{"name": "v", "node_key": key, "consensus_key": key,
                    "endpoint": "host:1"}]}),
        );
        check("suspend-member 2", &json!({"action": "suspend_member", "member": 2}));
        check("resume-member beta", &json!({"action": "resume_member", "member": "beta"}));
        check("remove-member beta", &json!({"action": "remove_member", "member": "beta"}));
        check(
            &format!("add-validator beta v --node-key {key} --consensus-key 0x{key}"),
            &json!({"action": "add_validator", "member": "beta", "name": "v", "node_key": key,
                "consensus_key": key, "endpoint": ""}),
        );
        check(
            "add-member delta --node validator-4 --endpoint delta.example",
            &json!({"action": "add_member_nodes", "organization": "delta",
                "endpoint": "delta.example", "nodes": ["validator-4"]}),
        );
        check(
            "add-validator beta --node validator-4 validator-5 --node 6",
            &json!({"action": "add_validator_nodes", "member": "beta",
                "nodes": ["validator-4", "validator-5", "6"]}),
        );
        for verb in ["remove", "suspend", "resume"] {
            check(
                &format!("{verb}-validator v-3"),
                &json!({"action": format!("{verb}_validator"), "validator": "v-3"}),
            );
        }
        check(
            &format!("replace-key v-3 node {key}"),
            &json!({"action": "replace_key", "validator": "v-3", "kind": "node", "key": key}),
        );
        check("set gas-limit 6", &json!({"action": "set_gas_limit", "gas_limit": 6}));
        check("set fees free", &json!({"action": "set_fees", "fees": {"policy": "free"}}));
        let eip = |floor: u64| json!({"policy": "eip1559", "floor_wei": floor});
        check("set fees eip1559", &json!({"action": "set_fees", "fees": eip(ONE_GWEI)}));
        check("set fees eip1559 --floor-wei 7", &json!({"action": "set_fees", "fees": eip(7)}));
        let interval =
            |ms: u32| json!({"action": "set_block_interval", "min_block_interval_ms": ms});
        check("set block-interval 200ms", &interval(200));
        check("set block-interval 2s", &interval(2_000));
        check(
            "set permissioning --senders on --deployers off",
            &json!({"action": "set_permissioning", "senders": true, "deployers": false}),
        );
        check(
            &format!("allow {account} --send --deploy"),
            &json!({"action": "allow", "account": account, "permissions": ["send", "deploy"]}),
        );
        check(
            &format!("deny {account} --deploy"),
            &json!({"action": "deny", "account": account, "permissions": ["deploy"]}),
        );
        check(
            "upgrade-rules 2 --at 1000",
            &json!({"action": "upgrade_rules", "version": 2, "height": 1000}),
        );
        check(
            "set threshold --members 60 --parameters 51",
            &json!({"action": "set_threshold", "membership": 60, "parameters": 51}),
        );
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for line in [
            "set block-interval 200",
            "set block-interval ms",
            "set block-interval 5000000s",
            "set gas-limit many",
            "set fees gratis",
            "allow 0x12 --send",
            "replace-key v node 12",
            "replace-key v both 12",
            "upgrade-rules 2",
            "add-member delta",
            "add-member delta --node",
            "add-member delta --node v --observer 12",
            "add-validator beta",
            "add-validator beta v",
            "add-validator beta v --node validator-4",
            "dance",
        ] {
            let words = ["propose"].into_iter().chain(line.split(' '));
            assert!(Line::try_parse_from(words).is_err(), "{line}");
        }
    }
}
