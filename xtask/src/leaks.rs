//! What Windlass left behind, looked for from the outside: in `/proc`, in the kernel's tables of
//! sockets, in directories and in control groups.
//!
//! It shares no code with the platform, on purpose: a check that used the driver's own idea of what
//! exists would forget what the driver forgot.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::say;

/// The name of the binary, and the verbs of it that outlive a platform.
const BINARY: &str = "windlass";
const VERBS: [&str; 2] = ["node", "gateway"];

/// The gateway's workload: there is one while a platform is up.
const GATEWAY: &str = "gateway";

/// How deep below the root of a control group tree to look.
const GROUP_DEPTH: u32 = 8;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct Options {
    /// Looks for what belongs to this data directory; otherwise for everything on the machine
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A platform is up on the data directory: its gateway is no leak
    #[arg(long, requires = "data_dir")]
    platform_up: bool,
    /// Prints the findings as JSON
    #[arg(long)]
    json: bool,
}

/// Something that is still there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Leak {
    /// `process`, `port`, `socket`, `directory`, `key`, `lease` or `cgroup`.
    kind: &'static str,
    name: String,
    detail: String,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let scope = Scope::new(
        options.data_dir.as_deref(),
        if options.platform_up { Platform::Up } else { Platform::Down },
    )?;
    let leaks = find(&scope)?;
    if options.json {
        say::result(&serde_json::to_string_pretty(&leaks)?);
    } else {
        for Leak { kind, name, detail } in &leaks {
            say::result(&format!("{kind:<10} {name}  {detail}"));
        }
    }
    if leaks.is_empty() {
        say::progress("nothing is left behind");
        return Ok(ExitCode::SUCCESS);
    }
    say::problem(&format!("{} things are left behind", leaks.len()));
    Ok(ExitCode::FAILURE)
}

/// Whose leftovers are looked for.
struct Scope {
    data_dir: Option<PathBuf>,
    /// The id that the directory's control groups carry, if it tells.
    installation: Option<String>,
    platform: Platform,
}

/// Whether a platform is up on the data directory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Platform {
    Up,
    Down,
}

impl Scope {
    fn new(data_dir: Option<&Path>, platform: Platform) -> Result<Self> {
        let data_dir = match data_dir.map(fs::canonicalize) {
            // A directory that is gone has left nothing in it; processes may still name it.
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                data_dir.map(Path::to_owned)
            }
            Some(found) => Some(found.context("the data directory can't be looked at")?),
            None => None,
        };
        let installation = data_dir.as_deref().and_then(installation);
        Ok(Self { data_dir, installation, platform })
    }

    fn workloads(&self) -> Option<PathBuf> {
        self.data_dir.as_ref().map(|directory| directory.join("workloads"))
    }

    /// Whether a path inside a workload's directory is one that is looked for.
    fn concerns(&self, path: &Path) -> bool {
        let Some(workloads) = self.workloads() else { return true };
        path.strip_prefix(&workloads).is_ok_and(|inside| !self.expects(inside))
    }

    /// Whether a path, relative to `workloads/`, belongs to the platform that is up.
    fn expects(&self, inside: &Path) -> bool {
        self.platform == Platform::Up && inside.starts_with(GATEWAY)
    }
}

fn find(scope: &Scope) -> Result<Vec<Leak>> {
    let processes = processes(scope)?;
    let mut leaks: BTreeSet<Leak> = processes.values().cloned().collect();
    for pid in processes.keys() {
        leaks.extend(listeners(*pid)?);
    }
    leaks.extend(unix_sockets(scope)?);
    if let Some(data_dir) = &scope.data_dir {
        leaks.extend(entries(scope, "directory", &data_dir.join("workloads"))?);
        leaks.extend(entries(scope, "key", &data_dir.join("keys"))?);
        leaks.extend(entries(scope, "lease", &data_dir.join("leases"))?);
        leaks.extend(recorded_ports(&data_dir.join("workloads"), scope)?);
    }
    let pids: BTreeSet<u32> = processes.into_keys().collect();
    groups(scope, &pids, Path::new("/sys/fs/cgroup"), GROUP_DEPTH, &mut leaks);
    Ok(leaks.into_iter().collect())
}

