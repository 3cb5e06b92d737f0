//! Taking an answer: what it says is checked, then committed.

use std::collections::BTreeMap;
use std::{mem, slice};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::EMPTY_ROOT_HASH;
use windlass_proof::{ProofError, ProvenBlock, proven_account};

use super::blocks::{ANSWER_BLOCKS, checked};
use super::import::{Doubt, Importer, Voters};
use super::serve::LAST;
use super::{
    ANSWER_CHANGES, ASKED, AccountStorage, Accounts, Anchor, BlockRecord, Refusal, SlotEntry,
    Storage, SyncError, exact,
};
use crate::chain::{Shown, put_block, put_logs};
use crate::state::base::hashed;
use crate::state::record::{decode_account, read_account};
use crate::state::trie::{RangeError, check_range};
use crate::state::{keys, root};
use crate::store::Batch;

impl Importer {
    pub(super) fn take_changes(
        &mut self,
        changes: &[windlass_proof::Change],
    ) -> Result<bool, SyncError> {
        let refused = |reason: String| SyncError::Refused(Refusal::Validators(reason));
        let (mut voters, mut before) = (self.voters.clone(), self.before.clone());
        let mut batch = Batch::default();
        for change in changes {
            let header: Header =
                exact(&change.header).ok_or_else(|| refused("its header is none".to_owned()))?;
            let ended = header.number / voters.checkpoint.epoch_length;
            if ended < voters.checkpoint.epoch {
                continue;
            }
            let checkpoint = voters
                .checkpoint
                .advance(slice::from_ref(change))
                .map_err(|error| refused(format!("{error}: {}", error.reason)))?;
            let after = Voters { checkpoint, validators: change.validators.clone() };
            before = Some(mem::replace(&mut voters, after));
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
        let news = voters.checkpoint.epoch > self.voters.checkpoint.epoch;
        if news {
            self.doubt = Doubt::None;
        }
        (self.voters, self.before) = (voters, before);
        Ok(news)
    }

    /// The certified block of an anchor; `None` where it may be by validators that aren't known yet, or
    /// is of no use: older than what is here, or not beyond what was there before the import.
    pub(super) fn anchored(&mut self, anchor: &Anchor) -> Result<Option<ProvenBlock>, SyncError> {
        let block = match self.certified(anchor) {
            Ok(block) => block,
            Err(error) => return self.doubt(anchor, &error).map(|()| None),
        };
        self.doubt = Doubt::None;
        self.tip = self.tip.max(block.number);
        self.check_age()?;
        Ok((block.number >= self.plan.base && block.number > self.beyond).then_some(block))
    }

    /// The block of an anchor, if it is by the validators that are known: the newest ones, or those before
    /// at the block at which they changed, which is the tip for as long as nobody uses the network.
    fn certified(
        &self,
        Anchor { header, certificate }: &Anchor,
    ) -> Result<ProvenBlock, ProofError> {
        let newest = &self.voters.checkpoint;
        let error = match newest.certified(header, certificate) {
            Ok(block) => return Ok(block),
            Err(error) => error,
        };
        let before = self.before.as_ref();
        let block = before.and_then(|one| one.checkpoint.certified(header, certificate).ok());
        let is_last = |block: &ProvenBlock| block.number + 1 == newest.epoch * newest.epoch_length;
        block.filter(is_last).ok_or(error)
    }

    /// An anchor is not by the validators that are known. The newest ones are asked for then, and
    /// meanwhile nothing is said of others; after that one whose validators are still not known is a
    /// lie.
    fn doubt(&mut self, anchor: &Anchor, error: &ProofError) -> Result<(), SyncError> {
        let refused = || SyncError::Refused(Refusal::Anchor(format!("{error}: {}", error.reason)));
        let header: Header = exact(&anchor.header).ok_or_else(refused)?;
        let is_of_before =
            header.number / self.voters.checkpoint.epoch_length < self.voters.checkpoint.epoch;
        if is_of_before || !self.followed {
            return Ok(());
        }
        if self.doubt == Doubt::Cast {
            self.doubt = Doubt::None;
            return Err(refused());
        }
        self.doubt = Doubt::Cast;
        self.followed = false;
        Ok(())
    }

    pub(super) fn take_accounts(
        &mut self,
        index: u8,
        from: &B256,
        to: &B256,
        range: &Accounts,
    ) -> Result<bool, SyncError> {
        let Some(block) = self.anchored(&range.anchor)? else { return Ok(false) };
        // A range without accounts ends where it was asked for.
        if range.end > *to || (range.accounts.is_empty() && range.end < *to) {
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
        let foreign = || SyncError::Refused(Refusal::Foreign);
        if storage.accounts.len() > asked.len() {
            return Err(foreign());
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
        let (last, whole) = storage.accounts.split_last().ok_or_else(foreign)?;
        let is_short = whole.iter().any(|part| part.end < LAST);
        if is_short || (last.slots.is_empty() && last.end < LAST) {
            return Err(foreign());
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

    pub(super) fn take_blocks(&mut self, records: &[BlockRecord]) -> Result<bool, SyncError> {
        let pivot = self.pivot.as_mut().ok_or(SyncError::Refused(Refusal::Foreign))?;
        let mut batch = Batch::default();
        let mut next = pivot.next;
        for record in records.iter().take(usize::try_from(ANSWER_BLOCKS).unwrap_or(0)) {
            if next.1 < pivot.last {
                break;
            }
            let (block, receipts) = checked(record, next.0)?;
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

pub(super) fn refused_range(error: &RangeError) -> SyncError {
    SyncError::Refused(Refusal::Range(error.to_string()))
}
