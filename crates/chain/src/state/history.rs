//! The values that blocks replaced, so that a state before them can be read.
//!
//! What a block replaces lies under the block's number, one record behind the other: the history grows at
//! its end, and what is too old goes from its beginning. The way there is in the value's flat record: the
//! block that changed it last, and for epochs of 1, 4, 16, … blocks the last change before that one's epoch.
//! Of a value that is gone a record of its own keeps that, as long as the history knows when it was there.
//! What was replaced has the same of its own, so that the first change after any block is a few steps away
//! for each power of four in between, however often the value changed.

use alloy_primitives::Bytes;
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};

/// How many lengths of epochs there are: the longest has four million blocks.
const LEVELS: usize = 12;

/// When a value changed last, and before that. All is 0 where the history has nothing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trail {
    last: u64,
    /// For each length of epoch: the last change before the epoch of the last one.
    before: [u64; LEVELS],
}

/// What a change replaced.
#[derive(Debug, RlpEncodable, RlpDecodable)]
pub(crate) struct Replaced {
    /// The value before; empty where there was none.
    pub(crate) value: Bytes,
    /// Whether there was none afterwards.
    pub(crate) is_gone: bool,
    /// The trail's changes before this one, as distances to it.
    pub(crate) distances: Vec<u64>,
}

impl Trail {
    /// The block that changed the value last.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The trail after a change by a later block.
    pub(crate) fn then(&self, number: u64) -> Self {
        let mut before = self.before;
        for (level, before) in before.iter_mut().enumerate() {
            if epoch(self.last, level) != epoch(number, level) {
                *before = self.last;
            }
        }
        Self { last: number, before }
    }

    /// The block that changed it before the last one did; 0 where the history has nothing of that.
    pub(crate) fn before(&self) -> u64 {
        self.before[0]
    }

    /// A change after this block, which is nearer to it than the last one unless that is the first.
    pub(crate) fn nearest(&self, number: u64) -> u64 {
        let nearer = self.before.iter().rev().find(|before| **before > number);
        nearer.copied().unwrap_or(self.last)
    }

    /// The record of the change that the trail ends with, which there is a value after.
    pub(crate) fn replaced(&self, value: Vec<u8>) -> Replaced {
        Replaced { value: value.into(), is_gone: false, distances: self.distances() }
    }

    /// The changes before the last one, as distances to it; what is like the one before is left out at the
    /// end.
    fn distances(&self) -> Vec<u64> {
        let mut distances: Vec<u64> =
            self.before.iter().map(|before| self.last.saturating_sub(*before)).collect();
        while distances.last().is_some_and(|last| distances.iter().rev().nth(1) == Some(last)) {
            distances.pop();
        }
        distances
    }

    /// `None` where a change is not before the last one.
    fn of(last: u64, distances: &[u64]) -> Option<Self> {
        let mut before = [0; LEVELS];
        let mut distance = last;
        for (level, before) in before.iter_mut().enumerate() {
            distance = distances.get(level).copied().unwrap_or(distance);
            *before = last.checked_sub(distance).filter(|before| *before < last)?;
        }
        Some(Self { last, before })
    }

    /// Writes it behind a flat record; one of nothing takes nothing.
    pub(crate) fn write(&self, record: &mut Vec<u8>) {
        if self.last == 0 {
            return;
        }
        let mut numbers = self.distances();
        numbers.insert(0, self.last);
        numbers.encode(record);
    }

    /// Reads what is behind a flat record.
    pub(crate) fn read(mut bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let numbers = Vec::<u64>::decode(&mut bytes).ok().filter(|_| bytes.is_empty())?;
        let (last, distances) = numbers.split_first()?;
        Self::of(*last, distances)
    }
}

impl Replaced {
    /// Reads a change's record.
    pub(crate) fn read(mut record: &[u8]) -> Option<Self> {
        Self::decode(&mut record).ok().filter(|_| record.is_empty())
    }

    /// The trail that ended with this change, which a block of this number made; `None` if it is none.
    pub(crate) fn trail(&self, number: u64) -> Option<Trail> {
        Trail::of(number, &self.distances)
    }
}

/// In which epoch a block is, where an epoch has four to the power of the level blocks.
fn epoch(number: u64, level: usize) -> u64 {
    number >> (2 * level)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each change's trail, by what it is kept with.
    fn trails(changes: &[u64]) -> Vec<Trail> {
        let mut last = Trail::default();
        let mut trails = Vec::new();
        for number in changes {
            let mut record = vec![7];
            last.write(&mut record);
            let trail = Trail::read(&record[1..]).unwrap().then(*number);
            let replaced = alloy_rlp::encode(trail.replaced(vec![1]));
            assert_eq!(Replaced::read(&replaced).unwrap().trail(*number), Some(trail));
            trails.push(trail);
            last = trail;
        }
        trails
    }

    /// The first change after a block, and how many steps lead there.
    fn first_after(trails: &[Trail], number: u64) -> Option<(u64, usize)> {
        let mut trail = trails.last().filter(|trail| trail.last > number)?;
        let mut steps = 0;
        loop {
            let next = trail.nearest(number);
            if next == trail.last {
                return Some((next, steps));
            }
            trail = &trails[trails.binary_search_by_key(&next, |trail| trail.last).unwrap()];
            steps += 1;
        }
    }

    proptest! {
        #[test]
        fn the_first_change_after_any_block_is_found(
            changes in prop::collection::btree_set(1_u64..5_000, 0..300),
            number in 0_u64..5_100,
        ) {
            let changes: Vec<u64> = changes.into_iter().collect();
            let expected = changes.iter().copied().find(|change| *change > number);
            let found = first_after(&trails(&changes), number).map(|(found, _)| found);
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn what_is_read_of_any_bytes_is_read_again(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            for trail in [Trail::read(&bytes), Replaced::read(&bytes).and_then(|it| it.trail(9))] {
                let Some(trail) = trail else { continue };
                let mut record = Vec::new();
                trail.write(&mut record);
                prop_assert_eq!(Trail::read(&record), Some(trail));
            }
        }
    }

    #[test]
    fn a_value_that_every_block_changes_is_found_in_a_few_steps() {
        let changes: Vec<u64> = (1..=20_000).collect();
        let trails = trails(&changes);
        let steps = |number: u64| {
            let (found, steps) = first_after(&trails, number).unwrap();
            assert_eq!(found, number + 1);
            steps
        };
        let most = (20_000 - 8_192..20_000).map(steps).max().unwrap();
        assert!(most <= 3 * 7, "{most} steps");
        assert!(steps(0) <= 3 * 8);
        // Of a value that changes seldom little is kept.
        let mut record = Vec::new();
        Trail::default().then(1_000_000).then(9_000_000).write(&mut record);
        assert!(record.len() <= 10, "{}", record.len());
    }
}
