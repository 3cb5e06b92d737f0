//! Senders that were recovered, by transaction: of a transaction that comes in a block and by gossip, in
//! whichever order and however often, the signature is checked once.

use std::collections::HashMap;

use alloy_primitives::{Address, B256};

/// How many are remembered at least; at most twice as many.
const LEAST: usize = 16_384;

/// What was recovered lately.
#[derive(Debug, Default)]
pub(super) struct KnownSenders {
    new: HashMap<B256, Address>,
    old: HashMap<B256, Address>,
}

impl KnownSenders {
    pub(super) fn get(&self, transaction: &B256) -> Option<Address> {
        self.new.get(transaction).or_else(|| self.old.get(transaction)).copied()
    }

    pub(super) fn note(&mut self, transaction: B256, sender: Address) {
        if self.new.len() >= LEAST {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(transaction, sender);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_the_last_are_remembered_and_no_more_than_twice() {
        let hash = |index: usize| B256::left_padding_from(&index.to_be_bytes());
        let mut known = KnownSenders::default();
        for index in 0..5 * LEAST {
            known.note(hash(index), Address::from_word(hash(index)));
        }
        let found: Vec<usize> =
            (0..5 * LEAST).filter(|index| known.get(&hash(*index)).is_some()).collect();
        assert!((LEAST..=2 * LEAST).contains(&found.len()), "{}", found.len());
        assert_eq!(found.last(), Some(&(5 * LEAST - 1)));
        assert_eq!(found.first(), Some(&(5 * LEAST - found.len())));
        assert_eq!(known.get(&hash(5 * LEAST - 1)), Some(Address::from_word(hash(5 * LEAST - 1))));
    }
}
