//! Limits by control group, where the machine lets us make any.
//!
//! Two generations exist. With v2 a delegated group is needed whose controllers are enabled for
//! children; with v1 each controller has a tree of its own, usually root's. Where neither is possible
//! the workload runs without that limit, and its instance says so.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use windlass_substrate::{Layer, Limits, SubstrateError, clock::Deadline};

/// The period over which processor time is limited, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;

/// How long the kernel is given to empty a group whose processes have ended.
const EMPTYING: Duration = Duration::from_secs(5);

/// A control group of one workload, with what is written into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// Where it is, or is to be.
    pub(crate) path: PathBuf,
    /// The layers that it provides.
    layers: Vec<String>,
    /// Control file → value.
    settings: Vec<(String, String)>,
}

/// One limit: the layer's name, its controller, and what to write under v1 and v2.
struct Setting {
    layer: &'static str,
    controller: &'static str,
    v1: Vec<(String, String)>,
    v2: Vec<(String, String)>,
}

/// Plans the groups for those of a workload's limits that can be held here. `name` is unique on the
/// machine. Makes nothing yet.
pub(crate) fn plan(name: &str, limits: &Limits) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for setting in settings(limits) {
        let Ok((base, generation)) = base(setting.controller) else { continue };
        let path = base.join(name);
        let lines = match generation {
            Generation::One => setting.v1,
            Generation::Two => setting.v2,
        };
        let layer = setting.layer.to_owned();
        match groups.iter_mut().find(|group| group.path == path) {
            Some(group) => {
                group.layers.push(layer);
                group.settings.extend(lines);
            }
            None => groups.push(Group { path, layers: vec![layer], settings: lines }),
        }
    }
    groups
}

/// Every group of this name that is there, whoever made it with whatever limits.
pub(crate) fn every(name: &str) -> Vec<PathBuf> {
    let any = Limits { memory_bytes: Some(1), cpu_millis: Some(1), tasks: Some(1) };
    let groups = plan(name, &any).into_iter().map(|group| group.path);
    groups.filter(|path| path.is_dir()).collect()
}

/// The limits that no group provides, each with the reason.
pub(crate) fn missing(groups: &[Group], limits: &Limits) -> Vec<Layer> {
    let provided = |layer: &str| groups.iter().flat_map(|group| &group.layers).any(|l| l == layer);
    let missing = settings(limits).into_iter().filter(|setting| !provided(setting.layer));
    missing
        .map(|setting| Layer {
            name: setting.layer.to_owned(),
            holds: false,
            detail: match base(setting.controller) {
                Ok(_) => "was not possible when the workload was made".to_owned(),
                Err(reason) => reason,
            },
        })
        .collect()
}

/// Makes the groups and puts the process into them. A limit that can't be set is only reported.
pub(crate) fn enforce(groups: &[Group], pid: u32) {
    for group in groups {
        if let Err(error) = enforce_one(group, pid) {
            tracing::warn!(group = %group.path.display(), pid, %error, "a limit does not hold");
        }
    }
}

fn enforce_one(group: &Group, pid: u32) -> io::Result<()> {
    match fs::create_dir(&group.path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    for (file, value) in &group.settings {
        fs::write(group.path.join(file), value)?;
    }
    if members(&group.path).contains(&pid) {
        return Ok(());
    }
    fs::write(group.path.join("cgroup.procs"), pid.to_string())
}

/// How often the kernel has ended a process of a group for want of memory, up to some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shortages {
    file: PathBuf,
    before: u64,
}

impl Shortages {
    /// Those of the group that a process is in.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let (group, generation) = locate("memory", &groups, &mounts)?;
        let file = group.join(match generation {
            Generation::One => "memory.oom_control",
            Generation::Two => "memory.events",
        });
        let before = kills(&fs::read_to_string(&file).ok()?)?;
        Some(Self { file, before })
    }

    /// Whether there was one since; where that is told.
    pub(crate) fn since(&self) -> Option<String> {
        let now = kills(&fs::read_to_string(&self.file).ok()?)?;
        let file = self.file.display();
        (now > self.before).then(|| format!("{file} had oom_kill {}, and has {now}", self.before))
    }
}

