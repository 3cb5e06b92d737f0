//! The driver itself: `ensure` and `list`, and the queue of verbs of each workload.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::{BroadcastStream, ReceiverStream, errors::BroadcastStreamRecvError};
use windlass_substrate::{
    Change, ChangeKind, ChangeStream, Desired, Instance, InstanceState, LabelSelector, Layer,
    LineStream, LogOptions, Removal, Running, Substrate, SubstrateError, Usage, Workload,
    WorkloadId, clock::Deadline, driver::Follow, resident::RunRecord,
};

use crate::{
    cgroup,
    directory::{Directory, Manifest, check_paths, id_of, id_of_draft, make, remove_tree},
    index::Index,
    logs,
    process::{Holder, Process, holder},
    removal,
    roll::Roll,
    start::{Glimpse, await_ready, spawn},
    stray, usage,
    watch::Watchers,
};

/// How often `ensure` starts over when another process, for another description, came first.
const ATTEMPTS: u32 = 3;

/// How long whoever holds a lock may stay unnamed: it announces itself within milliseconds.
const NAMING: Duration = Duration::from_secs(2);

/// Lines of log that wait for a slow reader.
const LOG_QUEUE: usize = 256;

/// How many logs may be followed at once.
const FOLLOWED_LOGS: usize = 128;

/// Where and how processes are run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of the workloads' directories; made if it isn't there.
    pub root: PathBuf,
    /// Whose workloads these are; a directory of another installation is foreign.
    pub installation: String,
    /// The `windlass` binary.
    pub program: PathBuf,
    /// Arguments before the workload's verb.
    pub leading_arguments: Vec<String>,
    /// How long things may take.
    pub patience: Patience,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From a program's start until it says that it serves.
    pub ready: Duration,
    /// From the request to end until the process is killed.
    pub grace: Duration,
    /// From the kill until the process is given up on.
    pub insistence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            ready: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            insistence: Duration::from_secs(5),
        }
    }
}

/// Runs workloads as processes of this machine. See the crate's documentation.
#[derive(Debug)]
pub struct ProcessSubstrate {
    machine: Arc<Machine>,
}

/// What verbs work on, on blocking threads.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) config: Config,
    pub(crate) watchers: Arc<Watchers>,
    /// What was read of manifests.
    index: Index,
    roll: Roll,
    turns: Mutex<HashMap<WorkloadId, Arc<tokio::sync::Mutex<()>>>>,
    /// Each followed log holds a thread, of which verbs need some too.
    followers: Arc<Semaphore>,
}

impl ProcessSubstrate {
    /// Opens the driver over its root and adopts what runs there. Must be called on a tokio runtime,
    /// which it keeps using.
    pub async fn open(config: Config) -> Result<Self, SubstrateError> {
        let watchers = Arc::new(Watchers::new());
        let followers = Arc::new(Semaphore::new(FOLLOWED_LOGS));
        let machine = Arc::new(Machine {
            config,
            watchers,
            index: Index::default(),
            roll: Roll::default(),
            turns: Mutex::default(),
            followers,
        });
        let substrate = Self { machine };
        substrate.blocking(Machine::open).await?;
        Ok(substrate)
    }

    /// Runs a part of a verb that blocks.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Machine) -> Result<T, SubstrateError> + Send + 'static,
    ) -> Result<T, SubstrateError> {
        let machine = Arc::clone(&self.machine);
        let done = self.machine.watchers.tracker().spawn_blocking(move || work(&machine)).await;
        done.unwrap_or_else(|error| {
            Err(SubstrateError::Failed { reason: format!("the driver broke down: {error}") })
        })
    }

    /// Runs a verb when those before it on the same workload have ended. The turn belongs to the
    /// work and not to the caller, who may go away.
    async fn in_turn<T: Send + 'static>(
        &self,
        id: &WorkloadId,
        work: impl FnOnce(&Machine) -> Result<T, SubstrateError> + Send + 'static,
    ) -> Result<T, SubstrateError> {
        let turn = self.machine.turn(id).lock_owned().await;
        self.blocking(move |machine| {
            let result = work(machine);
            drop(turn);
            result
        })
        .await
    }
}

