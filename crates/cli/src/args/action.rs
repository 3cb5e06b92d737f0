//! What a member proposes, as it is written on the command line.

use clap::{Args, Subcommand, ValueEnum};
use windlass_model::{
    governance::{Action, Ed25519Key, KeyKind, Named, NewObserver, NewValidator, Permission},
    spec::{AccountAddress, Fees},
};

/// Without nodes the command line must have it.
const REQUIRED: &str = "it is required where no node is named";
/// The floor of the base fee where none is said, as in a spec.
const ONE_GWEI: u64 = 1_000_000_000;

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
        /// Nodes of this platform that become its observers, which follow until `add-validator`
        /// makes them validators
        #[arg(long = "observer-node", num_args = 1.., value_name = "NODE",
              conflicts_with_all = ["account", "validators", "observers"])]
        observer_nodes: Vec<String>,
        /// The account by which it proposes and votes
        #[arg(long, required_unless_present_any = ["nodes", "observer_nodes"])]
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
        /// The new one, 64 hex digits; without it this platform makes one, for a validator that is its
        /// node
        key: Option<Ed25519Key>,
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

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum FeesArgs {
    /// Nothing
    Free,
    /// A base fee by EIP-1559
    Eip1559 {
        /// The floor of the base fee
        #[arg(long, value_name = "WEI", default_value_t = ONE_GWEI)]
        floor_wei: u64,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SetArgs {
    /// The gas limit of a block
    GasLimit {
        /// In gas, 1000000 to 10000000000
        gas_limit: u64,
    },
    /// What transactions pay
    #[command(subcommand)]
    Fees(FeesArgs),
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
            ActionArgs::AddMember { organization, endpoint, nodes, observer_nodes, .. }
                if !(nodes.is_empty() && observer_nodes.is_empty()) =>
            {
                Self::AddMemberNodes { organization, endpoint, nodes, observer_nodes }
            }
            ActionArgs::AddMember {
                organization,
                account,
                endpoint,
                validators,
                observers,
                ..
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
                match key {
                    Some(key) => Self::ReplaceKey { validator, kind, key },
                    None => Self::RenewKey { validator, kind },
                }
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
            SetArgs::Fees(FeesArgs::Free) => Self::SetFees { fees: Fees::Free {} },
            SetArgs::Fees(FeesArgs::Eip1559 { floor_wei }) => {
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
                "endpoint": "delta.example", "nodes": ["validator-4"], "observer_nodes": []}),
        );
        check(
            "add-member delta --observer-node validator-4 validator-5 --node validator-6",
            &json!({"action": "add_member_nodes", "organization": "delta", "endpoint": "",
                "nodes": ["validator-6"], "observer_nodes": ["validator-4", "validator-5"]}),
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
        check(
            "replace-key v-3 consensus",
            &json!({"action": "renew_key", "validator": "v-3", "kind": "consensus"}),
        );
    }

    #[test]
    fn every_parameter_and_permission_has_its_form() {
        use serde_json::json;
        let account = format!("0x{}", "11".repeat(20));
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
            "set fees free --floor-wei 5",
            "allow 0x12 --send",
            "replace-key v node 12",
            "replace-key v both 12",
            "upgrade-rules 2",
            "add-member delta",
            "add-member delta --node",
            "add-member delta --node v --observer 12",
            "add-member delta --observer-node v --validator v,12,12",
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
