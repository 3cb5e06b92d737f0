//! A bell: many wait, one rings, all look again.
//!
//! Deterministic under the simulator (waiters wake in the order they came), and lossless: whoever
//! reads the count, looks at the state and then waits for another count can't miss a ring between.

use std::{
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
    waiting: Vec<Waker>,
}

impl Bell {
    /// Rings: everybody who waits is woken.
    pub fn ring(&self) {
        let waiting = {
            let mut inner = self.lock();
            inner.rings += 1;
            mem::take(&mut inner.waiting)
        };
        for waker in waiting {
            waker.wake();
        }
    }

    /// How often it has rung.
    pub fn rings(&self) -> u64 {
        self.lock().rings
    }

    /// Waits until it has rung more often than `seen`. Safe to drop at any time.
    pub fn after(&self, seen: u64) -> After {
        After { bell: self.clone(), seen }
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
}

impl Future for After {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.bell.lock();
        if inner.rings > self.seen {
            return Poll::Ready(());
        }
        if !inner.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            inner.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}
