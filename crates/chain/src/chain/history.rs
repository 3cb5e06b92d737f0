//! What blocks replace: written with the block, found by number, and removed when nobody may ask for it.

use std::ops::ControlFlow;

use alloy_primitives::{Address, U256};

use super::ChainError;
use super::finalize::put_rest;
use crate::state::base::trail_of;
use crate::state::history::{Replaced, Trail};
use crate::state::keys;
use crate::state::layer::Changes;
use crate::state::record::{
    ReadTrail, account_record, account_trail, encode_optional, encode_slot, gone_record, read_gone,
    slot_record, slot_trail,
};
use crate::store::{Batch, Snapshot};

/// What a block changed, as long as its history is kept.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) accounts: Vec<Address>,
    pub(crate) slots: Vec<(Address, U256)>,
}

/// A value that a block changes.
struct Changed {
    /// The key of its record, and that of what the block replaces.
    flat: Vec<u8>,
    change: Vec<u8>,
    /// What it was; empty where there was none.
    before: Vec<u8>,
    read: ReadTrail,
}

/// Puts the state after a block, and what the block replaced. Of a value that is gone a record tells when,
/// until nobody asks for what was before.
pub(super) fn put_state_with_history(
    batch: &mut Batch,
    number: u64,
    changes: &Changes,
    before: &dyn Snapshot,
) -> Result<(), ChainError> {
    for (address, change) in &changes.accounts {
        let changed = Changed {
            flat: keys::account(address),
            change: keys::account_change(number, address),
            before: encode_optional(change.before.as_ref()),
            read: account_trail,
        };
        changed.put(batch, number, before, |trail| {
            change.after.map(|account| account_record(address, &account, trail))
        })?;
    }
    for (address, slots) in &changes.storage {
        for (slot, change) in slots {
            let changed = Changed {
                flat: keys::slot(address, slot),
                change: keys::slot_change(number, address, slot),
                before: encode_slot(change.before),
                read: slot_trail,
            };
            changed.put(batch, number, before, |trail| {
                let is_there = !change.after.is_zero();
                is_there.then(|| slot_record(slot, change.after, trail))
            })?;
        }
    }
    put_rest(batch, changes);
    Ok(())
}

impl Changed {
    /// Puts the record that it has after the block, if it has one.
    fn put(
        self,
        batch: &mut Batch,
        number: u64,
        snapshot: &dyn Snapshot,
        record: impl FnOnce(&Trail) -> Option<Vec<u8>>,
    ) -> Result<(), ChainError> {
        let Self { flat, change, before, read } = self;
        let gone = keys::gone(&flat);
        // Of what was not there the record need not be looked for.
        let found = if before.is_empty() { None } else { snapshot.get(&flat)? };
        let earlier = trail_of(snapshot, (&flat, found.as_deref()), read)?;
        let trail = earlier.then(number);
        let record = record(&trail);
        let replaced = Replaced { is_gone: record.is_none(), ..trail.replaced(before.clone()) };
        if let Some(record) = record {
            batch.put(flat, record);
            if before.is_empty() && earlier != Trail::default() {
                batch.delete(gone);
            }
        } else {
            batch.delete(flat);
            batch.put(gone, gone_record(&change, &trail));
        }
        batch.put(change, alloy_rlp::encode(replaced));
        Ok(())
    }
}

/// Removes what a block replaced, and what is kept of values since the block removed them.
pub(super) fn prune_block(
    batch: &mut Batch,
    snapshot: &dyn Snapshot,
    number: u64,
) -> Result<(), ChainError> {
    let mut gone = Vec::new();
    each_change(snapshot, number, |key, replaced| {
        batch.delete(key.to_vec());
        gone.extend(replaced.is_gone.then(|| key.to_vec()));
    })?;
    for change in gone {
        let damaged = || ChainError::Damaged(format!("changes of block {number}"));
        let address = keys::changed_account(&change).ok_or_else(damaged)?;
        let flat = match keys::changed_slot(&change) {
            Some(slot) => keys::slot(&address, &slot),
            None => keys::account(&address),
        };
        let key = keys::gone(&flat);
        let Some(record) = snapshot.get(&key)? else { continue };
        let (_, since) = read_gone(&flat, &record).ok_or_else(damaged)?;
        if since.last() == number && !batch.changes(&key) {
            batch.delete(key);
        }
    }
    Ok(())
}

