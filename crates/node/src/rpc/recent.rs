//! The blocks that were asked for last.
//!
//! A client that has sent a thousand transactions asks for a thousand receipts of one block.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use windlass_chain::{Block, BlockRef, Receipt};

/// How many blocks are kept: what clients that follow the tip ask for.
const KEPT: usize = 4;

/// A final block and its receipts.
#[derive(Debug)]
pub(super) struct Final {
    pub(super) block: Block,
    pub(super) receipts: Vec<Receipt>,
}

/// The last blocks that were read, the newest at the end. What is final does not change.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<Arc<Final>>>);

impl Recent {
    /// The block, which is read unless it is here.
    pub(super) fn get<E>(
        &self,
        at: BlockRef,
        read: impl FnOnce() -> Result<Option<Final>, E>,
    ) -> Result<Option<Arc<Final>>, E> {
        let is_it = |kept: &Final| match at {
            BlockRef::Number(number) => kept.block.number() == number,
            BlockRef::Hash(hash) => kept.block.hash() == hash,
        };
        if let Some(kept) = self.kept().iter().rev().find(|kept| is_it(kept)) {
            return Ok(Some(Arc::clone(kept)));
        }
        let Some(read) = read()?.map(Arc::new) else { return Ok(None) };
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&read));
        Ok(Some(read))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Final>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use windlass_chain::ChainError;
    use windlass_chain::genesis::Fees;

    use super::*;
    use crate::seam::{Ledger as _, Origin};
    use crate::testing::{Account, drive, ledger};

    #[test]
    fn a_block_is_read_once_until_others_were_asked_for() {
        let (ledger, account) = (ledger(Fees::Free, &[]), Account::new());
        for nonce in 0..5 {
            ledger.admit(account.transaction(nonce, |_| {}), Origin::Client).unwrap();
            drive(&ledger);
        }
        let (recent, reads) = (Recent::default(), Cell::new(0));
        let get = |at: BlockRef| {
            let read = || -> Result<_, ChainError> {
                reads.set(reads.get() + 1);
                let Some(block) = ledger.chain().block(at)? else { return Ok(None) };
                let receipts = ledger.chain().receipts(at)?.unwrap();
                Ok(Some(Final { block, receipts }))
            };
            recent.get(at, read).unwrap().map(|found| (found.block.number(), reads.get()))
        };
        assert_eq!(get(BlockRef::Number(1)), Some((1, 1)));
        let hash = ledger.chain().header(1).unwrap().unwrap().hash_slow();
        assert_eq!(get(BlockRef::Hash(hash)), Some((1, 1)));
        assert_eq!(get(BlockRef::Number(9)), None);
        for number in 2..=5 {
            assert_eq!(get(BlockRef::Number(number)), Some((number, 1 + number)));
        }
        assert_eq!(get(BlockRef::Number(2)), Some((2, 6)));
        assert_eq!(get(BlockRef::Number(1)), Some((1, 7)));
    }
}
