//! `windlass up`: the whole platform in one process.
//!
//! It opens the data directory, listens, wires the process substrate, the engines and the vault into
//! the control plane, says where it is, and serves until it is told to stop. The end is bounded:
//! requests are answered, streams are closed, tasks are joined; networks are not touched.

pub(crate) mod directory;
mod listen;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_control::{
    http::{Api, ApiSettings, Stop},
    service::{Backoff, Control, Machine, Overcommit, Settings},
    world::{Deadlines, Engines, World},
};
use windlass_engine::{Engine, windlass::WindlassEngine};
use windlass_keys::vault::Vault;
use windlass_model::{ErrorCode, receipt::ReleaseReceipt};
use windlass_substrate::{Desired, LabelSelector, Substrate, Workload, lease};
use windlass_substrate_process::{Config, Patience, ProcessSubstrate};

use self::directory::DataDirectory;
use crate::{
    args::UpArgs,
    context::PlatformFile,
    environment::{self, Outcome, problem},
    output::Output,
};

/// How long the end may take.
const END: Duration = Duration::from_secs(5);
/// How long it may take where nothing may be left running: a gateway that was just started is waited
/// for first.
const REFUSED_END: Duration = Duration::from_secs(30);
/// After this a lease is watched anew that could not be watched.
const AGAIN: Duration = Duration::from_secs(1);

/// What `up` answers when it listens.
#[derive(Debug, Serialize)]
struct Started {
    url: String,
    login_url: String,
    login_expires_at_ms: u64,
    data_dir: PathBuf,
    pid: u32,
}

/// Runs a platform to its end.
pub(crate) fn run(args: &UpArgs, data_dir: Option<PathBuf>, output: Output) -> Outcome<()> {
    if args.lease.is_some() {
        detach()?;
    }
    crate::logging::to_stderr();
    let path = match data_dir {
        Some(path) => path,
        None => environment::default_data_dir()?,
    };
    check_lease(args, &path)?;
    let directory = DataDirectory::open(&path)?;
    let listener = listen::bind(args, output)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| failed("start threads", &error))?;
    let ended = runtime.block_on(serve(args, &directory, listener, output));
    runtime.shutdown_timeout(END);
    match ended? {
        Left::Everything => Ok(()),
        Left::Receipts(receipts) => {
            directory.abolish(&receipts).map_err(|error| failed("remove its directory", &error))
        }
    }
}

/// The directory of a platform that lives under a lease goes with it: only one that was made for it, and
/// has its name, may.
fn check_lease(args: &UpArgs, path: &Path) -> Outcome<()> {
    let Some(lease) = &args.lease else { return Ok(()) };
    if path.file_name().is_some_and(|name| name == lease.as_str()) {
        return Ok(());
    }
    Err(problem(
        ErrorCode::InvalidRequest,
        format!("{} was not made for {lease}", path.display()),
        "leave --lease out: it is for the platforms that `windlass run` starts",
    ))
}

/// What a platform leaves behind.
enum Left {
    /// What it has: another one takes it up.
    Everything,
    /// Nothing: the lease that it lived under is over, and these say what is gone.
    Receipts(Vec<ReleaseReceipt>),
}

/// Begins a session: no signal to the group of whoever started the platform reaches it.
fn detach() -> Outcome<()> {
    match rustix::process::setsid() {
        // It leads its group: then it has one of its own.
        Ok(_) | Err(rustix::io::Errno::PERM) => Ok(()),
        Err(error) => Err(failed("begin a session", &error.into())),
    }
}

