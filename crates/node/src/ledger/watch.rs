//! Waking those who wait for the ledger to move: a revision and its waiters.
//!
//! Small and deterministic on purpose: a waiter is woken once a change after the revision it knows
//! has happened, in the order of registration, and by nothing else.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;

use crate::seam::Wake;

/// A revision that rises with every change, and who wants to know.
#[derive(Default)]
pub struct Watch {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    revision: u64,
    waiters: Vec<oneshot::Sender<()>>,
    wakes: Vec<Wake>,
}

impl Watch {
    /// The revision now.
    pub fn revision(&self) -> u64 {
        self.lock().revision
    }

    /// Calls this at every change from now on. It must not block.
    pub fn on_change(&self, wake: Wake) {
        self.lock().wakes.push(wake);
    }

    /// Raises the revision and wakes everybody.
    pub fn raise(&self) {
        let (waiters, wakes) = {
            let mut inner = self.lock();
            inner.revision += 1;
            (std::mem::take(&mut inner.waiters), inner.wakes.clone())
        };
        for waiter in waiters {
            // A waiter that gave up is no failure.
            let _gone = waiter.send(());
        }
        for wake in wakes {
            wake();
        }
    }

    /// Resolves when the revision is above this one. Dropping the future is safe: it only reads.
    pub async fn after(&self, revision: u64) -> u64 {
        loop {
            let woken = {
                let mut inner = self.lock();
                if inner.revision > revision {
                    return inner.revision;
                }
                let (wake, woken) = oneshot::channel();
                inner.waiters.retain(|waiter| !waiter.is_canceled());
                inner.waiters.push(wake);
                woken
            };
            // Whether it was used or dropped, the revision is looked at again.
            let _woken = woken.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn waiters_see_every_change_after_what_they_know() {
        let watch = Watch::default();
        let calls = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&calls);
        watch.on_change(Arc::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        }));
        let mut waiting = Box::pin(watch.after(0));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        watch.raise();
        assert_eq!(waiting.now_or_never(), Some(1));
        assert_eq!(Box::pin(watch.after(0)).now_or_never(), Some(1));
        assert_eq!(Box::pin(watch.after(1)).now_or_never(), None);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}
