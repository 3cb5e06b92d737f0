//! Reading the state at one block: layers in memory above a snapshot of the store.

use std::ops::ControlFlow;
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::KECCAK_EMPTY;
use nybbles::Nibbles;

use super::history::{Replaced, Trail};
use super::keys::{self, Owner};
use super::layer::Layer;
use super::record::{
    ReadTrail, account_trail, decode_account, decode_slot, read_account, read_gone, read_slot,
    slot_trail,
};
use super::{Account, trie};
use crate::block::Block;
use crate::chain::{ChainError, stored_block};
use crate::store::Snapshot;

/// The state at one block.
pub(crate) struct Base {
    /// Executed blocks above the snapshot's, the newest first.
    layers: Vec<Arc<Layer>>,
    snapshot: Box<dyn Snapshot>,
    /// The block that is read where it is older than the snapshot's: its values are in the history.
    past: Option<u64>,
}

impl Base {
    pub(crate) fn new(
        layers: Vec<Arc<Layer>>,
        snapshot: Box<dyn Snapshot>,
        past: Option<u64>,
    ) -> Self {
        Self { layers, snapshot, past }
    }

    /// The state at the snapshot's own block.
    pub(crate) fn into_present(self) -> Self {
        Self { layers: Vec::new(), past: None, ..self }
    }

    /// The state after one more block.
    pub(crate) fn above(mut self, layer: Arc<Layer>) -> Self {
        self.layers.insert(0, layer);
        self
    }

    /// Whether it reads what is older than the snapshot.
    pub(crate) fn is_past(&self) -> bool {
        self.past.is_some()
    }

    pub(crate) fn snapshot(&self) -> &dyn Snapshot {
        self.snapshot.as_ref()
    }

    pub(crate) fn account(&self, address: &Address) -> Result<Option<Account>, ChainError> {
        for layer in &self.layers {
            if let Some(change) = layer.changes.accounts.get(address) {
                return Ok(change.after);
            }
        }
        let flat = keys::account(address);
        let record = self.snapshot.get(&flat)?;
        let key = |number| keys::account_change(number, address);
        if let Some(past) = self.past_value(&flat, record.as_deref(), account_trail, key)? {
            let account = Some(past).filter(|past| !past.is_empty());
            let account = account.map(|past| decode_account(&past));
            return account.transpose().map_err(|_malformed| damaged("account"));
        }
        let read = |record: Vec<u8>| {
            let account = read_account(&record).filter(|(found, _)| found == address);
            account.map(|(_, account)| account).ok_or_else(|| damaged("account"))
        };
        record.map(read).transpose()
    }

    pub(crate) fn slot(&self, address: &Address, slot: &U256) -> Result<U256, ChainError> {
        for layer in &self.layers {
            let change = layer.changes.storage.get(address).and_then(|slots| slots.get(slot));
            if let Some(change) = change {
                return Ok(change.after);
            }
        }
        let flat = keys::slot(address, slot);
        let record = self.snapshot.get(&flat)?;
        let key = |number| keys::slot_change(number, address, slot);
        if let Some(past) = self.past_value(&flat, record.as_deref(), slot_trail, key)? {
            return decode_slot(&past).ok_or_else(|| damaged("slot"));
        }
        let Some(record) = record else { return Ok(U256::ZERO) };
        let found = read_slot(&record).filter(|(found, _)| found == slot);
        found.map(|(_, value)| value).ok_or_else(|| damaged("slot"))
    }

    pub(crate) fn code(&self, hash: &B256) -> Result<Bytes, ChainError> {
        if *hash == KECCAK_EMPTY || hash.is_zero() {
            return Ok(Bytes::new());
        }
        for layer in &self.layers {
            if let Some(code) = layer.changes.codes.get(hash) {
                return Ok(code.clone());
            }
        }
        self.snapshot.get(&keys::code(hash))?.map(Bytes::from).ok_or_else(|| damaged("code"))
    }

    /// The hash of a block at or before this one.
    pub(crate) fn block_hash(&self, number: u64) -> Result<B256, ChainError> {
        for layer in &self.layers {
            if layer.block.number() == number {
                return Ok(layer.block.hash());
            }
        }
        let record = self.snapshot.get(&keys::header(number))?;
        Ok(record.and_then(|record| record.get(..32).map(B256::from_slice)).unwrap_or_default())
    }

    /// A block at or before this one.
    pub(crate) fn block(&self, number: u64) -> Result<Option<Block>, ChainError> {
        match self.layers.iter().find(|layer| layer.block.number() == number) {
            Some(layer) => Ok(Some(layer.block.clone())),
            None => stored_block(self.snapshot(), number),
        }
    }

