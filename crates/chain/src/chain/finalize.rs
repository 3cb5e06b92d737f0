//! Making a block final: one batch with everything, durable when it returns.

use std::sync::{Arc, PoisonError};

use alloy_primitives::{B256, Bytes};
use alloy_rlp::Encodable;

use super::history::{prune_block, put_state_with_history};
use super::types::{ChainError, Tip, ValidateError};
use super::{Chain, stored_u64};
use crate::block::Block;
use crate::execute::NoSenders;
use crate::receipt::Receipt;
use crate::state::history::Trail;
use crate::state::keys;
use crate::state::layer::{Changes, Layer};
use crate::state::record::{account_record, slot_record};
use crate::store::{Batch, Snapshot};

impl Chain {
    /// Makes a child of the tip final and durable; executes it first where it wasn't.
    /// A block that is final already is answered with its receipts.
    pub fn finalize(&self, block: &Block) -> Result<Vec<Receipt>, ValidateError> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let tip = self.tip();
        if block.number() <= tip.number {
            return self.already_final(block);
        }
        if block.parent_hash() != tip.hash {
            return Err(ValidateError::Chain(ChainError::NotFinalizable {
                number: block.number(),
                reason: format!("its parent is not the tip {}", tip.number),
            }));
        }
        let layer = self.layer_of(block)?;
        self.commit(&layer)?;
        let receipts = layer.receipts.clone();
        let mut head = self.head();
        head.tip =
            Tip { number: block.number(), hash: block.hash(), timestamp_ms: block.timestamp_ms() };
        head.header = Arc::new(block.header().clone());
        head.layers.remove(&block.hash());
        drop_orphans(&mut head.layers, block.hash());
        Ok(receipts)
    }

    /// Keeps the finality certificate that formed at exactly this block.
    ///
    /// It is written with the next block's commit, by [`Chain::flush`] and when the ledger is
    /// closed: a crash may lose a certificate, never a block.
    pub fn put_certificate(
        &self,
        number: u64,
        block_hash: B256,
        certificate: Bytes,
    ) -> Result<(), ChainError> {
        if self.header(number)?.is_some_and(|header| header.seal() != block_hash) {
            return Err(ChainError::UnknownBlock);
        }
        let mut pending = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        pending.insert(number, certificate);
        Ok(())
    }

    /// Writes the certificates that came since the last commit; costs a write only where there are.
    pub fn flush(&self) -> Result<(), ChainError> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Batch::default();
        let taken = self.put_certificates(&mut batch);
        if taken.is_empty() {
            return Ok(());
        }
        self.store.commit(batch)?;
        self.forget_certificates(&taken);
        Ok(())
    }

    fn put_certificates(&self, batch: &mut Batch) -> Vec<u64> {
        let pending = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, certificate) in pending.iter() {
            batch.put(keys::certificate(*number), certificate.to_vec());
        }
        pending.keys().copied().collect()
    }

    fn forget_certificates(&self, written: &[u64]) {
        let mut pending = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        for number in written {
            pending.remove(number);
        }
    }

    fn already_final(&self, block: &Block) -> Result<Vec<Receipt>, ValidateError> {
        match self.receipts(block.hash())? {
            Some(receipts) => Ok(receipts),
            None => Err(ValidateError::Chain(ChainError::NotFinalizable {
                number: block.number(),
                reason: "another block is final at this number".to_owned(),
            })),
        }
    }

    fn layer_of(&self, block: &Block) -> Result<Arc<Layer>, ValidateError> {
        let known = self.head().layers.get(&block.hash()).map(Arc::clone);
        if let Some(layer) = known {
            return Ok(layer);
        }
        self.validate(block.parent_hash(), block, &NoSenders)?;
        let known = self.head().layers.get(&block.hash()).map(Arc::clone);
        Ok(known.expect("only the writer drops layers, and this is the writer"))
    }

    fn commit(&self, layer: &Layer) -> Result<(), ChainError> {
        let snapshot = self.store.snapshot()?;
        let history = Some(snapshot.as_ref());
        let mut batch = batch(&layer.block, &layer.receipts, &layer.changes, history)?;
        let written = self.put_certificates(&mut batch);
        self.prune(&mut batch, layer.block.number())?;
        self.store.commit(batch)?;
        self.forget_certificates(&written);
        Ok(())
    }

    /// Removes the states of all blocks but the tip and so many before it; tells of how many blocks.
    pub fn prune_states(&self, keep: u64) -> Result<u64, ChainError> {
        let before = self.oldest_state()?;
        loop {
            let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let mut batch = Batch::default();
            let oldest = self.prune_to(&mut batch, self.tip().number.saturating_sub(keep))?;
            if batch.is_empty() {
                return Ok(oldest - before);
            }
            self.store.commit(batch)?;
        }
    }

    /// Removes the history that only states older than the window need.
    fn prune(&self, batch: &mut Batch, tip: u64) -> Result<(), ChainError> {
        self.prune_to(batch, tip.saturating_sub(self.state_window)).map(drop)
    }

    /// Removes some of the history that only states before a block need; the oldest state that is left.
    fn prune_to(&self, batch: &mut Batch, target: u64) -> Result<u64, ChainError> {
        let snapshot = self.store.snapshot()?;
        let oldest = stored_u64(snapshot.as_ref(), keys::OLDEST)?.unwrap_or(0);
        if oldest >= target {
            return Ok(oldest);
        }
        // The states before block n need the values that n replaced. A few blocks at a time, so
        // that a window made smaller never makes one commit large.
        let target = target.min(oldest + 4);
        for number in oldest + 1..=target {
            prune_block(batch, snapshot.as_ref(), number)?;
        }
        batch.put(keys::OLDEST.to_vec(), target.to_be_bytes().to_vec());
        Ok(target)
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // Nobody is left to tell; a certificate that is lost is fetched from a peer again.
        drop(self.flush());
    }
}

