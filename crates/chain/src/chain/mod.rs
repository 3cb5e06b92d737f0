//! The ledger of one network: build, validate, finalise, read.
//!
//! The tip is the last final block. Executed blocks above it are layers in memory, children of the
//! tip or of each other; several may compete. Finalising one writes its layer in one durable batch
//! and drops the layers that are no longer above the tip. Executing and reading take a consistent
//! view (layers and a snapshot of the store) under a short lock and then run without any.

mod evidence;
mod export;
mod finalize;
mod found;
mod held;
mod history;
mod logs;
mod produce;
mod prove;
mod read;
mod rewind;
mod simulate;
mod trace;
mod types;
mod validators;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, Sealed, U256};
use alloy_rlp::Decodable;
use windlass_proof::Validator;

pub use self::evidence::{Evidence, MAX_EVIDENCE, MAX_EVIDENCE_OF_ONE};
pub use self::export::{ExportPage, ExportPageError};
pub(crate) use self::finalize::{put_block, put_logs, put_state};
pub use self::found::{FoundError, found};
pub use self::held::{Held, held};
pub(crate) use self::history::touched;
pub use self::prove::ProveError;
pub(crate) use self::prove::Shown;
pub(crate) use self::read::{stored_block, stored_receipts};
pub use self::simulate::{BlockRequest, MOST_BLOCKS, SimulatedBlock};
pub use self::types::{
    At, Attributes, BlockRef, Built, ChainError, Filter, InvalidBlock, LogEntry, LogsError, Room,
    Skipped, Tip, TransactionLocation, ValidateError,
};
pub use self::validators::NextState;
pub(crate) use self::validators::committee_record;
use crate::block::{Block, timestamp_ms};
use crate::execute::codes::CodeCache;
use crate::genesis::{Genesis, GenesisAccount};
use crate::rules::RuleSet;
use crate::state::base::Base;
use crate::state::layer::{Change, Changes, Layer};
use crate::state::{StateView, keys, root};
use crate::store::{Batch, MemoryStore, Snapshot, Store};

/// The format of the database; it rises with every change that older programs can't read.
pub(crate) const FORMAT: u64 = 3;

/// How many blocks back the state can be read, by default.
pub(crate) const STATE_WINDOW: u64 = 8_192;

/// How many blocks back the state has tries, by default.
pub const PROOF_WINDOW: u64 = 256;

/// The ledger of one network.
pub struct Chain {
    rules: RuleSet,
    store: Box<dyn Store>,
    genesis_hash: B256,
    /// Who votes until the members decide otherwise.
    founders: Vec<Validator>,
    state_window: u64,
    proof_window: u64,
    codes: CodeCache,
    /// Held while a block is made final: there is one writer.
    writer: Mutex<()>,
    head: Mutex<Head>,
    /// Certificates that are not written yet.
    certificates: Mutex<BTreeMap<u64, Bytes>>,
}

/// What is final, and what is executed above it.
struct Head {
    tip: Tip,
    header: Arc<Header>,
    layers: BTreeMap<B256, Arc<Layer>>,
}

/// A block to build on, and the state at its end.
pub(crate) struct Ground {
    pub(crate) header: Arc<Header>,
    pub(crate) base: Base,
}

impl Chain {
    /// Opens the ledger of a Windlass network; writes the genesis to an empty store.
    pub fn open(store: impl Store, genesis: &Genesis) -> Result<Self, ChainError> {
        let rules = RuleSet::windlass(genesis);
        // Block 0 commits to the document: a ledger that has it needs no state made anew.
        let mut chain = match stored_genesis(&store)? {
            Some(block) if block.header().extra_data[..] == genesis.document_hash()[..] => {
                Self::open_with(store, rules, &block, &BTreeMap::new())?
            }
            None if genesis.predecessor.is_some() => return Err(ChainError::Unfounded),
            Some(_) | None => Self::open_with(store, rules, &genesis.block(), &genesis.accounts())?,
        };
        let founders = genesis
            .validators()
            .map(|one| Validator { node_key: one.node_key, consensus_key: one.consensus_key });
        chain.founders = founders.collect();
        Ok(chain)
    }

    /// Opens a ledger with any rules, genesis block and state; its state root must be the block's.
    pub fn open_with(
        store: impl Store,
        rules: RuleSet,
        genesis: &Block,
        accounts: &BTreeMap<Address, GenesisAccount>,
    ) -> Result<Self, ChainError> {
        let snapshot = store.snapshot()?;
        match snapshot.get(keys::FORMAT)? {
            Some(format) => check_format(&format)?,
            None => write_genesis(&store, genesis, accounts)?,
        }
        let snapshot = store.snapshot()?;
        let found = snapshot.get(keys::GENESIS)?.unwrap_or_default();
        if found != genesis.hash().as_slice() {
            let found = B256::try_from(found.as_slice())
                .ok()
                .ok_or_else(|| ChainError::Damaged("genesis hash".to_owned()))?;
            return Err(ChainError::OtherGenesis { found, expected: genesis.hash() });
        }
        let (tip, header) = stored_tip(snapshot.as_ref())?;
        Ok(Self {
            rules,
            store: Box::new(store),
            genesis_hash: genesis.hash(),
            founders: Vec::new(),
            state_window: STATE_WINDOW,
            proof_window: PROOF_WINDOW,
            codes: CodeCache::default(),
            writer: Mutex::default(),
            head: Mutex::new(Head { tip, header: Arc::new(header), layers: BTreeMap::new() }),
            certificates: Mutex::default(),
        })
    }

