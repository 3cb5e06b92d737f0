//! A node whose network begins with the state of another one: docs/protocol/recovery.md.
//!
//! The genesis document names its predecessor. A node trusts no one for membership but the chain, so
//! before it takes the state over it checks for itself what the platform checked: that the export
//! holds, that the document is the one that follows from it, and that enough of the members whom the
//! exported contract has signed that (`files/recovery.json`). What it has itself is of that
//! predecessor, with the same block: else the files are another network's. Where it has blocks that come
//! after the export, it gives them up only if every active member agreed: each of the exported contract,
//! and each that its own newest state has. So nobody is outvoted by who was a member before.
//!
//! What `data/` held until then stays, under another name: `data-of-<genesis of the predecessor>`. Only
//! transactions that were acknowledged and in no block yet come along; they are as valid as before.
//! Where it had blocks that come after the export, a file there says so (`given-up`).
//!
//! Every step can be broken off and repeated. The new ledger is made in `data.new/`, which is thrown
//! away if it is found; `data/` has its network's hash in a file since before it had its name, and one
//! without, or with another, is of the network before.

use std::{
    fs::{self, File},
    io::{self, BufReader, Write as _},
    path::{Path, PathBuf},
};

use alloy_primitives::B256;
use windlass_chain::{
    Chain, ChainError, FoundError, Held, Tip,
    export::{self, ExportError},
    found,
    genesis::{Genesis, Predecessor},
    held,
    recovery::{self, Judgement, Recovery, RecoveryError, Seat},
    store::{RedbStore, StoreError},
};

use crate::ledger;

/// What a node's data lies in, and what is being made of it.
const DATA: &str = "data";
const FRESH: &str = "data.new";
/// The file in it that names the network.
const NETWORK: &str = "network";
/// The file in it that tells which blocks were given up.
const GIVEN_UP: &str = "given-up";
/// What members signed.
const RECOVERY: &str = "files/recovery.json";

