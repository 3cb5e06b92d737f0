//! A bell: many wait, one rings, all look again.
//!
//! Deterministic under the simulator (waiters wake in the order they came), and lossless: whoever
//! reads the count, looks at the state and then waits for another count can't miss a ring between.

use std::{
    collections::BTreeMap,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// The bell. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct Bell {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    rings: u64,
    /// Who waits, by the number of the wait: in the order in which they came.
    waiting: BTreeMap<u64, Waker>,
    waits: u64,
}

impl Bell {
    /// Rings: everybody who waits is woken.
    pub fn ring(&self) {
        let waiting = {
            let mut inner = self.lock();
            inner.rings += 1;
            mem::take(&mut inner.waiting)
        };
        for waker in waiting.into_values() {
            waker.wake();
        }
    }

    /// How often it has rung.
    pub fn rings(&self) -> u64 {
        self.lock().rings
    }

    /// Waits until it has rung more often than `seen`. Safe to drop at any time.
    pub fn after(&self, seen: u64) -> After {
        After { bell: self.clone(), seen, wait: None }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The future of [`Bell::after`].
#[derive(Debug)]
pub struct After {
    bell: Bell,
    seen: u64,
    wait: Option<u64>,
}

impl Future for After {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let mut inner = this.bell.lock();
        if inner.rings > this.seen {
            return Poll::Ready(());
        }
        let wait = *this.wait.get_or_insert_with(|| {
            inner.waits += 1;
            inner.waits
        });
        inner.waiting.insert(wait, context.waker().clone());
        Poll::Pending
    }
}

/// Whoever waits beside other things drops the wait each time that one of them happens: none may
/// stay behind.
impl Drop for After {
    fn drop(&mut self) {
        if let Some(wait) = self.wait {
            self.bell.lock().waiting.remove(&wait);
        }
    }
}
