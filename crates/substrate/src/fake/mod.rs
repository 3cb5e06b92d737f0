//! A substrate in memory, for tests of whoever drives one.
//!
//! [`FakeSubstrate`] is a handle onto a world behind an `Arc`: a clone that outlives a crashed control
//! plane is the machine that goes on. Any call can be made to fail, hang or happen twice, by its verb
//! and workload or by its number, so that a test enumerates every call of a run. Broken promises (a
//! port given to two workloads) are listed. Time is a counter.

mod sight;

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{StreamExt, stream};
use tokio::sync::{broadcast, watch};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use windlass_model::{
    WorkloadId,
    receipt::{Released, ReleasedKind},
    workload::{Desired, Workload},
};

use crate::{
    driver::{ChangeStream, LineStream, LogOptions, Substrate, fingerprint},
    error::SubstrateError,
    instance::{
        Change, ChangeKind, ExitRecord, Instance, InstanceState, LabelSelector, Removal, Running,
        Usage,
    },
};

/// The verbs that faults can be scripted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// [`Substrate::ensure`].
    Ensure,
    /// [`Substrate::remove`].
    Remove,
    /// [`Substrate::list`].
    List,
    /// [`Substrate::usage`].
    Usage,
    /// [`Substrate::logs`].
    Logs,
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and nothing has happened.
    FailBefore,
    /// It happens and reports a failure.
    FailAfter,
    /// It doesn't return until [`FakeSubstrate::release`], and nothing has happened until then.
    HangBefore,
    /// It happens and doesn't return until [`FakeSubstrate::release`].
    HangAfter,
    /// It happens twice.
    Twice,
    /// The process is started and dies before it is ready (only for `ensure`).
    ExitsEarly,
}

impl Fault {
    /// Every fault, for enumerations.
    pub const ALL: [Self; 6] = [
        Self::FailBefore,
        Self::FailAfter,
        Self::HangBefore,
        Self::HangAfter,
        Self::Twice,
        Self::ExitsEarly,
    ];
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which verb.
    pub verb: Verb,
    /// On which workload; `None` for `list`.
    pub id: Option<WorkloadId>,
    /// What `ensure` was asked for.
    pub desired: Option<Desired>,
    /// The fault that it met.
    pub fault: Option<Fault>,
}

/// A substrate in memory. Clones share one world.
#[derive(Clone, Debug)]
pub struct FakeSubstrate {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    changes: broadcast::Sender<Change>,
    releases: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct World {
    workloads: BTreeMap<WorkloadId, Entry>,
    calls: Vec<Call>,
    numbered: BTreeMap<usize, Fault>,
    named: Vec<(Verb, Option<WorkloadId>, VecDeque<Fault>)>,
    last_pid: u32,
    now_ms: u64,
    broken: Vec<String>,
    unlocked: bool,
    /// Processes that run beside another one of their workload.
    beside: Vec<(WorkloadId, u32)>,
}

#[derive(Clone, Debug)]
struct Entry {
    workload: Workload,
    /// What the running process was started as; differs from the workload after a half-done change.
    running: Option<(Running, String)>,
    exit: Option<ExitRecord>,
    lines: Vec<String>,
}

impl Default for FakeSubstrate {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeSubstrate {
    /// An empty world.
    pub fn new() -> Self {
        let (changes, _) = broadcast::channel(4096);
        let (releases, _) = watch::channel(0);
        let world = World { last_pid: 1000, ..World::default() };
        Self { shared: Arc::new(Shared { world: Mutex::new(world), changes, releases }) }
    }

    /// Lets the next call of this verb meet a fault; on one workload, or on any. Several scripted
    /// faults for the same target are met by successive calls.
    pub fn script(&self, verb: Verb, id: Option<&WorkloadId>, fault: Fault) {
        let mut world = self.world();
        let target = (verb, id.cloned());
        match world.named.iter_mut().find(|(v, i, _)| (*v, i.clone()) == target) {
            Some((_, _, faults)) => faults.push_back(fault),
            None => world.named.push((target.0, target.1, VecDeque::from([fault]))),
        }
    }

