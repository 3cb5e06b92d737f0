//! How often a key may be used, or an organization's networks asked: a bucket that fills at its rate, in
//! one atomic number.
//!
//! The number is the instant at which the bucket will be full again ("theoretical arrival time" of the
//! [generic cell rate algorithm]). A call moves it on by one call's share of a second; where that would
//! be later than a full bucket's worth from now, the call is too early.
//!
//! [generic cell rate algorithm]: https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use windlass_model::route::RateLimit;

const SECOND_NS: u64 = 1_000_000_000;

/// What is left of a rate. All requests that it is for share it.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: RateLimit,
    /// When it is full again, in nanoseconds since the gateway's start.
    full_at_ns: AtomicU64,
}

/// Why calls are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooEarly {
    /// They are after so long.
    For(Duration),
    /// They are more than may come at once, however long it is waited.
    AtOnce,
}

impl Meter {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, full_at_ns: AtomicU64::new(0) }
    }

    pub(crate) fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Takes so many calls, or none of them.
    pub(crate) fn take(&self, calls: u32, since_start: Duration) -> Result<(), TooEarly> {
        if calls > self.limit.burst {
            return Err(TooEarly::AtOnce);
        }
        let now_ns = nanoseconds(since_start);
        let latest_ns = now_ns.saturating_add(self.share_ns(self.limit.burst));
        let mut early_ns = 0;
        let taken = self.full_at_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let next = full_at.max(now_ns).saturating_add(self.share_ns(calls));
            early_ns = next.saturating_sub(latest_ns);
            (early_ns == 0).then_some(next)
        });
        taken.map(drop).map_err(|_full_at| TooEarly::For(Duration::from_nanos(early_ns)))
    }

    /// Gives calls back that were taken and came to nothing.
    pub(crate) fn give_back(&self, calls: u32) {
        // Whoever took meanwhile took on top of these.
        self.full_at_ns.fetch_sub(self.share_ns(calls), Ordering::Relaxed);
    }

    /// How long the rate takes for so many calls.
    fn share_ns(&self, calls: u32) -> u64 {
        u64::from(calls).saturating_mul(SECOND_NS) / u64::from(self.limit.per_second.max(1))
    }
}

fn nanoseconds(since_start: Duration) -> u64 {
    u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn a_burst_is_taken_at_once_and_then_the_rate() {
        let meter = Meter::new(RateLimit { per_second: 10, burst: 3 });
        for _ in 0..3 {
            assert_eq!(meter.take(1, ms(0)), Ok(()));
        }
        assert_eq!(meter.take(1, ms(0)), Err(TooEarly::For(ms(100))));
        assert_eq!(meter.take(1, ms(99)), Err(TooEarly::For(ms(1))));
        assert_eq!(meter.take(1, ms(100)), Ok(()));
        assert_eq!(meter.take(2, ms(100)), Err(TooEarly::For(ms(200))));
        // Unused for long, it is full, and no fuller.
        assert_eq!(meter.take(3, ms(60_000)), Ok(()));
        assert_eq!(meter.take(1, ms(60_000)), Err(TooEarly::For(ms(100))));
    }

    #[test]
    fn all_of_a_batch_is_taken_or_nothing() {
        let meter = Meter::new(RateLimit { per_second: 10, burst: 5 });
        assert_eq!(meter.take(6, ms(0)), Err(TooEarly::AtOnce));
        assert_eq!(meter.take(4, ms(0)), Ok(()));
        assert_eq!(meter.take(2, ms(0)), Err(TooEarly::For(ms(100))));
        assert_eq!(meter.take(1, ms(0)), Ok(()), "what was refused took nothing");
    }

    #[test]
    fn what_came_to_nothing_is_there_again() {
        let meter = Meter::new(RateLimit { per_second: 10, burst: 4 });
        assert_eq!(meter.take(3, ms(0)), Ok(()));
        assert_eq!(meter.take(1, ms(0)), Ok(()));
        meter.give_back(3);
        assert_eq!(meter.take(4, ms(0)), Err(TooEarly::For(ms(100))), "the one stays taken");
        assert_eq!(meter.take(3, ms(0)), Ok(()));
    }
}
