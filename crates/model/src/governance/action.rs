//! What a proposal can do: the seventeen kinds of actions of the governance contract, and three
//! that name nodes of the platform, which it replaces by actions of the contract before anything is sent.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Ed25519Key, Named, Names};
use crate::spec::{AccountAddress, Fees};

/// One change that members vote on. Fields that a spec has too are called as they are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// An organization becomes a member, with its first nodes.
    AddMember {
        /// Its name.
        organization: String,
        /// The account by which it proposes and votes.
        account: AccountAddress,
        /// A host and port, or a URL; for the other members.
        #[serde(default)]
        endpoint: String,
        /// Its validators.
        #[serde(default)]
        validators: Vec<NewValidator>,
        /// Its observers.
        #[serde(default)]
        observers: Vec<NewObserver>,
    },
    /// A member can't act, and its validators don't vote.
    SuspendMember {
        /// Which.
        member: Named,
    },
    /// A suspended member is one as before.
    ResumeMember {
        /// Which.
        member: Named,
    },
    /// A member goes, and its validators and observers with it.
    RemoveMember {
        /// Which.
        member: Named,
    },
    /// A member gets one more validator.
    AddValidator {
        /// Whose.
        member: Named,
        /// Its name.
        name: String,
        /// Its p2p identity; that of an observer makes the observer a validator.
        node_key: Ed25519Key,
        /// The public key of its votes.
        consensus_key: Ed25519Key,
        /// Its account, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<AccountAddress>,
        /// Where it is reached: `host:port`.
        #[serde(default)]
        endpoint: String,
    },
    /// The same as `add_member`, with nodes of this platform: account, names, keys and endpoints are
    /// taken from them.
    AddMemberNodes {
        /// Its name.
        organization: String,
        /// A host and port, or a URL; for the other members.
        #[serde(default)]
        endpoint: String,
        /// The nodes that become its validators, by name or id.
        #[serde(default)]
        nodes: Vec<String>,
        /// Those that become its observers, which follow until they are voted in.
        #[serde(default)]
        observer_nodes: Vec<String>,
    },
    /// The same as an `add_validator` for each of these nodes of this platform: names, keys and
    /// endpoints are taken from them.
    AddValidatorNodes {
        /// Whose.
        member: Named,
        /// The nodes, by name or id.
        nodes: Vec<String>,
    },
    /// A validator goes, and its keys never come back.
    RemoveValidator {
        /// Which.
        validator: Named,
    },
    /// A validator does not vote.
    SuspendValidator {
        /// Which.
        validator: Named,
    },
    /// A suspended validator votes again.
    ResumeValidator {
        /// Which.
        validator: Named,
    },
    /// A validator gets another key.
    ReplaceKey {
        /// Which.
        validator: Named,
        /// Which of its keys.
        kind: KeyKind,
        /// The new one.
        key: Ed25519Key,
    },
    /// The same as `replace_key`, with a key that this platform makes for the validator, which is a node
    /// of it.
    RenewKey {
        /// Which.
        validator: Named,
        /// Which of its keys.
        kind: KeyKind,
    },
    /// Blocks have this gas limit.
    SetGasLimit {
        /// In gas.
        gas_limit: u64,
    },
    /// Transactions pay this.
    SetFees {
        /// The policy, as in a spec.
        fees: Fees,
    },
    /// Blocks are at least so far apart.
    SetBlockInterval {
        /// In milliseconds.
        min_block_interval_ms: u32,
    },
    /// Whether sending and deploying need a permission.
    SetPermissioning {
        /// Sending does.
        senders: bool,
        /// Deploying does.
        deployers: bool,
    },
    /// An account gets permissions.
    Allow {
        /// Which.
        account: AccountAddress,
        /// What it may do besides what it may already.
        permissions: BTreeSet<Permission>,
    },
    /// An account loses permissions.
    Deny {
        /// Which.
        account: AccountAddress,
        /// What it may not do any more.
        permissions: BTreeSet<Permission>,
    },
    /// The rules of blocks have another version from a height on.
    UpgradeRules {
        /// The version.
        version: u32,
        /// The first block under it.
        height: u64,
    },
    /// A proposal needs more than so many percent of the active members.
    SetThreshold {
        /// Percent, for members and validators.
        membership: u8,
        /// Percent, for parameters.
        parameters: u8,
    },
}

/// A validator that comes with a new member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewValidator {
    /// Its name.
    pub name: String,
    /// Its p2p identity.
    pub node_key: Ed25519Key,
    /// The public key of its votes.
    pub consensus_key: Ed25519Key,
    /// Its account, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountAddress>,
    /// Where it is reached: `host:port`.
    #[serde(default)]
    pub endpoint: String,
}