/// Processes that run one of the verbs, or that were started for a directory that is looked for.
fn processes(scope: &Scope) -> Result<BTreeMap<u32, Leak>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc").context("/proc can't be read")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end while it is looked at.
        let Ok(arguments) = fs::read(entry.path().join("cmdline")) else { continue };
        let arguments: Vec<String> = arguments
            .split(|byte| *byte == 0)
            .map(|argument| String::from_utf8_lossy(argument).into_owned())
            .collect();
        let directory = after(&arguments, "--dir").map(PathBuf::from);
        let state = state(pid);
        let leaked = match (&directory, scope.data_dir.is_some()) {
            (Some(directory), true) => scope.concerns(directory),
            // A zombie has no arguments left: its name is all that tells, and not whose it was.
            (None, false) if state.as_deref() == Some("Z") => zombie_of_ours(pid),
            (None, true) => false,
            (_, false) => runs_a_verb(pid, &arguments),
        };
        if leaked {
            let state = state.unwrap_or_default();
            let detail = format!("{} (state {state})", arguments.join(" ").trim());
            found.insert(pid, Leak { kind: "process", name: format!("pid {pid}"), detail });
        }
    }
    Ok(found)
}

fn runs_a_verb(pid: u32, arguments: &[String]) -> bool {
    let verb = arguments.get(1).is_some_and(|verb| VERBS.contains(&verb.as_str()));
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let named = |path: &Path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        // The kernel marks a program whose file was replaced or removed.
        name.is_some_and(|name| name.trim_end_matches(" (deleted)") == BINARY)
    };
    verb && (named(&program) || arguments.first().is_some_and(|first| named(Path::new(first))))
}

fn zombie_of_ours(pid: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim() == BINARY
}

fn state(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().next().map(str::to_owned)
}

fn after<'a>(arguments: &'a [String], flag: &str) -> Option<&'a String> {
    let at = arguments.iter().position(|argument| argument == flag)?;
    arguments.get(at + 1)
}

/// The TCP ports that a process listens on.
fn listeners(pid: u32) -> Result<Vec<Leak>> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    let inodes: BTreeSet<String> = targets
        .filter_map(|target| {
            let target = target.to_str()?.strip_prefix("socket:[")?;
            Some(target.strip_suffix(']')?.to_owned())
        })
        .collect();
    let listening = listening()?.into_iter().filter(|(_, inode)| inodes.contains(inode));
    let leak = |(port, _)| Leak {
        kind: "port",
        name: format!("tcp {port}"),
        detail: format!("listened on by pid {pid}"),
    };
    Ok(listening.map(leak).collect())
}

/// Every listening TCP port of the machine, with its socket's inode.
fn listening() -> Result<Vec<(u16, String)>> {
    let mut all = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = match fs::read_to_string(table) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text.with_context(|| format!("{table} can't be read"))?,
        };
        all.extend(text.lines().skip(1).filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let port = u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?;
            (*fields.get(3)? == "0A")
                .then(|| (port, fields.get(9).copied().unwrap_or_default().to_owned()))
        }));
    }
    Ok(all)
}

/// Ports that were written down in directories that are left, and that somebody listens on.
fn recorded_ports(workloads: &Path, scope: &Scope) -> Result<Vec<Leak>> {
    let listening: BTreeSet<u16> = listening()?.into_iter().map(|(port, _)| port).collect();
    let mut leaks = Vec::new();
    for directory in fs::read_dir(workloads).into_iter().flatten().flatten() {
        if scope.expects(Path::new(&directory.file_name())) {
            continue;
        }
        let Ok(bytes) = fs::read(directory.path().join("run.json")) else { continue };
        let Ok(record) = serde_json::from_slice::<serde_json::Value>(&bytes) else { continue };
        let ports = record["ports"].as_object().into_iter().flat_map(|ports| ports.values());
        for port in ports.filter_map(|port| port.as_u64().and_then(|port| u16::try_from(port).ok()))
        {
            if listening.contains(&port) {
                let detail = format!("recorded in {}", directory.path().display());
                leaks.push(Leak { kind: "port", name: format!("tcp {port}"), detail });
            }
        }
    }
    Ok(leaks)
}

/// Unix sockets that are bound inside workloads' directories, whether or not their file is left.
fn unix_sockets(scope: &Scope) -> Result<Vec<Leak>> {
    let table = fs::read_to_string("/proc/net/unix").context("/proc/net/unix can't be read")?;
    let bound = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(7));
    let ours = bound.map(PathBuf::from).filter(|path| {
        let socket = path.extension().is_some_and(|extension| extension == "sock");
        let within =
            path.components().rev().nth(2).is_some_and(|part| part.as_os_str() == "workloads");
        scope.concerns(path) && (scope.data_dir.is_some() || socket && within)
    });
    let names: BTreeSet<String> = ours.map(|path| path.display().to_string()).collect();
    let leak = |name| Leak { kind: "socket", name, detail: "is bound".to_owned() };
    Ok(names.into_iter().map(leak).collect())
}

