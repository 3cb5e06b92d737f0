//! How much a proposal takes of what a block may hold.
//!
//! A block that takes longer to reach the others and to be executed by them than a view lasts is given up,
//! and the next leader's would be too: on narrow links and slow machines a network would stand still for
//! as long as transactions are pending. So a proposal that follows views which came to nothing takes half
//! as much for each of them. A node whose own proposal came to nothing takes half of what that took the
//! next time, and twice as much again after a few that became final.

use std::sync::{Arc, Mutex, PoisonError};

use alloy_primitives::B256;
use windlass_chain::{Block, Room};

/// What every proposal may take.
const LEAST: Room = Room { bytes: 128 << 10, gas: 1_000_000 };
/// After so many own proposals that became final, the next one may take twice as much.
const GOOD: u32 = 4;
/// No more halvings than bring the largest block to the least.
const HALVINGS: u64 = 8;

/// What own proposals have taught. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms {
    inner: Arc<Mutex<Lessons>>,
}

#[derive(Debug)]
struct Lessons {
    /// What the next one may take.
    room: Room,
    /// How many became final since that has changed.
    good: u32,
    last: Option<Made>,
}

impl Default for Lessons {
    fn default() -> Self {
        Self { room: Room::ALL, good: 0, last: None }
    }
}

/// A proposal of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Made {
    /// The block's number.
    pub(super) number: u64,
    /// Its hash.
    pub(super) hash: B256,
    took: Room,
    might: Room,
    /// It followed several views that came to nothing.
    was_halved: bool,
}

/// What became of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is final.
    Final,
    /// It never will be.
    Lost,
    /// Neither yet.
    Open,
}

impl Rooms {
    /// What a proposal may take of `most` that follows so many views which came to nothing. `fate` tells
    /// of the one before.
    pub(super) fn next(&self, most: Room, lost: u64, fate: impl FnOnce(&Made) -> Fate) -> Room {
        let mut lessons = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = lessons.last.take() {
            match fate(&last) {
                Fate::Final => lessons.praise(&last),
                Fate::Lost => lessons.blame(&last),
                Fate::Open => lessons.last = Some(last),
            }
        }
        let halved = (0..lost.min(HALVINGS)).fold(most, |room, _| half(room));
        least_of(lessons.room, halved)
    }

    /// A block was made that might take this, after so many views which came to nothing.
    pub(super) fn made(&self, block: &Block, might: Room, lost: u64) {
        if block.transactions().is_empty() {
            return;
        }
        let took = Room { bytes: block.size(), gas: block.header().gas_used };
        let (number, hash) = (block.number(), block.hash());
        let made = Made { number, hash, took, might, was_halved: lost > 1 };
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).last = Some(made);
    }
}

impl Lessons {
    fn praise(&mut self, last: &Made) {
        if last.was_halved {
            self.room = least_of(self.room, double(last.might));
        }
        self.good += 1;
        if self.good >= GOOD {
            *self = Self { room: double(self.room), good: 0, last: None };
        }
    }

    fn blame(&mut self, last: &Made) {
        // What is this small was not lost for its size.
        if last.took.bytes > LEAST.bytes || last.took.gas > LEAST.gas {
            *self = Self { room: least_of(self.room, half(last.took)), good: 0, last: None };
        }
    }
}

fn half(room: Room) -> Room {
    Room { bytes: (room.bytes / 2).max(LEAST.bytes), gas: (room.gas / 2).max(LEAST.gas) }
}

fn double(room: Room) -> Room {
    Room { bytes: room.bytes.saturating_mul(2), gas: room.gas.saturating_mul(2) }
}

fn least_of(one: Room, other: Room) -> Room {
    Room { bytes: one.bytes.min(other.bytes), gas: one.gas.min(other.gas) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Room = Room { bytes: 8 << 20, gas: 30_000_000 };

    fn sent(rooms: &Rooms, took: Room, might: Room, lost: u64) {
        let made = Made { number: 1, hash: B256::ZERO, took, might, was_halved: lost > 1 };
        rooms.inner.lock().expect("no test panics here").last = Some(made);
    }

    fn is_open(_made: &Made) -> Fate {
        Fate::Open
    }

    #[test]
    fn each_view_that_came_to_nothing_halves_what_is_taken_down_to_the_least() {
        let rooms = Rooms::default();
        assert_eq!(rooms.next(MOST, 0, is_open), MOST);
        assert_eq!(rooms.next(MOST, 1, is_open), Room { bytes: 4 << 20, gas: 15_000_000 });
        assert_eq!(rooms.next(MOST, 3, is_open), Room { bytes: 1 << 20, gas: 3_750_000 });
        assert_eq!(rooms.next(MOST, u64::MAX, is_open), LEAST);
        assert_eq!(rooms.next(MOST, 0, is_open), MOST, "that alone teaches nothing");
    }

    #[test]
    fn a_proposal_that_was_lost_teaches_and_good_ones_unteach() {
        let rooms = Rooms::default();
        let took = Room { bytes: 2 << 20, gas: 20_000_000 };
        sent(&rooms, took, MOST, 0);
        assert_eq!(rooms.next(MOST, 0, is_open), MOST);
        let room = rooms.next(MOST, 0, |_| Fate::Lost);
        assert_eq!(room, Room { bytes: 1 << 20, gas: 10_000_000 });
        for _ in 0..3 {
            sent(&rooms, room, room, 0);
            assert_eq!(rooms.next(MOST, 0, |_| Fate::Final), room);
        }
        sent(&rooms, room, room, 0);
        assert_eq!(rooms.next(MOST, 0, |_| Fate::Final), took);
    }

    #[test]
    fn what_followed_several_lost_views_and_became_final_tells_what_goes() {
        let rooms = Rooms::default();
        let might = rooms.next(MOST, 4, is_open);
        sent(&rooms, might, might, 4);
        assert_eq!(rooms.next(MOST, 0, |_| Fate::Final), double(might));
    }

    #[test]
    fn a_small_proposal_was_not_lost_for_its_size() {
        let rooms = Rooms::default();
        sent(&rooms, Room { bytes: 700, gas: 21_000 }, MOST, 0);
        assert_eq!(rooms.next(MOST, 0, |_| Fate::Lost), MOST);
    }
}