impl Drop for ProcessSubstrate {
    fn drop(&mut self) {
        self.machine.watchers.stop();
    }
}

#[async_trait::async_trait]
impl Substrate for ProcessSubstrate {
    async fn ensure(&self, workload: &Workload) -> Result<Instance, SubstrateError> {
        let wanted = workload.clone();
        self.in_turn(&workload.id, move |machine| machine.ensure(&wanted)).await
    }

    async fn remove(&self, id: &WorkloadId) -> Result<Removal, SubstrateError> {
        let gone = id.clone();
        self.in_turn(id, move |machine| removal::remove(machine, &gone)).await
    }

    async fn list(&self, selector: &LabelSelector) -> Result<Vec<Instance>, SubstrateError> {
        let selector = selector.clone();
        self.blocking(move |machine| machine.list(&selector)).await
    }

    fn watch(&self) -> ChangeStream {
        let changes = BroadcastStream::new(self.machine.watchers.subscribe());
        Box::pin(changes.map(|change| match change {
            Ok(change) => change,
            Err(BroadcastStreamRecvError::Lagged(_)) => {
                Change { id: None, kind: ChangeKind::Missed }
            }
        }))
    }

    async fn usage(&self, id: &WorkloadId) -> Result<Usage, SubstrateError> {
        let id = id.clone();
        self.blocking(move |machine| usage::measure(&machine.known(&id)?)).await
    }

    async fn logs(
        &self,
        id: &WorkloadId,
        options: LogOptions,
    ) -> Result<LineStream, SubstrateError> {
        let known = id.clone();
        let directory = self.blocking(move |machine| machine.known(&known)).await?;
        let follower = match options.follow {
            Follow::Yes => {
                let followers = Arc::clone(&self.machine.followers);
                let permit = followers.try_acquire_owned();
                Some(permit.map_err(|_full| SubstrateError::TooMany { limit: FOLLOWED_LOGS })?)
            }
            Follow::No => None,
        };
        let (lines, reader) = mpsc::channel(LOG_QUEUE);
        let stop = self.machine.watchers.stopped();
        let read = move || {
            logs::read(&directory, options, &lines, &stop);
            drop(follower);
        };
        // The thread ends with the log, with its reader, or with the driver.
        drop(self.machine.watchers.tracker().spawn_blocking(read));
        Ok(Box::pin(ReceiverStream::new(reader)))
    }
}

