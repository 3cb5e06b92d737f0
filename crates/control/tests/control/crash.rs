//! The control plane killed at every point of every verb, and every driver call going wrong.
//!
//! A *point* is the moment before or after a commit or a driver call. For each one a run is killed
//! there, all its tasks dropped, and another control plane opens the same database over the same
//! world. Then the intent holds, nothing is doubled, nothing leaks, and the operation has come to
//! its end.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use crate::fake::{
    FakeWorld,
    governance::{BALLOT, FORGET, OBSERVE},
    script::{Fault, Script},
};
use serde_json::Value;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_control::{
    Control,
    service::{Action, Actor, Granted, RequestMeta, authorize},
    world::{Clock as _, MachineClock},
};
use windlass_model::{
    ErrorCode, Problem,
    api::Accepted,
    governance::ProposalRequest,
    network::{NodesRequest, Operation, OperationState},
    receipt::ReleasedKind,
    spec::{Manifest, NodeLimits},
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const NODES: usize = 4;
/// How many are added, and which of them goes.
const ADDED: usize = 2;
const GOES: &str = "validator-5";
/// Which is replaced.
const REPLACED: &str = "validator-2";
/// Two of each node, and one of the member's account.
const KEYS: usize = 2 * NODES + 1;
/// What an update gives each node.
const MEMORY_MIB: u32 = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Stop,
    Start,
    Sleep,
    Wake,
    Destroy,
    Propose,
    AddNodes,
    RemoveNode,
    ReplaceNode,
    Update,
}

/// One life of the control plane: a runtime of its own, dropped whole at the end. `None` if the
/// script killed it.
pub(crate) fn life<T, F: Future<Output = T>>(
    world: &Arc<FakeWorld>,
    script: &Arc<Script>,
    work: impl FnOnce(Control) -> F,
) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let ended = runtime.block_on(async {
        let alive = async {
            let control = world.open(script).await;
            control.run(&tracker, &shutdown);
            work(control).await
        };
        tokio::select! {
            ended = alive => Some(ended),
            () = script.killed() => None,
        }
    });
    drop(runtime);
    ended
}

pub(crate) async fn granted(control: &Control, action: Action) -> Granted {
    let organizations = control.every_organization().await.expect("organizations");
    let ids: Vec<_> = organizations.into_iter().map(|one| one.id).collect();
    let actor = Actor { id: "token:test".to_owned(), organizations: ids.clone() };
    authorize(&actor, action, &ids[0]).expect("it is the actor's own")
}

/// A request, which a client that repeats it names by its verb.
pub(crate) fn meta(verb: Option<Verb>) -> RequestMeta {
    RequestMeta {
        idempotency_key: verb.map(|verb| format!("{verb:?}")),
        request_hash: [verb.map_or(255, |verb| verb as u8); 32],
        if_version: None,
        now_ms: MachineClock.now_ms(),
    }
}

async fn ask(control: &Control, verb: Verb) -> Result<Accepted, ErrorCode> {
    let meta = meta(Some(verb));
    let change = granted(control, Action::Change).await;
    let answer = match verb {
        Verb::Create => {
            let name = Some("trade".parse().unwrap());
            let manifest = Manifest { name, validators: Some(4), ..Manifest::default() };
            control.declare(&granted(control, Action::Create).await, manifest, meta).await
        }
        Verb::Stop => control.stop(&change, "trade", meta).await,
        Verb::Start => control.start(&change, "trade", meta).await,
        Verb::Sleep => control.sleep(&change, "trade", meta).await,
        Verb::Wake => control.wake(&change, "trade", meta).await,
        Verb::Destroy => {
            control.destroy(&granted(control, Action::Destroy).await, "trade", meta).await
        }
        Verb::Propose => propose(control, meta).await,
        Verb::AddNodes => {
            let member = "default".to_owned();
            let count = u32::try_from(ADDED).unwrap();
            let request = NodesRequest { member, count };
            let add =
                async || control.add_nodes(&change, "trade", request.clone(), meta.clone()).await;
            when_it_answers(control, add).await
        }
        Verb::RemoveNode => {
            let destroy = granted(control, Action::Destroy).await;
            let remove =
                async || control.remove_node(&destroy, ("trade", GOES), meta.clone()).await;
            when_it_answers(control, remove).await
        }
        Verb::ReplaceNode => {
            let replace =
                async || control.replace_node(&change, ("trade", REPLACED), meta.clone()).await;
            when_it_answers(control, replace).await
        }
        Verb::Update => {
            let node_limits = NodeLimits { memory_mib: MEMORY_MIB, ..NodeLimits::default() };
            let manifest = Manifest { node_limits: Some(node_limits), ..Manifest::default() };
            control.apply(&change, "trade", manifest, meta).await
        }
    };
    answer.map_err(|problem| problem.code)
}

