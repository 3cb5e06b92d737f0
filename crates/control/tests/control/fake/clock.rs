//! The world's clock and chance: they outlive every control plane.

use std::sync::Mutex;

use tokio::time::Instant;
use windlass_control::world::{Clock, Entropy, MachineClock, MachineEntropy};

/// Goes as the runtime's clock does, and can be set like any.
#[derive(Debug)]
pub(crate) struct FakeClock(Mutex<Hand>);

#[derive(Debug)]
struct Hand {
    /// The time of day at an instant of the runtime.
    at_ms: u64,
    since: Instant,
}

impl Default for FakeClock {
    fn default() -> Self {
        Self(Mutex::new(Hand { at_ms: MachineClock.now_ms(), since: Instant::now() }))
    }
}

impl FakeClock {
    /// Another runtime's clock is followed from here on; nothing has passed in between.
    pub(crate) fn resume(&self) {
        self.0.lock().unwrap().since = Instant::now();
    }

    /// The runtime ends.
    pub(crate) fn pause(&self) {
        let at_ms = self.now_ms();
        *self.0.lock().unwrap() = Hand { at_ms, since: Instant::now() };
    }

    /// The time of day is this one from now on, Unix milliseconds.
    pub(crate) fn set(&self, at_ms: u64) {
        *self.0.lock().unwrap() = Hand { at_ms, since: Instant::now() };
    }

    /// Somebody sets the clock.
    pub(crate) fn step(&self, seconds: i64) {
        let mut hand = self.0.lock().unwrap();
        hand.at_ms = hand.at_ms.saturating_add_signed(seconds.saturating_mul(1_000));
    }
}

impl Clock for FakeClock {
    fn now_ms(&self) -> u64 {
        let hand = self.0.lock().unwrap();
        let passed_ms = hand.since.elapsed().as_millis();
        hand.at_ms.saturating_add(u64::try_from(passed_ms).unwrap_or(u64::MAX))
    }
}

/// Chance, from a seed if there is one (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct Seeded(Option<Mutex<u64>>);

impl Seeded {
    pub(crate) fn of_the_machine() -> Self {
        Self(None)
    }

    pub(crate) fn new(seed: u64) -> Self {
        Self(Some(Mutex::new(seed)))
    }

    pub(crate) fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Entropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        let Some(state) = &self.0 else { return MachineEntropy.fill(buffer) };
        let mut state = state.lock().unwrap();
        for chunk in buffer.chunks_mut(8) {
            let drawn = Self::next(&mut state).to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }
}
