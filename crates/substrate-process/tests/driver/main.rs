//! The process substrate with real processes.
//!
//! The program that it runs is this very test executable: started by the driver, its only test is
//! [`resident_program`], which then behaves as the workload's environment says.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests start programs of their own, which are told how to behave"
)]

mod stray;

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    net::TcpListener,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use windlass_substrate::{
    Desired, Instance, InstanceState, LabelSelector, Limits, LogOptions, Program, ReleasedKind,
    Substrate, SubstrateError, Workload, WorkloadId,
    conformance::{self, Bench},
    driver::Follow,
    fingerprint,
    resident::{
        ALREADY_RUNNING_CODE, FINGERPRINT_VARIABLE, LogLimits, Resident, ResidentError, RunRecord,
        layout, start_time_ticks,
    },
};
use windlass_substrate_process::{Config, Patience, ProcessSubstrate, ports};

const BEHAVIOUR: &str = "WINDLASS_TEST_BEHAVIOUR";

/// Not a test: what the driver starts. Does nothing under a usual test run.
#[test]
fn resident_program() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--dir").skip(1);
    let Some(directory) = arguments.next() else { return };
    exit(program(Path::new(&directory)));
}

#[expect(clippy::exit, reason = "the program that the driver runs ends here, not in the harness")]
fn exit(code: u8) -> ! {
    std::process::exit(code.into())
}

fn program(directory: &Path) -> u8 {
    let behaviour = std::env::var(BEHAVIOUR).unwrap_or_default();
    if behaviour == "refuses" {
        writeln!(std::io::stderr(), "no luck today").expect("stderr is a file");
        return 1;
    }
    let mut resident = match Resident::claim(directory) {
        Ok(resident) => resident,
        Err(ResidentError::AlreadyRunning { .. }) => return ALREADY_RUNNING_CODE,
        Err(error) => panic!("{error}"),
    };
    if behaviour == "fails" {
        resident.exit(4, "told to fail").expect("the record is written");
        return 4;
    }
    let mut log = resident.log_writer(LogLimits::default()).expect("a log");
    log.write_all(b"{\"message\":\"hello\"}\n").expect("a line");
    let port = std::env::args().skip_while(|argument| argument != "--port").nth(1);
    let port = port.map(|port| port.parse::<u16>().expect("a port"));
    let listener =
        port.map(|port| TcpListener::bind(("127.0.0.1", port)).expect("the port is free"));
    let socket = resident.directory().join("rpc.sock");
    drop(fs::remove_file(&socket));
    let server = UnixListener::bind(&socket).expect("a socket");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut terminate = signal(SignalKind::terminate()).expect("a signal handler");
        if behaviour != "never-ready" {
            let ports = port.map(|port| ("p2p".to_owned(), port)).into_iter().collect();
            let sockets = [("rpc".to_owned(), socket)].into();
            resident.announce(ports, sockets).expect("it is announced");
        }
        while terminate.recv().await.is_some() && behaviour == "stubborn" {}
    });
    drop((listener, server));
    resident.exit(0, "asked to end").expect("the record is written");
    0
}

/// A root with a driver over it. What is still running when a test fails is ended with it.
struct World {
    root: TempDir,
    substrate: Arc<ProcessSubstrate>,
}

impl World {
    async fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let substrate = open(root.path()).await;
        Self { root, substrate }
    }

    fn directory(&self, id: &WorkloadId) -> PathBuf {
        self.root.path().join(id.as_str())
    }

    async fn pid(&self, id: &WorkloadId) -> Option<u32> {
        let all = self.substrate.list(&LabelSelector::all()).await.expect("list works");
        all.iter().find(|instance| instance.id == *id).and_then(Instance::pid)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for pid in processes_under(self.root.path()) {
            kill(pid);
        }
    }
}

async fn open(root: &Path) -> Arc<ProcessSubstrate> {
    Arc::new(ProcessSubstrate::open(config(root)).await.expect("the driver opens"))
}

fn config(root: &Path) -> Config {
    Config {
        root: root.to_owned(),
        installation: "test".to_owned(),
        program: std::env::current_exe().expect("this test"),
        leading_arguments: ["--exact", "--test-threads=1", "--nocapture", "resident_program", "--"]
            .map(str::to_owned)
            .to_vec(),
        patience: Patience {
            ready: Duration::from_secs(10),
            grace: Duration::from_secs(2),
            insistence: Duration::from_secs(5),
        },
    }
}

fn id(text: &str) -> WorkloadId {
    text.parse().expect("a valid id")
}