/// Drops the layers that do not descend from the new tip.
fn drop_orphans(layers: &mut std::collections::BTreeMap<B256, Arc<Layer>>, tip: B256) {
    let mut kept = std::collections::BTreeSet::from([tip]);
    let mut by_number: Vec<_> =
        layers.iter().map(|(hash, layer)| (layer.block.number(), *hash)).collect();
    by_number.sort_unstable();
    for (_, hash) in by_number {
        if kept.contains(&layers[&hash].block.parent_hash()) {
            kept.insert(hash);
        } else {
            layers.remove(&hash);
        }
    }
}

/// All records of a block; with what it replaced, if the state before it is given.
pub(crate) fn batch(
    block: &Block,
    receipts: &[Receipt],
    changes: &Changes,
    history: Option<&dyn Snapshot>,
) -> Result<Batch, ChainError> {
    let mut batch = Batch::default();
    put_block(&mut batch, block, receipts);
    put_logs(&mut batch, block.number(), receipts);
    match history {
        Some(before) => put_state_with_history(&mut batch, block.number(), changes, before)?,
        None => put_state(&mut batch, changes),
    }
    batch.put(keys::TIP.to_vec(), block.number().to_be_bytes().to_vec());
    Ok(batch)
}

pub(crate) fn put_block(batch: &mut Batch, block: &Block, receipts: &[Receipt]) {
    let number = block.number();
    let mut header = block.hash().to_vec();
    block.header().encode(&mut header);
    batch.put(keys::header(number), header);
    batch.put(keys::body(number), alloy_rlp::encode(&block.as_inner().body));
    let mut encoded = Vec::new();
    alloy_rlp::encode_list(receipts, &mut encoded);
    batch.put(keys::receipts(number), encoded);
    batch.put(keys::block_number(&block.hash()), number.to_be_bytes().to_vec());
    for (index, transaction) in (0u32..).zip(block.transactions()) {
        let mut location = number.to_be_bytes().to_vec();
        location.extend_from_slice(&index.to_be_bytes());
        batch.put(keys::transaction(transaction.tx_hash()), location);
    }
}

pub(crate) fn put_logs(batch: &mut Batch, number: u64, receipts: &[Receipt]) {
    for log in receipts.iter().flat_map(|receipt| &receipt.logs) {
        batch.put(keys::log(0, log.address.as_slice(), number), Vec::new());
        for (position, topic) in (1u8..).zip(log.topics()) {
            batch.put(keys::log(position, topic.as_slice(), number), Vec::new());
        }
    }
}

/// Puts a state of which nothing earlier is kept.
pub(crate) fn put_state(batch: &mut Batch, changes: &Changes) {
    let untold = Trail::default();
    for (address, change) in &changes.accounts {
        let key = keys::account(address);
        match &change.after {
            Some(account) => batch.put(key, account_record(address, account, &untold)),
            None => batch.delete(key),
        }
    }
    for (address, slots) in &changes.storage {
        for (slot, change) in slots {
            let key = keys::slot(address, slot);
            if change.after.is_zero() {
                batch.delete(key);
            } else {
                batch.put(key, slot_record(slot, change.after, &untold));
            }
        }
    }
    put_rest(batch, changes);
}

/// Codes and nodes of the tries.
pub(super) fn put_rest(batch: &mut Batch, changes: &Changes) {
    for (hash, code) in &changes.codes {
        batch.put(keys::code(hash), code.to_vec());
    }
    for (key, record) in &changes.nodes {
        match record {
            Some(record) => batch.put(key.clone(), record.clone()),
            None => batch.delete(key.clone()),
        }
    }
}