    /// The same ledger with another window of readable states: so many blocks before the tip, one at least.
    #[must_use]
    pub fn with_state_window(mut self, blocks: u64) -> Self {
        self.state_window = blocks.max(1);
        self
    }

    /// The same ledger, which keeps every state from now on, and makes the tries of any that it has.
    #[must_use]
    pub fn with_archive(mut self) -> Self {
        (self.state_window, self.proof_window) = (u64::MAX, u64::MAX);
        self
    }

    /// How many blocks before the tip have states with tries.
    pub fn proof_window(&self) -> u64 {
        self.proof_window
    }

    /// How many blocks before the tip have states that can be read.
    pub fn state_window(&self) -> u64 {
        self.state_window
    }

    /// The oldest block whose state can be read.
    pub fn oldest_state(&self) -> Result<u64, ChainError> {
        Ok(stored_u64(self.snapshot()?.as_ref(), keys::OLDEST)?.unwrap_or(0))
    }

    /// The rules of the chain.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// The hash of block 0.
    pub fn genesis_hash(&self) -> B256 {
        self.genesis_hash
    }

    /// The last final block.
    pub fn tip(&self) -> Tip {
        self.head().tip
    }

    /// Whether the block is final or was executed here, so that another can be built on it.
    pub fn is_executed(&self, hash: B256) -> bool {
        let head = self.head();
        head.tip.hash == hash || head.layers.contains_key(&hash)
    }

    /// The block whose state the ledger began with; 0 where that is the genesis.
    pub fn floor(&self) -> Result<u64, ChainError> {
        Ok(stored_u64(self.snapshot()?.as_ref(), keys::FLOOR)?.unwrap_or(0))
    }

    /// The first block from which on all are there; 0 where that is the genesis.
    pub fn first_block(&self) -> Result<u64, ChainError> {
        Ok(stored_u64(self.snapshot()?.as_ref(), keys::FIRST)?.unwrap_or(0))
    }

    /// An error for a block that is older than those that are there; the genesis always is.
    pub fn check_history(&self, number: u64) -> Result<(), ChainError> {
        let first = self.first_block()?;
        if (1..first).contains(&number) {
            return Err(ChainError::HistoryLacking { first });
        }
        Ok(())
    }

    pub(crate) fn snapshot(&self) -> Result<Box<dyn Snapshot>, ChainError> {
        Ok(self.store.snapshot()?)
    }

    /// Commits what is no block.
    pub(crate) fn commit_batch(&self, batch: Batch) -> Result<(), ChainError> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.store.commit(batch)?)
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The block to build on and the state at its end.
    pub(crate) fn ground(&self, parent: B256) -> Result<Ground, ChainError> {
        let (layers, header) = {
            let head = self.head();
            let mut layers = Vec::new();
            let mut hash = parent;
            while let Some(layer) = head.layers.get(&hash) {
                layers.push(Arc::clone(layer));
                hash = layer.block.parent_hash();
            }
            if hash != head.tip.hash {
                return Err(ChainError::UnknownParent(parent));
            }
            let header = match layers.first() {
                Some(layer) => Arc::new(layer.block.header().clone()),
                None => Arc::clone(&head.header),
            };
            (layers, header)
        };
        let snapshot = self.store.snapshot()?;
        // Meanwhile a block may have become final: right where it is one of the layers, or the
        // parent's own ancestor; a competitor's state must not be mixed with these layers.
        let (stored, _) = stored_tip(snapshot.as_ref())?;
        let known = layers.iter().any(|layer| layer.block.hash() == stored.hash)
            || layers.last().map_or(parent, |layer| layer.block.parent_hash()) == stored.hash;
        if !known {
            return Err(ChainError::UnknownParent(parent));
        }
        Ok(Ground { header, base: Base::new(layers, snapshot, None) })
    }

    /// The state at a final block's end.
    pub fn state(&self, at: At) -> Result<StateView, ChainError> {
        let snapshot = self.store.snapshot()?;
        let (tip, _) = stored_tip(snapshot.as_ref())?;
        let number = match at {
            At::Latest => tip.number,
            At::Number(number) => number,
            At::Hash(hash) => {
                stored_number(snapshot.as_ref(), hash)?.ok_or(ChainError::UnknownBlock)?
            }
        };
        if number > tip.number {
            return Err(ChainError::UnknownBlock);
        }
        let oldest = stored_u64(snapshot.as_ref(), keys::OLDEST)?.unwrap_or(0);
        if number < oldest {
            return Err(ChainError::StatePruned { number, oldest });
        }
        let past = (number < tip.number).then_some(number);
        Ok(StateView { number, base: Base::new(Vec::new(), snapshot, past) })
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("genesis_hash", &self.genesis_hash)
            .field("tip", &self.tip())
            .finish_non_exhaustive()
    }
}