/// The count in either file.
fn kills(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// Which of the limits hold for a process.
pub(crate) fn layers(groups: &[Group], pid: u32) -> Vec<Layer> {
    let report = |group: &Group| {
        let holds = members(&group.path).contains(&pid);
        let detail = if holds {
            format!("in {}", group.path.display())
        } else {
            format!("not in {}", group.path.display())
        };
        let layers = group.layers.iter();
        layers
            .map(|name| Layer { name: name.clone(), holds, detail: detail.clone() })
            .collect::<Vec<_>>()
    };
    groups.iter().flat_map(report).collect()
}

/// Ends what is still in a group and removes it; false if there was none.
pub(crate) fn remove(path: &Path) -> Result<bool, SubstrateError> {
    let failed = |source| SubstrateError::io("remove", path, source);
    let deadline = Deadline::after(EMPTYING);
    loop {
        match fs::remove_dir(path) {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            // The workload's process has ended: what is left was started by it.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                for pid in members(path) {
                    end_member(path, pid).map_err(failed)?;
                }
                if deadline.has_passed() {
                    return Err(failed(error));
                }
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Kills a process if, once it can't be confused any more, it is still in the group.
fn end_member(group: &Path, pid: u32) -> io::Result<()> {
    let Some(process) = crate::process::Process::open(pid)? else { return Ok(()) };
    if members(group).contains(&pid) {
        process.signal(rustix::process::Signal::KILL)?;
        process.wait(EMPTYING)?;
    }
    Ok(())
}

fn members(group: &Path) -> Vec<u32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn settings(limits: &Limits) -> Vec<Setting> {
    let line = |file: &str, value: String| (file.to_owned(), value);
    let memory = limits.memory_bytes.map(|bytes| Setting {
        layer: "cgroup-memory",
        controller: "memory",
        v1: vec![line("memory.limit_in_bytes", bytes.to_string())],
        v2: vec![line("memory.max", bytes.to_string())],
    });
    let tasks = limits.tasks.map(|tasks| Setting {
        layer: "cgroup-pids",
        controller: "pids",
        v1: vec![line("pids.max", tasks.to_string())],
        v2: vec![line("pids.max", tasks.to_string())],
    });
    let cpu = limits.cpu_millis.map(|millis| {
        let quota_us = u64::from(millis) * CPU_PERIOD_US / 1000;
        Setting {
            layer: "cgroup-cpu",
            controller: "cpu",
            v1: vec![
                line("cpu.cfs_period_us", CPU_PERIOD_US.to_string()),
                line("cpu.cfs_quota_us", quota_us.to_string()),
            ],
            v2: vec![line("cpu.max", format!("{quota_us} {CPU_PERIOD_US}"))],
        }
    });
    memory.into_iter().chain(tasks).chain(cpu).collect()
}

enum Generation {
    One,
    Two,
}

/// Where groups with this controller can be made, or why nowhere: below the group that this process
/// is in, so that limits already put on the platform hold for its workloads too.
fn base(controller: &str) -> Result<(PathBuf, Generation), String> {
    let own = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
    let (base, generation) = locate(controller, &own, &mounts)
        .ok_or_else(|| format!("no cgroup tree with the {controller} controller is mounted"))?;
    if matches!(generation, Generation::Two) {
        let enabled = fs::read_to_string(base.join("cgroup.subtree_control")).unwrap_or_default();
        if !enabled.split_whitespace().any(|name| name == controller) {
            // Fails while processes sit in the group itself, as they do without delegation.
            fs::write(base.join("cgroup.subtree_control"), format!("+{controller}")).map_err(
                |error| format!("{} does not delegate {controller}: {error}", base.display()),
            )?;
        }
    }
    rustix::fs::access(&base, rustix::fs::Access::WRITE_OK)
        .map_err(|error| format!("{} is not writable: {error}", base.display()))?;
    Ok((base, generation))
}

/// Finds this process's group in the tree that has the controller. Pure, over the kernel's tables.
fn locate(controller: &str, own: &str, mounts: &str) -> Option<(PathBuf, Generation)> {
    let memberships: Vec<Vec<&str>> = own
        .lines()
        .map(|line| line.splitn(3, ':').collect())
        .filter(|f: &Vec<_>| f.len() == 3)
        .collect();
    let find = |kind: &str, wanted: &dyn Fn(&str) -> bool| {
        mounts.lines().find_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let mut right = right.split_whitespace();
            let fits = right.next()? == kind && wanted(right.nth(1).unwrap_or_default());
            let mut left = left.split_whitespace().skip(3);
            let (root, point) = (left.next()?, left.next()?);
            fits.then(|| (root.to_owned(), PathBuf::from(point)))
        })
    };
    let within = |(root, point): (String, PathBuf), path: &str| {
        let below = Path::new(path).strip_prefix(&root).ok().map(Path::to_owned);
        let group = point.join(below.unwrap_or_default());
        if group.is_dir() { group } else { point }
    };
    let has = |list: &str| list.split(',').any(|name| name == controller);
    if let Some(fields) = memberships.iter().find(|fields| has(fields[1])) {
        let mount = find("cgroup", &has)?;
        return Some((within(mount, fields[2]), Generation::One));
    }
    let fields = memberships.iter().find(|fields| fields[0] == "0")?;
    let group = within(find("cgroup2", &|_| true)?, fields[2]);
    let offered = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    let offers = offered.split_whitespace().any(|name| name == controller);
    offers.then_some((group, Generation::Two))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "4:memory:/jobs/7\n3:cpu,cpuacct:/\n0::/user.slice\n";
    const MOUNTS: &str = "\
30 20 0:25 / /nowhere/memory rw - cgroup cgroup rw,memory\n\
31 20 0:26 / /nowhere/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
32 20 0:27 / /nowhere/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn the_tree_with_the_controller_is_found() {
        let found = |controller| locate(controller, OWN, MOUNTS).map(|(path, _)| path);
        assert_eq!(found("memory"), Some(PathBuf::from("/nowhere/memory")));
        assert_eq!(found("cpu"), Some(PathBuf::from("/nowhere/cpu")));
        assert_eq!(found("pids"), None, "v2 does not offer what it doesn't list");
    }

    #[test]
    fn a_shortage_since_a_process_began_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("memory.events");
        let set = |text: &str| fs::write(&file, text).expect("written");
        let shortages = Shortages { file: file.clone(), before: 2 };
        assert_eq!(shortages.since(), None, "no file tells nothing");
        set("low 0\noom 3\noom_kill 2\noom_group_kill 9\n");
        assert_eq!(shortages.since(), None, "those were others");
        set("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
        let told = shortages.since().expect("there was one");
        assert!(told.ends_with("had oom_kill 2, and has 3"), "{told}");
    }

    #[test]
    fn no_limits_need_no_groups() {
        assert_eq!(plan("unused", &Limits::default()), []);
        assert_eq!(missing(&[], &Limits::default()), []);
    }
}