async fn propose(control: &Control, meta: RequestMeta) -> Result<Accepted, Box<Problem>> {
    let govern = granted(control, Action::Govern).await;
    let propose = async || {
        let request = ProposalRequest { reason: "once".to_owned(), ..ProposalRequest::default() };
        control.propose(&govern, "trade", request, meta.clone()).await
    };
    when_it_answers(control, propose).await
}

/// Asks as soon as a node is known to answer, which takes a platform a moment.
async fn when_it_answers(
    control: &Control,
    ask: impl AsyncFn() -> Result<Accepted, Box<Problem>>,
) -> Result<Accepted, Box<Problem>> {
    let read = granted(control, Action::Read).await;
    let mut events = control.events(&read, None).await.expect("events");
    loop {
        match ask().await {
            Err(problem) if problem.code == ErrorCode::NetworkUnavailable => {
                futures::StreamExt::next(&mut events).await.expect("the stream goes on");
            }
            answer => return answer,
        }
    }
}

/// Asks, as a client that repeats its request does, and waits for the end.
pub(crate) async fn carry_out(control: Control, verb: Verb) -> Operation {
    let accepted = ask(&control, verb).await.expect("the request is accepted");
    let id = accepted.operation.expect("there is something to do").id;
    let read = granted(&control, Action::Read).await;
    let operation = control.wait_operation(&read, &id, PATIENCE).await.expect("the operation");
    if operation.state == OperationState::Running {
        let network = control.network(&read, "trade").await;
        panic!("{verb:?} does not end: {operation:#?}\n{network:#?}");
    }
    operation
}

pub(crate) fn quietly() -> Arc<Script> {
    Arc::new(Script::new(None, None))
}

/// A world in which the verb can be asked for.
pub(crate) fn prepared(verb: Verb) -> Arc<FakeWorld> {
    let world = FakeWorld::new();
    let before: &[Verb] = match verb {
        Verb::Create => &[],
        Verb::Stop
        | Verb::Sleep
        | Verb::Destroy
        | Verb::Propose
        | Verb::AddNodes
        | Verb::ReplaceNode
        | Verb::Update => &[Verb::Create],
        Verb::RemoveNode => &[Verb::Create, Verb::AddNodes],
        Verb::Start => &[Verb::Create, Verb::Stop],
        Verb::Wake => &[Verb::Create, Verb::Sleep],
    };
    for verb in before {
        let ended = life(&world, &quietly(), |control| carry_out(control, *verb)).unwrap();
        assert_eq!(ended.state, OperationState::Succeeded);
    }
    world
}

#[track_caller]
pub(crate) fn check_usable(world: &FakeWorld, context: &str) {
    assert_eq!(world.nodes().len(), NODES, "{context}");
    assert_eq!(world.keys.lock().unwrap().len(), KEYS, "{context}");
    let chains = world.chains();
    assert_eq!(chains.len(), 1, "{context}: one genesis, for ever");
    assert_eq!(chains[0].len(), 1, "{context}: one test transaction, for ever");
    let upstreams = world.routes.lock().unwrap()["routes"][0]["upstreams"].clone();
    assert_eq!(upstreams.as_array().map(Vec::len), Some(NODES), "{context}");
    assert_eq!(route_state(world), "up", "{context}");
}

