//! Intent changed: stop, start, sleep, wake, destroy and apply, as pure decisions over a record.

use windlass_model::{
    ErrorCode, OperationId, Problem,
    api::SpecChange,
    error::Location,
    network::{Intent, NetworkState, OperationKind},
    spec::NetworkSpec,
};

use crate::{
    governance::stopped,
    network::{declare::differences, ending},
    operation::{self, Ending},
    store::rows::{NetworkRow, Record},
};

/// The fields that a network takes a change of after its genesis.
const CHANGEABLE: [&str; 7] =
    ["archive", "cors_origins", "local_port", "node_limits", "sleep_after_s", "sync", "ttl_s"];

/// What a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A new operation carries it out.
    Begin(OperationKind),
    /// The operation under way does it already.
    UnderWay,
    /// It is so already.
    Nothing,
}

/// Decides about a stop.
pub(crate) fn stop(record: &Record) -> Result<Decision, Box<Problem>> {
    let name = &record.network.name;
    match (record.network.intent, record.network.state) {
        (Intent::Destroyed, _) => Err(destroying(record)),
        (Intent::Stopped, NetworkState::Stopped) => Ok(Decision::Nothing),
        (Intent::Stopped, _) => Ok(Decision::UnderWay),
        (Intent::Running, NetworkState::Declared | NetworkState::Creating) => {
            Err(Box::new(Problem::new(
                ErrorCode::NetworkBusy,
                format!("`{name}` is being created"),
                format!(
                    "wait until it is usable and stop it then, or `windlass network destroy {name}`"
                ),
            )))
        }
        (Intent::Running | Intent::Sleeping, _) => Ok(Decision::Begin(OperationKind::Stop)),
    }
}

/// Decides about a sleep. What is under way comes to its end first.
pub(crate) fn sleep(record: &Record) -> Result<Decision, Box<Problem>> {
    let network = &record.network;
    match (network.intent, network.state) {
        (Intent::Destroyed, _) => Err(destroying(record)),
        (Intent::Stopped, _) => Err(stopped(record)),
        (Intent::Sleeping, NetworkState::Sleeping) => Ok(Decision::Nothing),
        (Intent::Sleeping, _) => Ok(Decision::UnderWay),
        (Intent::Running, NetworkState::Usable) if network.operation.is_none() => {
            Ok(Decision::Begin(OperationKind::Sleep))
        }
        (Intent::Running, _) => Err(Box::new(Problem::new(
            ErrorCode::NetworkBusy,
            format!("something else happens to `{}` at the moment", network.name),
            format!("`windlass network show {}` tells what; let it sleep then", network.name),
        ))),
    }
}

/// Decides about a wake.
pub(crate) fn wake(record: &Record) -> Result<Decision, Box<Problem>> {
    match record.network.intent {
        Intent::Sleeping => Ok(Decision::Begin(OperationKind::Wake)),
        Intent::Stopped => Err(stopped(record)),
        Intent::Running | Intent::Destroyed => start(record),
    }
}

/// Decides about a start.
pub(crate) fn start(record: &Record) -> Result<Decision, Box<Problem>> {
    match (record.network.intent, record.network.state) {
        (Intent::Destroyed, _) => Err(destroying(record)),
        (Intent::Stopped | Intent::Sleeping, _) => {
            ending::check(record).map(|()| Decision::Begin(OperationKind::Start))
        }
        (Intent::Running, NetworkState::Usable) if record.network.operation.is_none() => {
            Ok(Decision::Nothing)
        }
        (Intent::Running, _) => Ok(Decision::UnderWay),
    }
}

/// Decides about a destroy.
pub(crate) fn destroy(record: &Record) -> Decision {
    match record.network.intent {
        Intent::Destroyed => Decision::UnderWay,
        Intent::Running | Intent::Sleeping | Intent::Stopped => {
            Decision::Begin(OperationKind::Destroy)
        }
    }
}

