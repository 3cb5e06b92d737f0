//! Intent in: nodes that are added to a network that runs, and one that goes. Pure decisions over a
//! record; what the chain says of the members was asked before.

use std::collections::BTreeSet;

use windlass_engine::governance::Roll;
use windlass_model::{
    ErrorCode, KeyId, Name, NodeId, Problem,
    error::Location,
    network::{Intent, NetworkState, NodesRequest, Operation, OperationKind},
};

use crate::{
    governance::{Membership, held_key, membership, stopped},
    monitor::quorum,
    network::declare::new_account,
    operation::{self, step},
    store::rows::{Blocks, KeyRow, Leaving, NodeRow, NodeStatus, Record, Registration, Standing},
    world::World,
};

/// A network has at most so many nodes: as many as there may be validators.
const MAX_NODES: usize = 100;

/// A member has at most so many observers, as the governance contract has it.
pub(super) const MAX_OBSERVERS_OF_MEMBER: usize = 16;

type Checked<T> = Result<T, Box<Problem>>;

/// Nodes that are to be added.
#[derive(Clone, Debug)]
pub(crate) struct Addition {
    member: Name,
    count: usize,
    membership: Membership,
    /// How many validators there are to vote from the next epoch on.
    voters: usize,
    /// Who can propose them, where more than one member's key is held here.
    proposer: Option<String>,
}

/// Whether nodes may come or go now. An operation that adds nodes is no reason against a removal:
/// it may be that it can't come to its end.
pub(crate) fn check_now(record: &Record, wanted: OperationKind) -> Checked<()> {
    let network = &record.network;
    let busy = |detail: String, hint: String| {
        Err(Box::new(Problem::new(ErrorCode::NetworkBusy, detail, hint)))
    };
    if matches!(network.intent, Intent::Stopped | Intent::Sleeping) {
        return Err(stopped(record));
    }
    if network.intent == Intent::Destroyed {
        return busy(
            format!("`{}` is being destroyed", network.name),
            "a destroy is not taken back".to_owned(),
        );
    }
    let under_way = record.operation_under_way();
    let adds = under_way.is_some_and(|one| one.kind == OperationKind::AddNodes);
    let gives_way = adds && wanted == OperationKind::RemoveNode;
    match under_way {
        Some(operation) if !gives_way => busy(
            format!("another operation on `{}` is under way: {}", network.name, operation.id),
            format!("`windlass operation wait {}` waits for it", operation.id),
        ),
        _ if network.state != NetworkState::Usable => busy(
            format!("`{}` is not usable yet", network.name),
            format!("`windlass network show {}` says why", network.name),
        ),
        _ => Ok(()),
    }
}

/// Checks what is asked for against the network as it is, and as the chain has it.
pub(crate) fn addition(record: &Record, roll: &Roll, request: &NodesRequest) -> Checked<Addition> {
    let member: Name =
        request.member.parse().map_err(|error: windlass_model::name::InvalidName| {
            let location = Location { field: Some("member".to_owned()), ..Location::default() };
            let hint = "a name has 1 to 40 of a-z, 0-9 and `-`, and begins with a letter";
            Box::new(Problem::new(ErrorCode::InvalidName, error.to_string(), hint).at(location))
        })?;
    let location = Location { field: Some("count".to_owned()), ..Location::default() };
    let (here, name) = (record.nodes.len(), &record.network.name);
    let count = usize::try_from(request.count).unwrap_or(usize::MAX);
    if count == 0 {
        let problem = Problem::new(
            ErrorCode::InvalidRequest,
            "no node is asked for",
            "ask for 1 node or more",
        );
        return Err(Box::new(problem.at(location)));
    }
    if here.saturating_add(count) > MAX_NODES {
        let problem = Problem::new(
            ErrorCode::TooManyNodes,
            format!(
                "`{name}` has {here} nodes and would have {count} more; it may have {MAX_NODES}"
            ),
            "ask for fewer, or remove nodes that are not needed: `windlass network node rm`",
        );
        return Err(Box::new(problem.at(location)));
    }
    let membership = membership(record, roll, member.as_str());
    if matches!(membership, Membership::Suspended) {
        return Err(Box::new(Problem::new(
            ErrorCode::MemberSuspended,
            format!("the member `{member}` of `{name}` is suspended"),
            format!(
                "the other members can resume it: windlass network propose {name} resume-member {member}"
            ),
        )));
    }
    let held = roll.members.iter().filter(|one| held_key(record, &one.account).is_some());
    let held: Vec<&str> = held.map(|one| one.organization.as_str()).collect();
    let own = held.iter().find(|one| **one == member.as_str());
    let proposer = own.or(held.first()).filter(|_| held.len() > 1).map(|one| (*one).to_owned());
    let voters = roll.validators.iter().filter(|one| one.active).count();
    let addition = Addition { member, count, membership, voters, proposer };
    check_observers(record, roll, &addition, location)?;
    Ok(addition)
}

