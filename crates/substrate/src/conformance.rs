//! What every driver must do, as a suite that runs against any of them.
//!
//! A driver's tests implement [`Bench`] over the real thing and call [`run`]; the fake passes the
//! same suite, so that what is tested on the fake holds on a machine. A broken promise panics with
//! its name.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use windlass_model::{
    WorkloadId,
    receipt::ReleasedKind,
    workload::{Desired, Workload},
};

use crate::{
    driver::{ChangeStream, LogOptions, Substrate, fingerprint},
    error::SubstrateError,
    instance::{Change, ChangeKind, Instance, InstanceState, LabelSelector},
};

/// How long the suite waits for a change before it calls it missing.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a driver's tests bring.
#[async_trait::async_trait]
pub trait Bench: Send + Sync {
    /// The driver, as one platform holds it.
    fn substrate(&self) -> Arc<dyn Substrate>;

    /// The driver as the platform's successor opens it over the same world, after a crash that told
    /// the first one nothing.
    async fn successor(&self) -> Arc<dyn Substrate>;

    /// A workload that gets ready at once, writes at least one log line, has a port and a socket,
    /// and carries the label `suite` = `conformance`.
    fn workload(&self, id: &WorkloadId) -> Workload;

    /// Ends the workload's process from outside, without any chance to clean up.
    async fn kill(&self, id: &WorkloadId);
}

/// Runs the whole suite. Leaves nothing behind if every promise holds.
pub async fn run(bench: &dyn Bench) {
    starts_once(bench).await;
    restarts_what_changed(bench).await;
    stops_and_keeps(bench).await;
    reports_a_death(bench).await;
    is_adopted_by_a_successor(bench).await;
    races_end_with_one_process(bench).await;
    removes_everything_repeatedly(bench).await;
    knows_its_own(bench).await;
}

async fn starts_once(bench: &dyn Bench) {
    let (substrate, id) = (bench.substrate(), id("starts-once"));
    let workload = bench.workload(&id);
    let mut changes = substrate.watch();
    let first = ensure(&*substrate, &workload).await;
    let running = first.running().expect("ensure returned, so it runs");
    assert!(running.ready, "ensure returned before the workload was ready");
    assert_eq!(first.fingerprint, fingerprint(&workload), "the fingerprint names what runs");
    assert_eq!(first.labels, workload.labels);
    assert_eq!(first.ports.len(), workload.ports.len(), "every port is reported");
    assert_eq!(first.sockets.len(), workload.sockets.len(), "every socket is reported");
    let started = ChangeKind::Started { pid: running.pid };
    await_change(&mut changes, &id, |kind| *kind == started).await;

    let again = ensure(&*substrate, &workload).await;
    assert_eq!(again.state, first.state, "an equal ensure must adopt the process");
    let mut relabelled = workload.clone();
    relabelled.labels.insert("colour".to_owned(), "blue".to_owned());
    let again = ensure(&*substrate, &relabelled).await;
    assert_eq!(again.state, first.state, "a new label must not restart the process");
    assert_eq!(again.labels, relabelled.labels, "a new label must be stored");
    let usage = substrate.usage(&id).await.expect("a running workload has a usage");
    assert!(usage.resident_bytes > 0, "a running process has memory");
    assert!(usage.disk_bytes > 0, "a workload has a place on disk");
    let lines = substrate.logs(&id, LogOptions::default()).await.expect("it has a log");
    assert!(lines.count().await > 0, "the workload writes a line");
    let tail = LogOptions { tail: Some(1), ..LogOptions::default() };
    let lines = substrate.logs(&id, tail).await.expect("it has a log");
    assert_eq!(lines.count().await, 1, "a tail is as long as asked");
    remove(&*substrate, &id).await;
}

