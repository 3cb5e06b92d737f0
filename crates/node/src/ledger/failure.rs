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