impl Machine {
    fn turn(&self, id: &WorkloadId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(id.clone()).or_default())
    }

    pub(crate) fn directory(&self, id: &WorkloadId) -> Directory {
        Directory::at(self.config.root.join(id.as_str()))
    }

    /// A workload that must exist.
    fn known(&self, id: &WorkloadId) -> Result<Directory, SubstrateError> {
        let directory = self.directory(id);
        match self.index.manifest(&directory, &self.config.installation)? {
            Some(_) => Ok(directory),
            None => Err(SubstrateError::Unknown { id: id.clone() }),
        }
    }

    fn open(&self) -> Result<(), SubstrateError> {
        make(&self.config.root)?;
        self.remove_drafts(None)?;
        self.list(&LabelSelector::all()).map(drop)
    }

    /// Removes what a killed platform was making: of one workload, or of all. Nothing ever ran there,
    /// for a directory gets its name only when it is whole.
    pub(crate) fn remove_drafts(&self, id: Option<&WorkloadId>) -> Result<(), SubstrateError> {
        for name in &*self.roll.names(&self.config.root)? {
            if id_of_draft(name).is_some_and(|of| id.is_none_or(|id| *id == of)) {
                remove_tree(&self.config.root.join(name))?;
            }
        }
        Ok(())
    }

    fn list(&self, selector: &LabelSelector) -> Result<Vec<Instance>, SubstrateError> {
        let mut found = Vec::new();
        let names = self.roll.names(&self.config.root)?;
        self.index.keep(&names);
        for name in self.index.candidates(&names, selector) {
            // What is about to be removed is still there, and is found by its manifest.
            let Some(id) = id_of(name) else { continue };
            let directory = Directory::at(self.config.root.join(name));
            let manifest = match self.index.manifest(&directory, &self.config.installation) {
                Ok(Some(manifest)) => manifest,
                Ok(None) | Err(SubstrateError::Foreign { .. }) => continue,
                Err(error) => return Err(error),
            };
            if manifest.workload.id != id || !selector.matches(&manifest.workload.labels) {
                continue;
            }
            found.push(match holder(&directory)? {
                Holder::Process(process, run) => {
                    let process = self.watchers.attach(&id, &directory, process);
                    running(&directory, &manifest, &process, &run)
                }
                Holder::Nobody | Holder::Unknown => stopped(&directory, &manifest),
            });
        }
        Ok(found)
    }

    fn ensure(&self, workload: &Workload) -> Result<Instance, SubstrateError> {
        check_paths(workload)?;
        make(&self.config.root)?;
        removal::finish(self, &workload.id)?;
        let directory = self.directory(&workload.id);
        let earlier = directory.manifest(&self.config.installation)?;
        let manifest = self.manifest(workload, earlier.as_ref());
        if let Holder::Process(process, run) = known_holder(&directory)? {
            let fits = run.fingerprint.as_ref() == Some(&manifest.fingerprint);
            if !fits || workload.desired == Desired::Stopped {
                self.stop(&directory, &workload.id, process)?;
            }
        }
        match &earlier {
            None => directory.create(&manifest)?,
            Some(earlier) if *earlier == manifest => {}
            Some(_) => directory.write_manifest(&manifest)?,
        }
        self.index.forget(workload.id.as_str());
        directory.lay_files(workload, earlier.as_ref().map(|earlier| &earlier.workload))?;
        match workload.desired {
            Desired::Stopped => Ok(stopped(&directory, &manifest)),
            Desired::Running => self.start(&directory, &manifest),
        }
    }

    fn manifest(&self, workload: &Workload, earlier: Option<&Manifest>) -> Manifest {
        // Groups stay where they were made, wherever this platform runs now.
        let kept = earlier.filter(|earlier| earlier.workload.limits == workload.limits);
        let groups = kept.map_or_else(
            || cgroup::plan(&self.group_name(&workload.id), &workload.limits),
            |earlier| earlier.groups.clone(),
        );
        Manifest::new(&self.config.installation, workload, groups)
    }

    /// What a workload's control groups are called.
    pub(crate) fn group_name(&self, id: &WorkloadId) -> String {
        format!("windlass-{}-{id}", self.config.installation)
    }

    /// Returns when the workload runs and serves, in a process that was started for it as it is.
    fn start(
        &self,
        directory: &Directory,
        manifest: &Manifest,
    ) -> Result<Instance, SubstrateError> {
        let workload = &manifest.workload;
        let mut attempt = 0;
        loop {
            let glimpse = Glimpse::of(directory);
            let child = match known_holder(directory)? {
                Holder::Process(..) => None,
                Holder::Nobody | Holder::Unknown => {
                    stray::end(self, &workload.id, directory)?;
                    match spawn(&self.config, directory, workload, &manifest.fingerprint) {
                        Ok(child) => Some(child),
                        // Of this very workload, if it came to life meanwhile.
                        Err(SubstrateError::PortInUse { .. }) if directory.is_held()? => None,
                        Err(error) => return Err(error),
                    }
                }
            };
            if let Some(child) = &child {
                cgroup::enforce(&manifest.groups, child.pid);
            }
            let patience = self.config.patience.ready;
            let (process, run) =
                match await_ready(directory, workload, child.as_ref(), &glimpse, patience) {
                    Ok(ready) => ready,
                    Err(error) => {
                        self.notice_unready(directory, &workload.id);
                        return Err(error);
                    }
                };
            if run.fingerprint.as_ref() == Some(&manifest.fingerprint) {
                cgroup::enforce(&manifest.groups, process.pid);
                let process = self.watchers.attach(&workload.id, directory, process);
                return Ok(running(directory, manifest, &process, &run));
            }
            // A process that a dead platform had started for an older description came first.
            attempt += 1;
            if attempt == ATTEMPTS {
                let reason =
                    format!("processes of older descriptions of {} keep coming", workload.id);
                return Err(SubstrateError::Failed { reason });
            }
            self.stop(directory, &workload.id, process)?;
        }
    }

    /// A process that isn't ready in time is left running, and watched.
    fn notice_unready(&self, directory: &Directory, id: &WorkloadId) {
        if let Ok(Holder::Process(process, _)) = holder(directory) {
            self.watchers.attach(id, directory, process);
        }
    }

    /// Ends a process and takes note of how it ended.
    pub(crate) fn stop(
        &self,
        directory: &Directory,
        id: &WorkloadId,
        process: Process,
    ) -> Result<(), SubstrateError> {
        let process = self.watchers.attach(id, directory, process);
        let Patience { grace, insistence, .. } = self.config.patience;
        process.stop(id, grace, insistence)?;
        let record = process.settle(directory);
        tracing::info!(workload = %id, pid = process.pid, end = %record, "ended a process");
        Ok(())
    }
}