async fn restarts_what_changed(bench: &dyn Bench) {
    let (substrate, id) = (bench.substrate(), id("restarts"));
    let mut workload = bench.workload(&id);
    let first = ensure(&*substrate, &workload).await;
    workload.files.insert("added.toml".to_owned(), "answer = 42\n".to_owned());
    let second = ensure(&*substrate, &workload).await;
    assert_ne!(first.pid(), second.pid(), "a changed workload must be started anew");
    assert_eq!(second.fingerprint, fingerprint(&workload));
    remove(&*substrate, &id).await;
}

async fn stops_and_keeps(bench: &dyn Bench) {
    let (substrate, id) = (bench.substrate(), id("stops"));
    let workload = bench.workload(&id);
    let stopped = Workload { desired: Desired::Stopped, ..workload.clone() };
    let before = ensure(&*substrate, &stopped).await;
    assert_eq!(before.pid(), None, "a workload may begin its life stopped");
    let first = ensure(&*substrate, &workload).await;
    assert!(first.pid().is_some());
    for _ in 0..2 {
        let after = ensure(&*substrate, &stopped).await;
        assert!(
            matches!(&after.state, InstanceState::Stopped { exit: Some(_) }),
            "stopping leaves an exit record: {:?}",
            after.state
        );
    }
    let listed = list(&*substrate, &id).await.expect("a stopped workload is still listed");
    assert_eq!(listed.pid(), None);
    let second = ensure(&*substrate, &workload).await;
    assert!(second.pid().is_some() && second.pid() != first.pid());
    assert_eq!(second.directory, first.directory, "it comes back to the same place");
    remove(&*substrate, &id).await;
}

async fn reports_a_death(bench: &dyn Bench) {
    let (substrate, id) = (bench.substrate(), id("dies"));
    let workload = bench.workload(&id);
    let mut changes = substrate.watch();
    let first = ensure(&*substrate, &workload).await;
    bench.kill(&id).await;
    let died = await_change(&mut changes, &id, |kind| matches!(kind, ChangeKind::Exited(_))).await;
    let ChangeKind::Exited(record) = died else { unreachable!("it was matched above") };
    assert_eq!(record.signal, Some(9), "the record says what killed it: {record:?}");
    let listed = list(&*substrate, &id).await.expect("a dead workload is still listed");
    assert_eq!(listed.pid(), None, "a dead process must not be reported as running");
    let second = ensure(&*substrate, &workload).await;
    assert_ne!(first.pid(), second.pid(), "ensure starts what died");
    remove(&*substrate, &id).await;
}

async fn is_adopted_by_a_successor(bench: &dyn Bench) {
    let (substrate, id) = (bench.substrate(), id("adopted"));
    let workload = bench.workload(&id);
    let first = ensure(&*substrate, &workload).await;
    let successor = bench.successor().await;
    let found = list(&*successor, &id).await.expect("the successor finds what runs");
    assert_eq!(found.state, first.state, "the successor reports the same process");
    let mut changes = successor.watch();
    let adopted = ensure(&*successor, &workload).await;
    assert_eq!(adopted.state, first.state, "the successor adopts, it does not restart");
    bench.kill(&id).await;
    await_change(&mut changes, &id, |kind| matches!(kind, ChangeKind::Exited(_))).await;
    remove(&*successor, &id).await;
    assert_eq!(list(&*substrate, &id).await, None, "both see the same world");
}

async fn races_end_with_one_process(bench: &dyn Bench) {
    let id = id("raced");
    let workload = bench.workload(&id);
    let (one, other) = (bench.substrate(), bench.successor().await);
    let (first, second) = tokio::join!(one.ensure(&workload), other.ensure(&workload));
    let first = first.expect("the first of two racing ensures succeeds");
    let second = second.expect("the second of two racing ensures succeeds");
    assert_eq!(first.pid(), second.pid(), "two platforms must end with one process");
    remove(&*one, &id).await;
}