/// An observer that comes with a new member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewObserver {
    /// Its p2p identity.
    pub node_key: Ed25519Key,
    /// Where it is reached: `host:port`.
    #[serde(default)]
    pub endpoint: String,
}

/// Which key of a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// Its p2p identity.
    Node,
    /// The key of its votes.
    Consensus,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "node",
            Self::Consensus => "consensus",
        })
    }
}

/// What an account may be allowed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// To send transactions.
    Send,
    /// To deploy contracts.
    Deploy,
}

/// Of which kind somebody is that an action names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A member.
    Member,
    /// A validator.
    Validator,
}

/// An action of a proposal: in words, and as it would be proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProposedAction {
    /// What it does.
    pub words: String,
    /// The action; absent where this version of Windlass can't read it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub action: Option<Action>,
}

impl Action {
    /// Whom the action names, if it names somebody who is there already.
    pub fn subject(&mut self) -> Option<(Role, &mut Named)> {
        match self {
            Self::SuspendMember { member }
            | Self::ResumeMember { member }
            | Self::RemoveMember { member }
            | Self::AddValidator { member, .. }
            | Self::AddValidatorNodes { member, .. } => Some((Role::Member, member)),
            Self::RemoveValidator { validator }
            | Self::SuspendValidator { validator }
            | Self::ResumeValidator { validator }
            | Self::ReplaceKey { validator, .. }
            | Self::RenewKey { validator, .. } => Some((Role::Validator, validator)),
            Self::AddMember { .. }
            | Self::AddMemberNodes { .. }
            | Self::SetGasLimit { .. }
            | Self::SetFees { .. }
            | Self::SetBlockInterval { .. }
            | Self::SetPermissioning { .. }
            | Self::Allow { .. }
            | Self::Deny { .. }
            | Self::UpgradeRules { .. }
            | Self::SetThreshold { .. } => None,
        }
    }

