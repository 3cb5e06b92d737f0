//! Taking an answer: what it says is checked, then committed.

use std::collections::BTreeMap;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::EMPTY_ROOT_HASH;
use windlass_proof::{ProvenBlock, proven_account};

use super::blocks::{ANSWER_BLOCKS, checked};
use super::import::{Importer, Pivot, lacking_codes};
use super::serve::LAST;
use super::{
    ANSWER_CHANGES, ASKED, AccountStorage, Accounts, Anchor, BlockRecord, Changed, Refusal,
    SlotEntry, Storage, SyncError, exact,
};
use crate::chain::{Shown, put_block, put_logs};
use crate::state::base::hashed;
use crate::state::record::{decode_account, read_account};
use crate::state::trie::{RangeError, check_range};
use crate::state::{Account, keys, root};
use crate::store::Batch;

impl Importer {
    pub(super) fn take_changes(
        &mut self,
        changes: &[windlass_proof::Change],
    ) -> Result<bool, SyncError> {
        let refused = |reason: String| SyncError::Refused(Refusal::Validators(reason));
        let advanced = self
            .checkpoint
            .advance(changes)
            .map_err(|error| refused(format!("{error}: {}", error.reason)))?;
        let mut batch = Batch::default();
        for change in changes {
            let header: Header =
                exact(&change.header).ok_or_else(|| refused("its header is none".to_owned()))?;
            let ended = header.number / self.checkpoint.epoch_length;
            // What is before the checkpoint was not looked at.
            if ended < self.checkpoint.epoch {
                continue;
            }
            self.validators.clone_from(&change.validators);
            let pairs = change.validators.iter().flat_map(|one| [one.node_key, one.consensus_key]);
            let shown = Shown {
                block: header.number,
                account_proof: change.account_proof.clone(),
                storage_proof: change.storage_proof.clone(),
                keys: pairs.collect(),
            };
            batch.put(keys::validator_change(ended + 1), alloy_rlp::encode(&shown));
            let anchor =
                Anchor { header: change.header.clone(), certificate: change.certificate.clone() };
            batch.put(keys::change_block(header.number), alloy_rlp::encode(&anchor));
        }
        self.store.commit(batch)?;
        self.followed = changes.len() < ANSWER_CHANGES;
        let news = advanced.epoch > self.checkpoint.epoch;
        self.checkpoint = advanced;
        Ok(news)
    }

    /// The certified block of an anchor; `None` where it may be by validators that aren't known yet, or
    /// is older than what is here.
    fn anchored(&mut self, anchor: &Anchor) -> Result<Option<ProvenBlock>, SyncError> {
        let block = match self.checkpoint.certified(&anchor.header, &anchor.certificate) {
            Ok(block) => block,
            Err(error) if self.doubted == Some(self.checkpoint.epoch) => {
                let reason = format!("{error}: {}", error.reason);
                return Err(SyncError::Refused(Refusal::Anchor(reason)));
            }
            Err(_unknown) => {
                self.doubted = Some(self.checkpoint.epoch);
                self.followed = false;
                return Ok(None);
            }
        };
        self.doubted = None;
        self.tip = self.tip.max(block.number);
        self.check_age()?;
        Ok((block.number >= self.plan.base).then_some(block))
    }

    pub(super) fn take_accounts(
        &mut self,
        index: u8,
        from: &B256,
        to: &B256,
        range: &Accounts,
    ) -> Result<bool, SyncError> {
        let Some(block) = self.anchored(&range.anchor)? else { return Ok(false) };
        if range.end > *to {
            return Err(SyncError::Refused(Refusal::Foreign));
        }
        let mut bytes = 0;
        let mut leaves = Vec::with_capacity(range.accounts.len());
        let mut accounts = Vec::with_capacity(range.accounts.len());
        for entry in &range.accounts {
            let account = decode_account(&entry.record)
                .map_err(|error| SyncError::Refused(Refusal::Range(error.to_string())))?;
            let mut value = Vec::new();
            account.encode(&mut value);
            leaves.push((hashed(entry.address), value));
            accounts.push((entry.address, Some(account)));
            bytes += entry.record.len() + 20;
        }
        check_range(block.header.state_root, from, &range.end, &leaves, &range.proof)
            .map_err(|error| refused_range(&error))?;
        self.begin(&block);
        self.plan.count(accounts.len(), 0, bytes);
        self.plan.pass(index, range.end);
        self.apply(accounts, BTreeMap::new())?;
        Ok(true)
    }

