//! Making a ledger from the peers' state, beside the one that is served meanwhile, and taking its place.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use commonware_macros::select;
use commonware_runtime::{Spawner as _, Supervisor as _, tokio as runtime};
use windlass_chain::{
    Chain, ChainError,
    genesis::Genesis,
    store::{RedbStore, Store, StoreError},
    sync::{Begun, Importer, SyncError},
};

use super::{
    BESIDE_NICENESS, END_TIMEOUT, Ended, NodeError, Opened, Ready, Shutdown, ledger_file,
    open_network, serve,
};
use crate::{
    consensus::{
        blocking::Counted,
        steady::{Steadied, Steady},
        work::Work,
    },
    diagnosis::Subject,
    ledger::{self, NodeLedger},
    seam::Ledger as _,
    sync::{Begin, Joiner},
};

/// Takes the peers' state until a ledger is whole that is beyond the one that is there.
pub(super) async fn join(
    context: runtime::Context,
    directory: PathBuf,
    opened: Opened,
    ready: &mut Ready,
    shutdown: &mut Shutdown,
) -> Result<Ended, NodeError> {
    let path = import_file(&directory);
    // A node that ended when it was whole, before it took its place.
    if matches!(begun(&path), Some(Begun::Whole(_))) {
        return Ok(Ended::Joined);
    }
    let steady = Steadied::new(context.child("steady"), Steady::of_the_system(&context));
    let network = open_network(&context, &steady, &opened).await?;
    let work = Work::threads("import", 1, BESIDE_NICENESS)
        .map_err(|source| NodeError::File { path: directory.clone(), source })?;
    let (genesis, beyond) = (opened.genesis.clone(), opened.ledger.tip().number);
    let open = move |begin| {
        let open =
            || -> Result<_, SyncError> { Ok(RedbStore::open(&path).map_err(ChainError::from)?) };
        let kept = (begin == Begin::Resumed).then(open).and_then(Result::ok);
        let store = if let Some(store) = kept {
            store
        } else {
            remove(&path).map_err(|error| ChainError::from(StoreError::Io(Box::new(error))))?;
            open()?
        };
        Importer::open(store, &genesis, beyond)
    };
    let (sender, receiver) = network.channels.state;
    let joiner = Joiner {
        context: steady.child("join"),
        work,
        open: Box::new(open),
        sender,
        blocker: Counted::new(network.oracle.clone(), Subject::State, opened.status.diagnosis()),
        connected: network.connected,
        status: opened.status.clone(),
    };
    let server = serve(&directory, &context, &opened, ready)?;
    let mut p2p_task = network.task;
    // Dropping the joiner loses what was asked only: what was taken is durable.
    let outcome = select! {
        () = shutdown => Ok(Ended::Shutdown),
        joined = joiner.run(receiver) => joined.map(|()| Ended::Joined).map_err(NodeError::Join),
        _ = &mut p2p_task => Err(NodeError::Ended("the p2p network")),
    };
    drop(server);
    if context.stop(0, Some(END_TIMEOUT)).await.is_err() {
        tracing::warn!("not all tasks ended in time");
    }
    outcome
}

/// Puts the imported ledger in the place of the one that was, which it has to be beyond; what that has
/// of evidence goes along.
pub(super) fn replace_ledger(
    directory: &Path,
    before: Option<NodeLedger>,
) -> Result<(), NodeError> {
    let (from, to) = (import_file(directory), ledger_file(directory));
    if let Some(before) = before {
        let store = RedbStore::open(&from).map_err(|error| ledger_failed(error.into()))?;
        if !carry_over(&before, store)? {
            return remove_import(directory);
        }
    }
    let failed = |source| NodeError::File { path: to.clone(), source };
    fs::rename(&from, &to).map_err(failed)?;
    let folder = fs::File::open(directory.join("data"));
    folder.and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Keeps in an imported ledger what the one before it has of evidence; false if it is not beyond that.
pub(crate) fn carry_over(before: &NodeLedger, imported: impl Store) -> Result<bool, NodeError> {
    let evidence = before.chain().evidence().map_err(ledger_failed)?;
    let genesis = Genesis::parse(before.document()).map_err(NodeError::Genesis)?;
    let chain = Chain::open(imported, &genesis).map_err(ledger_failed)?;
    let (imported, here) = (chain.tip().number, before.tip().number);
    if imported <= here {
        tracing::error!(imported, here, "what was imported is older than what is here");
        return Ok(false);
    }
    for one in evidence {
        chain.keep_evidence(&one).map_err(ledger_failed)?;
    }
    Ok(true)
}

fn ledger_failed(error: ChainError) -> NodeError {
    NodeError::Ledger(ledger::OpenError::Chain(error))
}

/// Removes an import that is of no use: the ledger that is there is beyond it, or it can't be read.
pub(super) fn tidy(directory: &Path, tip: u64) -> Result<(), NodeError> {
    match begun(&import_file(directory)) {
        Some(Begun::Part(block) | Begun::Whole(block)) if block > tip => Ok(()),
        _ => remove_import(directory),
    }
}

pub(super) fn remove_import(directory: &Path) -> Result<(), NodeError> {
    let path = import_file(directory);
    remove(&path).map_err(|source| NodeError::File { path, source })
}

/// What an import in a file has come to; `None` where there is none that can be read.
fn begun(path: &Path) -> Option<Begun> {
    let store = path.exists().then(|| RedbStore::open(path).ok()).flatten()?;
    Importer::begun(&store).ok()
}

/// The ledger that is made from the peers' state.
fn import_file(directory: &Path) -> PathBuf {
    directory.join("data").join("ledger.import.redb")
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