    /// What it does, in a sentence without its beginning and end.
    pub fn words(&self, names: &Names) -> String {
        let member = |verb: &str, named: &Named| format!("{verb} {}", names.member(named));
        let validator = |verb: &str, named: &Named| format!("{verb} {}", names.validator(named));
        match self {
            Self::AddMember { organization, account, validators, observers, .. } => format!(
                "add the member `{organization}` with the account {account}, {} and {}",
                counted(validators.len(), "validator"),
                counted(observers.len(), "observer"),
            ),
            Self::SuspendMember { member: named } => member("suspend", named),
            Self::ResumeMember { member: named } => member("resume", named),
            Self::RemoveMember { member: named } => member("remove", named),
            Self::AddValidator { member, name, .. } => {
                format!("add the validator `{name}` of {}", names.member(member))
            }
            Self::AddMemberNodes { organization, nodes, observer_nodes, .. } => {
                let kinds = [("validators", nodes), ("observers", observer_nodes)];
                let kinds = kinds.into_iter().filter(|(_, nodes)| !nodes.is_empty());
                let kinds = kinds.map(|(what, nodes)| format!("the {what} {}", nodes.join(", ")));
                let with: Vec<String> = kinds.collect();
                format!("add the member `{organization}` with {}", with.join(" and "))
            }
            Self::AddValidatorNodes { member, nodes } => {
                format!("add the validators {} of {}", nodes.join(", "), names.member(member))
            }
            Self::RemoveValidator { validator: named } => validator("remove", named),
            Self::SuspendValidator { validator: named } => validator("suspend", named),
            Self::ResumeValidator { validator: named } => validator("resume", named),
            Self::ReplaceKey { validator, kind, key } => {
                format!("replace the {kind} key of {} by {key}", names.validator(validator))
            }
            Self::RenewKey { validator, kind } => {
                format!("replace the {kind} key of {} by a new one", names.validator(validator))
            }
            Self::SetGasLimit { gas_limit } => format!("set the gas limit to {gas_limit}"),
            Self::SetFees { fees: Fees::Free {} } => "make transactions free".to_owned(),
            Self::SetFees { fees: Fees::Eip1559 { floor_wei } } => {
                format!("charge fees by EIP-1559 with a floor of {floor_wei} wei")
            }
            Self::SetBlockInterval { min_block_interval_ms } => {
                format!("set the least time between blocks to {min_block_interval_ms} ms")
            }
            Self::SetPermissioning { senders, deployers } => {
                let needs = |needed: bool| if needed { "needs" } else { "needs no" };
                format!(
                    "sending {} permission, and deploying {} permission",
                    needs(*senders),
                    needs(*deployers)
                )
            }
            Self::Allow { account, permissions } => {
                format!("allow {account} to {}", listed(permissions))
            }
            Self::Deny { account, permissions } => {
                format!("take from {account} the permission to {}", listed(permissions))
            }
            Self::UpgradeRules { version, height } => {
                format!("upgrade the rules to version {version} from block {height} on")
            }
            Self::SetThreshold { membership, parameters } => format!(
                "ask more than {membership} % for members and validators, and more than \
                 {parameters} % for parameters"
            ),
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn listed(permissions: &BTreeSet<Permission>) -> String {
    let words: Vec<&str> = permissions
        .iter()
        .map(|permission| match permission {
            Permission::Send => "send",
            Permission::Deploy => "deploy",
        })
        .collect();
    words.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorCode, governance::ProposalRequest, read};

    fn names() -> Names {
        let called = |id, name: &str| [(id, name.to_owned())].into();
        Names { members: called(2, "beta"), validators: called(4, "validator-3") }
    }

    #[test]
    fn each_kind_is_written_in_one_shape_and_has_words() {
        let (key, account) = ("ab".repeat(32), format!("0x{}", "11".repeat(20)));
        let file = format!(
            "as = \"acme\"\nreason = \"why\"\n\
             [[actions]]\naction = \"add_member\"\norganization = \"delta\"\naccount = \"{account}\"\n\
             validators = [{{ name = \"v\", node_key = \"{key}\", consensus_key = \"{key}\" }}]\n\
             [[actions]]\naction = \"suspend_member\"\nmember = 2\n\
             [[actions]]\naction = \"add_validator\"\nmember = \"beta\"\nname = \"v\"\n\
             node_key = \"0x{key}\"\nconsensus_key = \"{key}\"\n\
             [[actions]]\naction = \"add_member_nodes\"\norganization = \"delta\"\n\
             nodes = [\"validator-4\"]\nobserver_nodes = [\"validator-5\"]\n\
             [[actions]]\naction = \"add_validator_nodes\"\nmember = 2\n\
             nodes = [\"validator-4\", \"validator-5\"]\n\
             [[actions]]\naction = \"suspend_validator\"\nvalidator = \"validator-3\"\n\
             [[actions]]\naction = \"replace_key\"\nvalidator = 4\nkind = \"consensus\"\nkey = \"{key}\"\n\
             [[actions]]\naction = \"renew_key\"\nvalidator = 4\nkind = \"node\"\n\
             [[actions]]\naction = \"set_fees\"\nfees = {{ policy = \"eip1559\", floor_wei = 7 }}\n\
             [[actions]]\naction = \"set_permissioning\"\nsenders = true\ndeployers = false\n\
             [[actions]]\naction = \"allow\"\naccount = \"{account}\"\npermissions = [\"deploy\", \"send\"]\n"
        );
        let request: ProposalRequest =
            read::toml(&file, ErrorCode::InvalidRequest).expect("the file is right");
        let words: Vec<String> =
            request.actions.iter().map(|action| action.words(&names())).collect();
        let expect = [
            format!(
                "add the member `delta` with the account {account}, 1 validator and 0 observers"
            ),
            "suspend the member `beta` (id 2)".to_owned(),
            "add the validator `v` of the member `beta`".to_owned(),
            "add the member `delta` with the validators validator-4 and the observers validator-5"
                .to_owned(),
            "add the validators validator-4, validator-5 of the member `beta` (id 2)".to_owned(),
            "suspend the validator `validator-3`".to_owned(),
            format!("replace the consensus key of the validator `validator-3` (id 4) by {key}"),
            "replace the node key of the validator `validator-3` (id 4) by a new one".to_owned(),
            "charge fees by EIP-1559 with a floor of 7 wei".to_owned(),
            "sending needs permission, and deploying needs no permission".to_owned(),
            format!("allow {account} to send and deploy"),
        ];
        assert_eq!(words, expect);
        let json = serde_json::to_vec(&request).expect("plain data");
        let again: ProposalRequest =
            read::json(&json, ErrorCode::InvalidRequest).expect("the same shape");
        assert_eq!(again, request);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (wrong, told) in [
            (r#"{"actions": [{"action": "dance"}]}"#, "dance"),
            (r#"{"actions": [{"action": "suspend_member"}]}"#, "member"),
            (r#"{"actions": [{"action": "suspend_member", "membr": 1}]}"#, "membr"),
            (r#"{"actions": [{"action": "set_gas_limit", "gas_limit": -1}]}"#, "-1"),
            (
                r#"{"actions": [{"action": "allow", "account": "0x1", "permissions": []}]}"#,
                "40 hex",
            ),
            (r#"{"acts": []}"#, "acts"),
        ] {
            let problem =
                read::json::<ProposalRequest>(wrong.as_bytes(), ErrorCode::InvalidRequest)
                    .expect_err("it is wrong");
            assert!(problem.detail.contains(told), "{problem:?}");
        }
    }
}
