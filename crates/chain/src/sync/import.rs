//! Making a ledger from answers.
//!
//! Flat records and tries grow together: each commit holds records and the nodes of a trie of just
//! the records that are there. Before the cursor comes to the storage of an account its record has the
//! root that is told of it, and from there on the root of what is there. So the root is right when
//! everything is, and not before.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY};
use windlass_proof::{Checkpoint, ProvenBlock, Validator};

use super::blocks::ANSWER_BLOCKS;
use super::plan::{self, ACCOUNTS, DONE, Plan, Progress, SEGMENTS, Segment};
use super::{ASKED, Answer, Refusal, Request, SlotEntry, SyncError, exact};
use crate::block::Block;
use crate::chain::{FORMAT, committee_record, put_block, put_state};
use crate::genesis::Genesis;
use crate::governance::{Committee, set_hash};
use crate::state::base::Base;
use crate::state::layer::{Change, Changes};
use crate::state::record::read_account;
use crate::state::{Account, keys, root};
use crate::store::{Batch, Snapshot, Store};

/// What changed is asked for when the base is this far behind.
const CHANGED_AFTER: u64 = 512;
/// A base that is this far behind can't be moved on: peers keep what changed for 8,192 blocks.
const TOO_OLD: u64 = 8_000;
/// How many epochs before the last one keep their committee.
const KEPT_EPOCHS: u64 = 16;

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
    /// Where the chain is, where an import goes on that was begun before.
    Tip,
}

/// Makes a ledger, in an empty store or in one where an import was begun.
pub struct Importer {
    pub(super) store: Box<dyn Store>,
    pub(super) genesis: Block,
    /// The newest validators that are known, and those before them: one block by these may be the tip,
    /// the one at which they changed.
    pub(super) voters: Voters,
    pub(super) before: Option<Voters>,
    /// Whether the newest validators are known, as far as peers tell.
    pub(super) followed: bool,
    /// The last answer was not certified by the validators that are known: there is a change that isn't
    /// known yet, or it was a lie.
    pub(super) doubt: Doubt,
    pub(super) plan: Plan,
    /// What is asked and not answered.
    pub(super) asked: BTreeMap<Lacking, Request>,
    /// A block that the ledger has to be beyond.
    pub(super) beyond: u64,
    /// The newest certified block that was seen.
    pub(super) tip: u64,
    /// The block whose state is all there.
    pub(super) pivot: Option<Pivot>,
    /// How many blocks up to that one are imported too.
    pub(super) last_blocks: u64,
}

/// Those who vote from an epoch on.
#[derive(Clone)]
pub(super) struct Voters {
    pub(super) checkpoint: Checkpoint,
    /// As the contract has them.
    pub(super) validators: Vec<Validator>,
}

impl Voters {
    fn committee(&self) -> Committee {
        let seats = self.checkpoint.validators.clone();
        Committee { hash: set_hash(&self.validators), seats }
    }
}

/// What an import that was begun has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// To nothing.
    Nothing,
    /// To a part of the state after this block or later ones.
    Part(u64),
    /// To a ledger that begins with this block.
    Whole(u64),
}

/// Whether the validators that are known may not be the newest ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    None,
    Cast,
}

/// The block that the ledger will begin with.
pub(super) struct Pivot {
    pub(super) block: ProvenBlock,
    pub(super) certificate: Bytes,
    /// The hash of the next block to come, its number, and the last one that is needed.
    pub(super) next: (B256, u64),
    pub(super) last: u64,
}