    pub(super) fn take_storage(
        &mut self,
        index: u8,
        asked: &[B256],
        from: B256,
        storage: &Storage,
    ) -> Result<bool, SyncError> {
        let Some(block) = self.anchored(&storage.anchor)? else { return Ok(false) };
        if storage.accounts.is_empty() || storage.accounts.len() > asked.len() {
            return Err(SyncError::Refused(Refusal::Foreign));
        }
        let snapshot = self.store.snapshot()?;
        let (mut from, mut slots) = (from, BTreeMap::new());
        for (hash, part) in asked.iter().zip(&storage.accounts) {
            let here = snapshot.get(&keys::hashed_account(hash))?;
            if let Some((address, _)) = here.as_deref().and_then(read_account) {
                check_storage(block.header.state_root, address, from, part)?;
                slots.insert(address, part.slots.clone());
            }
            from = B256::ZERO;
        }
        let parts: Vec<_> =
            asked.iter().copied().zip(storage.accounts.iter().map(|part| part.end)).collect();
        if parts[..parts.len() - 1].iter().any(|(_, end)| *end < LAST) {
            return Err(SyncError::Refused(Refusal::Foreign));
        }
        let count = slots.values().map(Vec::len).sum();
        self.plan.count(0, count, count * 64);
        self.plan.pass_storage(index, &parts);
        // Fewer than a request may name: no other account of the segment has storage.
        if parts.len() == asked.len() && asked.len() < ASKED {
            self.plan.end_storage(index);
        }
        drop(snapshot);
        self.apply(Vec::new(), slots)?;
        Ok(true)
    }

    pub(super) fn take_codes(
        &mut self,
        hashes: &[B256],
        codes: Vec<Bytes>,
    ) -> Result<bool, SyncError> {
        if codes.len() > hashes.len() {
            return Err(SyncError::Refused(Refusal::Foreign));
        }
        let mut batch = Batch::default();
        let news = !codes.is_empty();
        for (hash, code) in hashes.iter().zip(codes) {
            if keccak256(&code) != *hash {
                return Err(SyncError::Refused(Refusal::Code));
            }
            batch.put(keys::code(hash), code.to_vec());
            batch.delete(keys::lacking_code(hash));
        }
        self.store.commit(batch)?;
        Ok(news)
    }

    pub(super) fn take_changed(&mut self, after: u64, changed: Changed) -> Result<bool, SyncError> {
        let Some(block) = self.anchored(&changed.anchor)? else { return Ok(false) };
        let spans = after == self.plan.base && changed.to >= after && changed.to <= block.number;
        if !spans || (changed.to == after && block.number > after) {
            return Err(SyncError::Refused(Refusal::Foreign));
        }
        let account = |record: &Bytes| -> Result<Option<Account>, SyncError> {
            let read = (!record.is_empty()).then(|| decode_account(record)).transpose();
            read.map_err(|error| SyncError::Refused(Refusal::Range(error.to_string())))
        };
        let accounts = changed.accounts.iter();
        let accounts = accounts.map(|entry| Ok((entry.address, account(&entry.record)?)));
        let accounts = accounts.collect::<Result<Vec<_>, SyncError>>()?;
        let slots = changed.slots.into_iter().map(|part| (part.address, part.slots)).collect();
        let was_whole = self.plan.is_complete();
        self.plan.base = changed.to;
        let found = self.apply(accounts, slots)?;
        let whole = was_whole && lacking_codes(self.store.snapshot()?.as_ref())?.is_empty();
        if changed.to < block.number || !whole {
            return Ok(true);
        }
        let (number, expected) = (block.number, block.header.state_root);
        if found != expected {
            return Err(SyncError::Spoilt { number, found, expected });
        }
        let last = (number + 1).saturating_sub(self.last_blocks).max(1);
        let (certificate, next) = (changed.anchor.certificate, (block.hash, number));
        self.pivot = Some(Pivot { block, certificate, next, last });
        Ok(true)
    }

    pub(super) fn take_blocks(&mut self, records: &[BlockRecord]) -> Result<bool, SyncError> {
        let pivot = self.pivot.as_mut().ok_or(SyncError::Refused(Refusal::Foreign))?;
        let mut batch = Batch::default();
        let mut next = pivot.next;
        for record in records.iter().take(usize::try_from(ANSWER_BLOCKS).unwrap_or(0)) {
            if next.1 < pivot.last {
                break;
            }
            let (block, receipts) = checked(record, next.0, self.fees)?;
            put_block(&mut batch, &block, &receipts);
            put_logs(&mut batch, block.number(), &receipts);
            next = (block.parent_hash(), block.number() - 1);
        }
        self.store.commit(batch)?;
        let news = next != pivot.next;
        pivot.next = next;
        Ok(news)
    }
}

/// Checks a part of an account's storage, down from the state root.
fn check_storage(
    state_root: B256,
    address: Address,
    from: B256,
    part: &AccountStorage,
) -> Result<(), SyncError> {
    let account = proven_account(state_root, address, &part.account_proof).map_err(|error| {
        SyncError::Refused(Refusal::Range(format!("{error}: {}", error.reason)))
    })?;
    let root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
    let leaf = |entry: &SlotEntry| (root::hash_slot(&entry.slot), alloy_rlp::encode(entry.value));
    let leaves: Vec<_> = part.slots.iter().map(leaf).collect();
    check_range(root, &from, &part.end, &leaves, &part.proof).map_err(|error| refused_range(&error))
}

fn refused_range(error: &RangeError) -> SyncError {
    SyncError::Refused(Refusal::Range(error.to_string()))
}
