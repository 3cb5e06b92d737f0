//! The tries of an earlier state: what changed since is changed back, in memory.
//!
//! The store has the nodes of the tip's tries only. An earlier state's differ from them where accounts
//! or slots changed since, which the history knows; so its nodes are made anew above the tip's, at the
//! cost of those changes, and its root must be its block's.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use alloy_primitives::{Address, U256};

use super::history::touched;
use super::{At, Chain, ChainError, stored_block, stored_tip};
use crate::state::StateView;
use crate::state::base::Base;
use crate::state::layer::{Change, Changes, Layer};
use crate::state::root;

impl Chain {
    /// The state at a final block's end, with its tries. The further back it is, the longer that takes; it
    /// ends soon after the flag is set, but for the hashing at its end.
    pub(super) fn state_with_tries(
        &self,
        at: At,
        cancel: Option<&AtomicBool>,
    ) -> Result<StateView, ChainError> {
        let StateView { number, base } = self.state(at)?;
        let (tip, _) = stored_tip(base.snapshot())?;
        if number == tip.number {
            return Ok(StateView { number, base });
        }
        let oldest = tip.number.saturating_sub(self.proof_window);
        if number < oldest {
            return Err(ChainError::ProofPruned { number, oldest });
        }
        let block = stored_block(base.snapshot(), number)?.ok_or(ChainError::UnknownBlock)?;
        let (mut changes, wiped, base) = changed_back(base, number + 1..=tip.number, cancel)?;
        let found = root::seal(&base, &mut changes, &wiped)?;
        if found != block.header().state_root {
            let what = format!("the history since block {number} does not lead back to its state");
            return Err(ChainError::Damaged(what));
        }
        let layer = Layer { block, receipts: Vec::new(), changes };
        Ok(StateView { number, base: base.above(Arc::new(layer)) })
    }
}

fn check(cancel: Option<&AtomicBool>) -> Result<(), ChainError> {
    let is_set = cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed));
    if is_set { Err(ChainError::Cancelled) } else { Ok(()) }
}

/// What leads from the tip's state back to an earlier one, the accounts that were not there then, and the
/// tip's state.
fn changed_back(
    past: Base,
    later: RangeInclusive<u64>,
    cancel: Option<&AtomicBool>,
) -> Result<(Changes, Vec<Address>, Base), ChainError> {
    let mut accounts = BTreeSet::new();
    let mut storage: BTreeMap<Address, BTreeSet<U256>> = BTreeMap::new();
    for number in later {
        check(cancel)?;
        let touched = touched(past.snapshot(), number)?;
        accounts.extend(touched.accounts);
        for (address, slot) in touched.slots {
            storage.entry(address).or_default().insert(slot);
        }
    }
    let mut changes = Changes::default();
    for address in accounts {
        check(cancel)?;
        let after = past.account(&address)?;
        changes.accounts.insert(address, Change { before: None, after });
    }
    for (address, slots) in storage {
        let mut then = BTreeMap::new();
        for slot in slots {
            check(cancel)?;
            let after = past.slot(&address, &slot)?;
            then.insert(slot, Change { before: U256::ZERO, after });
        }
        changes.storage.insert(address, then);
    }
    let now = past.into_present();
    let mut wiped = Vec::new();
    for (address, change) in &mut changes.accounts {
        check(cancel)?;
        change.before = now.account(address)?;
        if change.before.is_some() && change.after.is_none() {
            wiped.push(*address);
        }
    }
    for (address, slots) in &mut changes.storage {
        for (slot, change) in slots {
            check(cancel)?;
            change.before = now.slot(address, slot)?;
        }
    }
    Ok((changes, wiped, now))
}