impl Addition {
    /// Whether the nodes of an organization that is no member come as observers first: no member has
    /// named them yet, so they cannot follow, and as validators they would be missing at first.
    fn strangers_observe(&self) -> bool {
        quorum(self.voters.saturating_add(self.count)) > self.voters
    }
}

/// Whether the contract takes so many observers of the member as there would be.
fn check_observers(
    record: &Record,
    roll: &Roll,
    addition: &Addition,
    location: Location,
) -> Checked<()> {
    let Addition { member, count, .. } = addition;
    let (name, most) = (&record.network.name, MAX_OBSERVERS_OF_MEMBER);
    let has = match &addition.membership {
        Membership::Member { member, key: Some(_), .. } => observers(record, roll, member.id),
        Membership::Stranger if addition.strangers_observe() => 0,
        // They may become validators, or its observers by a tool that is not ours.
        Membership::Member { key: None, .. } | Membership::Stranger | Membership::Suspended => {
            return Ok(());
        }
    };
    if has.saturating_add(*count) <= most {
        return Ok(());
    }
    let room = match most.saturating_sub(has) {
        0 => "none fits".to_owned(),
        1 => "1 more fits".to_owned(),
        room => format!("{room} more fit"),
    };
    let detail = format!(
        "`{member}` has {has} observers in `{name}` and would have {count} more; a member may have \
         {most}, so that {room}"
    );
    let hint = match has {
        0 => format!("ask for {most} or fewer; when those are validators, more fit"),
        _ => format!(
            "ask for no more than fit; more do when observers are voted in as validators (windlass \
             network propose {name} add-validator {member} --node …) or removed (windlass network node \
             rm {name} …)"
        ),
    };
    Err(Box::new(Problem::new(ErrorCode::TooManyObservers, detail, hint).at(location)))
}

/// How many observers a member has, those counted that it is about to name.
fn observers(record: &Record, roll: &Roll, member: u32) -> usize {
    let named = roll.observers.iter().filter(|one| one.member == member).count();
    let seated = |node: &NodeRow| {
        roll.observers.iter().any(|one| node.goes_by(&one.node_key))
            || roll.validators.iter().any(|one| node.goes_by(&one.node_key))
    };
    let waits = |node: &&NodeRow| {
        let registration = node.status.registration.as_ref();
        let own = registration.is_some_and(|one| !one.done && one.member.id == member);
        own && !node.is_leaving() && !seated(node)
    };
    named.saturating_add(record.nodes.iter().filter(waits).count())
}

/// Writes the nodes, with every id that they need, into the record. Answers their names.
pub(crate) fn add(
    world: &World,
    record: &mut Record,
    addition: &Addition,
    now_ms: u64,
) -> Vec<String> {
    let Addition { member, count, membership, .. } = addition;
    let key = || KeyRow { id: KeyId::from_entropy(world.random()), public: None };
    let registration = match membership {
        Membership::Member { member, account, key: Some(key) } => Some(Registration {
            member: member.clone(),
            account: account.clone(),
            key: key.clone(),
            operation: None,
            done: false,
        }),
        Membership::Member { key: None, .. } | Membership::Stranger | Membership::Suspended => None,
    };
    let stranger = matches!(membership, Membership::Stranger);
    if stranger && record.accounts().all(|(name, _)| name != member) {
        record.network.status.accounts.push(new_account(world, Some(member.clone())));
    }
    let first = record.next_ordinal();
    let mut names = Vec::new();
    for ordinal in (first..).take(*count) {
        let name = format!("validator-{ordinal}");
        names.push(name.clone());
        let registration = registration.clone();
        record.nodes.push(NodeRow {
            id: NodeId::from_entropy(world.random()),
            name,
            member: member.clone(),
            ordinal,
            added_at_ms: Some(now_ms),
            node_key: key(),
            consensus_key: key(),
            port: None,
            // It fetches them from the others.
            status: NodeStatus { registration, blocks: Blocks::Some, ..NodeStatus::default() },
        });
    }
    names
}

