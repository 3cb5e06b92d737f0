//! The two keys of a validator, as commonware wants them.
//!
//! Private keys never leave the crate `keys`: both signers here hold a handle that signs, and no
//! bytes. The node key authenticates the p2p handshake, the consensus key signs votes.

use std::{fmt, sync::Arc};

use commonware_codec::{Copying, DecodeExt};
use commonware_cryptography::{
    Signer,
    ed25519::{PublicKey, Signature},
};
use commonware_math::algebra::Random;
use commonware_utils::union_unique;
use rand_core::CryptoRng;
use windlass_keys::{Ed25519Signer, KeyError};

/// A public key in the form that genesis and `node.toml` write it; `None` where it is no point of
/// the curve.
pub fn public_key(bytes: &[u8; 32]) -> Option<PublicKey> {
    PublicKey::decode(Copying(bytes)).ok()
}

/// A key that is used through its handle.
#[derive(Clone)]
pub struct HandleSigner {
    handle: Arc<dyn Ed25519Signer>,
    public: PublicKey,
}

impl fmt::Debug for HandleSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandleSigner").field("public", &self.public).finish_non_exhaustive()
    }
}

impl HandleSigner {
    /// Wraps a handle; `None` where its public key is no point of the curve.
    pub fn new(handle: Arc<dyn Ed25519Signer>) -> Option<Self> {
        let public = public_key(&handle.public_key())?;
        Some(Self { handle, public })
    }

    /// Signs, or says why not.
    pub fn try_sign(&self, namespace: &[u8], message: &[u8]) -> Result<Signature, KeyError> {
        let bytes = self.handle.sign(&union_unique(namespace, message))?;
        Ok(Signature::decode(Copying(&bytes)).expect("64 bytes are a signature"))
    }
}

impl Signer for HandleSigner {
    type Signature = Signature;
    type PublicKey = PublicKey;

    fn public_key(&self) -> PublicKey {
        self.public.clone()
    }

    /// A key that can't sign yields a signature that doesn't verify: the handshake fails and is
    /// tried again, the process lives on.
    fn sign(&self, namespace: &[u8], message: &[u8]) -> Signature {
        self.try_sign(namespace, message).unwrap_or_else(|error| {
            tracing::error!(%error, "the node key could not sign");
            Signature::decode(Copying(&[0; 64])).expect("64 bytes are a signature")
        })
    }
}

impl Random for HandleSigner {
    fn random(rng: impl CryptoRng) -> Self {
        let key = commonware_cryptography::ed25519::PrivateKey::random(rng);
        let public = key.public_key();
        Self { handle: Arc::new(InMemory(key)), public }
    }
}

/// A key that lives in this process only; commonware asks for a way to make one.
struct InMemory(commonware_cryptography::ed25519::PrivateKey);

impl Ed25519Signer for InMemory {
    fn public_key(&self) -> [u8; 32] {
        let key = self.0.public_key();
        key.as_ref().try_into().expect("an Ed25519 public key has 32 bytes")
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        // The caller has put the namespace before the message, in the form that `sign` would.
        let (namespace, message) = split_unique(message);
        let signature = self.0.sign(namespace, message);
        Ok(signature.as_ref().try_into().expect("an Ed25519 signature has 64 bytes"))
    }
}

/// Undoes `union_unique`: a varint length, the namespace, the message.
fn split_unique(joined: &[u8]) -> (&[u8], &[u8]) {
    let mut length = 0usize;
    for (position, byte) in joined.iter().enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            let rest = &joined[position + 1..];
            return rest.split_at(length.min(rest.len()));
        }
    }
    (&[], joined)
}

#[cfg(test)]
mod tests {
    use commonware_cryptography::Verifier as _;

    use super::*;

    #[test]
    fn a_handle_signs_as_commonware_verifies() {
        for namespace in [&b"n"[..], &[7; 300]] {
            let signer = HandleSigner::from_seed(3);
            let signature = signer.sign(namespace, b"message");
            assert!(signer.public_key().verify(namespace, b"message", &signature));
            assert!(!signer.public_key().verify(namespace, b"other", &signature));
        }
    }
}
