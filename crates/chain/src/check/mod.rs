//! A look at a whole ledger on disk, for operators: whether it is what it claims to be, and what takes
//! how much of it.
//!
//! Every record's checksum is read. Then the blocks are followed from the first to the last, each with
//! its body, receipts and places in the indexes; the state is built anew from the flat records and
//! compared with the tip's root; every node of the tries is followed from that root; and the way to every
//! value that a block replaced from the one that is there now. What is found wrong is listed, so that one
//! damaged record does not hide the next.

mod blocks;
mod census;
mod history;
mod state;

pub use self::census::{Kind, census};

use crate::chain::{ChainError, Tip, check_format, stored_tip, stored_u64};
use crate::state::keys;
use crate::store::{Snapshot, Store, StoreError};

/// So many faults are listed.
pub const MOST_FAULTS: usize = 32;

/// What a look at a ledger has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The last final block.
    pub tip: Tip,
    /// The first block from which on all are there; 0 where that is the genesis.
    pub first_block: u64,
    /// Blocks that were looked at.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Accounts of the state.
    pub accounts: u64,
    /// Slots of their storage.
    pub slots: u64,
    /// Nodes of the tries.
    pub nodes: u64,
    /// What is wrong, in words, at most [`MOST_FAULTS`]; empty where nothing is.
    pub faults: Vec<String>,
}

/// How far a look is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Records are read.
    Records(u64),
    /// Blocks are followed up to this one.
    Block(u64),
    /// Accounts are put into the trie, so many.
    Accounts(u64),
}

/// Who is told how far a look is.
pub type Tell<'a> = &'a mut dyn FnMut(Progress);

/// Looks at everything that is in a store.
///
/// # Errors
/// If there is no ledger, or so little of it that nothing can be compared. What is wrong in it is no
/// error but a fault.
pub fn check(store: &impl Store, tell: Tell<'_>) -> Result<Checked, ChainError> {
    let snapshot = store.snapshot()?;
    let snapshot = snapshot.as_ref();
    let format = snapshot.get(keys::FORMAT)?;
    check_format(&format.ok_or_else(|| ChainError::Damaged("there is no ledger".to_owned()))?)?;
    let (tip, header) = stored_tip(snapshot)?;
    let first_block = stored_u64(snapshot, keys::FIRST)?.unwrap_or(0);
    let mut faults = Faults::default();
    faults.keep("records", census::read_all(snapshot, tell))?;
    let counted = blocks::follow(snapshot, (first_block, tip), &mut faults, tell)?;
    history::follow(snapshot, tip.number, &mut faults)?;
    let state = state::rebuild(snapshot, header.state_root, &mut faults, tell)?;
    Ok(Checked {
        tip,
        first_block,
        blocks: counted.blocks,
        transactions: counted.transactions,
        accounts: state.accounts,
        slots: state.slots,
        nodes: state.nodes + state.storage_nodes,
        faults: faults.found,
    })
}

/// What is wrong so far.
#[derive(Debug, Default)]
struct Faults {
    found: Vec<String>,
}

impl Faults {
    fn add(&mut self, what: String) {
        if self.found.len() < MOST_FAULTS && !self.found.contains(&what) {
            self.found.push(what);
        }
    }

    /// Damage is a fault; any other error ends the look.
    fn keep<T>(
        &mut self,
        of: &str,
        looked: Result<T, ChainError>,
    ) -> Result<Option<T>, ChainError> {
        match looked {
            Ok(found) => Ok(Some(found)),
            Err(error) if StoreError::is_damage(&error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                let why = source.map_or_else(String::new, |source| format!(": {source}"));
                self.add(format!("{of}: {error}{why}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Visits all entries with a prefix.
fn scan_kind(
    snapshot: &dyn Snapshot,
    kind: u8,
    visit: crate::store::Visit<'_>,
) -> Result<(), ChainError> {
    Ok(snapshot.scan(&[kind], &[kind + 1], visit)?)
}
