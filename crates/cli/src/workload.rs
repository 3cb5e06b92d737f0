//! `windlass node` and `windlass gateway`: processes of their own, started by a substrate.
//!
//! Both do the same things in the same order: claim the directory before anything else is opened,
//! log into it, announce ports and sockets once they serve, end in order on SIGTERM, and leave a
//! record of how they ended, also when they panic.

use std::{
    collections::BTreeMap,
    error::Error,
    fs, io, panic,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};
use windlass_model::{ErrorCode, Problem, workload::Workload};
use windlass_node::run::Hooks;
use windlass_substrate::{
    lease,
    resident::{
        ALREADY_RUNNING_CODE, DATA_DAMAGED_CODE, DISK_FULL_CODE, LogLimits, Resident,
        ResidentError, layout,
    },
};

use crate::{environment::Outcome, logging, output::Output};

const NODE_LOG: &str = "info,commonware_p2p=warn,commonware_resolver=warn,commonware_runtime=warn";
const GATEWAY_LOG: &str = "info";
/// What a process that panicked is recorded with; Rust's own code.
const PANICKED: u8 = 101;
/// After this a lease is watched anew that could not be watched.
const WATCHED_AGAIN: Duration = Duration::from_secs(1);

/// A disk with less than this is full: a ledger grows by more.
const FULL_BYTES: u64 = 1 << 20;

/// The claim, shared with the panic hook.
#[derive(Clone, Debug)]
struct Claim(Arc<Mutex<Resident>>);

impl Claim {
    fn held(&self) -> MutexGuard<'_, Resident> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self, ports: BTreeMap<String, u16>, sockets: BTreeMap<String, PathBuf>) {
        let announced = self.held().announce(ports, sockets);
        match announced {
            Ok(()) => tracing::info!("serving"),
            Err(error) => tracing::error!(error = chain(&error), "could not announce"),
        }
    }
}

/// Runs a validator in its directory to its end.
pub(crate) fn node(directory: &Path, lease: Option<PathBuf>, output: Output) -> ExitCode {
    workload(directory, NODE_LOG, output, |claim| {
        let directory = claim.held().directory().to_owned();
        let announcing = claim.clone();
        let hooks = Hooks {
            ready: Box::new(move |ports| {
                let rpc = BTreeMap::from([("rpc".to_owned(), ports.rpc)]);
                announcing.announce(BTreeMap::from([("p2p".to_owned(), ports.p2p.port())]), rpc);
            }),
            shutdown: Box::pin(ended(lease)),
        };
        windlass_node::run::run(&directory, hooks).map(drop).map_err(|error| {
            let failure = Failure::of(&error);
            if error.is_damage() { failure.coded(ErrorCode::LedgerDamaged) } else { failure }
        })
    })
}

/// Runs the gateway in its directory to its end.
pub(crate) fn gateway(directory: &Path, lease: Option<PathBuf>, output: Output) -> ExitCode {
    workload(directory, GATEWAY_LOG, output, |claim| {
        let directory = claim.held().directory().to_owned();
        let asked = read_workload(&directory).map_err(|error| Failure::of(&*error))?;
        let port = asked.ports.get("http").copied().unwrap_or(0);
        let config = windlass_gateway::Config {
            listen: (std::net::Ipv4Addr::LOCALHOST, port).into(),
            directory,
            allowed_hosts: Vec::new(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Failure::of(&error))?;
        let announcing = claim.clone();
        let ready = move |listening: &windlass_gateway::Listening| {
            let ports = BTreeMap::from([("http".to_owned(), listening.address.port())]);
            let admin = BTreeMap::from([("admin".to_owned(), listening.admin_socket.clone())]);
            announcing.announce(ports, admin);
        };
        runtime
            .block_on(windlass_gateway::run(config, ready, ended(lease)))
            .map_err(|error| Failure::of(&error))
    })
}

/// What a workload's directory says that it was asked for.
pub(crate) fn read_workload(directory: &Path) -> Result<Workload, Box<dyn Error>> {
    #[derive(Deserialize)]
    struct Manifest {
        workload: Workload,
    }
    let text = fs::read(directory.join(layout::WORKLOAD))?;
    Ok(serde_json::from_slice::<Manifest>(&text)?.workload)
}

fn workload(
    directory: &Path,
    filter: &str,
    output: Output,
    body: impl FnOnce(&Claim) -> Result<(), Failure>,
) -> ExitCode {
    let claim = match claim(directory, filter) {
        Ok(claim) => claim,
        Err(refused) => {
            output.problem(&refused);
            let code = match refused.code {
                ErrorCode::PlatformRunning => ALREADY_RUNNING_CODE,
                ErrorCode::DiskFull => DISK_FULL_CODE,
                _ => refused.code.exit().code(),
            };
            return ExitCode::from(code);
        }
    };
    let ended = body(&claim).map_err(|failure| failure.on_disk(directory));
    let (code, reason) = match &ended {
        Ok(()) => (0, "it was told to end"),
        Err(failure) => (failure.exit_code(), failure.reason.as_str()),
    };
    match &ended {
        Ok(()) => tracing::info!("ended in order"),
        Err(Failure { code, reason }) => {
            tracing::error!(reason, "ended by a failure");
            let hint = "the platform starts it again by itself; its log says more";
            output.problem(&Problem::new(*code, reason.clone(), hint));
        }
    }
    let recorded = claim.held().exit(code, reason);
    if let Err(error) = recorded {
        tracing::error!(error = chain(&error), "the exit record could not be written");
    }
    ExitCode::from(code)
}

fn claim(directory: &Path, filter: &str) -> Outcome<Claim> {
    let resident = Resident::claim(directory).map_err(|error| refused(&error))?;
    let writer = resident.log_writer(LogLimits::default()).map_err(|error| refused(&error))?;
    logging::to_file(writer, filter);
    let claim = Claim(Arc::new(Mutex::new(resident)));
    record_panics(claim.clone(), directory.to_owned());
    tracing::info!(pid = std::process::id(), version = env!("CARGO_PKG_VERSION"), "claimed");
    Ok(claim)
}

/// A process of which a part has panicked is in a state that nobody knows: it leaves its record and
/// ends, and is started again.
fn record_panics(claim: Claim, directory: PathBuf) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        if windlass_node::run::contains_panic() {
            tracing::warn!(%panicked, "a panic is taken for an error");
            return;
        }
        before(panicked);
        // Libraries give up so when they cannot write: that is the disk's fault and no defect.
        let (code, reason) = if is_full(&directory) {
            (DISK_FULL_CODE, format!("{}: {panicked}", ErrorCode::DiskFull))
        } else {
            (PANICKED, format!("panicked: {panicked}"))
        };
        // The panic may have come while the claim was held: then the record is left out.
        if let Ok(resident) = claim.0.try_lock() {
            drop(resident.exit(code, reason.clone()));
        }
        tracing::error!(reason, "ended by a panic");
        if code == DISK_FULL_CODE {
            end_at_once(code);
        }
        std::process::abort();
    }));
}

