//! What the server's own thread may do for a caller: to hand work over takes longer than most calls do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Work that took longer was not short.
const SHORT: Duration = Duration::from_millis(1);
/// After work that was not short there is none for so many times as long: others have most of the thread.
const RESTS: u32 = 8;

/// Lets short work be done by whoever asks.
#[derive(Debug)]
pub(super) struct Brief {
    begun: Instant,
    /// Until when there is a rest, in microseconds since then.
    rests_until: AtomicU64,
}

impl Brief {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), rests_until: AtomicU64::new(0) }
    }

    /// Does it there and then, or nothing.
    pub(super) fn run<T>(&self, work: impl FnOnce() -> Option<T>) -> Option<T> {
        let began = Instant::now();
        if self.rests(began) {
            return None;
        }
        let done = work();
        self.note(began, began.elapsed());
        done
    }

    fn rests(&self, now: Instant) -> bool {
        self.since_begun(now) < self.rests_until.load(Ordering::Relaxed)
    }

    fn note(&self, began: Instant, took: Duration) {
        if took > SHORT {
            let until = began + took.saturating_mul(1 + RESTS);
            self.rests_until.store(self.since_begun(until), Ordering::Relaxed);
        }
    }

    fn since_begun(&self, at: Instant) -> u64 {
        at.duration_since(self.begun).as_micros().try_into().unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_what_took_long_there_is_a_rest() {
        let brief = Brief::new();
        assert_eq!(brief.run(|| Some(1)), Some(1));
        assert_eq!(brief.run(|| None::<u8>), None);
        let now = brief.begun + Duration::from_secs(1);
        brief.note(now, SHORT);
        assert!(!brief.rests(now + SHORT), "a millisecond is short");
        brief.note(now, SHORT * 10);
        assert!(brief.rests(now + SHORT * 10) && brief.rests(now + SHORT * 89));
        assert!(!brief.rests(now + SHORT * 91));
        brief.note(Instant::now() + Duration::from_secs(9), SHORT * 2);
        assert_eq!(brief.run(|| Some(1)), None);
    }
}