fn route_state(world: &FakeWorld) -> Value {
    world.routes.lock().unwrap()["routes"][0]["state"].clone()
}

/// The first nodes and so many more run, with their keys; the gateway sends clients to the first only.
#[track_caller]
fn check_nodes(world: &FakeWorld, more: usize, context: &str) {
    assert_eq!(world.nodes().len(), NODES + more, "{context}");
    assert_eq!(world.keys.lock().unwrap().len(), KEYS + 2 * more, "{context}");
    let upstreams = world.routes.lock().unwrap()["routes"][0]["upstreams"].clone();
    assert_eq!(upstreams.as_array().map(Vec::len), Some(NODES), "{context}");
}

#[track_caller]
fn check(world: &FakeWorld, verb: Verb, operation: &Operation, context: &str) {
    assert_eq!(operation.state, OperationState::Succeeded, "{context}: {operation:#?}");
    assert_eq!(world.substrate.broken_promises(), Vec::<String>::new(), "{context}");
    match verb {
        Verb::Create => {
            check_usable(world, context);
            let evidence = operation.evidence.as_ref().expect("a create proves itself");
            assert_eq!(evidence.nodes.len(), NODES, "{context}");
            assert_eq!(evidence.steps.len(), 6, "{context}");
        }
        Verb::Start | Verb::Wake => check_usable(world, context),
        Verb::Update => {
            check_usable(world, context);
            let nodes = world.substrate.workloads().into_iter();
            let nodes = nodes.filter(|one| one.id.as_str() != "gateway");
            let limits: BTreeSet<_> = nodes.map(|one| one.limits.memory_bytes).collect();
            let memory_bytes = Some(u64::from(MEMORY_MIB) << 20);
            assert_eq!(limits, BTreeSet::from([memory_bytes]), "{context}");
        }
        Verb::Propose => {
            let sent = world.chains().concat();
            let sent: Vec<_> = sent.iter().filter(|one| one.starts_with(BALLOT)).collect();
            assert_eq!(sent.len(), 1, "{context}: one transaction, for ever: {sent:?}");
            let outcome = operation.ballot.as_ref().expect("a ballot tells what came of it");
            assert_eq!((&outcome.transaction, outcome.proposal.id), (sent[0], 1), "{context}");
            assert_eq!(outcome.effects.len(), 1, "{context}");
        }
        Verb::AddNodes => {
            assert_eq!(operation.nodes, ["validator-4", GOES], "{context}");
            check_nodes(world, ADDED, context);
            let sent = world.chains().concat();
            let sent: Vec<_> = sent.iter().filter(|one| one.starts_with(BALLOT)).collect();
            assert!(sent.iter().all(|one| one.contains(OBSERVE)), "{context}: {sent:?}");
            assert_eq!(sent.len(), ADDED, "{context}: one transaction a node, for ever: {sent:?}");
        }
        Verb::RemoveNode => {
            check_nodes(world, ADDED - 1, context);
            let sent = world.chains().concat();
            let taken_back = sent.iter().filter(|one| one.contains(FORGET)).count();
            assert_eq!(taken_back, 1, "{context}: {sent:?}");
            let receipt = operation.receipt.as_ref().expect("a removal hands back a receipt");
            let count = |kind| receipt.released.iter().filter(|one| one.kind == kind).count();
            let kinds = [ReleasedKind::Process, ReleasedKind::Port, ReleasedKind::Socket];
            for kind in kinds.into_iter().chain([ReleasedKind::Directory]) {
                assert_eq!(count(kind), 1, "{context}: {kind:?} in {receipt:#?}");
            }
            assert_eq!(count(ReleasedKind::Key), 2, "{context}: {receipt:#?}");
            assert!(receipt.released.iter().all(|one| one.owner == GOES), "{context}");
        }
        Verb::ReplaceNode => check_replaced(world, operation, context),
        Verb::Stop | Verb::Sleep => {
            assert_eq!(route_state(world), if verb == Verb::Stop { "stopped" } else { "asleep" });
            assert!(world.nodes().is_empty(), "{context}");
            assert_eq!(world.keys.lock().unwrap().len(), KEYS, "{context}");
        }
        Verb::Destroy => {
            let left: Vec<_> = world.substrate.workloads();
            let left: Vec<_> = left.iter().map(|one| one.id.as_str()).collect();
            assert_eq!(left, ["gateway"], "{context}");
            assert!(world.keys.lock().unwrap().is_empty(), "{context}");
            assert_eq!(world.routes.lock().unwrap()["routes"].as_array().unwrap().len(), 0);
            let receipt = operation.receipt.as_ref().expect("a destroy hands back a receipt");
            let count = |kind| receipt.released.iter().filter(|one| one.kind == kind).count();
            let kinds = [ReleasedKind::Process, ReleasedKind::Port, ReleasedKind::Socket];
            for kind in kinds.into_iter().chain([ReleasedKind::Directory]) {
                assert_eq!(count(kind), NODES, "{context}: {kind:?} in {receipt:#?}");
            }
            assert_eq!(count(ReleasedKind::Key), KEYS, "{context}: {receipt:#?}");
            assert_eq!(count(ReleasedKind::Endpoint), 1, "{context}: {receipt:#?}");
        }
    }
}