/// What a block changed. There is nothing where that is not kept any more.
pub(crate) fn touched(snapshot: &dyn Snapshot, number: u64) -> Result<Touched, ChainError> {
    let mut touched = Touched::default();
    each_change(snapshot, number, |key, _| {
        let Some(address) = keys::changed_account(key) else { return };
        match keys::changed_slot(key) {
            Some(slot) => touched.slots.push((address, slot)),
            None => touched.accounts.push(address),
        }
    })?;
    Ok(touched)
}

/// Visits what a block replaced.
fn each_change(
    snapshot: &dyn Snapshot,
    number: u64,
    mut visit: impl FnMut(&[u8], Replaced),
) -> Result<(), ChainError> {
    for (start, end) in keys::changes(number) {
        let mut is_damaged = false;
        snapshot.scan(&start, &end, &mut |key, record| {
            let Some(replaced) = Replaced::read(record) else {
                is_damaged = true;
                return ControlFlow::Break(());
            };
            visit(key, replaced);
            ControlFlow::Continue(())
        })?;
        if is_damaged {
            return Err(ChainError::Damaged(format!("changes of block {number}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::state::Account;
    use crate::state::base::Base;
    use crate::state::layer::Change;
    use crate::store::{MemoryStore, Store};

    /// The nonce of each account, and the value of each slot of the first one; 0 where it is not there.
    type State = BTreeMap<(u8, bool), u64>;

    fn address(place: u8) -> Address {
        Address::repeat_byte(place)
    }

    /// What leads from a state to the next one.
    fn changes(from: &State, to: &State) -> Changes {
        let account = |nonce: u64| (nonce > 0).then(|| Account { nonce, ..Account::default() });
        let mut changes = Changes::default();
        for (key, after) in to {
            let before = from.get(key).copied().unwrap_or(0);
            match key {
                _ if before == *after => {}
                (place, true) => {
                    let change = Change { before: account(before), after: account(*after) };
                    changes.accounts.insert(address(*place), change);
                }
                (slot, false) => {
                    let change = Change { before: U256::from(before), after: U256::from(*after) };
                    let slots = changes.storage.entry(address(0)).or_default();
                    slots.insert(U256::from(*slot), change);
                }
            }
        }
        changes
    }

    fn read(base: &Base, (place, is_account): (u8, bool)) -> u64 {
        if is_account {
            base.account(&address(place)).unwrap().map_or(0, |account| account.nonce)
        } else {
            base.slot(&address(0), &U256::from(place)).unwrap().to()
        }
    }

    fn count(store: &MemoryStore) -> usize {
        let mut count = 0;
        let snapshot = store.snapshot().unwrap();
        let visit = &mut |_: &[u8], _: &[u8]| {
            count += 1;
            ControlFlow::Continue(())
        };
        snapshot.scan(&[0], &[255], visit).unwrap();
        count
    }

    proptest! {
        #[test]
        fn every_state_of_the_window_is_read_and_what_is_older_leaves_nothing(
            blocks in prop::collection::vec(
                prop::collection::btree_map((0_u8..5, any::<bool>()), 0_u64..3, 0..4), 1..120),
            window in 1_u64..70,
        ) {
            let store = MemoryStore::default();
            let mut states = vec![State::new()];
            for (number, edits) in (1..).zip(&blocks) {
                let mut state = states[states.len() - 1].clone();
                state.extend(edits);
                let snapshot = store.snapshot().unwrap();
                let mut batch = Batch::default();
                let changes = changes(&states[states.len() - 1], &state);
                put_state_with_history(&mut batch, number, &changes, snapshot.as_ref()).unwrap();
                if number > window {
                    prune_block(&mut batch, snapshot.as_ref(), number - window).unwrap();
                }
                store.commit(batch).unwrap();
                states.push(state);
                for past in number.saturating_sub(window)..=number {
                    let past_state = (past < number).then_some(past);
                    let base = Base::new(Vec::new(), store.snapshot().unwrap(), past_state);
                    for place in 0..5 {
                        for key in [(place, true), (place, false)] {
                            let state = &states[usize::try_from(past).unwrap()];
                            let expected = state.get(&key).copied().unwrap_or(0);
                            prop_assert_eq!(read(&base, key), expected, "{:?} at {}", key, past);
                        }
                    }
                }
            }
            let last = u64::try_from(blocks.len()).unwrap();
            for number in last.saturating_sub(window) + 1..=last {
                let mut batch = Batch::default();
                prune_block(&mut batch, store.snapshot().unwrap().as_ref(), number).unwrap();
                store.commit(batch).unwrap();
            }
            let there = states[states.len() - 1].values().filter(|value| **value > 0).count();
            prop_assert_eq!(count(&store), there);
        }
    }
}
