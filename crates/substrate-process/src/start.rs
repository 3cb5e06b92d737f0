//! Starting a program, and waiting until it says that it serves.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::inotify,
};
use windlass_substrate::{
    ExitRecord, SubstrateError, Workload,
    clock::Deadline,
    resident::{FINGERPRINT_VARIABLE, RunRecord, layout},
};

use crate::{
    directory::{Directory, make},
    driver::Config,
    ports,
    process::{Holder, Process, holder, timespec},
};

/// How many of a program's last lines an error quotes.
const QUOTED_LINES: usize = 8;

/// The longest sleep while waiting for a program; its announcement ends it earlier.
const BEAT: Duration = Duration::from_millis(50);

/// How long a process that lost the race for the lock is given to notice.
const LOSING: Duration = Duration::from_secs(5);

/// The sleep when the kernel has no inotify instance left to tell of the announcement.
const BLIND_BEAT: Duration = Duration::from_millis(5);

/// A glimpse of what changes in a directory; opened before the program starts, so that nothing
/// that it does goes unseen.
#[derive(Debug)]
pub(crate) struct Glimpse(Option<OwnedFd>);

impl Glimpse {
    pub(crate) fn of(directory: &Directory) -> Self {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let watch = inotify::init(flags).and_then(|fd| {
            inotify::add_watch(&fd, directory.path(), inotify::WatchFlags::MOVED_TO)?;
            Ok(fd)
        });
        Self(watch.ok())
    }

    /// Returns when something has changed, the process ended, or a beat has passed.
    pub(crate) fn wait(&self, child: Option<&OwnedFd>, patience: Duration) -> io::Result<()> {
        let beat = if self.0.is_some() { BEAT } else { BLIND_BEAT };
        let timeout = timespec(beat.min(patience));
        let fds = self.0.iter().chain(child);
        let mut fds: Vec<_> = fds.map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(watch) = &self.0 {
            // Which file it was doesn't matter; the events only have to be taken away.
            let mut buffer = [0u8; 4096];
            while rustix::io::read(watch, &mut buffer).is_ok_and(|read| read > 0) {}
        }
        Ok(())
    }
}

/// Starts the program. It detaches itself when it claims its directory.
pub(crate) fn spawn(
    config: &Config,
    directory: &Directory,
    workload: &Workload,
    fingerprint: &str,
) -> Result<Process, SubstrateError> {
    for (name, port) in &workload.ports {
        let free = ports::is_free(*port)
            .map_err(|source| SubstrateError::io("look at a port for", directory.path(), source))?;
        if !free {
            let (id, name, port) = (workload.id.clone(), name.clone(), *port);
            return Err(SubstrateError::PortInUse { id, name, port });
        }
    }
    make(&directory.join(layout::LOG))?;
    let boot_log = directory.boot_log();
    let output = open_boot_log(&boot_log)
        .and_then(|output| Ok((output.try_clone()?, output)))
        .map_err(|source| SubstrateError::io("open", &boot_log, source))?;
    let failed = |source| SubstrateError::SpawnFailed {
        id: workload.id.clone(),
        program: config.program.clone(),
        source,
    };
    let child = command(config)
        .args(&config.leading_arguments)
        .arg(workload.program.verb())
        .args(&workload.arguments)
        .arg("--dir")
        .arg(directory.path())
        .env_clear()
        .envs(&workload.environment)
        .env(FINGERPRINT_VARIABLE, fingerprint)
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(output.0)
        .stderr(output.1)
        .spawn()
        .map_err(failed)?;
    // Until it is waited for, which nobody does before `Process::settle`, its pid is its own.
    let process = Process::open_child(child.id()).map_err(failed)?;
    tracing::info!(workload = %workload.id, pid = process.pid, "started a process");
    Ok(process)
}

#[expect(clippy::disallowed_methods, reason = "the one place where this driver starts programs")]
fn command(config: &Config) -> Command {
    Command::new(&config.program)
}

/// Each start has the boot log for itself: what it says is about this start.
fn open_boot_log(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Waits until whoever holds the workload's lock says that it serves. Normally that is the child;
/// after a race it may be another process, and then the child ends by itself.
pub(crate) fn await_ready(
    directory: &Directory,
    workload: &Workload,
    child: Option<&Process>,
    glimpse: &Glimpse,
    patience: Duration,
) -> Result<(Process, RunRecord), SubstrateError> {
    let id = &workload.id;
    let failed = |source| SubstrateError::io("wait for", directory.path(), source);
    let deadline = Deadline::after(patience);
    let mut child_fd = child.map(Process::pidfd).transpose().map_err(failed)?;
    loop {
        // In this order: a child that ended before the lock was looked at doesn't hold it.
        let child_ended = match child {
            Some(child) => child.has_ended().map_err(failed)?,
            None => true,
        };
        match holder(directory)? {
            Holder::Process(process, run) if run.ready => {
                if let Some(child) = child.filter(|child| !child.is(&run)) {
                    // It lost the race for the lock, and ends by itself.
                    child.wait(LOSING).map_err(failed)?;
                    child.reap();
                }
                return Ok((process, run));
            }
            Holder::Nobody if child_ended => {
                let exit = child.map(|child| child.settle(directory));
                let exit = exit.or_else(|| directory.exit_record());
                if exit.as_ref().is_some_and(ExitRecord::is_disk_full) {
                    let source = io::ErrorKind::StorageFull.into();
                    return Err(SubstrateError::DiskFull { path: directory.path().into(), source });
                }
                if let Some(exit) = exit.as_ref().filter(|exit| exit.is_data_damaged()) {
                    let (path, reason) = (directory.path().into(), exit.reason.clone());
                    return Err(SubstrateError::DataDamaged { path, reason });
                }
                let (id, last_lines) = (id.clone(), last_lines(directory));
                return Err(SubstrateError::ExitedEarly { id, exit, last_lines });
            }
            Holder::Nobody | Holder::Unknown | Holder::Process(..) => {}
        }
        if deadline.has_passed() {
            let waited_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
            let (id, last_lines) = (id.clone(), last_lines(directory));
            return Err(SubstrateError::NotReady { id, waited_ms, last_lines });
        }
        if child_ended {
            // An ended process would wake every wait at once.
            child_fd = None;
        }
        glimpse.wait(child_fd.as_ref(), deadline.left()).map_err(failed)?;
    }
}

/// The end of what the program wrote, for an error: its boot log, then its own log.
fn last_lines(directory: &Directory) -> Vec<String> {
    let mut last = VecDeque::with_capacity(QUOTED_LINES + 1);
    for path in [directory.current_log(), directory.boot_log()] {
        let Ok(file) = File::open(path) else { continue };
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            if last.len() == QUOTED_LINES {
                last.pop_front();
            }
            last.push_back(line);
        }
    }
    last.into()
}