/// One node has a new disk, and everything else is as it was.
#[track_caller]
fn check_replaced(world: &FakeWorld, operation: &Operation, context: &str) {
    assert_eq!(world.nodes().len(), NODES, "{context}");
    assert_eq!(world.keys.lock().unwrap().len(), KEYS, "{context}");
    assert_eq!(world.chains().len(), 1, "{context}: one genesis, for ever");
    // The gateway is told a moment later that it has every block again.
    let upstreams = world.routes.lock().unwrap()["routes"][0]["upstreams"].clone();
    let served = upstreams.as_array().map_or(0, Vec::len);
    assert!((NODES - 1..=NODES).contains(&served), "{context}: {upstreams}");
    let receipt = operation.receipt.as_ref().expect("what was on the old disk");
    let count = |kind| receipt.released.iter().filter(|one| one.kind == kind).count();
    let kinds = [ReleasedKind::Process, ReleasedKind::Port, ReleasedKind::Socket];
    for kind in kinds.into_iter().chain([ReleasedKind::Directory]) {
        assert_eq!(count(kind), 1, "{context}: {kind:?} in {receipt:#?}");
    }
    assert_eq!(count(ReleasedKind::Key), 0, "{context}: its keys stay");
    assert!(receipt.released.iter().all(|one| one.owner == REPLACED), "{context}");
}

/// Nothing is left after a destroy, whatever happened before.
pub(crate) fn check_destroyable(world: &Arc<FakeWorld>, verb: Verb, context: &str) {
    if verb == Verb::Destroy {
        return;
    }
    let operation = life(world, &quietly(), |control| carry_out(control, Verb::Destroy)).unwrap();
    let names: Vec<_> = world.substrate.workloads().into_iter().map(|one| one.id).collect();
    assert_eq!(names.len(), 1, "{context}: {names:?}");
    assert!(world.keys.lock().unwrap().is_empty(), "{context}");
    assert!(operation.receipt.is_some(), "{context}");
}