/// What stands in a folder that a complete teardown leaves empty.
fn entries(scope: &Scope, kind: &'static str, folder: &Path) -> Result<Vec<Leak>> {
    let listing = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.with_context(|| format!("{} can't be read", folder.display()))?,
    };
    let mut leaks = Vec::new();
    for entry in listing {
        let entry = entry?;
        if kind == "directory" && scope.expects(Path::new(&entry.file_name())) {
            continue;
        }
        let name = entry.path().display().to_string();
        leaks.push(Leak { kind, name, detail: "is there".to_owned() });
    }
    Ok(leaks)
}

/// The id of the installation that a data directory is.
fn installation(data_dir: &Path) -> Option<String> {
    let bytes = fs::read(data_dir.join("installation.json")).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    value["id"].as_str().map(str::to_owned)
}

/// Control groups of ours. Those of other data directories are told apart by the installation's id,
/// and where the directory is gone, by their processes.
fn groups(
    scope: &Scope,
    pids: &BTreeSet<u32>,
    folder: &Path,
    depth: u32,
    leaks: &mut BTreeSet<Leak>,
) {
    if depth == 0 {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with("windlass-") {
            let members = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
            let members: Vec<u32> = members.lines().filter_map(|line| line.parse().ok()).collect();
            let ours = match &scope.installation {
                Some(id) => entry.file_name().to_string_lossy().contains(id.as_str()),
                None => members.is_empty() || members.iter().any(|pid| pids.contains(pid)),
            };
            if scope.data_dir.is_none() || ours {
                let detail = format!("{} processes in it", members.len());
                leaks.insert(Leak { kind: "cgroup", name: path.display().to_string(), detail });
            }
        }
        groups(scope, pids, &path, depth - 1, leaks);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::TcpListener,
        os::unix::net::UnixListener,
        process::{Child, Stdio},
    };

    use super::*;

    struct Ended(Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            drop(self.0.kill());
            drop(self.0.wait());
        }
    }

    fn kinds(scope: &Scope) -> BTreeSet<&'static str> {
        let leaks = find(scope).expect("the machine can be looked at");
        // Another suite on this machine may have control groups of its own.
        leaks.into_iter().map(|leak| leak.kind).filter(|kind| *kind != "cgroup").collect()
    }

    #[test]
    fn what_is_planted_is_found_and_what_is_gone_is_not() {
        let root = std::env::temp_dir().join(format!("windlass-leaks-{}", std::process::id()));
        let node = root.join("workloads/node-1");
        fs::create_dir_all(&node).expect("a directory");
        fs::create_dir_all(root.join("keys/key-1")).expect("a directory");
        let socket = UnixListener::bind(node.join("rpc.sock")).expect("a socket");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let record = serde_json::json!({ "ports": { "p2p": port } });
        fs::write(node.join("run.json"), record.to_string()).expect("a file");
        let process = crate::exec::command("sh")
            .args(["-c", "read line", "node", "--dir"])
            .arg(&node)
            .stdin(Stdio::piped())
            .spawn();
        let process = Ended(process.expect("a process"));
        // The kernel lays the arguments out an instant after the program has begun.
        let arguments = format!("/proc/{}/cmdline", process.0.id());
        while fs::read(&arguments).expect("it lives").is_empty() {
            std::thread::yield_now();
        }
        let scope = || Scope::new(Some(&root), Platform::Down).expect("a scope");
        let all = BTreeSet::from(["process", "port", "socket", "directory", "key"]);
        assert_eq!(kinds(&scope()), all);
        drop(listener);
        drop(process);
        assert_eq!(kinds(&scope()), BTreeSet::from(["socket", "directory", "key"]));
        fs::remove_dir_all(&node).expect("removed");
        assert_eq!(kinds(&scope()), BTreeSet::from(["socket", "key"]), "bound without a file");
        drop(socket);
        fs::remove_dir_all(&root).expect("removed");
        // A program that another test starts holds the socket, too, between its fork and its exec.
        assert!((0..1_000).any(|_| kinds(&scope()).is_empty()), "{:?}", kinds(&scope()));
    }

    #[test]
    fn the_gateway_of_a_platform_that_is_up_is_no_leak() {
        let root = std::env::temp_dir().join(format!("windlass-leaks-up-{}", std::process::id()));
        fs::create_dir_all(root.join("workloads/gateway")).expect("a directory");
        let up = Scope::new(Some(&root), Platform::Up).expect("a scope");
        assert_eq!(kinds(&up), BTreeSet::new());
        let down = Scope::new(Some(&root), Platform::Down).expect("a scope");
        assert_eq!(kinds(&down), BTreeSet::from(["directory"]));
        fs::remove_dir_all(&root).expect("removed");
    }

    #[test]
    fn a_listener_is_found_by_its_process() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let name = format!("tcp {}", listener.local_addr().expect("an address").port());
        let found = listeners(std::process::id()).expect("the tables can be read");
        assert!(found.iter().any(|leak| leak.name == name), "{found:?}");
    }
}