fn workload(name: &str) -> Workload {
    let port = ports::reserve(1).expect("a port")[0];
    Workload {
        id: id(name),
        program: Program::Node,
        arguments: vec!["--port".to_owned(), port.to_string()],
        environment: BTreeMap::new(),
        files: [("node.toml".to_owned(), "index = 0\n".to_owned())].into(),
        ports: [("p2p".to_owned(), port)].into(),
        sockets: [("rpc".to_owned(), "rpc.sock".to_owned())].into(),
        limits: Limits::default(),
        labels: [("suite".to_owned(), "conformance".to_owned())].into(),
        desired: Desired::Running,
    }
}

fn behaving(name: &str, behaviour: &str) -> Workload {
    let environment = [(BEHAVIOUR.to_owned(), behaviour.to_owned())].into();
    Workload { environment, ..workload(name) }
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.try_into().expect("pids are small")).expect("pids are positive");
    match kill_process(pid, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Living processes that were started for a directory under the root.
fn processes_under(root: &Path) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let ours = pids.filter(|pid: &u32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments).into_owned();
        let place = format!("--dir\0{}", root.display());
        arguments.contains(&place)
    });
    ours.collect()
}

struct RealBench(World);

#[async_trait::async_trait]
impl Bench for RealBench {
    fn substrate(&self) -> Arc<dyn Substrate> {
        Arc::<ProcessSubstrate>::clone(&self.0.substrate)
    }

    async fn successor(&self) -> Arc<dyn Substrate> {
        open(self.0.root.path()).await
    }

    fn workload(&self, id: &WorkloadId) -> Workload {
        workload(id.as_str())
    }