/// Why the state of the network before can't be taken over.
#[derive(Debug, thiserror::Error)]
pub enum SuccessionError {
    /// Nobody said where the export is.
    #[error("the genesis document has a predecessor, and node.toml names no export of it")]
    NoExport,
    /// A file can't be read or written, or a folder renamed.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The export does not hold.
    #[error("the export of the network before does not hold")]
    Export(#[source] ExportError),
    /// The members did not agree on this.
    #[error("the recovery file does not fit")]
    Recovery(#[source] RecoveryError),
    /// The genesis document is another than the one that they agreed on.
    #[error("the members agreed on the genesis {agreed}, and this node has {found}")]
    OtherGenesis {
        /// What they signed.
        agreed: B256,
        /// What is in the node's files.
        found: B256,
    },
    /// What the node has is of another network.
    #[error(
        "the genesis document continues the network with genesis {expected}, and the ledger of this \
         node is of {found}"
    )]
    OtherNetwork {
        /// Whose ledger is here.
        found: B256,
        /// Whose it should be.
        expected: B256,
    },
    /// What the node has is another chain.
    #[error(
        "the export is of block {number} with the hash {expected}, and this node has {found} as the \
         final block there"
    )]
    OtherBlock {
        /// The block that the export is of.
        number: u64,
        /// What the node has there.
        found: B256,
        /// What the document names.
        expected: B256,
    },
    /// What the node has can't be looked at.
    #[error("the ledger of the network before cannot be opened")]
    Before(#[source] StoreError),
    /// What the node has can't be read.
    #[error("the ledger of the network before cannot be read")]
    BeforeChain(#[source] ChainError),
    /// Too few signed.
    #[error("{signed} of {members} members signed the recovery; {needed} have to")]
    TooFew {
        /// How many did.
        signed: usize,
        /// How many active members there are.
        members: usize,
        /// How many have to.
        needed: usize,
    },
    /// Blocks would be given up that are final here, and not everybody agreed who has a say in it.
    #[error(
        "block {tip} is final here, and the recovery begins anew after block {number}: blocks are given \
         up only if every member signed that is active after either of the two; missing: {}",
        names(missing)
    )]
    GivesUp {
        /// The newest block of this node.
        tip: u64,
        /// The block that the export is of.
        number: u64,
        /// Who did not sign.
        missing: Vec<Seat>,
    },
    /// The store of the new ledger can't be made.
    #[error("the new ledger cannot be made")]
    Store(#[source] StoreError),
    /// The state can't be loaded.
    #[error("the state cannot be loaded")]
    Found(#[source] FoundError),
}

/// Members with their accounts, in words.
fn names(members: &[Seat]) -> String {
    let names = members.iter().map(|one| format!("{} ({:#x})", one.organization, one.account));
    names.collect::<Vec<_>>().join(", ")
}

/// A ledger with final blocks that the export has not.
struct Newer {
    store: RedbStore,
    tip: Tip,
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> SuccessionError {
    let path = path.to_owned();
    move |source| SuccessionError::File { path, source }
}

/// Brings a node's directory to the network of its genesis document, if that has a predecessor.
pub fn prepare(
    directory: &Path,
    export: Option<&Path>,
    genesis: &Genesis,
) -> Result<(), SuccessionError> {
    let Some(predecessor) = &genesis.predecessor else { return Ok(()) };
    let (data, fresh) = (directory.join(DATA), directory.join(FRESH));
    let mark = genesis.hash().to_string();
    let is_of = |data: &Path| {
        fs::read_to_string(data.join(NETWORK)).is_ok_and(|network| network.trim() == mark)
    };
    if is_of(&data) {
        return Ok(());
    }
    if is_of(&fresh) && !data.exists() {
        // Broken off between the last two steps.
        fs::rename(&fresh, &data).map_err(failed(&fresh))?;
        return sync(directory);
    }
    let export = export.ok_or(SuccessionError::NoExport)?;
    let file = data.join(ledger::FILE);
    let newer = compare(&file, predecessor)?;
    let (judged, before) = check(directory, export, (genesis, predecessor))?;
    let given_up = match newer {
        Some(newer) => Some(give_up(&file, newer, (&judged, &before, predecessor))?),
        None => None,
    };
    match fs::remove_dir_all(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&fresh)(error)),
        Ok(()) | Err(_) => {}
    }
    fs::create_dir(&fresh).map_err(failed(&fresh))?;
    begin(&fresh.join(ledger::FILE), export, genesis)?;
    let aside = aside(directory, predecessor.genesis)?;
    ledger::keep_pending(&data, &fresh).map_err(failed(&data.join(ledger::PENDING_FILE)))?;
    write_synced(&fresh.join(NETWORK), mark.as_bytes())?;
    sync(&fresh)?;
    if let Some(what) = given_up {
        write_synced(&data.join(GIVEN_UP), what.as_bytes())?;
        tracing::error!(kept = %aside.display(), "{what}");
    }
    if data.exists() {
        fs::rename(&data, &aside).map_err(failed(&data))?;
        tracing::warn!(kept = %aside.display(), "the data of the network before was set aside");
    }
    fs::rename(&fresh, &data).map_err(failed(&fresh))?;
    sync(directory)?;
    tracing::warn!(
        predecessor = %predecessor.genesis,
        block = predecessor.number,
        genesis = %mark,
        "the network begins anew with the state of its predecessor, as its members agreed"
    );
    Ok(())
}

/// That what the node has is of the network before, as far as it can be read. The ledger, if it has
/// blocks that come after the one that the members agreed on.
fn compare(file: &Path, predecessor: &Predecessor) -> Result<Option<Newer>, SuccessionError> {
    if !file.try_exists().map_err(failed(file))? {
        return Ok(None);
    }
    let store = match RedbStore::open(file) {
        Ok(store) => store,
        Err(error) if StoreError::is_damage(&error) => {
            unreadable(file, &error);
            return Ok(None);
        }
        Err(error) => return Err(SuccessionError::Before(error)),
    };
    let held = match held(&store, predecessor.number) {
        Ok(held) => held,
        Err(error) if StoreError::is_damage(&error) => {
            unreadable(file, &error);
            return Ok(None);
        }
        Err(error) => return Err(SuccessionError::BeforeChain(error)),
    };
    let Some(Held { genesis, tip, block }) = held else { return Ok(None) };
    let number = predecessor.number;
    if genesis != predecessor.genesis {
        let (found, expected) = (genesis, predecessor.genesis);
        return Err(SuccessionError::OtherNetwork { found, expected });
    }
    if let Some(found) = block.filter(|hash| *hash != predecessor.hash) {
        return Err(SuccessionError::OtherBlock { number, found, expected: predecessor.hash });
    }
    Ok(tip.filter(|tip| tip.number > number).map(|tip| Newer { store, tip }))
}