/// What the operation that adds them does, and what its user does next. Answers what the user should
/// know besides.
pub(crate) fn tell(
    record: &mut Record,
    addition: &Addition,
    names: Vec<String>,
    now_ms: u64,
) -> Vec<String> {
    let (network, member) = (record.network.name.clone(), &addition.member);
    let Some(operation) = record.current_operation() else { return Vec::new() };
    let too_many = addition.strangers_observe();
    let (verb, option) = match addition.membership {
        Membership::Stranger if too_many => ("add-member", "--observer-node"),
        Membership::Stranger => ("add-member", "--node"),
        Membership::Member { .. } | Membership::Suspended => ("add-validator", "--node"),
    };
    let nodes = names.join(" ");
    let by = addition.proposer.as_ref().map(|one| format!(" --as {one}")).unwrap_or_default();
    let propose = format!("windlass network propose {network}{by}");
    operation.next = Some(format!("{propose} {verb} {member} {option} {nodes}"));
    operation.nodes = names;
    match &addition.membership {
        Membership::Member { key: Some(_), .. } => return Vec::new(),
        Membership::Member { key: None, .. } | Membership::Stranger | Membership::Suspended => {}
    }
    operation::without(operation, &[step::REGISTRATION, step::BLOCKS], now_ms);
    match &addition.membership {
        Membership::Member { account, .. } => vec![format!(
            "the key of `{member}`'s account {account} is not held here: it registers the nodes as \
             its observers with its own tool, or the members vote them in"
        )],
        Membership::Stranger if too_many => vec![format!(
            "so many new validators at once would leave no quorum until they have the chain: they come as \
             observers first, and when they follow: {propose} add-validator {member} --node {nodes}"
        )],
        Membership::Stranger | Membership::Suspended => Vec::new(),
    }
}

/// What is to be done when a node goes.
#[derive(Clone, Debug)]
pub(crate) struct Removal {
    withdrawal: Option<Registration>,
    warnings: Vec<String>,
}

/// Whether a node may go, as the chain has it: who votes, in this epoch or the next, may not.
pub(crate) fn removal(
    record: &Record,
    node: &NodeRow,
    roll: &Roll,
    (voting, standing): (Option<&BTreeSet<String>>, Standing),
) -> Checked<Removal> {
    let (name, network) = (&node.name, &record.network.name);
    if record.nodes.len() == 1 {
        return Err(Box::new(Problem::new(
            ErrorCode::InvalidRequest,
            format!("{name} is the only node that `{network}` has here"),
            format!("`windlass network destroy {network}` leaves nothing of the network"),
        )));
    }
    let nothing = Removal { withdrawal: None, warnings: Vec::new() };
    if node.node_key.public.is_none() {
        return Ok(nothing);
    }
    if !record.blocks_stay(&[&node.id]) {
        return Err(Box::new(Problem::new(
            ErrorCode::NetworkBusy,
            format!("{name} alone has every block of `{network}`: the others still fetch old ones"),
            format!("`windlass network node ls {network}` says how many; remove it after that"),
        )));
    }
    let votes = |detail: String, hint: String| {
        Err(Box::new(Problem::new(ErrorCode::NodeVotes, detail, hint)))
    };
    let seat = roll.validators.iter().find(|one| node.goes_by(&one.node_key));
    if let Some(seat) = seat.filter(|seat| seat.active) {
        return votes(
            format!("{name} is a validator of `{network}`"),
            format!(
                "vote it out first: windlass network propose {network} remove-validator {}",
                seat.name
            ),
        );
    }
    let now = voting.map_or(standing == Standing::Validator, |voting| {
        node.node_keys().any(|key| voting.contains(&key))
    });
    if now {
        return votes(
            format!("{name} votes until the epoch ends"),
            format!("`windlass network node ls {network}` shows when it does not vote any more"),
        );
    }
    if let Some(seat) = seat {
        let warning = format!(
            "`{network}` still has {name} as a suspended validator, which can't come back: windlass \
             network propose {network} remove-validator {}",
            seat.name
        );
        return Ok(Removal { withdrawal: None, warnings: vec![warning] });
    }
    let Some(observer) = roll.observers.iter().find(|one| node.goes_by(&one.node_key)) else {
        return Ok(nothing);
    };
    let member = roll.members.iter().find(|one| one.id == observer.member);
    let organization = member.map(|one| one.organization.as_str()).unwrap_or_default();
    match membership(record, roll, organization) {
        Membership::Member { member, account, key: Some(key) } => {
            let withdrawal = Registration { member, account, key, operation: None, done: false };
            Ok(Removal { withdrawal: Some(withdrawal), warnings: Vec::new() })
        }
        Membership::Member { key: None, .. } | Membership::Suspended | Membership::Stranger => {
            let warning = format!(
                "{name} stays registered as an observer of `{organization}`, which does not act by \
                 this platform"
            );
            Ok(Removal { withdrawal: None, warnings: vec![warning] })
        }
    }
}

/// Writes down that nothing is to be left of a node.
pub(crate) fn leave(record: &mut Record, id: &NodeId, removal: &Removal) {
    let Some(node) = record.node_mut(id) else { return };
    let withdrawal = removal.withdrawal.clone();
    node.status.leaving.get_or_insert(Leaving { withdrawal, teardown: None });
}

/// What the operation that removes it does. Answers what the user should know besides.
pub(crate) fn tell_removal(
    operation: &mut Operation,
    (name, removal): (&str, Removal),
    now_ms: u64,
) -> Vec<String> {
    operation.nodes = vec![name.to_owned()];
    if removal.withdrawal.is_none() {
        operation::without(operation, &[step::REGISTRATION], now_ms);
    }
    removal.warnings
}