    /// Lets the call with this number, counted from the world's beginning and from 0, meet a fault.
    pub fn script_call(&self, number: usize, fault: Fault) {
        self.world().numbered.insert(number, fault);
    }

    /// Every call so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.world().calls.clone()
    }

    /// Ends all present hangs.
    pub fn release(&self) {
        self.shared.releases.send_modify(|count| *count += 1);
    }

    /// Ends a process from outside, as a crash or a `kill -9` does. Does nothing without one.
    pub fn kill(&self, id: &WorkloadId) {
        let change = {
            let mut world = self.world();
            let now_ms = world.tick();
            world.workloads.get_mut(id).and_then(|entry| entry.end(Some(9), "killed", now_ms))
        };
        self.announce(change.map(|exit| (id.clone(), ChangeKind::Exited(exit))));
    }

    /// Puts a line into a workload's log.
    pub fn write_line(&self, id: &WorkloadId, line: impl Into<String>) {
        if let Some(entry) = self.world().workloads.get_mut(id) {
            entry.lines.push(line.into());
        }
    }

    /// Has programs no longer look whether another process holds their identity: from now on one that
    /// is started beside another runs beside it. A planted defect, for tests of tests.
    pub fn forget_locks(&self) {
        self.world().unlocked = true;
    }

    fn world(&self) -> MutexGuard<'_, World> {
        // A panicking test must not hide its own failure behind a poisoned lock.
        self.shared.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self, change: Option<(WorkloadId, ChangeKind)>) {
        if let Some((id, kind)) = change {
            // Nobody needs to be watching.
            drop(self.shared.changes.send(Change { id: Some(id), kind }));
        }
    }

    async fn hang(&self) {
        let mut releases = self.shared.releases.subscribe();
        // The sender lives in `self`, so this ends only by a release.
        drop(releases.changed().await);
    }

    /// Runs a call with the fault that is scripted for it.
    async fn call<T>(
        &self,
        call: Call,
        mut effect: impl FnMut(Option<Fault>) -> Result<T, SubstrateError> + Send,
    ) -> Result<T, SubstrateError>
    where
        T: Send,
    {
        let verb = call.verb;
        let fault = self.world().record(call);
        match fault {
            None | Some(Fault::ExitsEarly) => effect(fault),
            Some(Fault::FailBefore) => Err(told_to_fail(verb, "before")),
            Some(Fault::FailAfter) => {
                effect(None)?;
                Err(told_to_fail(verb, "after"))
            }
            Some(Fault::HangBefore) => {
                self.hang().await;
                effect(None)
            }
            Some(Fault::HangAfter) => {
                let result = effect(None);
                self.hang().await;
                result
            }
            Some(Fault::Twice) => {
                effect(None)?;
                effect(None)
            }
        }
    }

    fn ensure_now(
        &self,
        workload: &Workload,
        fault: Option<Fault>,
    ) -> Result<Instance, SubstrateError> {
        let mut changes = Vec::new();
        let result = self.world().ensure(workload, fault, &mut changes);
        for change in changes {
            self.announce(Some((workload.id.clone(), change)));
        }
        result
    }

    fn remove_now(&self, id: &WorkloadId) -> Removal {
        let removal = self.world().remove(id);
        let change = (!removal.released.is_empty()).then(|| (id.clone(), ChangeKind::Removed));
        self.announce(change);
        removal
    }
}

#[async_trait::async_trait]
impl Substrate for FakeSubstrate {
    async fn ensure(&self, workload: &Workload) -> Result<Instance, SubstrateError> {
        let call = Call {
            verb: Verb::Ensure,
            id: Some(workload.id.clone()),
            desired: Some(workload.desired),
            fault: None,
        };
        self.call(call, |fault| self.ensure_now(workload, fault)).await
    }

    async fn remove(&self, id: &WorkloadId) -> Result<Removal, SubstrateError> {
        // As a real driver does after a crash: the second removal reports what the first one did
        // not, so a repeated effect keeps what the first one found.
        let mut found = Removal::default();
        let effect = |_| {
            found.released.extend(self.remove_now(id).released);
            Ok(found.clone())
        };
        self.call(Call::on(Verb::Remove, id), effect).await
    }

