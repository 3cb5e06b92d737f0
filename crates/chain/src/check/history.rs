//! What blocks replaced: that who reads an earlier state finds it.

use std::ops::ControlFlow;

use alloy_primitives::keccak256;

use super::Faults;
use crate::chain::{ChainError, stored_u64, touched};
use crate::state::base::first_change;
use crate::state::history::{Replaced, Trail};
use crate::state::keys;
use crate::state::record::{ReadTrail, account_trail, read_account, read_slot, slot_trail};
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

/// Looks up the last change of every account and slot, gone ones too.
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

impl<K: Fn(u64) -> Vec<u8>> Way<'_, K> {
    /// Whether the way from the value's flat record leads to this block's change, and what the change tells of
    /// those before it is what they tell of themselves.
    fn leads_to(&self, number: u64, flat: &[u8], read: ReadTrail) -> Result<bool, ChainError> {
        let record = self.snapshot.get(flat)?;
        let Some(newest) = record.as_deref().and_then(read) else { return Ok(false) };
        let first = first_change(self.snapshot, newest, number - 1, &self.change)?;
        let Some((found, replaced)) = first else { return Ok(false) };
        let Some(trail) = replaced.trail(number) else { return Ok(false) };
        let is_newest = newest.last() == number;
        Ok(found == number && self.is_told(&trail)? && (!is_newest || newest == trail))
    }

    /// Whether a trail is that of the change before it, and this one.
    fn is_told(&self, trail: &Trail) -> Result<bool, ChainError> {
        let before = trail.before();
        if before <= self.oldest {
            return Ok(trail.nearest(self.oldest) == trail.last());
        }
        let replaced = self.snapshot.get(&(self.change)(before))?;
        let replaced = replaced.as_deref().and_then(Replaced::read);
        let earlier = replaced.and_then(|replaced| replaced.trail(before));
        Ok(earlier.is_some_and(|earlier| earlier.then(trail.last()) == *trail))
    }
}
