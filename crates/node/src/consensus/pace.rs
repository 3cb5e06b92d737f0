//! How long what is under way still takes.

use std::time::SystemTime;

/// How fast this node catches up.
pub(crate) struct Pace {
    /// The tip that it began with.
    pub(crate) from: u64,
    pub(crate) since: SystemTime,
}

impl Pace {
    /// How many seconds are left; `None` in the first moments.
    pub(crate) fn left(&self, tip: u64, highest: u64, now: SystemTime) -> Option<u64> {
        let took_ms = now.duration_since(self.since).ok()?.as_millis();
        let (done, left) = (tip.checked_sub(self.from)?, highest.checked_sub(tip)?);
        if done == 0 || took_ms < 1_000 {
            return None;
        }
        u64::try_from(u128::from(left) * took_ms / u128::from(done) / 1_000).ok()
    }
}