    /// The nodes of one trie; only where the block is the snapshot's or in a layer.
    pub(crate) fn nodes(&self, owner: Owner) -> BaseNodes<'_> {
        BaseNodes { base: self, owner }
    }

    /// All slots of an account that are not zero.
    pub(crate) fn all_slots(&self, address: &Address) -> Result<Vec<(U256, U256)>, ChainError> {
        let mut slots = std::collections::BTreeMap::new();
        let (start, end) = keys::all_slots(&keccak256(address));
        self.snapshot.scan(&start, &end, &mut |_, record| {
            slots.extend(read_slot(record));
            ControlFlow::Continue(())
        })?;
        for layer in self.layers.iter().rev() {
            for (slot, change) in layer.changes.storage.get(address).into_iter().flatten() {
                slots.insert(*slot, change.after);
            }
        }
        Ok(slots.into_iter().filter(|(_, value)| !value.is_zero()).collect())
    }

    /// The keys of all nodes of an account's storage trie.
    pub(crate) fn all_nodes(&self, address: &Address) -> Result<Vec<Vec<u8>>, ChainError> {
        let mut nodes = std::collections::BTreeSet::new();
        let (start, end) = keys::nodes(address);
        self.snapshot.scan(&start, &end, &mut |key, _| {
            nodes.insert(key.to_vec());
            ControlFlow::Continue(())
        })?;
        for layer in self.layers.iter().rev() {
            for (key, record) in layer.changes.nodes.range(start.clone()..end.clone()) {
                match record {
                    Some(_) => nodes.insert(key.clone()),
                    None => nodes.remove(key),
                };
            }
        }
        Ok(nodes.into_iter().collect())
    }

    /// The value that the first change after the block replaced; `None` where nothing changed since.
    fn past_value(
        &self,
        flat: &[u8],
        record: Option<&[u8]>,
        read: ReadTrail,
        key: impl Fn(u64) -> Vec<u8>,
    ) -> Result<Option<Bytes>, ChainError> {
        let Some(number) = self.past else { return Ok(None) };
        let trail = trail_of(self.snapshot(), (flat, record), read)?;
        let first = first_change(self.snapshot(), trail, number, key)?;
        Ok(first.map(|(_, replaced)| replaced.value))
    }
}

impl std::fmt::Debug for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Base")
            .field("layers", &self.layers.len())
            .field("past", &self.past)
            .finish_non_exhaustive()
    }
}

/// The nodes of one trie.
pub(crate) struct BaseNodes<'a> {
    base: &'a Base,
    owner: Owner,
}

impl trie::Nodes for BaseNodes<'_> {
    type Error = ChainError;

    fn node(&self, path: &Nibbles) -> Result<Option<Vec<u8>>, ChainError> {
        let key = keys::node(self.owner, path);
        for layer in &self.base.layers {
            if let Some(record) = layer.changes.nodes.get(&key) {
                return Ok(record.clone());
            }
        }
        Ok(self.base.snapshot.get(&key)?)
    }

    fn damaged(what: String) -> ChainError {
        ChainError::Damaged(what)
    }
}

/// When a value changed, by the key of its record and the record, or by what is kept of it since it is gone.
pub(crate) fn trail_of(
    snapshot: &dyn Snapshot,
    (flat, record): (&[u8], Option<&[u8]>),
    read: ReadTrail,
) -> Result<Trail, ChainError> {
    let trail = if let Some(record) = record {
        read(record)
    } else {
        let gone = snapshot.get(&keys::gone(flat))?;
        let read = |record: Vec<u8>| read_gone(flat, &record).map(|(_, trail)| trail);
        gone.map_or(Some(Trail::default()), read)
    };
    trail.ok_or_else(|| damaged("trail"))
}

/// The first change of a value after a block, by its trail: the block that made it, and what it replaced.
pub(crate) fn first_change(
    snapshot: &dyn Snapshot,
    mut trail: Trail,
    after: u64,
    key: impl Fn(u64) -> Vec<u8>,
) -> Result<Option<(u64, Replaced)>, ChainError> {
    if trail.last() <= after {
        return Ok(None);
    }
    loop {
        let at = trail.nearest(after);
        let replaced = snapshot.get(&key(at))?.as_deref().and_then(Replaced::read);
        let replaced = replaced.ok_or_else(|| damaged("history"))?;
        trail = replaced.trail(at).ok_or_else(|| damaged("history"))?;
        if trail.nearest(after) == at {
            return Ok(Some((at, replaced)));
        }
    }
}

/// The key of an account or slot in its trie.
pub(crate) fn hashed(key: impl AsRef<[u8]>) -> Nibbles {
    Nibbles::unpack(keccak256(key))
}

fn damaged(what: &str) -> ChainError {
    ChainError::Damaged(format!("{what} record"))
}