#[expect(clippy::exit, reason = "no other way tells the code where nothing can be written")]
fn end_at_once(code: u8) -> ! {
    std::process::exit(i32::from(code))
}

/// Waits until the process is told to end, or nobody holds the lease that it lives under. Polled within
/// a tokio runtime.
async fn ended(lease: Option<PathBuf>) {
    let abandoned = async {
        let Some(lease) = lease else { return std::future::pending().await };
        while let Err(error) = lease::over(&lease).await {
            tracing::warn!(lease = %lease.display(), %error, "the lease cannot be watched");
            tokio::time::sleep(WATCHED_AGAIN).await;
        }
        tracing::info!(lease = %lease.display(), "the lease's holder is gone");
    };
    tokio::select! {
        // Both only wait.
        () = terminated() => {}
        () = abandoned => {}
    }
}

/// Waits for SIGTERM or SIGINT. Polled within a tokio runtime.
async fn terminated() {
    let signals = signal(SignalKind::terminate())
        .and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
    match signals {
        Ok((mut terminate, mut interrupt)) => {
            tokio::select! {
                // `recv` is cancel-safe.
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            };
        }
        Err(error) => {
            // The default action of the signals stays in force: the process still ends by them.
            tracing::error!(%error, "no handler for signals");
            std::future::pending::<()>().await;
        }
    }
}

fn refused(error: &ResidentError) -> Box<Problem> {
    let (code, hint) = match error {
        ResidentError::AlreadyRunning { .. } => {
            (ErrorCode::PlatformRunning, "the process that holds it is the one to use")
        }
        _ if error.is_disk_full() => {
            (ErrorCode::DiskFull, "free some space; what waits for it goes on by itself")
        }
        _ => (ErrorCode::WorkloadFailed, "check that the directory is a workload's, and yours"),
    };
    Box::new(Problem::new(code, chain(error), hint))
}

/// Why a workload ended.
#[derive(Debug)]
struct Failure {
    code: ErrorCode,
    /// Begins with the code where who started us may do something about it.
    reason: String,
}

impl Failure {
    /// An error and its causes, marked if it is a taken port (another may be chosen) or a full disk.
    fn of(error: &(dyn Error + 'static)) -> Self {
        let text = chain(error);
        let mut source = Some(error);
        while let Some(cause) = source {
            let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
            let code = match kind {
                Some(io::ErrorKind::AddrInUse) => Some(ErrorCode::PortInUse),
                Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                    Some(ErrorCode::DiskFull)
                }
                Some(_) | None => None,
            };
            if let Some(code) = code {
                return Self { code, reason: text }.coded(code);
            }
            source = cause.source();
        }
        Self { code: ErrorCode::WorkloadFailed, reason: text }
    }

    /// Not every library passes on what the system said: where a program fails and its disk has no
    /// space left, that is why.
    fn on_disk(self, directory: &Path) -> Self {
        let vague = matches!(self.code, ErrorCode::WorkloadFailed | ErrorCode::LedgerDamaged);
        if vague && is_full(directory) {
            return self.coded(ErrorCode::DiskFull);
        }
        self
    }

    fn coded(self, code: ErrorCode) -> Self {
        Self { code, reason: format!("{code}: {}", self.reason) }
    }

    fn exit_code(&self) -> u8 {
        match self.code {
            ErrorCode::DiskFull => DISK_FULL_CODE,
            ErrorCode::LedgerDamaged => DATA_DAMAGED_CODE,
            _ => 1,
        }
    }
}

/// Whether next to no space is left where the directory is.
fn is_full(directory: &Path) -> bool {
    rustix::fs::statvfs(directory)
        .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < FULL_BYTES)
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not listen")]
    struct Listen(#[source] io::Error);

    #[test]
    fn a_taken_port_and_a_full_disk_are_marked() {
        let failure = |kind: io::ErrorKind| Failure::of(&Listen(kind.into()));
        let taken = failure(io::ErrorKind::AddrInUse);
        assert!(taken.reason.starts_with("port_in_use: could not listen: "));
        assert_eq!(taken.exit_code(), 1);
        let full = failure(io::ErrorKind::StorageFull);
        assert!(full.reason.starts_with("disk_full: could not listen: "));
        assert_eq!(full.exit_code(), DISK_FULL_CODE);
        assert!(failure(io::ErrorKind::NotFound).reason.starts_with("could not listen: "));
    }
}