    async fn list(&self, selector: &LabelSelector) -> Result<Vec<Instance>, SubstrateError> {
        let call = Call { verb: Verb::List, id: None, desired: None, fault: None };
        let effect = |_| {
            let world = self.world();
            let chosen = world.workloads.values().filter(|e| selector.matches(&e.workload.labels));
            Ok(chosen.map(Entry::instance).collect())
        };
        self.call(call, effect).await
    }

    fn watch(&self) -> ChangeStream {
        let changes = BroadcastStream::new(self.shared.changes.subscribe());
        Box::pin(changes.map(|change| match change {
            Ok(change) => change,
            Err(BroadcastStreamRecvError::Lagged(_)) => {
                Change { id: None, kind: ChangeKind::Missed }
            }
        }))
    }

    async fn usage(&self, id: &WorkloadId) -> Result<Usage, SubstrateError> {
        let effect = |_| {
            let world = self.world();
            let entry = world.entry(id)?;
            let alive = u64::from(entry.running.is_some());
            Ok(Usage {
                cpu_ms: 10 * alive,
                resident_bytes: 16 * 1024 * 1024 * alive,
                disk_bytes: 64 * 1024,
                written_bytes: 32 * 1024 * alive,
            })
        };
        self.call(Call::on(Verb::Usage, id), effect).await
    }

    async fn logs(
        &self,
        id: &WorkloadId,
        options: LogOptions,
    ) -> Result<LineStream, SubstrateError> {
        let effect = |_| {
            let lines = self.world().entry(id)?.lines.clone();
            let skipped = options.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
            let stream: LineStream =
                Box::pin(stream::iter(lines.into_iter().skip(skipped).map(Ok)));
            Ok(stream)
        };
        self.call(Call::on(Verb::Logs, id), effect).await
    }
}

impl Call {
    fn on(verb: Verb, id: &WorkloadId) -> Self {
        Self { verb, id: Some(id.clone()), desired: None, fault: None }
    }
}

impl World {
    fn tick(&mut self) -> u64 {
        self.now_ms += 1;
        self.now_ms
    }

    fn entry(&self, id: &WorkloadId) -> Result<&Entry, SubstrateError> {
        self.workloads.get(id).ok_or_else(|| SubstrateError::Unknown { id: id.clone() })
    }

    fn record(&mut self, mut call: Call) -> Option<Fault> {
        let by_number = self.numbered.remove(&self.calls.len());
        let by_name = || {
            let fits = |(verb, id, faults): &&mut (Verb, Option<WorkloadId>, VecDeque<Fault>)| {
                *verb == call.verb && (id.is_none() || *id == call.id) && !faults.is_empty()
            };
            self.named.iter_mut().find(fits).and_then(|(_, _, faults)| faults.pop_front())
        };
        call.fault = by_number.or_else(by_name);
        let fault = call.fault;
        self.calls.push(call);
        fault
    }

    fn ensure(
        &mut self,
        workload: &Workload,
        fault: Option<Fault>,
        changes: &mut Vec<ChangeKind>,
    ) -> Result<Instance, SubstrateError> {
        let now_ms = self.tick();
        let wanted = fingerprint(workload);
        self.refuse_taken_ports(workload)?;
        let entry = self.workloads.entry(workload.id.clone()).or_insert_with(|| Entry {
            workload: workload.clone(),
            running: None,
            exit: None,
            lines: Vec::new(),
        });
        entry.workload = workload.clone();
        let outdated = entry.running.as_ref().is_some_and(|(_, runs)| *runs != wanted);
        if outdated && self.unlocked {
            let earlier = entry.running.take().map(|(running, _)| running.pid);
            self.beside.extend(earlier.map(|pid| (workload.id.clone(), pid)));
        }
        if outdated || workload.desired == Desired::Stopped {
            let exit = entry.end(None, "asked to end", now_ms);
            changes.extend(exit.map(ChangeKind::Exited));
        }
        if workload.desired == Desired::Running && entry.running.is_none() {
            self.last_pid += 1;
            let pid = self.last_pid;
            let running =
                Running { pid, start_time_ticks: now_ms, started_at_ms: now_ms, ready: true };
            entry.running = Some((running, wanted));
            entry.exit = None;
            entry.lines.push(format!("started as {pid}"));
            changes.push(ChangeKind::Started { pid });
            if fault == Some(Fault::ExitsEarly) {
                let exit = entry.end(Some(6), "told to fail", now_ms);
                changes.extend(exit.clone().map(ChangeKind::Exited));
                let (id, last_lines) = (workload.id.clone(), entry.lines.clone());
                return Err(SubstrateError::ExitedEarly { id, exit, last_lines });
            }
        }
        Ok(entry.instance())
    }