impl std::fmt::Debug for Importer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Importer").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Importer {
    /// Begins an import of the state of a network beyond a block, or goes on with one.
    pub fn open(store: impl Store, genesis: &Genesis, beyond: u64) -> Result<Self, SyncError> {
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
            voters: Voters { checkpoint, validators },
            before: None,
            followed: false,
            doubt: Doubt::None,
            plan: plan.unwrap_or_default(),
            asked: BTreeMap::new(),
            beyond,
            tip: 0,
            pivot: None,
            last_blocks: ANSWER_BLOCKS,
        })
    }

    /// What is in a store in which an import was begun.
    pub fn begun(store: &impl Store) -> Result<Begun, SyncError> {
        let snapshot = store.snapshot()?;
        if let Some(floor) = snapshot.get(keys::FLOOR)?.as_deref().and_then(keys::number_of) {
            return Ok(Begun::Whole(floor));
        }
        let plan = snapshot.get(keys::IMPORT)?.and_then(|record| exact::<Plan>(&record));
        let base = plan.map(|plan| plan.base).filter(|base| *base > 0);
        Ok(base.map_or(Begun::Nothing, Begun::Part))
    }

    /// Whether codes are all that is lacking: what is told may name some that there are not.
    pub fn lacks_only_codes(&self) -> Result<bool, SyncError> {
        let lacking = || lacking_codes(self.store.snapshot()?.as_ref());
        Ok(self.pivot.is_none() && self.plan.is_complete() && !lacking()?.is_empty())
    }

    /// Imports fewer blocks than those that execution may ask the hashes of. For tests of short chains,
    /// where nothing asks, and the other blocks are to be fetched later.
    #[must_use]
    pub fn with_last_blocks(mut self, count: u64) -> Self {
        self.last_blocks = count.clamp(1, ANSWER_BLOCKS);
        self
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.plan.progress()
    }

    /// Whether a state was begun before.
    pub fn is_resumed(&self) -> bool {
        self.plan.base > 0
    }

    /// Whether the newest validators are to be asked for.
    pub fn lacks_validators(&self) -> bool {
        !self.followed
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
            want(Lacking::Validators, Request::Validators { since: self.voters.checkpoint.epoch });
        } else {
            for index in 0..SEGMENTS {
                let lacking = Lacking::Segment(index);
                if !self.asked.contains_key(&lacking)
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
            if base > 0 && self.tip == 0 {
                want(Lacking::Tip, Request::Accounts { from: B256::ZERO, to: B256::ZERO });
            }
            if is_whole || (base > 0 && behind >= CHANGED_AFTER) {
                want(Lacking::Changed, Request::Changed { after: base });
            }
        }
        wanted.retain(|task| !self.asked.contains_key(&task.lacking));
        self.asked.extend(wanted.iter().map(|task| (task.lacking, task.request.clone())));
        Ok(wanted)
    }

    /// A task that nobody answered.
    pub fn give_back(&mut self, task: &Task) {
        self.end(task);
    }

    /// Whether the task was under way, which it is no more.
    fn end(&mut self, task: &Task) -> bool {
        let was_asked = self.asked.get(&task.lacking) == Some(&task.request);
        if was_asked {
            self.asked.remove(&task.lacking);
        }
        was_asked
    }

    /// Takes an answer; what it brings is durable when this returns. True if it brought something.
    pub fn take(&mut self, task: &Task, answer: Answer) -> Result<bool, SyncError> {
        if !self.end(task) {
            return Ok(false);
        }
        match (task.lacking, &task.request, answer) {
            (_, _, Answer::Unavailable) => self.check_age().map(|()| false),
            (Lacking::Validators, _, Answer::Validators(changes)) => self.take_changes(&changes),
            (Lacking::Segment(index), Request::Accounts { from, to }, Answer::Accounts(range)) => {
                self.take_accounts(index, from, to, &range)
            }
            (
                Lacking::Segment(index),
                Request::Storage { accounts, from },
                Answer::Storage(storage),
            ) => self.take_storage(index, accounts, *from, &storage),
            (Lacking::Codes, Request::Codes { hashes }, Answer::Codes(codes)) => {
                self.take_codes(hashes, codes)
            }
            (Lacking::Changed, Request::Changed { after }, Answer::Changed(changed)) => {
                self.take_changed(*after, changed)
            }
            (Lacking::Blocks, _, Answer::Blocks(records)) => self.take_blocks(&records),
            (Lacking::Tip, _, Answer::Accounts(range)) => {
                Ok(self.anchored(&range.anchor)?.is_some())
            }
            _ => Err(SyncError::Refused(Refusal::Foreign)),
        }
    }

    pub(super) fn check_age(&self) -> Result<(), SyncError> {
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
        let under_way = !slot.is_zero();
        if under_way {
            // What is there of it may be nothing.
            accounts.push(account);
        }
        snapshot.scan(&start, &end, &mut |key, record| {
            let has_storage = read_account(record)
                .is_some_and(|(_, account)| account.storage_root != EMPTY_ROOT_HASH);
            let hash = keys::hash_of(key).filter(|hash| !(under_way && *hash == account));
            accounts.extend(hash.filter(|_| has_storage));
            if accounts.len() < ASKED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if accounts.is_empty() {
            // The segment's last address stands for the rest, which has no storage.
            accounts.push(plan::last(index));
        }
        Ok(Some(Request::Storage { accounts, from: slot }))
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
        let before = self.before.as_ref().filter(|_| block.epoch < self.voters.checkpoint.epoch);
        let voters = before.unwrap_or(&self.voters);
        let first = block.epoch.saturating_sub(KEPT_EPOCHS).max(voters.checkpoint.epoch);
        for epoch in first..=block.epoch {
            batch.put(keys::committee(epoch), committee_record(&voters.committee()));
        }
        batch.delete(keys::IMPORT.to_vec());
        Ok(self.store.commit(batch)?)
    }

    pub(super) fn begin(&mut self, block: &ProvenBlock) {
        if self.plan.base == 0 {
            self.plan.base = block.number;
        }
    }

    /// Commits accounts and slots of proven ranges; tells the state root.
    pub(super) fn apply(
        &mut self,
        accounts: Vec<(Address, Option<Account>)>,
        slots: BTreeMap<Address, Vec<SlotEntry>>,
    ) -> Result<B256, SyncError> {
        let base = Base::new(Vec::new(), self.store.snapshot()?, None);
        let mut changes = Changes::default();
        for (address, after) in accounts {
            changes.accounts.insert(address, Change { before: None, after });
        }
        for (address, slots) in slots {
            // Without its account a slot is nothing; the root shows it.
            let Some(account) = base.account(&address)? else { continue };
            changes.accounts.insert(address, Change { before: None, after: Some(account) });
            changes.storage.insert(address, slots.iter().map(change).collect());
        }
        self.commit(&base, changes, &[])
    }

    /// Commits changes with the tries and the plan; tells the state root.
    pub(super) fn commit(
        &self,
        base: &Base,
        mut changes: Changes,
        wiped: &[Address],
    ) -> Result<B256, SyncError> {
        let mut batch = Batch::default();
        for change in changes.accounts.values() {
            if let Some(Account { code_hash, .. }) = change.after
                && code_hash != KECCAK_EMPTY
                && base.snapshot().get(&keys::code(&code_hash))?.is_none()
            {
                batch.put(keys::lacking_code(&code_hash), Vec::new());
            }
        }
        let state_root = root::seal(base, &mut changes, wiped)?;
        put_state(&mut batch, &changes);
        batch.put(keys::IMPORT.to_vec(), alloy_rlp::encode(&self.plan));
        self.store.commit(batch)?;
        Ok(state_root)
    }
}

/// A slot that gets a value; what it had before is not looked at.
pub(super) fn change(entry: &SlotEntry) -> (U256, Change<U256>) {
    (entry.slot, Change { before: U256::ZERO, after: entry.value })
}

pub(super) fn lacking_codes(snapshot: &dyn Snapshot) -> Result<Vec<B256>, SyncError> {
    let (start, end) = keys::lacking_codes();
    let mut hashes = Vec::new();
    snapshot.scan(&start, &end, &mut |key, _| {
        hashes.extend(keys::hash_of(key));
        if hashes.len() < ASKED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(hashes)
}
