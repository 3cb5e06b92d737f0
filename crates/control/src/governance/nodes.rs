//! Nodes of this platform in the words of the contract: what a proposal takes from their rows, and
//! what the contract has of them.

use windlass_engine::governance::{Roll, ValidatorFacts};
use windlass_model::{
    ErrorCode, KeyId, NodeId, Problem,
    governance::{
        Action, Ed25519Key, KeyKind, MemberName, Named, NewObserver, NewValidator, ProposalRequest,
        SeatState,
    },
    network::NodeRole,
    spec::AccountAddress,
};

use super::{
    draft::{find_member, find_validator},
    tolerance::goes,
    view::held_key,
};
use crate::{
    network::{replacing, view::find_node},
    service::{Answer, node_not_found},
    store::rows::{NodeRow, Record},
};

/// What an organization is in the contract.
#[derive(Clone, Debug)]
pub(crate) enum Membership {
    /// It is none.
    Stranger,
    /// It is one; its account, and the key if that is held here.
    Member { member: MemberName, account: String, key: Option<KeyId> },
    /// It is one, and can't act.
    Suspended,
}

/// What an organization is.
pub(crate) fn membership(record: &Record, roll: &Roll, organization: &str) -> Membership {
    let Some(found) = roll.members.iter().find(|one| one.organization == organization) else {
        return Membership::Stranger;
    };
    match found.state {
        SeatState::Suspended | SeatState::Removed => Membership::Suspended,
        SeatState::Active => Membership::Member {
            member: MemberName { id: found.id, organization: found.organization.clone() },
            account: found.account.clone(),
            key: held_key(record, &found.account).cloned(),
        },
    }
}

/// What the contract has of each node of this platform.
pub(crate) fn seats(record: &Record, roll: &Roll) -> Vec<(NodeId, NodeRole)> {
    let role = |node: &NodeRow| {
        let validator = roll.validators.iter().find(|one| node.goes_by(&one.node_key));
        match validator {
            Some(one) if one.active => NodeRole::Validator,
            Some(_) => NodeRole::Suspended,
            None if roll.observers.iter().any(|one| node.goes_by(&one.node_key)) => {
                NodeRole::Observer
            }
            None => NodeRole::Unnamed,
        }
    };
    record.nodes.iter().map(|node| (node.id.clone(), role(node))).collect()
}

/// Puts what their rows say in the place of nodes that are named.
pub(super) fn expand(record: &Record, roll: &Roll, actions: Vec<Action>) -> Answer<Vec<Action>> {
    let mut expanded = Vec::new();
    for action in actions {
        match action {
            Action::AddMemberNodes { organization, endpoint, nodes, observer_nodes } => {
                let of = |node: &String| validator(record, &organization, node);
                let observers = observer_nodes.iter().map(of).map(|node| {
                    let NewValidator { node_key, endpoint, .. } = node?;
                    Ok(NewObserver { node_key, endpoint })
                });
                expanded.push(Action::AddMember {
                    account: account(record, &organization)?,
                    endpoint,
                    validators: nodes.iter().map(of).collect::<Answer<_>>()?,
                    observers: observers.collect::<Answer<_>>()?,
                    organization,
                });
            }
            Action::AddValidatorNodes { member, nodes } => {
                let found = find_member(roll, &member)?;
                for node in &nodes {
                    let new = validator(record, &found.organization, node)?;
                    let NewValidator { name, node_key, consensus_key, account, endpoint } = new;
                    let member = Named::Id(found.id);
                    let keys = (node_key, consensus_key);
                    expanded.push(Action::AddValidator {
                        member,
                        name,
                        node_key: keys.0,
                        consensus_key: keys.1,
                        account,
                        endpoint,
                    });
                }
            }
            Action::RenewKey { validator, kind } => {
                let node = of_validator(record, roll, &validator)?;
                let key = replacing::made(node, kind).ok_or_else(|| {
                    Box::new(Problem::new(
                        ErrorCode::NetworkBusy,
                        format!("the new {kind} key of {} is not made yet", node.name),
                        "ask again in a moment",
                    ))
                })?;
                expanded.push(Action::ReplaceKey {
                    validator,
                    kind,
                    key: Ed25519Key::from_bytes(key),
                });
            }
            other => expanded.push(other),
        }
    }
    Ok(expanded)
}

/// Whether a proposal takes keys that are made for it.
pub(crate) fn renews(request: &ProposalRequest) -> bool {
    request.actions.iter().any(|action| matches!(action, Action::RenewKey { .. }))
}

