//! Who holds the private keys, as the control plane knows them: by id and public half.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use windlass_keys::{KeyError, PublicKey, Purpose, vault::Vault};
use windlass_model::KeyId;

use crate::world::Pending;

/// Makes, lists and destroys keys, and signs with them. Every verb can be repeated.
pub trait KeyHolder: fmt::Debug + Send + Sync {
    /// Where the keys are, for the programs that sign with them.
    fn directory(&self) -> &Path;

    /// Makes a key and returns its public half, or returns the one that this id has already.
    fn create<'a>(
        &'a self,
        id: &'a KeyId,
        purpose: Purpose,
    ) -> Pending<'a, Result<PublicKey, KeyError>>;

    /// Signs a hash with an account's key: r ‖ s ‖ y parity (0 or 1).
    fn sign_hash<'a>(
        &'a self,
        id: &'a KeyId,
        hash: [u8; 32],
    ) -> Pending<'a, Result<[u8; 65], KeyError>>;

    /// The ids of all keys.
    fn list(&self) -> Pending<'_, Result<Vec<KeyId>, KeyError>>;

    /// Those of these keys of which anything is there. What that costs does not grow with the others.
    fn held<'a>(&'a self, ids: &'a [KeyId]) -> Pending<'a, Result<Vec<KeyId>, KeyError>>;

    /// Destroys a key and reports every path that was there. A key that is gone is a success.
    fn destroy<'a>(&'a self, id: &'a KeyId) -> Pending<'a, Result<Vec<PathBuf>, KeyError>>;
}

/// The software vault, on threads of its own: it waits for the disk.
#[derive(Clone, Debug)]
pub struct VaultKeys {
    vault: Arc<Vault>,
}

impl VaultKeys {
    /// The keys of this vault.
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { vault }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Vault) -> Result<T, KeyError> + Send + 'static,
    ) -> Result<T, KeyError> {
        let vault = Arc::clone(&self.vault);
        let failed = |error| KeyError::Io {
            action: "work on",
            path: self.vault.directory().to_owned(),
            source: std::io::Error::other(error),
        };
        tokio::task::spawn_blocking(move || work(&vault)).await.map_err(failed)?
    }
}

impl KeyHolder for VaultKeys {
    fn directory(&self) -> &Path {
        self.vault.directory()
    }

    fn create<'a>(
        &'a self,
        id: &'a KeyId,
        purpose: Purpose,
    ) -> Pending<'a, Result<PublicKey, KeyError>> {
        let id = id.clone();
        Box::pin(self.blocking(move |vault| vault.create(&id, purpose)))
    }

    fn sign_hash<'a>(
        &'a self,
        id: &'a KeyId,
        hash: [u8; 32],
    ) -> Pending<'a, Result<[u8; 65], KeyError>> {
        let id = id.clone();
        Box::pin(self.blocking(move |vault| vault.secp256k1(&id)?.sign_hash(&hash)))
    }

    fn list(&self) -> Pending<'_, Result<Vec<KeyId>, KeyError>> {
        Box::pin(self.blocking(|vault| {
            vault.list().map(|keys| keys.into_iter().map(|key| key.id).collect())
        }))
    }

    fn held<'a>(&'a self, ids: &'a [KeyId]) -> Pending<'a, Result<Vec<KeyId>, KeyError>> {
        let ids = ids.to_vec();
        Box::pin(self.blocking(move |vault| {
            let mut held = Vec::new();
            for id in ids {
                if vault.has(&id)? {
                    held.push(id);
                }
            }
            Ok(held)
        }))
    }

    fn destroy<'a>(&'a self, id: &'a KeyId) -> Pending<'a, Result<Vec<PathBuf>, KeyError>> {
        let id = id.clone();
        Box::pin(self.blocking(move |vault| vault.destroy(&id).map(|destroyed| destroyed.removed)))
    }
}
