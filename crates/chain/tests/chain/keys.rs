//! Keys that sign votes: Ed25519 as in RFC 8032.

use alloy_primitives::{B256, keccak256};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use sha2::{Digest, Sha512};

/// An Ed25519 key that its name gives.
pub(crate) struct Key([u8; 32]);

impl Key {
    pub(crate) fn named(name: &str) -> Self {
        Self(keccak256(name).0)
    }

    fn expand(&self) -> (Scalar, [u8; 32]) {
        let hash: [u8; 64] = Sha512::digest(self.0).into();
        let (scalar, prefix) = hash.split_at(32);
        let scalar = clamp_integer(scalar.try_into().unwrap());
        (Scalar::from_bytes_mod_order(scalar), prefix.try_into().unwrap())
    }

    pub(crate) fn public(&self) -> B256 {
        B256::from(EdwardsPoint::mul_base(&self.expand().0).compress().to_bytes())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let (scalar, prefix) = self.expand();
        let wide = |parts: &[&[u8]]| {
            Scalar::from_bytes_mod_order_wide(&Sha512::digest(parts.concat()).into())
        };
        let nonce = wide(&[&prefix, message]);
        let commitment = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
        let challenge = wide(&[&commitment, self.public().as_slice(), message]);
        [commitment, (nonce + challenge * scalar).to_bytes()].concat().try_into().unwrap()
    }
}