/// The holder of a lock, once it can be named; it is unnamed for an instant when it starts or ends.
pub(crate) fn known_holder(directory: &Directory) -> Result<Holder, SubstrateError> {
    let deadline = Deadline::after(NAMING);
    let glimpse = Glimpse::of(directory);
    loop {
        match holder(directory)? {
            Holder::Unknown if !deadline.has_passed() => glimpse
                .wait(None, Duration::from_millis(5))
                .map_err(|source| SubstrateError::io("wait for", directory.path(), source))?,
            Holder::Unknown => {
                let reason = format!(
                    "the lock of {} is held by a process that can't be seen",
                    directory.path().display()
                );
                return Err(SubstrateError::Failed { reason });
            }
            named @ (Holder::Nobody | Holder::Process(..)) => return Ok(named),
        }
    }
}

fn running(
    directory: &Directory,
    manifest: &Manifest,
    process: &Process,
    run: &RunRecord,
) -> Instance {
    let base = stopped(directory, manifest);
    let running = Running {
        pid: process.pid,
        start_time_ticks: process.start_time_ticks,
        started_at_ms: run.started_at_ms,
        ready: run.ready,
    };
    let mut layers = cgroup::layers(&manifest.groups, process.pid);
    layers.extend(cgroup::missing(&manifest.groups, &manifest.workload.limits));
    layers.push(no_new_privileges(process.pid));
    Instance {
        fingerprint: run.fingerprint.clone().unwrap_or_default(),
        state: InstanceState::Running(running),
        ports: if run.ports.is_empty() { base.ports } else { run.ports.clone() },
        sockets: if run.sockets.is_empty() { base.sockets } else { run.sockets.clone() },
        layers,
        ..base
    }
}

fn stopped(directory: &Directory, manifest: &Manifest) -> Instance {
    let workload = &manifest.workload;
    let sockets = workload.sockets.iter();
    Instance {
        id: workload.id.clone(),
        labels: workload.labels.clone(),
        fingerprint: manifest.fingerprint.clone(),
        state: InstanceState::Stopped { exit: directory.exit_record() },
        ports: workload.ports.clone(),
        sockets: sockets.map(|(name, file)| (name.clone(), directory.join(file))).collect(),
        directory: Some(directory.path().to_owned()),
        layers: Vec::new(),
    }
}

/// Holds if every thread has given up gaining privileges.
fn no_new_privileges(pid: u32) -> Layer {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let values: Vec<bool> = threads
        .map(|thread| fs::read_to_string(thread.path().join("status")).unwrap_or_default())
        .map(|status| status.lines().any(|line| line == "NoNewPrivs:\t1"))
        .collect();
    let holds = !values.is_empty() && values.iter().all(|set| *set);
    let detail = if holds { "set by the program" } else { "not set for all of its threads" };
    Layer { name: "no_new_privs".to_owned(), holds, detail: detail.to_owned() }
}
