//! Making a ledger from answers.
//!
//! Flat records and tries grow together: each commit holds records and the nodes of a trie of just
//! the records that are there. Where the storage of an account is not all there yet, the account's
//! record has the root of what is. So the root is right when everything is, and not before.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY};
use windlass_proof::{Checkpoint, ProvenBlock, Validator, proven_account};

use super::blocks::{ANSWER_BLOCKS, checked};
use super::plan::{self, ACCOUNTS, DONE, Plan, Progress, SEGMENTS, Segment};
use super::serve::LAST;
use super::{
    ANSWER_CHANGES, ASKED, AccountStorage, Accounts, Anchor, Answer, BlockRecord, Changed, Request,
    SlotEntry, Storage, exact,
};
use crate::block::Block;
use crate::chain::{ChainError, FORMAT, Shown, committee_record, put_block, put_logs, put_state};
use crate::genesis::Genesis;
use crate::governance::{Committee, set_hash};
use crate::rules::{FeePolicy, RuleSet};
use crate::state::base::{Base, hashed};
use crate::state::layer::{Change, Changes};
use crate::state::record::{decode_account, read_account};
use crate::state::trie::{RangeError, check_range};
use crate::state::{Account, keys, root};
use crate::store::{Batch, Snapshot, Store, StoreError};

/// What changed is asked for when the base is this far behind.
const CHANGED_AFTER: u64 = 512;
/// A base that is this far behind can't be moved on: peers keep what changed for 8,192 blocks.
const TOO_OLD: u64 = 8_000;
/// How many epochs before the last one keep their committee.
const KEPT_EPOCHS: u64 = 16;

/// Why an answer counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no answer to what was asked.
    #[error("it is no answer to what was asked")]
    Foreign,
    /// It is of a block that is not certified by the validators that are known.
    #[error("its block is not certified: {0}")]
    Anchor(String),
    /// Changes of validators that do not hold.
    #[error("a change of validators does not hold: {0}")]
    Validators(String),
    /// A range that is not the trie's.
    #[error("a range of the state is not proven: {0}")]
    Range(String),
    /// A code with another hash.
    #[error("a code has not the hash that was asked for")]
    Code,
    /// A block that is not what it should be.
    #[error("a block cannot be taken: {0}")]
    Block(&'static str),
}

/// Why an import does not go on.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The peer's answer counts for nothing; others may answer better.
    #[error("the answer is refused: {0}")]
    Refused(Refusal),
    /// Everything is there and its root is not the block's: what was told to have changed is not what
    /// did. The import begins anew, and whoever told is not asked again.
    #[error("the imported state has the root {found}, block {number} has {expected}")]
    Spoilt {
        /// The block.
        number: u64,
        /// What was made.
        found: B256,
        /// What the block's header has.
        expected: B256,
    },
    /// The base is older than what peers keep. The import begins anew.
    #[error("the import began at block {base} and the chain is at {tip}: peers keep less")]
    TooOld {
        /// Where it began.
        base: u64,
        /// Where the chain is.
        tip: u64,
    },
    /// This node's store failed.
    #[error("the ledger that is made cannot be used")]
    Chain(#[from] ChainError),
}

impl From<StoreError> for SyncError {
    fn from(error: StoreError) -> Self {
        Self::Chain(error.into())
    }
}

/// Something to ask of any peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What for.
    pub lacking: Lacking,
    /// What to ask.
    pub request: Request,
}

/// What an import lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lacking {
    /// The newest validators.
    Validators,
    /// A segment of the state.
    Segment(u8),
    /// Codes.
    Codes,
    /// What changed meanwhile. It is told and not proven: better asked of one peer only.
    Changed,
    /// The last blocks.
    Blocks,
}