/// That everybody agreed who has a say in giving up these blocks; what is given up, in words.
fn give_up(
    file: &Path,
    Newer { store, tip }: Newer,
    (judged, before, predecessor): (&Judgement, &Genesis, &Predecessor),
) -> Result<String, SuccessionError> {
    let number = predecessor.number;
    let members = Chain::open(store, before).and_then(|chain| chain.active_members());
    let members = match members {
        Ok(members) => members,
        // Its own state can't name anybody; the export still does.
        Err(error) if StoreError::is_damage(&error) => {
            unreadable(file, &error);
            Vec::new()
        }
        Err(error) => return Err(SuccessionError::BeforeChain(error)),
    };
    let missing = judged.missing(members);
    if !missing.is_empty() {
        return Err(SuccessionError::GivesUp { tip: tip.number, number, missing });
    }
    Ok(format!(
        "block {} ({}) was final here, and the members began anew after block {number}: the blocks \
         between are given up\n",
        tip.number, tip.hash
    ))
}

/// A damaged ledger says nothing; it must not keep the node from beginning anew.
fn unreadable(file: &Path, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(
        file = %file.display(),
        error,
        "the ledger of the network before is damaged: it can't be compared with the export"
    );
}

/// That the members agreed on this document; who did, and the document of the network before.
fn check(
    directory: &Path,
    export: &Path,
    (genesis, predecessor): (&Genesis, &Predecessor),
) -> Result<(Judgement, Genesis), SuccessionError> {
    let path = directory.join(RECOVERY);
    let bytes = fs::read(&path).map_err(failed(&path))?;
    let agreed = Recovery::from_json(&bytes).map_err(SuccessionError::Recovery)?;
    let exported = export::verify_of(open(export)?, predecessor.genesis);
    let exported = exported.map_err(SuccessionError::Export)?;
    let judged = recovery::judge(&exported, &agreed).map_err(SuccessionError::Recovery)?;
    let (agreed, found) = (judged.successor, genesis.hash());
    if agreed != found {
        return Err(SuccessionError::OtherGenesis { agreed, found });
    }
    if !judged.suffices() {
        let (signed, members, needed) = (judged.signed(), judged.members.len(), judged.needed());
        return Err(SuccessionError::TooFew { signed, members, needed });
    }
    Ok((judged, exported.genesis))
}

fn begin(path: &Path, export: &Path, genesis: &Genesis) -> Result<(), SuccessionError> {
    let store = RedbStore::open(path).map_err(SuccessionError::Store)?;
    found(&store, genesis, open(export)?).map_err(SuccessionError::Found)
}

fn open(export: &Path) -> Result<BufReader<File>, SuccessionError> {
    Ok(BufReader::with_capacity(1 << 20, File::open(export).map_err(failed(export))?))
}

/// A name that nothing has yet.
fn aside(directory: &Path, genesis: B256) -> Result<PathBuf, SuccessionError> {
    let name = format!("{DATA}-of-{}", &alloy_primitives::hex::encode(genesis)[..16]);
    let names = (2..).map(|count: u32| format!("{name}-{count}"));
    for name in std::iter::once(name.clone()).chain(names) {
        let path = directory.join(name);
        if !path.try_exists().map_err(failed(&path))? {
            return Ok(path);
        }
    }
    unreachable!("numbers do not end")
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), SuccessionError> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(failed(path))
}

fn sync(path: &Path) -> Result<(), SuccessionError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(failed(path))
}

#[cfg(test)]
mod tests;