/// Decides about a changed spec.
pub(crate) fn update(
    record: &Record,
    spec: &NetworkSpec,
) -> Result<(Decision, Vec<SpecChange>), Box<Problem>> {
    if record.network.intent == Intent::Destroyed {
        return Err(destroying(record));
    }
    let changes = differences(&record.network.spec, spec);
    if changes.is_empty() {
        let settled = record.network.operation.is_none();
        return Ok((if settled { Decision::Nothing } else { Decision::UnderWay }, changes));
    }
    let fixed = changes.iter().find(|change| !CHANGEABLE.contains(&change.field.as_str()));
    if let Some(change) = fixed {
        return Err(immutable(record, change));
    }
    match record.network.state {
        NetworkState::Declared | NetworkState::Creating => Err(Box::new(Problem::new(
            ErrorCode::NetworkBusy,
            format!("`{}` is being created", record.network.name),
            "apply the change when it is usable",
        ))),
        NetworkState::Usable
        | NetworkState::Stopping
        | NetworkState::Sleeping
        | NetworkState::Stopped
        | NetworkState::Starting
        | NetworkState::Destroying
        | NetworkState::Gone => Ok((Decision::Begin(OperationKind::Update), changes)),
    }
}

/// Writes a new operation with its intent into the record; the one under way is superseded, and is
/// returned to be written too.
pub(crate) fn begin(
    record: &mut Record,
    kind: OperationKind,
    id: OperationId,
    (actor, now_ms): (&str, u64),
) -> Option<windlass_model::network::Operation> {
    let superseded = record.current_operation().map(|operation| {
        operation::end(operation, Ending::Superseded, now_ms);
        operation.clone()
    });
    let network = &mut record.network;
    let NetworkRow { intent, state, status, .. } = &mut *network;
    (*intent, *state, status.held) = match kind {
        OperationKind::Stop => (Intent::Stopped, NetworkState::Stopping, false),
        OperationKind::Sleep => (Intent::Sleeping, NetworkState::Stopping, true),
        OperationKind::Start | OperationKind::Wake => {
            (Intent::Running, NetworkState::Starting, *state != NetworkState::Usable)
        }
        OperationKind::Recover => (Intent::Running, NetworkState::Starting, status.held),
        OperationKind::Create => (Intent::Running, *state, status.held),
        OperationKind::Destroy => (Intent::Destroyed, NetworkState::Destroying, false),
        OperationKind::Update
        | OperationKind::AddNodes
        | OperationKind::RemoveNode
        | OperationKind::ReplaceNode
        | OperationKind::Propose
        | OperationKind::Vote
        | OperationKind::Settle
        | OperationKind::AddObserver
        | OperationKind::RemoveObserver => (*intent, *state, status.held),
    };
    network.generation += 1;
    network.status.reason = None;
    network.status.failures = 0;
    network.status.retry_at_ms = 0;
    network.operation = Some(id.clone());
    let object = (&network.organization, &network.id, &network.name);
    record.operation = Some(operation::begin(id, object, kind, (actor, now_ms)));
    if matches!(kind, OperationKind::Start | OperationKind::Wake | OperationKind::Recover) {
        // Whoever starts it wants it now, whatever pause an earlier failure asked for.
        for node in &mut record.nodes {
            node.status.retry_at_ms = 0;
        }
    }
    superseded
}

pub(crate) fn destroying(record: &Record) -> Box<Problem> {
    Box::new(Problem::new(
        ErrorCode::NetworkBusy,
        format!("`{}` is being destroyed", record.network.name),
        "a destroy is not taken back; declare the network anew when it is gone",
    ))
}

fn immutable(record: &Record, change: &SpecChange) -> Box<Problem> {
    let location = Location { field: Some(change.field.clone()), ..Location::default() };
    let problem = Problem::new(
        ErrorCode::ImmutableField,
        format!(
            "`{}` of `{}` is {}, and cannot become {}: it is part of the genesis",
            change.field, record.network.name, change.from, change.to
        ),
        format!(
            "what can be changed is {}; for the rest declare another network",
            CHANGEABLE.map(|field| format!("`{field}`")).join(", ")
        ),
    );
    Box::new(problem.at(location))
}