async fn removes_everything_repeatedly(bench: &dyn Bench) {
    let (substrate, id) = (bench.substrate(), id("removed"));
    let absent = substrate.remove(&id).await.expect("absent is success");
    assert!(absent.released.is_empty(), "nothing was there: {absent:?}");
    let workload = bench.workload(&id);
    let instance = ensure(&*substrate, &workload).await;
    let mut changes = substrate.watch();
    let removal = substrate.remove(&id).await.expect("it can be removed");
    let count = |kind| removal.released.iter().filter(|released| released.kind == kind).count();
    assert_eq!(count(ReleasedKind::Process), 1, "{removal:?}");
    assert_eq!(count(ReleasedKind::Port), workload.ports.len(), "{removal:?}");
    assert_eq!(count(ReleasedKind::Socket), workload.sockets.len(), "{removal:?}");
    assert!(count(ReleasedKind::Directory) <= 1, "{removal:?}");
    let pid = format!("pid {}", instance.pid().expect("it ran"));
    assert!(removal.released.iter().any(|released| released.name == pid), "{removal:?}");
    assert!(removal.released.iter().all(|released| !released.verified.is_empty()));
    await_change(&mut changes, &id, |kind| *kind == ChangeKind::Removed).await;
    assert_eq!(list(&*substrate, &id).await, None, "what is removed is not listed");
    let again = substrate.remove(&id).await.expect("a removal may be repeated");
    assert!(again.released.is_empty(), "{again:?}");
    let usage = substrate.usage(&id).await;
    assert!(matches!(usage, Err(SubstrateError::Unknown { .. })), "{usage:?}");
}

async fn knows_its_own(bench: &dyn Bench) {
    let (substrate, one, other) = (bench.substrate(), id("label-one"), id("label-two"));
    let mut first = bench.workload(&one);
    first.labels.insert("colour".to_owned(), "red".to_owned());
    let second = bench.workload(&other);
    ensure(&*substrate, &first).await;
    ensure(&*substrate, &second).await;
    let red = LabelSelector::all().with("suite", "conformance").with("colour", "red");
    let found = substrate.list(&red).await.expect("list works");
    assert_eq!(found.iter().map(|found| &found.id).collect::<Vec<_>>(), [&one]);
    let all = LabelSelector::all().with("suite", "conformance");
    assert_eq!(substrate.list(&all).await.expect("list works").len(), 2);
    remove(&*substrate, &one).await;
    remove(&*substrate, &other).await;
    assert!(substrate.list(&all).await.expect("list works").is_empty());
}

fn id(name: &str) -> WorkloadId {
    format!("conformance-{name}").parse().expect("the suite's names are valid")
}

async fn ensure(substrate: &dyn Substrate, workload: &Workload) -> Instance {
    match substrate.ensure(workload).await {
        Ok(instance) => instance,
        Err(error) => panic!("ensure of {} failed: {error} ({error:?})", workload.id),
    }
}

async fn remove(substrate: &dyn Substrate, id: &WorkloadId) {
    let removal = match substrate.remove(id).await {
        Ok(removal) => removal,
        Err(error) => panic!("remove of {id} failed: {error} ({error:?})"),
    };
    assert!(!removal.released.is_empty(), "the removal of {id} reports what it removed");
}

async fn list(substrate: &dyn Substrate, id: &WorkloadId) -> Option<Instance> {
    let all = substrate.list(&LabelSelector::all()).await.expect("list works");
    all.into_iter().find(|instance| instance.id == *id)
}

async fn await_change(
    changes: &mut ChangeStream,
    id: &WorkloadId,
    fits: impl Fn(&ChangeKind) -> bool,
) -> ChangeKind {
    let found = async {
        while let Some(Change { id: changed, kind }) = changes.next().await {
            if changed.as_ref() == Some(id) && fits(&kind) {
                return kind;
            }
        }
        panic!("the stream of changes ended while one of {id} was awaited")
    };
    match tokio::time::timeout(PATIENCE, found).await {
        Ok(kind) => kind,
        Err(elapsed) => panic!("an expected change of {id} did not come: {elapsed}"),
    }
}
