//! Taking what changed meanwhile, which is told and not proven: it shows at the end.
//!
//! Told values go where the import has passed and nowhere else. What is ahead comes with a proven range
//! of a block that is the base or later. And where the import has passed an account's storage, its root
//! is that of the slots that are there, whatever is told of it.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, keccak256};

use super::audit::audit;
use super::import::{Importer, Pivot, change, lacking_codes};
use super::plan::Reach;
use super::{AccountEntry, Changed, ChangedSlots, Refusal, Request, SlotEntry, SyncError};
use crate::state::Account;
use crate::state::base::Base;
use crate::state::layer::{Change, Changes};
use crate::state::record::decode_account;

impl Importer {
    pub(super) fn take_changed(&mut self, after: u64, changed: Changed) -> Result<bool, SyncError> {
        let Some(block) = self.anchored(&changed.anchor)? else { return Ok(false) };
        let spans = after == self.plan.base && changed.to >= after && changed.to <= block.number;
        if !spans || (changed.to == after && block.number > after) {
            return Err(SyncError::Refused(Refusal::Foreign));
        }
        let accounts = changed.accounts.iter();
        let accounts = accounts.map(|entry| Ok((entry.address, told_account(entry)?)));
        let accounts = accounts.collect::<Result<BTreeMap<_, _>, SyncError>>()?;
        let was_whole = self.plan.is_complete();
        self.plan.base = changed.to;
        let found = self.tell(accounts, changed.slots)?;
        // An account may have come between those whose storage is being asked for.
        self.asked.retain(|_, request| !matches!(request, Request::Storage { .. }));
        let snapshot = self.store.snapshot()?;
        let whole = was_whole && lacking_codes(snapshot.as_ref())?.is_empty();
        if changed.to < block.number || !whole {
            return Ok(true);
        }
        let (number, expected) = (block.number, block.header.state_root);
        let spoilt = |why| SyncError::Spoilt { number, why };
        if found != expected {
            return Err(spoilt(format!("its root is {found} and should be {expected}")));
        }
        audit(&Base::new(Vec::new(), snapshot, None))?.map_err(spoilt)?;
        let last = (number + 1).saturating_sub(self.last_blocks).max(1);
        let (certificate, next) = (changed.anchor.certificate, (block.hash, number));
        self.pivot = Some(Pivot { block, certificate, next, last });
        Ok(true)
    }

    /// Commits what is told of what was passed; tells the state root.
    fn tell(
        &self,
        accounts: BTreeMap<Address, Option<Account>>,
        slots: Vec<ChangedSlots>,
    ) -> Result<B256, SyncError> {
        let base = Base::new(Vec::new(), self.store.snapshot()?, None);
        let (mut changes, mut wiped) = (Changes::default(), Vec::new());
        for (address, after) in accounts {
            let reach = self.plan.reach(&keccak256(address));
            if reach == Reach::Nothing {
                continue;
            }
            changes.accounts.insert(address, Change { before: None, after });
            if reach != Reach::Record {
                let slots = changes.storage.entry(address).or_default();
                if after.is_none() {
                    let gone = |(slot, before)| (slot, Change { before, after: U256::ZERO });
                    slots.extend(base.all_slots(&address)?.into_iter().map(gone));
                    wiped.push(address);
                }
            }
        }
        for ChangedSlots { address, slots } in slots {
            let end = match self.plan.reach(&keccak256(address)) {
                Reach::Nothing | Reach::Record => continue,
                Reach::SlotsBelow(end) => Some(end),
                Reach::Everything => None,
            };
            let account = match changes.accounts.get(&address) {
                Some(change) => change.after,
                None => base.account(&address)?,
            };
            // Without its account a slot is nothing.
            let Some(account) = account else { continue };
            changes.accounts.insert(address, Change { before: None, after: Some(account) });
            let passed = |entry: &&SlotEntry| {
                end.is_none_or(|end| keccak256(entry.slot.to_be_bytes::<32>()) < end)
            };
            let slots = slots.iter().filter(passed).map(change);
            changes.storage.entry(address).or_default().extend(slots);
        }
        self.commit(&base, changes, &wiped)
    }
}

fn told_account(entry: &AccountEntry) -> Result<Option<Account>, SyncError> {
    let read = (!entry.record.is_empty()).then(|| decode_account(&entry.record)).transpose();
    read.map_err(|error| SyncError::Refused(Refusal::Range(error.to_string())))
}