    /// Two live workloads on one port are refused, as the kernel would.
    fn refuse_taken_ports(&mut self, workload: &Workload) -> Result<(), SubstrateError> {
        if workload.desired == Desired::Stopped {
            return Ok(());
        }
        let others = self.workloads.values().filter(|e| e.workload.id != workload.id);
        for other in others.filter(|e| e.running.is_some()) {
            for (name, port) in &workload.ports {
                if other.workload.ports.values().any(|taken| taken == port) {
                    let promise =
                        format!("port {port} given to {} and {}", other.workload.id, workload.id);
                    self.broken.push(promise);
                    let (id, name, port) = (workload.id.clone(), name.clone(), *port);
                    return Err(SubstrateError::PortInUse { id, name, port });
                }
            }
        }
        Ok(())
    }

    fn remove(&mut self, id: &WorkloadId) -> Removal {
        let now_ms = self.tick();
        let Some(entry) = self.workloads.remove(id) else { return Removal::default() };
        let instance = entry.instance();
        let released = |kind, name: String| Released {
            kind,
            name,
            owner: id.to_string(),
            verified: "gone from the fake world".to_owned(),
            released_at_ms: now_ms,
        };
        let process =
            instance.pid().map(|pid| released(ReleasedKind::Process, format!("pid {pid}")));
        let ports = instance.ports.values();
        let ports = ports.map(|port| released(ReleasedKind::Port, format!("127.0.0.1:{port}")));
        let sockets = instance.sockets.values();
        let sockets =
            sockets.map(|path| released(ReleasedKind::Socket, path.display().to_string()));
        let directory = released(ReleasedKind::Directory, directory(id).display().to_string());
        let released = process.into_iter().chain(ports).chain(sockets).chain([directory]);
        Removal { released: released.collect() }
    }
}

impl Entry {
    fn end(&mut self, signal: Option<i32>, reason: &str, at_ms: u64) -> Option<ExitRecord> {
        let (running, _) = self.running.take()?;
        let code = signal.is_none().then_some(0);
        let record =
            ExitRecord { code, signal, reason: reason.to_owned(), at_ms, pid: Some(running.pid) };
        self.exit = Some(record.clone());
        Some(record)
    }

    fn instance(&self) -> Instance {
        let Workload { id, labels, ports, sockets, .. } = self.workload.clone();
        let state = match &self.running {
            Some((running, _)) => InstanceState::Running(running.clone()),
            None => InstanceState::Stopped { exit: self.exit.clone() },
        };
        let runs = self.running.as_ref().map(|(_, runs)| runs.clone());
        Instance {
            labels,
            fingerprint: runs.unwrap_or_else(|| fingerprint(&self.workload)),
            state,
            ports,
            sockets: sockets
                .into_iter()
                .map(|(name, file)| (name, directory(&id).join(file)))
                .collect(),
            directory: Some(directory(&id)),
            layers: Vec::new(),
            id,
        }
    }
}

fn directory(id: &WorkloadId) -> PathBuf {
    PathBuf::from("/fake").join(id.as_str())
}

fn told_to_fail(verb: Verb, when: &str) -> SubstrateError {
    SubstrateError::Failed { reason: format!("told to fail {when} {verb:?}") }
}

#[cfg(test)]
mod tests;