async fn serve(
    args: &UpArgs,
    directory: &DataDirectory,
    listener: std::net::TcpListener,
    output: Output,
) -> Outcome<Left> {
    let address = listener.local_addr().map_err(|error| failed("listen", &error))?;
    let listener =
        tokio::net::TcpListener::from_std(listener).map_err(|error| failed("listen", &error))?;
    let url = format!("http://{address}");
    let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let substrate = open_substrate(directory).await?;
    let control = open(args, directory, &url, Arc::clone(&substrate)).await?;
    let api = Api::new(
        control.clone(),
        ApiSettings {
            token: directory.token().to_owned(),
            listen: address,
            now_ms: windlass_substrate::clock::now_ms,
            tracker: tracker.clone(),
            shutdown: shutdown.clone(),
        },
    );
    // Taken before anything runs: a signal from here on ends the platform in order.
    let signals = signals()?;
    control.run(&tracker, &shutdown);
    let serving = api.clone();
    let mut server = tracker.spawn(async move { serving.serve(listener).await });
    if let Err(refused) = announce(&api, directory, url, output).await {
        shutdown.cancel();
        tracker.close();
        // What it has started for nobody would outlive a refusal, such as of a full disk.
        if tokio::time::timeout(REFUSED_END, tracker.wait()).await.is_err() {
            tracing::warn!(left = tracker.len(), "tasks did not end in time");
        }
        if is_alone(&*substrate).await {
            stop_gateway(&*substrate, directory).await;
        }
        return Err(refused);
    }

    let end = tokio::select! {
        // All branches only wait; dropping one loses nothing.
        () = signals => End::Stopped(Stop::Platform),
        stop = asked(&api) => End::Stopped(stop),
        () = abandoned(args, directory, &control) => End::Abandoned,
        served = &mut server => {
            tracing::error!(?served, "the listener ended by itself");
            End::Stopped(Stop::Platform)
        }
    };
    tracing::info!(?end, "stopping; networks that are left go on");
    shutdown.cancel();
    tracker.close();
    if tokio::time::timeout(END, tracker.wait()).await.is_err() {
        tracing::warn!(left = tracker.len(), "tasks did not end in time and are dropped");
    }
    // Only now: the control plane would start the gateway again.
    let left = settle(end, &control, &*substrate, directory).await;
    if tokio::time::timeout(END, control.close()).await.is_err() {
        tracing::warn!("the database was not closed in time; it is made whole by the next start");
    }
    directory.withdraw();
    Ok(left)
}

/// Why a platform ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Somebody wants it to.
    Stopped(Stop),
    /// The lease that it lives under is over, and no network is left.
    Abandoned,
}

/// Returns when nobody holds the lease that the platform lives under, and every network is gone.
async fn abandoned(args: &UpArgs, directory: &DataDirectory, control: &Control) {
    let Some(lease) = &args.lease else { return std::future::pending().await };
    let path = directory.path().join("leases").join(lease.as_str());
    while let Err(error) = lease::over(&path).await {
        tracing::warn!(%lease, %error, "the platform's lease cannot be watched");
        tokio::time::sleep(AGAIN).await;
    }
    tracing::info!(%lease, "the lease's holder is gone");
    control.vacated().await;
}

async fn open_substrate(directory: &DataDirectory) -> Outcome<Arc<ProcessSubstrate>> {
    let program = std::env::current_exe().map_err(|error| failed("find its program", &error))?;
    let config = Config {
        root: directory.path().join("workloads"),
        installation: directory.installation().to_owned(),
        program,
        leading_arguments: Vec::new(),
        patience: Patience::default(),
    };
    match ProcessSubstrate::open(config).await {
        Ok(substrate) => Ok(Arc::new(substrate)),
        Err(error) => Err(unusable("workloads", &error)),
    }
}

async fn open(
    args: &UpArgs,
    directory: &DataDirectory,
    url: &str,
    substrate: Arc<ProcessSubstrate>,
) -> Outcome<Control> {
    let path = directory.path();
    let vault = Vault::open(path.join("keys")).map_err(|error| unusable("keys", &error))?;
    let engines: [Arc<dyn Engine>; 1] = [Arc::new(WindlassEngine)];
    let settings = Settings {
        data_dir: path.to_owned(),
        installation: directory.installation().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        url: url.to_owned(),
        lease: args.lease.clone(),
        gateway_port: args.gateway_listen.map(|address| address.port()),
        machine: Machine {
            memory_bytes: environment::memory_bytes()
                .map_err(|error| failed("read the machine's memory", &error))?,
            processors: environment::processors(),
            overcommit: if args.overcommit { Overcommit::Warn } else { Overcommit::Refuse },
        },
        backoff: Backoff::default(),
        deadlines: Deadlines::default(),
    };
    let world = World::machine(substrate, Engines::new(engines), Arc::new(vault));
    Control::open(settings, world).await
}