/// Kills the verb at its points, one a run. Answers how many there are.
fn killed_everywhere(verb: Verb) -> usize {
    for point in 0.. {
        let world = prepared(verb);
        let script = Arc::new(Script::new(Some(point), None));
        if life(&world, &script, |control| carry_out(control, verb)).is_some() {
            return point;
        }
        let at = script.killed_at.lock().unwrap().clone().expect("it was killed");
        let context = format!("{verb:?} killed at {at}");
        let survivors = world.nodes();
        let operation = life(&world, &quietly(), |control| carry_out(control, verb)).unwrap();
        check(&world, verb, &operation, &context);
        if matches!(
            verb,
            Verb::Create
                | Verb::Start
                | Verb::Wake
                | Verb::AddNodes
                | Verb::RemoveNode
                | Verb::ReplaceNode
        ) {
            let now = world.nodes();
            let restarted = survivors.iter().filter(|(id, pid)| {
                let goes = verb == Verb::RemoveNode && !now.contains_key(*id);
                !goes && now.get(*id) != Some(*pid)
            });
            let may = usize::from(verb == Verb::ReplaceNode);
            assert!(restarted.count() <= may, "{context}: adopted, not restarted");
        }
        check_destroyable(&world, verb, &context);
    }
    unreachable!("the loop ends where no point is left")
}

/// Lets each driver call of the verb go wrong, one a run. Answers how many calls there are.
fn failed_everywhere(verb: Verb, fault: Fault) -> usize {
    for call in 0.. {
        let world = prepared(verb);
        let script = Arc::new(Script::new(None, Some((call, fault))));
        let operation = life(&world, &script, |control| carry_out(control, verb)).unwrap();
        let context = format!("{verb:?} with call {call} {fault:?}");
        check(&world, verb, &operation, &context);
        check_destroyable(&world, verb, &context);
        if call >= script.calls(fault) {
            return call;
        }
    }
    unreachable!("the loop ends where no call is left")
}

fn enumerate(verb: Verb) {
    let points = killed_everywhere(verb);
    let mut calls = 0;
    let faults = [Fault::FailBefore, Fault::FailAfter, Fault::Twice, Fault::Silence];
    for fault in faults.into_iter().chain([Fault::Hang, Fault::HangAfter]) {
        calls = failed_everywhere(verb, fault);
    }
    let looks = failed_everywhere(verb, Fault::Blind);
    #[expect(clippy::print_stdout, reason = "the numbers belong to the test's answer")]
    {
        println!(
            "{verb:?}: killed at {points} points; {calls} driver calls, each with 6 faults, and {looks} looks"
        );
    }
    assert!(points > 8 && calls >= ADDED, "the enumeration sees the verb: {points} {calls}");
    assert!(looks >= 2, "the enumeration sees that it is looked: {looks}");
}

#[test]
fn create_survives_everything() {
    enumerate(Verb::Create);
}

#[test]
fn stop_survives_everything() {
    enumerate(Verb::Stop);
}

#[test]
fn start_survives_everything() {
    enumerate(Verb::Start);
}

#[test]
fn sleep_survives_everything() {
    enumerate(Verb::Sleep);
}

#[test]
fn wake_survives_everything() {
    enumerate(Verb::Wake);
}

#[test]
fn destroy_survives_everything() {
    enumerate(Verb::Destroy);
}

#[test]
fn nodes_that_are_added_survive_everything() {
    enumerate(Verb::AddNodes);
}

#[test]
fn a_node_that_goes_survives_everything() {
    enumerate(Verb::RemoveNode);
}

#[test]
fn a_node_that_is_replaced_survives_everything() {
    enumerate(Verb::ReplaceNode);
}

#[test]
fn an_update_survives_everything() {
    enumerate(Verb::Update);
}

#[test]
fn a_proposal_survives_everything_and_is_sent_once() {
    let points = killed_everywhere(Verb::Propose);
    assert!(
        points >= 8,
        "before and after the request, the signature, and what is written: {points}"
    );
    for fault in [Fault::FailBefore, Fault::FailAfter, Fault::Twice] {
        assert!(failed_everywhere(Verb::Propose, fault) >= 1);
    }
}
