//! How far an import is: the key space in segments, each with a cursor, kept beside what was imported.

use alloy_primitives::{B256, U256};
use alloy_rlp::{RlpDecodable, RlpEncodable};

/// How many segments there are: as many requests for ranges can be under way.
pub(super) const SEGMENTS: u8 = 16;

/// What is imported so far. It is committed with what it tells of.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(super) struct Plan {
    /// A block such that everything imported is as it was after it or after a later one; 0 while
    /// nothing is.
    pub(super) base: u64,
    pub(super) segments: Vec<Segment>,
    pub(super) accounts: u64,
    pub(super) slots: u64,
    pub(super) bytes: u64,
}

/// A segment of the hashed addresses: first its accounts are imported, then their storage.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(super) struct Segment {
    pub(super) phase: u8,
    /// The next hashed address.
    pub(super) account: B256,
    /// The next hashed slot of that account, while storage is imported.
    pub(super) slot: B256,
}

pub(super) const ACCOUNTS: u8 = 0;
pub(super) const STORAGE: u8 = 1;
pub(super) const DONE: u8 = 2;

/// What of an account an import has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nothing: it comes with a range.
    Nothing,
    /// Its record. The storage comes with a range, and the record has the root that it is to have.
    Record,
    /// The slots with a hash below this one too. The record has the root of what is there.
    SlotsBelow(B256),
    /// Everything. The record has the root of what is there.
    Everything,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many accounts were imported.
    pub accounts: u64,
    /// How many slots.
    pub slots: u64,
    /// How many bytes of the state were taken from answers.
    pub bytes: u64,
    /// How much of the state is there, of [`Progress::WHOLE`]: hashed keys are spread evenly, so it is
    /// the part of the key space, accounts and storage counting one half each.
    pub done: u32,
}

impl Progress {
    /// All of it.
    pub const WHOLE: u32 = 2 * 0x1_0000;
}

/// How finely the place within a segment is told.
const WITHIN: u32 = 0x1_0000 / 16;

impl Default for Plan {
    fn default() -> Self {
        let segment = |index| Segment { phase: ACCOUNTS, account: first(index), slot: B256::ZERO };
        let segments = (0..SEGMENTS).map(segment).collect();
        Self { base: 0, segments, accounts: 0, slots: 0, bytes: 0 }
    }
}

impl Plan {
    /// Whether all ranges were imported.
    pub(super) fn is_complete(&self) -> bool {
        self.segments.iter().all(|segment| segment.phase == DONE)
    }

    /// What is imported of the account with a hashed address.
    pub(super) fn reach(&self, account: &B256) -> Reach {
        let segment = &self.segments[usize::from(account[0] / (u8::MAX / SEGMENTS + 1))];
        match segment.phase {
            ACCOUNTS if *account < segment.account => Reach::Record,
            ACCOUNTS => Reach::Nothing,
            STORAGE if *account < segment.account => Reach::Everything,
            STORAGE if *account == segment.account && !segment.slot.is_zero() => {
                Reach::SlotsBelow(segment.slot)
            }
            STORAGE => Reach::Record,
            _ => Reach::Everything,
        }
    }

    /// Moves a segment's cursor behind an account; true if that was its last one.
    pub(super) fn pass(&mut self, index: u8, account: B256) {
        let segment = &mut self.segments[usize::from(index)];
        segment.slot = B256::ZERO;
        if account >= last(index) {
            segment.phase += 1;
            segment.account = first(index);
        } else {
            segment.account = successor(account);
        }
    }

    /// Moves a segment's cursor behind the storage of accounts, each up to a hashed slot.
    pub(super) fn pass_storage(&mut self, index: u8, parts: &[(B256, B256)]) {
        for (account, end) in parts {
            if *end < B256::repeat_byte(0xff) {
                let segment = &mut self.segments[usize::from(index)];
                (segment.account, segment.slot) = (*account, successor(*end));
                return;
            }
            self.pass(index, *account);
        }
    }

    /// Ends a segment whose other accounts have no storage, unless one is under way.
    pub(super) fn end_storage(&mut self, index: u8) {
        let segment = &self.segments[usize::from(index)];
        if segment.phase == STORAGE && segment.slot.is_zero() {
            self.pass(index, last(index));
        }
    }

    pub(super) fn count(&mut self, accounts: usize, slots: usize, bytes: usize) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.accounts = self.accounts.saturating_add(number(accounts));
        self.slots = self.slots.saturating_add(number(slots));
        self.bytes = self.bytes.saturating_add(number(bytes));
    }

    pub(super) fn progress(&self) -> Progress {
        let done = self.segments.iter().map(|segment| {
            let place = u16::from_be_bytes([segment.account[0], segment.account[1]]);
            let within = u32::from(place) % WITHIN;
            match segment.phase {
                ACCOUNTS => within,
                STORAGE => WITHIN + within,
                _ => 2 * WITHIN,
            }
        });
        let done = done.sum();
        Progress { accounts: self.accounts, slots: self.slots, bytes: self.bytes, done }
    }
}

/// The first hash of a segment.
pub(super) fn first(index: u8) -> B256 {
    let mut first = B256::ZERO;
    first[0] = index * (u8::MAX / SEGMENTS + 1);
    first
}

/// The last hash of a segment.
pub(super) fn last(index: u8) -> B256 {
    let mut last = B256::repeat_byte(0xff);
    last[0] = first(index)[0] + u8::MAX / SEGMENTS;
    last
}

/// The hash after one that isn't the last.
pub(super) fn successor(hash: B256) -> B256 {
    (U256::from_be_bytes(hash.0) + U256::ONE).into()
}