/// Whether nothing but the gateway is there: no network needs it.
async fn is_alone(substrate: &dyn Substrate) -> bool {
    let listed = substrate.list(&LabelSelector::all()).await;
    listed.is_ok_and(|all| all.iter().all(|one| one.id.as_str() == "gateway"))
}

/// Ends the gateway's process; its port is kept.
async fn stop_gateway(substrate: &dyn Substrate, directory: &DataDirectory) {
    let folder = directory.path().join("workloads").join("gateway");
    let Ok(workload) = crate::workload::read_workload(&folder) else { return };
    let stopped = Workload { desired: Desired::Stopped, ..workload };
    if let Err(error) = substrate.ensure(&stopped).await {
        tracing::warn!(%error, "the gateway did not stop");
    }
}

/// What is left when the control plane has ended.
async fn settle(
    end: End,
    control: &Control,
    substrate: &dyn Substrate,
    directory: &DataDirectory,
) -> Left {
    match end {
        End::Stopped(Stop::WithGateway) => {
            stop_gateway(substrate, directory).await;
            Left::Everything
        }
        End::Stopped(Stop::No | Stop::Platform) => Left::Everything,
        // Somebody may have declared a network in the last moment: another platform takes all up.
        End::Abandoned if !is_vacant(control).await => Left::Everything,
        End::Abandoned => {
            remove_gateway(substrate).await;
            Left::Receipts(control.receipts().await.unwrap_or_default())
        }
    }
}

async fn is_vacant(control: &Control) -> bool {
    control.status().await.is_ok_and(|status| status.networks == 0)
}

/// Leaves nothing of the gateway.
async fn remove_gateway(substrate: &dyn Substrate) {
    let id = "gateway".parse().expect("it is a workload's id");
    if let Err(error) = substrate.remove(&id).await {
        tracing::warn!(%error, "the gateway was not removed");
    }
}

async fn announce(
    api: &Api,
    directory: &DataDirectory,
    url: String,
    output: Output,
) -> Outcome<()> {
    let status = api.platform_status().await?;
    let link = api.login_link().await?;
    directory.announce(&PlatformFile {
        pid: std::process::id(),
        url: url.clone(),
        gateway_url: status.gateway_url,
        version: status.version,
    })?;
    let started = Started {
        url,
        login_url: link.url,
        login_expires_at_ms: link.expires_at_ms,
        data_dir: directory.path().to_owned(),
        pid: std::process::id(),
    };
    output.result(&started, || {
        format!(
            "console  {}\nlogin    {}\n         (works once, for ten minutes; `windlass login` \
             makes a new one)\ndata     {}\nstop     Ctrl-C stops the platform, `windlass down` \
             the networks too",
            started.url,
            started.login_url,
            started.data_dir.display()
        )
    });
    Ok(())
}

/// Waits for SIGTERM or SIGINT.
fn signals() -> Outcome<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).map_err(|error| failed("listen for signals", &error));
    let (mut terminate, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            // `recv` is cancel-safe.
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn asked(api: &Api) -> Stop {
    let mut stops = api.stops();
    match stops.wait_for(|stop| *stop != Stop::No).await {
        Ok(stop) => *stop,
        // The sender lives as long as the API.
        Err(_) => std::future::pending().await,
    }
}

fn failed(what: &str, error: &io::Error) -> Box<windlass_model::Problem> {
    problem(
        ErrorCode::Internal,
        format!("the platform could not {what}: {error}"),
        "check the limits of this machine (ulimit -a), and try again",
    )
}

fn unusable(what: &str, error: &dyn std::error::Error) -> Box<windlass_model::Problem> {
    let cause = error.source().map_or_else(String::new, |source| format!(": {source}"));
    let mut causes = std::iter::successors(error.source(), |cause| cause.source());
    let full = causes.any(|cause| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    });
    if full {
        return problem(
            ErrorCode::DiskFull,
            format!("no space is left for the folder `{what}` of the data directory: {error}"),
            "free some space, or name a directory on another disk with --data-dir",
        );
    }
    problem(
        ErrorCode::DataDirectoryUnusable,
        format!("the folder `{what}` of the data directory cannot be used: {error}{cause}"),
        "check that everything in the data directory is yours and writable",
    )
}
