//! The time that a handshake is dated with.
//!
//! Both sides say when it is, and are refused where they differ by more than the bound. A machine has
//! two answers: the time of day, which may have been set wrong, and the steady clock, which has stood
//! still while the machine slept. Where they agree it is the one; where they don't only the peer can
//! tell, so that each attempt takes one of them at random.

use std::{
    convert::Infallible,
    future::Future,
    time::{Duration, SystemTime},
};

use commonware_runtime::Clock;
use governor::clock::{Clock as GovernorClock, ReasonablyRealtime};
use rand_core::{CryptoRng, TryCryptoRng, TryRng};

use super::HANDSHAKE_BOUND;
use crate::consensus::steady::Wall;

/// A context that goes steadily, and shows the time that its handshake is dated with.
pub(super) struct Dated<C> {
    context: C,
    /// What it shows more than its own clock, and less.
    ahead: Duration,
    behind: Duration,
}

impl<C: Clock + CryptoRng> Dated<C> {
    pub(super) fn new(mut context: C, wall: &Wall) -> Self {
        let (steady, day) = (context.current(), wall.now());
        let ahead = day.duration_since(steady).unwrap_or_default();
        let behind = steady.duration_since(day).unwrap_or_default();
        let differ = ahead.max(behind) > HANDSHAKE_BOUND / 2;
        if differ && context.next_u32().is_multiple_of(2) {
            return Self { context, ahead: Duration::ZERO, behind: Duration::ZERO };
        }
        Self { context, ahead, behind }
    }
}

impl<C: Clock> Clock for Dated<C> {
    fn current(&self) -> SystemTime {
        self.context.current() + self.ahead - self.behind
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<C> {
        self.context.sleep(duration)
    }

    fn sleep_until(
        &self,
        deadline: SystemTime,
    ) -> impl Future<Output = ()> + Send + 'static + use<C> {
        self.context.sleep(deadline.duration_since(self.current()).unwrap_or_default())
    }
}

impl<C: Clock> GovernorClock for Dated<C> {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.current()
    }
}

impl<C: Clock> ReasonablyRealtime for Dated<C> {}

impl<C: CryptoRng> TryRng for Dated<C> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.context.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.context.next_u64())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.context.fill_bytes(out);
        Ok(())
    }
}

impl<C: CryptoRng> TryCryptoRng for Dated<C> {}

#[cfg(test)]
mod tests {
    use commonware_runtime::{Runner, Supervisor as _, deterministic};

    use super::*;

    /// How many of a hundred handshakes are dated with the time of day, which is so far off.
    fn by_the_day(off: Duration) -> usize {
        deterministic::Runner::default().start(|context| async move {
            let begun = context.current();
            let wall = Wall::showing(move || begun + off);
            let dated = |_| Dated::new(context.child("handshake"), &wall).current() == begun + off;
            (0..100).map(dated).filter(|by_the_day| *by_the_day).count()
        })
    }

    #[test]
    fn where_the_clocks_differ_each_has_its_turn() {
        assert_eq!(by_the_day(Duration::from_secs(10)), 100);
        let turns = by_the_day(Duration::from_hours(1));
        assert!((20..80).contains(&turns), "{turns}");
    }
}