pub(crate) fn check_format(record: &[u8]) -> Result<(), ChainError> {
    let damaged = || ChainError::Damaged("format version".to_owned());
    let found = u64::from_be_bytes(record.try_into().ok().ok_or_else(damaged)?);
    match found.cmp(&FORMAT) {
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(ChainError::NewerFormat { found, known: FORMAT }),
        Ordering::Less => Err(ChainError::OlderFormat { found, known: FORMAT }),
    }
}

fn write_genesis(
    store: &impl Store,
    genesis: &Block,
    accounts: &BTreeMap<Address, GenesisAccount>,
) -> Result<(), ChainError> {
    let mut changes = Changes::default();
    for (address, genesis) in accounts {
        let after = Some(genesis.account());
        changes.accounts.insert(*address, Change { before: None, after });
        if !genesis.code.is_empty() {
            let hash = alloy_primitives::keccak256(&genesis.code);
            changes.codes.insert(hash, genesis.code.clone());
        }
        let slots: BTreeMap<U256, Change<U256>> = genesis
            .storage
            .iter()
            .map(|(slot, value)| {
                ((*slot).into(), Change { before: U256::ZERO, after: (*value).into() })
            })
            .collect();
        if !slots.is_empty() {
            changes.storage.insert(*address, slots);
        }
    }
    let nothing = Base::new(Vec::new(), MemoryStore::default().snapshot()?, None);
    let state_root = root::seal(&nothing, &mut changes, &[])?;
    if state_root != genesis.header().state_root {
        return Err(ChainError::Damaged("the genesis state does not match its block".to_owned()));
    }
    let mut batch = finalize::batch(genesis, &[], &changes, None)?;
    batch.put(keys::FORMAT.to_vec(), FORMAT.to_be_bytes().to_vec());
    batch.put(keys::GENESIS.to_vec(), genesis.hash().to_vec());
    store.commit(batch)?;
    Ok(())
}

pub(crate) fn stored_u64(snapshot: &dyn Snapshot, key: &[u8]) -> Result<Option<u64>, ChainError> {
    let Some(record) = snapshot.get(key)? else { return Ok(None) };
    let bytes = record.try_into().ok().ok_or_else(|| ChainError::Damaged("number".to_owned()))?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

fn stored_number(snapshot: &dyn Snapshot, hash: B256) -> Result<Option<u64>, ChainError> {
    stored_u64(snapshot, &keys::block_number(&hash))
}

pub(crate) fn stored_header(
    snapshot: &dyn Snapshot,
    number: u64,
) -> Result<Option<Sealed<Header>>, ChainError> {
    let Some(record) = snapshot.get(&keys::header(number))? else { return Ok(None) };
    let damaged = || ChainError::Damaged(format!("header {number}"));
    let (hash, mut rlp) = record.split_at_checked(32).ok_or_else(damaged)?;
    let header = Header::decode(&mut rlp).ok().ok_or_else(damaged)?;
    Ok(Some(Sealed::new_unchecked(header, B256::from_slice(hash))))
}

/// Block 0 of a store that has one.
fn stored_genesis(store: &impl Store) -> Result<Option<Block>, ChainError> {
    let snapshot = store.snapshot()?;
    match snapshot.get(keys::FORMAT)? {
        Some(format) => check_format(&format)?,
        None => return Ok(None),
    }
    stored_block(snapshot.as_ref(), 0)
}

pub(crate) fn stored_tip(snapshot: &dyn Snapshot) -> Result<(Tip, Header), ChainError> {
    let number =
        stored_u64(snapshot, keys::TIP)?.ok_or_else(|| ChainError::Damaged("tip".to_owned()))?;
    let header = stored_header(snapshot, number)?
        .ok_or_else(|| ChainError::Damaged("header of the tip".to_owned()))?;
    let (header, hash) = header.into_parts();
    Ok((Tip { number, hash, timestamp_ms: timestamp_ms(&header) }, header))
}

/// The first number that a scan finds behind a key's prefix.
fn first_number(
    snapshot: &dyn Snapshot,
    start: &[u8],
    end: &[u8],
) -> Result<Option<(u64, Vec<u8>)>, ChainError> {
    let mut found = None;
    snapshot.scan(start, end, &mut |key, value| {
        found = keys::number_of(key).map(|number| (number, value.to_vec()));
        ControlFlow::Break(())
    })?;
    Ok(found)
}
