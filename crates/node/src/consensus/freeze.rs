//! A clock that stands still while there is nothing to agree on.
//!
//! Simplex measures its timeouts on the clock of the context that it is given. This context is the
//! real one but for its clock, which stops when the network is idle: no view times out, no timer
//! fires, nothing is sent or written. When there is work again it goes on from where it stood, so
//! a leader has its whole time, however long the pause was.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use commonware_macros::select;
use commonware_runtime::Clock;

use super::{
    bell::Bell,
    clocked::{Clocked, Dial},
};

/// Stops and starts the clocks of all contexts made with it.
#[derive(Clone, Debug, Default)]
pub struct Brake {
    state: Arc<Mutex<State>>,
    changed: Bell,
}

#[derive(Debug, Default)]
struct State {
    /// Since when it stands still.
    since: Option<SystemTime>,
    /// How long it has stood still before.
    lost: Duration,
}

impl Brake {
    /// Stops the clocks; nothing if they stand still.
    pub fn freeze(&self, now: SystemTime) {
        let mut state = self.lock();
        if state.since.is_none() {
            state.since = Some(now);
            drop(state);
            self.changed.ring();
        }
    }

    /// Starts them again; nothing if they run.
    pub fn thaw(&self, now: SystemTime) {
        let mut state = self.lock();
        if let Some(since) = state.since.take() {
            state.lost += now.duration_since(since).unwrap_or_default();
            drop(state);
            self.changed.ring();
        }
    }

    /// What the stopped clock shows when the real one shows `now`.
    fn show(&self, now: SystemTime) -> SystemTime {
        let state = self.lock();
        let real = state.since.map_or(now, |since| since.min(now));
        real.checked_sub(state.lost).unwrap_or(real)
    }

    fn is_frozen(&self) -> bool {
        self.lock().since.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A context whose clock the brake stops.
pub type Braked<E> = Clocked<E, Brake>;

impl Dial for Brake {
    fn shown<E: Clock>(&self, clock: &E) -> SystemTime {
        self.show(clock.current())
    }

    async fn until<E: Clock>(self, clock: Arc<E>, deadline: SystemTime) {
        loop {
            let rings = self.changed.rings();
            if self.is_frozen() {
                self.changed.after(rings).await;
                continue;
            }
            let shown = self.show(clock.current());
            let Ok(left) = deadline.duration_since(shown) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            // Both branches only wait; whichever loses is dropped without effect.
            select! {
                () = clock.sleep(left) => {},
                () = self.changed.after(rings) => {},
            }
        }
    }
}