/// Makes a ledger, in an empty store or in one where an import was begun.
pub struct Importer {
    store: Box<dyn Store>,
    genesis: Block,
    fees: Option<FeePolicy>,
    checkpoint: Checkpoint,
    /// The newest validators as the contract has them.
    validators: Vec<Validator>,
    /// Whether the newest validators are known, as far as peers tell.
    followed: bool,
    /// The checkpoint at which an answer wasn't certified: a change that isn't known yet, or a lie.
    doubted: Option<u64>,
    plan: Plan,
    asked: BTreeSet<Lacking>,
    /// The newest certified block that was seen.
    tip: u64,
    /// The block whose state is all there.
    pivot: Option<Pivot>,
}

/// The block that the ledger will begin with.
struct Pivot {
    block: ProvenBlock,
    certificate: Bytes,
    /// The hash of the next block to come, its number, and the last one that is needed.
    next: (B256, u64),
    last: u64,
}

impl std::fmt::Debug for Importer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Importer").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Importer {
    /// Begins an import of a network's state, or goes on with one.
    pub fn open(store: impl Store, genesis: &Genesis) -> Result<Self, SyncError> {
        let block = genesis.block();
        let validators: Vec<Validator> = genesis.validators().map(Into::into).collect();
        let checkpoint = Checkpoint {
            genesis: block.hash(),
            epoch: 0,
            epoch_length: genesis.epoch_length,
            validators: validators.clone(),
        };
        let kept = store.snapshot()?.get(keys::IMPORT)?;
        let kept = kept.and_then(|record| exact::<Plan>(&record));
        let plan = kept.filter(|plan| plan.segments.len() == usize::from(SEGMENTS));
        Ok(Self {
            store: Box::new(store),
            genesis: block,
            fees: RuleSet::windlass(genesis).fees(),
            checkpoint,
            validators,
            followed: false,
            doubted: None,
            plan: plan.unwrap_or_default(),
            asked: BTreeSet::new(),
            tip: 0,
            pivot: None,
        })
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.plan.progress()
    }

    /// Whether a state was begun before.
    pub fn is_resumed(&self) -> bool {
        self.plan.base > 0
    }

    /// The block that the state is of, once it is all there.
    pub fn pivot(&self) -> Option<u64> {
        self.pivot.as_ref().map(|pivot| pivot.block.number)
    }

    /// The newest certified block that a peer has shown.
    pub fn tip(&self) -> u64 {
        self.tip
    }

    /// Whether nothing is lacking: [`Importer::finish`] can be called.
    pub fn is_ready(&self) -> bool {
        self.pivot.as_ref().is_some_and(|pivot| pivot.next.1 < pivot.last)
    }

    /// What can be asked now and isn't yet. Each has to come back by [`Importer::take`] or
    /// [`Importer::give_back`].
    pub fn tasks(&mut self) -> Result<Vec<Task>, SyncError> {
        let mut wanted = Vec::new();
        let snapshot = self.store.snapshot()?;
        let mut want = |lacking, request| wanted.push(Task { lacking, request });
        if let Some(pivot) = &self.pivot {
            let (_, last) = pivot.next;
            if last >= pivot.last {
                want(Lacking::Blocks, Request::Blocks { last, count: last + 1 - pivot.last });
            }
        } else if !self.followed {
            want(Lacking::Validators, Request::Validators { since: self.checkpoint.epoch });
        } else {
            for index in 0..SEGMENTS {
                let lacking = Lacking::Segment(index);
                if !self.asked.contains(&lacking)
                    && let Some(request) = self.segment_request(snapshot.as_ref(), index)?
                {
                    want(lacking, request);
                }
            }
            let hashes = lacking_codes(snapshot.as_ref())?;
            let is_whole = self.plan.is_complete() && hashes.is_empty();
            if !hashes.is_empty() {
                want(Lacking::Codes, Request::Codes { hashes });
            }
            let (base, behind) = (self.plan.base, self.tip.saturating_sub(self.plan.base));
            if is_whole || (base > 0 && behind >= CHANGED_AFTER) {
                want(Lacking::Changed, Request::Changed { after: base });
            }
        }
        wanted.retain(|task| !self.asked.contains(&task.lacking));
        self.asked.extend(wanted.iter().map(|task| task.lacking));
        Ok(wanted)
    }

    /// A task that nobody answered.
    pub fn give_back(&mut self, task: &Task) {
        self.asked.remove(&task.lacking);
    }

    /// Takes an answer; what it brings is durable when this returns. True if it brought something.
    pub fn take(&mut self, task: &Task, answer: Answer) -> Result<bool, SyncError> {
        if !self.asked.remove(&task.lacking) {
            return Ok(false);
        }
        match (task.lacking, &task.request, answer) {
            (_, _, Answer::Unavailable) => self.check_age().map(|()| false),
            (Lacking::Validators, _, Answer::Validators(changes)) => self.take_changes(&changes),
            (Lacking::Segment(index), Request::Accounts { from, to }, Answer::Accounts(range)) => {
                self.take_accounts(index, from, to, range)
            }
            (
                Lacking::Segment(index),
                Request::Storage { accounts, from },
                Answer::Storage(storage),
            ) => self.take_storage(index, accounts, *from, storage),
            (Lacking::Codes, Request::Codes { hashes }, Answer::Codes(codes)) => {
                self.take_codes(hashes, codes)
            }
            (Lacking::Changed, Request::Changed { after }, Answer::Changed(changed)) => {
                self.take_changed(*after, changed)
            }
            (Lacking::Blocks, _, Answer::Blocks(records)) => self.take_blocks(&records),
            _ => Err(SyncError::Refused(Refusal::Foreign)),
        }
    }

    fn check_age(&self) -> Result<(), SyncError> {
        let (base, tip) = (self.plan.base, self.tip);
        if base > 0 && tip.saturating_sub(base) > TOO_OLD {
            return Err(SyncError::TooOld { base, tip });
        }
        Ok(())
    }

    fn segment_request(
        &self,
        snapshot: &dyn Snapshot,
        index: u8,
    ) -> Result<Option<Request>, SyncError> {
        let Segment { phase, account, slot } = self.plan.segments[usize::from(index)].clone();
        if phase == ACCOUNTS {
            return Ok(Some(Request::Accounts { from: account, to: plan::last(index) }));
        }
        if phase == DONE {
            return Ok(None);
        }
        let (start, end) = keys::accounts(&account, &plan::last(index));
        let mut accounts = Vec::new();
        snapshot.scan(&start, &end, &mut |key, record| {
            let has_storage = read_account(record)
                .is_some_and(|(_, account)| account.storage_root != EMPTY_ROOT_HASH);
            accounts.extend(keys::hash_of(key).filter(|_| has_storage));
            if accounts.len() < ASKED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if accounts.is_empty() {
            // The segment's last address stands for the rest, which has no storage.
            accounts.push(plan::last(index));
        }
        // A cursor within an account that is gone meanwhile is none.
        let from = if accounts.first() == Some(&account) { slot } else { B256::ZERO };
        Ok(Some(Request::Storage { accounts, from }))
    }

    fn take_changes(&mut self, changes: &[windlass_proof::Change]) -> Result<bool, SyncError> {
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

    fn take_accounts(
        &mut self,
        index: u8,
        from: &B256,
        to: &B256,
        range: Accounts,
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
            .map_err(refused_range)?;
        self.begin(&block);
        self.plan.count(accounts.len(), 0, bytes);
        self.plan.pass(index, range.end);
        self.apply(accounts, BTreeMap::new())?;
        Ok(true)
    }

    fn take_storage(
        &mut self,
        index: u8,
        asked: &[B256],
        from: B256,
        storage: Storage,
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
        self.plan.pass_storage(index, &parts, parts.len() == asked.len() && asked.len() < ASKED);
        drop(snapshot);
        self.apply(Vec::new(), slots)?;
        Ok(true)
    }

    fn take_codes(&mut self, hashes: &[B256], codes: Vec<Bytes>) -> Result<bool, SyncError> {
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

    fn take_changed(&mut self, after: u64, changed: Changed) -> Result<bool, SyncError> {
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
        let last = number.saturating_sub(ANSWER_BLOCKS - 1).max(1);
        let (certificate, next) = (changed.anchor.certificate, (block.hash, number));
        self.pivot = Some(Pivot { block, certificate, next, last });
        Ok(true)
    }

    fn take_blocks(&mut self, records: &[BlockRecord]) -> Result<bool, SyncError> {
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

    /// Ends the import: the store is a ledger when this returns, and was none before.
    pub fn finish(self) -> Result<(), SyncError> {
        let pivot = self.pivot.as_ref().filter(|pivot| pivot.next.1 < pivot.last);
        let Some(Pivot { block, certificate, last, .. }) = pivot else {
            return Err(SyncError::Refused(Refusal::Foreign));
        };
        let number = |number: u64| number.to_be_bytes().to_vec();
        let mut batch = Batch::default();
        put_block(&mut batch, &self.genesis, &[]);
        batch.put(keys::FORMAT.to_vec(), number(FORMAT));
        batch.put(keys::GENESIS.to_vec(), self.genesis.hash().to_vec());
        batch.put(keys::TIP.to_vec(), number(block.number));
        batch.put(keys::OLDEST.to_vec(), number(block.number));
        batch.put(keys::FLOOR.to_vec(), number(block.number));
        if *last > 1 {
            batch.put(keys::FIRST.to_vec(), number(*last));
        }
        batch.put(keys::certificate(block.number), certificate.to_vec());
        let seats = self.checkpoint.validators.clone();
        let committee = Committee { hash: set_hash(&self.validators), seats };
        let first = block.epoch.saturating_sub(KEPT_EPOCHS).max(self.checkpoint.epoch);
        for epoch in first..=block.epoch {
            batch.put(keys::committee(epoch), committee_record(&committee));
        }
        batch.delete(keys::IMPORT.to_vec());
        Ok(self.store.commit(batch)?)
    }

    fn begin(&mut self, block: &ProvenBlock) {
        if self.plan.base == 0 {
            self.plan.base = block.number;
        }
    }

    /// Commits accounts and slots with the tries and the plan; tells the state root.
    fn apply(
        &mut self,
        accounts: Vec<(Address, Option<Account>)>,
        slots: BTreeMap<Address, Vec<SlotEntry>>,
    ) -> Result<B256, SyncError> {
        let base = Base::new(Vec::new(), self.store.snapshot()?, None);
        let (mut changes, mut batch) = (Changes::default(), Batch::default());
        for (address, after) in accounts {
            if let Some(Account { code_hash, .. }) = after
                && code_hash != KECCAK_EMPTY
                && base.snapshot().get(&keys::code(&code_hash))?.is_none()
            {
                batch.put(keys::lacking_code(&code_hash), Vec::new());
            }
            changes.accounts.insert(address, Change { before: None, after });
        }
        for (address, slots) in slots {
            if let std::collections::btree_map::Entry::Vacant(vacant) =
                changes.accounts.entry(address)
            {
                // Without its account a slot is nothing; the root shows it.
                let Some(account) = base.account(&address)? else { continue };
                vacant.insert(Change { before: None, after: Some(account) });
            }
            let change =
                |entry: SlotEntry| (entry.slot, Change { before: U256::ZERO, after: entry.value });
            changes.storage.insert(address, slots.into_iter().map(change).collect());
        }
        let state_root = root::seal(&base, &mut changes, &[])?;
        put_state(&mut batch, &changes);
        batch.put(keys::IMPORT.to_vec(), alloy_rlp::encode(&self.plan));
        self.store.commit(batch)?;
        Ok(state_root)
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
    check_range(root, &from, &part.end, &leaves, &part.proof).map_err(refused_range)
}

fn refused_range(error: RangeError) -> SyncError {
    SyncError::Refused(Refusal::Range(error.to_string()))
}

fn lacking_codes(snapshot: &dyn Snapshot) -> Result<Vec<B256>, SyncError> {
    let (start, end) = keys::lacking_codes();
    let mut hashes = Vec::new();
    snapshot.scan(&start, &end, &mut |key, _| {
        hashes.extend(keys::hash_of(key));
        if hashes.len() < ASKED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(hashes)
}
