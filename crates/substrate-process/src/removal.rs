//! Removing a workload, verifiably, and again after having been interrupted anywhere.
//!
//! The order: write down what there is (`removal.json`); end the process; rename the directory, so
//! that no late process finds it; take its lock, so that one which already has it open gives up;
//! remove the control groups; remove everything inside but the two records; then those, and the
//! directory. Interrupted, a removal is taken up from its records, and its report is still whole.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use windlass_substrate::{
    ChangeKind, Released, ReleasedKind, Removal, SubstrateError, WorkloadId,
    clock::now_ms,
    resident::{layout, replace, start_time_ticks},
};

use crate::{
    cgroup,
    directory::{Directory, Manifest, REMOVING, remove_file, remove_tree},
    driver::{Machine, known_holder},
    ports,
    process::{Holder, Process},
    stray,
};

/// What there was when the removal began.
const INVENTORY: &str = "removal.json";

/// How often a process that comes to life meanwhile is ended before the removal gives up.
const ATTEMPTS: u32 = 3;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Inventory {
    processes: BTreeSet<(u32, u64)>,
    ports: BTreeSet<u16>,
    sockets: BTreeSet<PathBuf>,
    groups: BTreeSet<PathBuf>,
    files: u64,
}

/// Removes a workload that may be there, not there, or half gone.
pub(crate) fn remove(machine: &Machine, id: &WorkloadId) -> Result<Removal, SubstrateError> {
    let mut removal = Removal { released: finish(machine, id)? };
    machine.remove_drafts(Some(id))?;
    let directory = machine.directory(id);
    removal.released.extend(stray::end(machine, id, &directory)?);
    if let Some(manifest) = directory.manifest(&machine.config.installation)? {
        let inventory = write_inventory(machine, &directory, &manifest)?;
        end_processes(machine, id, &directory, inventory)?;
        let leaving = sibling(machine, REMOVING, id);
        fs::rename(directory.path(), &leaving)
            .map_err(|source| SubstrateError::io("move", directory.path(), source))?;
        removal.released.extend(finish(machine, id)?);
    } else {
        removal.released.extend(stray::remove_groups(machine, id)?);
    }
    if !removal.released.is_empty() {
        machine.watchers.announce(id, ChangeKind::Removed);
    }
    Ok(removal)
}

/// Carries a removal that was begun to its end; does nothing if none was.
pub(crate) fn finish(machine: &Machine, id: &WorkloadId) -> Result<Vec<Released>, SubstrateError> {
    let leaving = Directory::at(sibling(machine, REMOVING, id));
    let manifest = match leaving.manifest(&machine.config.installation) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Ok(Vec::new()),
        // The last records go before the directory: an empty one is the end of a removal of ours.
        Err(SubstrateError::Foreign { path }) => {
            return match fs::remove_dir(&path) {
                Ok(()) => Ok(Vec::new()),
                Err(_) => Err(SubstrateError::Foreign { path }),
            };
        }
        Err(error) => return Err(error),
    };
    let mut inventory = write_inventory(machine, &leaving, &manifest)?;
    let mut attempt = 0;
    let lock = loop {
        inventory = end_processes(machine, id, &leaving, inventory)?;
        match leaving.seize()? {
            Some(lock) => break lock,
            None if attempt < ATTEMPTS => attempt += 1,
            None => {
                let what = "a process that keeps coming back".to_owned();
                return Err(SubstrateError::StillThere { id: id.clone(), what });
            }
        }
    };
    let mut released = processes(id, &inventory)?;
    for group in &inventory.groups {
        cgroup::remove(group)?;
        let verified = "no such control group";
        released.push(gone(id, ReleasedKind::Cgroup, group.display().to_string(), verified));
    }
    released.extend(listeners(id, &inventory)?);
    empty(&leaving)?;
    drop(lock);
    for record in [layout::LOCK, INVENTORY, layout::WORKLOAD] {
        remove_file(&leaving.join(record))?;
    }
    fs::remove_dir(leaving.path())
        .map_err(|source| SubstrateError::io("remove", leaving.path(), source))?;
    let directory = machine.directory(id);
    for socket in &inventory.sockets {
        let name = socket.display().to_string();
        released.push(gone(id, ReleasedKind::Socket, name, "gone with its directory"));
    }
    let verified = match inventory.files {
        1 => "no such directory; 1 file went with it".to_owned(),
        files => format!("no such directory; {files} files went with it"),
    };
    let name = directory.path().display().to_string();
    released.push(gone(id, ReleasedKind::Directory, name, &verified));
    tracing::info!(workload = %id, things = released.len(), "removed a workload");
    Ok(released)
}

