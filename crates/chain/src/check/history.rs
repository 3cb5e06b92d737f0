//! What blocks replaced: that who reads an earlier state finds it, and that nothing else is kept.

use std::ops::{ControlFlow, RangeInclusive};

use alloy_primitives::keccak256;

use super::{Faults, scan_kind};
use crate::chain::{ChainError, stored_u64, touched};
use crate::state::base::{first_change, trail_of};
use crate::state::history::{Replaced, Trail};
use crate::state::keys;
use crate::state::record::{
    ReadTrail, account_trail, read_account, read_gone, read_slot, slot_trail,
};
use crate::store::Snapshot;

/// What the history has of one value.
struct Way<'a, K> {
    snapshot: &'a dyn Snapshot,
    /// The first block whose state can be read.
    oldest: u64,
    /// The key of a block's change of it.
    change: K,
}

/// Looks up every change of the blocks whose history is kept, up to the tip.
pub(super) fn follow(
    snapshot: &dyn Snapshot,
    tip: u64,
    faults: &mut Faults,
) -> Result<(), ChainError> {
    let oldest = stored_u64(snapshot, keys::OLDEST)?.unwrap_or(0);
    let looked = last_changes(snapshot, oldest, faults);
    faults.keep("history", looked)?;
    let looked = leftovers(snapshot, oldest + 1..=tip, faults);
    faults.keep("history", looked)?;
    for number in oldest + 1..=tip {
        let Some(touched) = faults.keep("history", touched(snapshot, number))? else { continue };
        let mut note = |what: &str, is_sound: Result<bool, ChainError>| {
            if faults.keep("history", is_sound)? == Some(false) {
                faults.add(format!("what block {number} replaced of {what} is not found"));
            }
            Ok::<_, ChainError>(())
        };
        for address in &touched.accounts {
            let change = |number| keys::account_change(number, address);
            let way = Way { snapshot, oldest, change };
            let flat = keys::account(address);
            note(&address.to_string(), way.leads_to(number, &flat, account_trail))?;
        }
        for (address, slot) in &touched.slots {
            let change = |number| keys::slot_change(number, address, slot);
            let way = Way { snapshot, oldest, change };
            let flat = keys::slot(address, slot);
            let what = format!("slot {slot} of {address}");
            note(&what, way.leads_to(number, &flat, slot_trail))?;
        }
    }
    Ok(())
}

/// Looks up the last change of every account and slot.
fn last_changes(
    snapshot: &dyn Snapshot,
    oldest: u64,
    faults: &mut Faults,
) -> Result<(), ChainError> {
    let is_kept = |trail: Option<Trail>, key: &dyn Fn(u64) -> Vec<u8>| {
        let last = trail.unwrap_or_default().last();
        Ok::<_, ChainError>(last <= oldest || snapshot.get(&key(last))?.is_some())
    };
    let (start, end) = keys::all_accounts();
    each(snapshot, (&start, &end), |record| {
        let Some((address, _)) = read_account(record) else { return Ok(()) };
        let key = |number| keys::account_change(number, &address);
        let mut all_kept = is_kept(account_trail(record), &key)?;
        let (start, end) = keys::all_slots(&keccak256(address));
        each(snapshot, (&start, &end), |record| {
            let Some((slot, _)) = read_slot(record) else { return Ok(()) };
            let key = |number| keys::slot_change(number, &address, &slot);
            all_kept &= is_kept(slot_trail(record), &key)?;
            Ok(())
        })?;
        if !all_kept {
            faults.add(format!("what was replaced last of {address} is not found"));
        }
        Ok(())
    })
}

/// Visits all records with keys from one to another.
fn each(
    snapshot: &dyn Snapshot,
    (start, end): (&[u8], &[u8]),
    mut visit: impl FnMut(&[u8]) -> Result<(), ChainError>,
) -> Result<(), ChainError> {
    let mut visited = Ok(());
    snapshot.scan(start, end, &mut |_, record| {
        visited = visit(record);
        if visited.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    visited
}

/// What nobody will ask for: changes of other blocks than these, and what is kept of values that are gone
/// since before, or that are there.
fn leftovers(
    snapshot: &dyn Snapshot,
    kept: RangeInclusive<u64>,
    faults: &mut Faults,
) -> Result<(), ChainError> {
    let mut changes = 0_u64;
    for kind in [b'A', b'S'] {
        scan_kind(snapshot, kind, &mut |key, _| {
            let number = keys::changing_block(key);
            changes += u64::from(number.is_none_or(|number| !kept.contains(&number)));
            ControlFlow::Continue(())
        })?;
    }
    if changes > 0 {
        faults.add(format!("{changes} changes are of blocks whose history is not kept"));
    }
    let mut looked = Ok(true);
    scan_kind(snapshot, b'g', &mut |key, record| {
        looked = is_gone(snapshot, &key[1..], record, &kept);
        if matches!(looked, Ok(true)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if !looked? {
        faults
            .add("of a value that is gone something else is kept than when it changed".to_owned());
    }
    Ok(())
}

/// Whether a value that had a record with this key is gone, and its last change is one of these blocks'.
fn is_gone(
    snapshot: &dyn Snapshot,
    flat: &[u8],
    record: &[u8],
    kept: &RangeInclusive<u64>,
) -> Result<bool, ChainError> {
    let Some((whose, trail)) = read_gone(flat, record) else { return Ok(false) };
    let change = keys::change_of(trail.last(), whose);
    let is_kept = kept.contains(&trail.last()) && snapshot.get(&change)?.is_some();
    Ok(is_kept && snapshot.get(flat)?.is_none())
}

impl<K: Fn(u64) -> Vec<u8>> Way<'_, K> {
    /// Whether the way from the value's flat record leads to this block's change, and what the change tells of
    /// those before it is what they tell of themselves.
    fn leads_to(&self, number: u64, flat: &[u8], read: ReadTrail) -> Result<bool, ChainError> {
        let record = self.snapshot.get(flat)?;
        let newest = trail_of(self.snapshot, (flat, record.as_deref()), read)?;
        let first = first_change(self.snapshot, newest, number - 1, &self.change)?;
        let Some((found, replaced)) = first else { return Ok(false) };
        let Some(trail) = replaced.trail(number) else { return Ok(false) };
        let is_newest = newest.last() == number;
        let ends = !is_newest || (newest == trail && replaced.is_gone == record.is_none());
        Ok(found == number && ends && self.is_told(&trail, &replaced)?)
    }

    /// Whether a trail is that of the change before it, and this one, which replaced what that one left.
    fn is_told(&self, trail: &Trail, replaced: &Replaced) -> Result<bool, ChainError> {
        let before = trail.before();
        if before <= self.oldest {
            return Ok(trail.nearest(self.oldest) == trail.last());
        }
        let record = self.snapshot.get(&(self.change)(before))?;
        let Some(earlier) = record.as_deref().and_then(Replaced::read) else { return Ok(false) };
        let then = earlier.trail(before).map(|earlier| earlier.then(trail.last()));
        Ok(then.as_ref() == Some(trail) && earlier.is_gone == replaced.value.is_empty())
    }
}