/// The nodes that need new keys for a proposal.
pub(crate) fn renewed(
    record: &Record,
    roll: &Roll,
    request: &ProposalRequest,
) -> Answer<Vec<(NodeId, KeyKind)>> {
    let mut found = Vec::new();
    for action in &request.actions {
        if let Action::RenewKey { validator, kind } = action {
            let node = of_validator(record, roll, validator)?;
            if node.is_leaving() {
                return Err(leaving(node));
            }
            found.push((node.id.clone(), *kind));
        }
    }
    Ok(found)
}

/// What happens to validators that are nodes of this platform and would get keys that it does not
/// hold, in words.
pub(super) fn lost_seats(record: &Record, roll: &Roll, actions: &[Action]) -> Vec<String> {
    let lost = actions.iter().filter_map(|action| {
        let Action::ReplaceKey { validator, kind, key } = action else { return None };
        let node = of_validator(record, roll, validator).ok()?;
        let held = replacing::made(node, *kind).map(Ed25519Key::from_bytes);
        (held.as_ref() != Some(key)).then(|| {
            format!(
                "{} is a node of this platform, which does not hold the key {}: when it is \
                 replaced, {} loses its seat to whoever holds that key. Leave the key out to have \
                 one made here",
                node.name,
                key.as_str(),
                node.name
            )
        })
    });
    lost.collect()
}

/// What is told of a proposal whose validators alone have every block, among the nodes of this platform.
pub(super) fn lost_blocks(record: &Record, roll: &Roll, actions: &[Action]) -> Option<String> {
    let seats = roll.validators.iter().filter(|seat| goes(roll, actions, seat));
    let node = |seat: &ValidatorFacts| record.nodes.iter().find(|one| one.goes_by(&seat.node_key));
    let going: Vec<&NodeId> = seats.filter_map(node).map(|node| &node.id).collect();
    (!record.blocks_stay(&going)).then(|| {
        format!(
            "the nodes that stay still fetch old blocks, which they get from who votes: approve it \
             when `windlass network node ls {}` shows that one has them all",
            record.network.name
        )
    })
}

/// The node of this platform that is a validator.
fn of_validator<'a>(record: &'a Record, roll: &Roll, named: &Named) -> Answer<&'a NodeRow> {
    let id = find_validator(roll, named)?;
    let seat = roll.validators.iter().find(|one| one.id == id);
    let node = seat.and_then(|seat| record.nodes.iter().find(|node| node.goes_by(&seat.node_key)));
    node.ok_or_else(|| {
        Box::new(Problem::new(
            ErrorCode::InvalidRequest,
            format!("the validator `{named}` is no node of this platform"),
            "whoever runs it makes the key; name that: replace-key VALIDATOR KIND KEY",
        ))
    })
}

fn leaving(node: &NodeRow) -> Box<Problem> {
    let detail = format!("{} is being removed", node.name);
    Box::new(Problem::new(ErrorCode::InvalidRequest, detail, "name another"))
}

/// The account of an organization that has nodes here.
fn account(record: &Record, organization: &str) -> Answer<AccountAddress> {
    let mut accounts = record.accounts().filter(|(name, _)| name.as_str() == organization);
    let address = accounts.next().and_then(|(_, account)| account.address.as_deref());
    address.and_then(|address| address.parse().ok()).ok_or_else(|| {
        Box::new(Problem::new(
            ErrorCode::InvalidRequest,
            format!("no account of `{organization}` is known here"),
            format!(
                "`windlass network node add {} --member {organization}` makes one with its first \
                 node, or give the account and the keys yourself",
                record.network.name
            ),
        ))
    })
}

/// A node as the contract takes it.
fn validator(record: &Record, organization: &str, named: &str) -> Answer<NewValidator> {
    let node = find_node(record, named).ok_or_else(|| node_not_found(record, named))?;
    let refused = |detail: String, hint: String| {
        Err(Box::new(Problem::new(ErrorCode::InvalidRequest, detail, hint)))
    };
    if node.member.as_str() != organization {
        return refused(
            format!("{} is a node of `{}`, not of `{organization}`", node.name, node.member),
            format!("`windlass network node ls {}` shows whose each is", record.network.name),
        );
    }
    let keys = (node.node_key.public, node.consensus_key.public, node.port);
    let (Some(node_key), Some(consensus_key), Some(port)) = keys else {
        return refused(
            format!("{} has no keys yet", node.name),
            "wait until it runs: the operation that adds it tells".to_owned(),
        );
    };
    if node.is_leaving() {
        return Err(leaving(node));
    }
    Ok(NewValidator {
        name: node.name.clone(),
        node_key: Ed25519Key::from_bytes(node_key),
        consensus_key: Ed25519Key::from_bytes(consensus_key),
        account: None,
        endpoint: format!("127.0.0.1:{port}"),
    })
}