fn sibling(machine: &Machine, prefix: &str, id: &WorkloadId) -> PathBuf {
    machine.config.root.join(format!("{prefix}{id}"))
}

/// Writes down what there is, beside what an earlier attempt has written down.
fn write_inventory(
    machine: &Machine,
    directory: &Directory,
    manifest: &Manifest,
) -> Result<Inventory, SubstrateError> {
    let path = directory.join(INVENTORY);
    let earlier = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let mut inventory: Inventory = earlier.unwrap_or_default();
    let run = directory.run_record();
    inventory.ports.extend(manifest.workload.ports.values());
    inventory.groups.extend(manifest.groups.iter().map(|group| group.path.clone()));
    // By the paths that they had, wherever the directory is by now.
    let named = machine.directory(&manifest.workload.id);
    let sockets = manifest.workload.sockets.values().filter(|file| directory.join(file).exists());
    inventory.sockets.extend(sockets.map(|file| named.join(file)));
    if let Holder::Process(process, run) = known_holder(directory)? {
        inventory.processes.insert((process.pid, process.start_time_ticks));
        inventory.sockets.extend(run.sockets.into_values());
    }
    inventory.ports.extend(run.into_iter().flat_map(|run| run.ports.into_values()));
    if inventory.files == 0 {
        inventory.files = directory.size().1;
    }
    save(&path, &inventory)?;
    Ok(inventory)
}

fn save(path: &Path, inventory: &Inventory) -> Result<(), SubstrateError> {
    let bytes = serde_json::to_vec_pretty(inventory).expect("inventories have string keys only");
    match replace(path, &bytes) {
        // A full disk must not keep anything from being removed: only this copy of the report is lost.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            tracing::warn!(%error, "could not write down what is removed");
            Ok(())
        }
        result => result.map_err(|source| SubstrateError::io("write", path, source)),
    }
}

/// Ends whoever holds the directory's lock.
fn end_processes(
    machine: &Machine,
    id: &WorkloadId,
    directory: &Directory,
    mut inventory: Inventory,
) -> Result<Inventory, SubstrateError> {
    if let Holder::Process(process, _) = known_holder(directory)? {
        if inventory.processes.insert((process.pid, process.start_time_ticks)) {
            save(&directory.join(INVENTORY), &inventory)?;
        }
        machine.stop(directory, id, process)?;
    }
    Ok(inventory)
}

fn processes(id: &WorkloadId, inventory: &Inventory) -> Result<Vec<Released>, SubstrateError> {
    let mut released = Vec::new();
    for (pid, ticks) in &inventory.processes {
        let failed = |source| SubstrateError::io("look at", format!("process {pid}"), source);
        let same = start_time_ticks(*pid).map_err(failed)? == Some(*ticks);
        let ended = match Process::open(*pid).map_err(failed)? {
            Some(process) if process.start_time_ticks == *ticks => {
                return Err(SubstrateError::StillThere {
                    id: id.clone(),
                    what: format!("process {pid}"),
                });
            }
            Some(_) | None => same,
        };
        // An ended process of another parent stands in the table until that parent looks at it.
        let verified = if ended { "ended" } else { "no such process" };
        released.push(gone(id, ReleasedKind::Process, format!("pid {pid}"), verified));
    }
    Ok(released)
}

fn listeners(id: &WorkloadId, inventory: &Inventory) -> Result<Vec<Released>, SubstrateError> {
    let look = |port: &u16| {
        let taken = ports::is_listened_on(*port)
            .map_err(|source| SubstrateError::io("look at", format!("port {port}"), source))?;
        // Its process is verified gone, so a listener is somebody else's, who took it since.
        let verified =
            if taken { "its process is gone; another one listens now" } else { "nothing listens" };
        Ok(gone(id, ReleasedKind::Port, format!("127.0.0.1:{port}"), verified))
    };
    inventory.ports.iter().map(look).collect()
}

/// Removes everything but the records and the lock, following no symbolic link.
fn empty(directory: &Directory) -> Result<(), SubstrateError> {
    let kept = [layout::LOCK, INVENTORY, layout::WORKLOAD];
    let failed = |source| SubstrateError::io("read", directory.path(), source);
    for entry in fs::read_dir(directory.path()).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if !kept.iter().any(|kept| name == *kept) {
            remove_tree(&directory.path().join(name))?;
        }
    }
    Ok(())
}

/// A line of a removal's report.
pub(crate) fn gone(id: &WorkloadId, kind: ReleasedKind, name: String, verified: &str) -> Released {
    let (owner, verified) = (id.to_string(), verified.to_owned());
    Released { kind, name, owner, verified, released_at_ms: now_ms() }
}
