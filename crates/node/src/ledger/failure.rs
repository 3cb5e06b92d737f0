//! A failure of the store that no block meets: whoever runs the node learns of it, and ends it.

use std::sync::{Arc, Mutex, PoisonError};

use windlass_chain::store::StoreError;

use super::Watch;

/// What happened, once it has. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure {
    found: Arc<Mutex<Option<StoreError>>>,
    told: Arc<Watch>,
}

impl Failure {
    pub(super) fn tell(&self, error: StoreError) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.told.raise();
    }

    /// Waits until it happens; told once.
    pub(super) async fn happens(&self) -> StoreError {
        loop {
            let revision = self.told.revision();
            let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(error) = found {
                return error;
            }
            self.told.after(revision).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::{FutureExt as _, join};

    use super::*;

    #[test]
    fn who_waits_learns_what_happened_once() {
        let failure = Failure::default();
        assert!(failure.happens().now_or_never().is_none());
        let tells = async { failure.tell(StoreError::Locked) };
        let (error, ()) = block_on(async { join!(failure.happens(), tells) });
        assert!(matches!(error, StoreError::Locked), "{error}");
        assert!(failure.happens().now_or_never().is_none());
    }
}