    async fn kill(&self, id: &WorkloadId) {
        kill(self.0.pid(id).await.expect("it runs"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_conformance_suite() {
    let bench = RealBench(World::new().await);
    conformance::run(&bench).await;
    assert_eq!(processes_under(bench.0.root.path()), Vec::<u32>::new());
    let left: Vec<_> = fs::read_dir(bench.0.root.path()).expect("the root").flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_is_quoted() {
    let world = World::new().await;
    let error = world.substrate.ensure(&behaving("refuses", "refuses")).await.expect_err("it ends");
    let SubstrateError::ExitedEarly { exit, last_lines, .. } = error else { panic!("{error}") };
    assert_eq!(exit.expect("the kernel told").code, Some(1));
    assert!(last_lines.iter().any(|line| line.contains("no luck today")), "{last_lines:?}");

    let error = world.substrate.ensure(&behaving("fails", "fails")).await.expect_err("it ends");
    let SubstrateError::ExitedEarly { exit: Some(exit), .. } = error else { panic!("{error}") };
    assert_eq!((exit.code, exit.reason.as_str()), (Some(4), "told to fail"), "its own words win");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_never_ready_is_left_running_and_can_be_removed() {
    let mut world = World::new().await;
    let workload = behaving("never", "never-ready");
    let root = world.root.path().to_owned();
    let patience = Patience { ready: Duration::from_millis(700), ..Patience::default() };
    let config = Config { patience, ..config(&root) };
    world.substrate = Arc::new(ProcessSubstrate::open(config).await.expect("the driver opens"));
    let error = world.substrate.ensure(&workload).await.expect_err("it isn't ready");
    assert!(matches!(error, SubstrateError::NotReady { .. }), "{error}");
    assert_eq!(processes_under(&root).len(), 1);
    let again = world.substrate.ensure(&workload).await.expect_err("it still isn't");
    assert!(matches!(again, SubstrateError::NotReady { .. }), "{again}");
    assert_eq!(processes_under(&root).len(), 1, "no second process is started beside it");
    let removal = world.substrate.remove(&workload.id).await.expect("it goes");
    assert!(removal.released.iter().any(|gone| gone.kind == ReleasedKind::Process));
    assert!(processes_under(&root).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stubborn_program_is_killed() {
    let world = World::new().await;
    let workload = behaving("stubborn", "stubborn");
    world.substrate.ensure(&workload).await.expect("it starts");
    let stopped = Workload { desired: Desired::Stopped, ..workload };
    let instance = world.substrate.ensure(&stopped).await.expect("it stops");
    let InstanceState::Stopped { exit: Some(exit) } = instance.state else { panic!("it runs") };
    assert_eq!(exit.signal, Some(9));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_detaches_and_owns_its_session() {
    let world = World::new().await;
    let instance = world.substrate.ensure(&workload("detached")).await.expect("it starts");
    let pid = instance.pid().expect("it runs");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let session = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(3));
    assert_eq!(session, Some(pid.to_string().as_str()), "it leads a session of its own");
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it lives").flatten();
    let status = |task: fs::DirEntry| fs::read_to_string(task.path().join("status"));
    let given_up =
        tasks.map(status).filter_map(Result::ok).filter(|s| s.contains("NoNewPrivs:\t1"));
    assert!(given_up.count() > 0, "the thread that claims gives up gaining privileges");
    // The test harness claims on a thread of its own beside the main one, and the layer says so.
    let layer = instance.layers.iter().find(|layer| layer.name == "no_new_privs");
    assert!(!layer.expect("it is reported").holds);
    world.substrate.remove(&instance.id).await.expect("it goes");
}

/// A platform was killed after it had started a process and before that held its lock.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_nobody_knows_of_ends_with_one_process() {
    let world = World::new().await;
    let workload = workload("orphan");
    let stopped = Workload { desired: Desired::Stopped, ..workload.clone() };
    for round in 0..8 {
        world.substrate.ensure(&stopped).await.expect("its directory is there");
        let mut orphan = start_by_hand(&world.directory(&workload.id), &workload);
        let instance = world.substrate.ensure(&workload).await.expect("it runs");
        let holder = instance.pid().expect("it runs");
        if holder != orphan.id() {
            let ended = orphan.wait().expect("it ends by itself");
            assert_eq!(ended.code(), Some(ALREADY_RUNNING_CODE.into()), "round {round}");
        }
        assert_eq!(processes_under(world.root.path()), [holder], "round {round}");
        world.substrate.ensure(&stopped).await.expect("it stops");
        drop(orphan.wait());
    }
}

fn start_by_hand(directory: &Path, workload: &Workload) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "--test-threads=1", "--nocapture", "resident_program", "--", "node"])
        .args(&workload.arguments)
        .arg("--dir")
        .arg(directory)
        .env(FINGERPRINT_VARIABLE, fingerprint(workload))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

/// A process that has nothing to do with any workload.
struct Bystander(Child);

impl Bystander {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").spawn().expect("sleep exists"))
    }

    fn record(&self) -> RunRecord {
        let pid = self.0.id();
        RunRecord {
            pid,
            start_time_ticks: start_time_ticks(pid).expect("readable").expect("it lives"),
            started_at_ms: 1,
            ports: BTreeMap::new(),
            sockets: BTreeMap::new(),
            ready: true,
            fingerprint: None,
        }
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().expect("it can be asked").is_none()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_names_a_stranger_is_not_believed() {
    let world = World::new().await;
    let workload = workload("stranger");
    let mut bystander = Bystander::new();
    let stopped = Workload { desired: Desired::Stopped, ..workload.clone() };
    let run = world.directory(&workload.id).join(layout::RUN);
    let record = serde_json::to_vec(&bystander.record()).expect("it is data");

    // Nobody holds the lock, and the pid has been given to somebody else since.
    world.substrate.ensure(&stopped).await.expect("its directory is there");
    fs::write(&run, &record).expect("the record is planted");
    assert_eq!(world.pid(&workload.id).await, None);
    // The lock is held, and the record names another living process.
    let first = world.substrate.ensure(&workload).await.expect("it starts").pid();
    fs::write(&run, &record).expect("the record is planted");
    assert_eq!(world.pid(&workload.id).await, first, "the holder is found by its lock");
    let removal = world.substrate.remove(&workload.id).await.expect("it goes");
    let pid = format!("pid {}", first.expect("it ran"));
    assert!(removal.released.iter().any(|gone| gone.name == pid), "{removal:?}");
    assert!(processes_under(world.root.path()).is_empty());
    assert!(bystander.lives(), "a stranger must not be touched");
}

type Plant<'a> = &'a dyn Fn(&Path);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_foreign_is_not_touched() {
    let world = World::new().await;
    let outside = tempfile::tempdir().expect("a temporary directory");
    fs::write(outside.path().join("precious"), "gold").expect("a file");
    let planted: [(&str, Plant<'_>); 3] = [
        ("no-manifest", &|path| {
            fs::create_dir(path).expect("a directory");
            fs::write(path.join("precious"), "gold").expect("a file");
        }),
        ("other-installation", &|path| {
            fs::create_dir(path).expect("a directory");
            let manifest = serde_json::json!({
                "version": 1, "installation": "other", "fingerprint": "", "groups": [],
                "workload": workload("other-installation"),
            });
            fs::write(path.join("workload.json"), manifest.to_string()).expect("a file");
            fs::write(path.join("precious"), "gold").expect("a file");
        }),
        ("a-link", &|path| symlink(outside.path(), path).expect("a link")),
    ];
    for (name, plant) in planted {
        let path = world.root.path().join(name);
        plant(&path);
        let refused = world.substrate.ensure(&workload(name)).await.expect_err("it is foreign");
        assert!(matches!(refused, SubstrateError::Foreign { .. }), "{name}: {refused}");
        let refused = world.substrate.remove(&id(name)).await.expect_err("it is foreign");
        assert!(matches!(refused, SubstrateError::Foreign { .. }), "{name}: {refused}");
        assert_eq!(fs::read_to_string(path.join("precious")).expect("it is there"), "gold");
    }
    assert!(world.substrate.list(&LabelSelector::all()).await.expect("list works").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn links_inside_are_removed_and_not_followed() {
    let world = World::new().await;
    let outside = tempfile::tempdir().expect("a temporary directory");
    fs::write(outside.path().join("precious"), "gold").expect("a file");
    let workload = workload("linked");
    world.substrate.ensure(&workload).await.expect("it starts");
    let data = world.directory(&workload.id).join(layout::DATA);
    symlink(outside.path(), data.join("way-out")).expect("a link");
    world.substrate.remove(&workload.id).await.expect("it goes");
    assert!(!world.directory(&workload.id).exists());
    assert!(outside.path().join("precious").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_removal_is_taken_up() {
    let world = World::new().await;
    let workload = workload("half-gone");
    let pid = world.substrate.ensure(&workload).await.expect("it starts").pid().expect("it runs");
    // The platform is killed after the rename, before anything was ended.
    let leaving = world.root.path().join(".removing-half-gone");
    fs::rename(world.directory(&workload.id), &leaving).expect("renamed");
    let listed = world.substrate.list(&LabelSelector::all()).await.expect("list works");
    assert_eq!(listed.len(), 1, "what is half gone is still found by its label");
    let removal = world.substrate.remove(&workload.id).await.expect("it goes");
    assert!(removal.released.iter().any(|gone| gone.name == format!("pid {pid}")), "{removal:?}");
    assert!(!leaving.exists());
    assert!(processes_under(world.root.path()).is_empty());

    // The platform is killed between the last record and the directory.
    fs::create_dir(&leaving).expect("an empty directory");
    world.substrate.remove(&workload.id).await.expect("it goes");
    assert!(!leaving.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let world = World::new().await;
    let workload = workload("port");
    let _taken = TcpListener::bind(("127.0.0.1", workload.ports["p2p"])).expect("it is free");
    let error = world.substrate.ensure(&workload).await.expect_err("the port is taken");
    let SubstrateError::PortInUse { name, port, .. } = error else { panic!("{error}") };
    assert_eq!((name.as_str(), port), ("p2p", workload.ports["p2p"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_or_say_why_not_and_go_with_the_workload() {
    let world = World::new().await;
    let limits = Limits { memory_bytes: Some(256 << 20), cpu_millis: Some(500), tasks: Some(64) };
    let workload = Workload { limits, ..workload("limited") };
    let instance = world.substrate.ensure(&workload).await.expect("it starts");
    let layers: Vec<_> =
        instance.layers.iter().filter(|layer| layer.name.starts_with("cgroup-")).collect();
    assert_eq!(layers.len(), 3, "{layers:?}");
    assert!(layers.iter().all(|layer| !layer.detail.is_empty()), "{layers:?}");
    let removal = world.substrate.remove(&workload.id).await.expect("it goes");
    let groups: Vec<_> =
        removal.released.iter().filter(|gone| gone.kind == ReleasedKind::Cgroup).collect();
    assert_eq!(groups.is_empty(), layers.iter().all(|layer| !layer.holds), "{groups:?}");
    assert!(groups.iter().all(|gone| !Path::new(&gone.name).exists()));
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_stay_inside_the_directory() {
    let world = World::new().await;
    for name in ["../escape", "/etc/escape", "a/../../escape", ""] {
        let files = [(name.to_owned(), String::new())].into();
        let refused = world.substrate.ensure(&Workload { files, ..workload("paths") }).await;
        assert!(matches!(refused, Err(SubstrateError::Invalid { .. })), "{name}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_through_rotation() {
    let world = World::new().await;
    let workload = workload("logged");
    world.substrate.ensure(&workload).await.expect("it starts");
    let options = LogOptions { follow: Follow::Yes, tail: None };
    let mut lines = world.substrate.logs(&workload.id, options).await.expect("a log");
    let mut next = async || lines.next().await.expect("a line").expect("readable");
    assert!(next().await.contains("hello"));
    let log = world.directory(&workload.id).join(layout::LOG);
    let limits = LogLimits { file_bytes: 30, rotated_files: 4 };
    let mut writer =
        windlass_substrate::resident::LogWriter::open(&log, limits).expect("the log opens");
    for number in 0..20 {
        writer.write_all(format!("line {number}\n").as_bytes()).expect("a line");
        assert_eq!(next().await, format!("line {number}"));
    }
    world.substrate.remove(&workload.id).await.expect("it goes");
}
