//! A clock that nobody can set, and the one that shows the time of day.
//!
//! A machine's clock is set while the node runs: by hand, by NTP, by a host that wakes up. Whoever
//! waits for a moment that he has worked out from it waits an hour too long when it is set back an
//! hour: no view times out, no peer is looked for, and p2p's rate limits let nothing through. So
//! consensus and p2p measure time on this clock, which begins with the time of day and then goes on
//! by itself. The time of day is asked where it is meant: for the time of a block, and for what
//! people read.

use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use commonware_runtime::{Clock, Supervisor};

use super::clocked::{Clocked, Dial};

/// A context whose clock goes steadily.
pub type Steadied<E> = Clocked<E, Steady>;

/// Where a steady clock began, and how long it has gone since. A clone is the same clock.
#[derive(Clone)]
pub struct Steady {
    begun: SystemTime,
    gone: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl fmt::Debug for Steady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steady").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl Steady {
    /// Begins with the time of day of a context; `gone` tells how long ago that was.
    pub fn new<E: Clock>(context: &E, gone: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { begun: context.current(), gone: Arc::new(gone) }
    }

    /// Goes by the system's clock that can't be set.
    #[expect(clippy::disallowed_methods, reason = "this is the module that owns it")]
    pub fn of_the_system<E: Clock>(context: &E) -> Self {
        let begun = Instant::now();
        Self::new(context, move || begun.elapsed())
    }

    fn show(&self) -> SystemTime {
        self.begun + (self.gone)()
    }
}

impl Dial for Steady {
    fn shown<E: Clock>(&self, _clock: &E) -> SystemTime {
        self.show()
    }

    fn until<E: Clock>(
        self,
        clock: Arc<E>,
        deadline: SystemTime,
    ) -> impl Future<Output = ()> + Send + 'static {
        let left = deadline.duration_since(self.show()).unwrap_or_default();
        clock.sleep(left)
    }
}

/// The time of day, as the machine has it. A clone is the same clock.
#[derive(Clone)]
pub struct Wall(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl fmt::Debug for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wall")
    }
}

impl Wall {
    /// The clock of a context.
    pub fn of<E: Clock + Supervisor>(context: &E) -> Self {
        let clock = context.child("wall");
        Self::showing(move || clock.current())
    }

    /// A clock that shows this.
    pub fn showing(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// What it shows.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// What it shows, in Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        super::application::unix_ms(self.now())
    }
}
