//! Keys in this process' memory.
//!
//! Secrets live in buffers that are overwritten when dropped. The Ed25519 key pair is held by
//! AWS-LC, which overwrites its memory when it frees it; a secp256k1 key is held as 32 bytes and
//! made into the library's type for the moment of a signature.

use std::fmt;

use alloy_primitives::keccak256;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use secp256k1::{Message, SECP256K1, SecretKey};
use zeroize::Zeroizing;

use crate::{Ed25519Signer, KeyError, PublicKey, Purpose, Secp256k1Signer};

/// The 32 secret bytes of either algorithm: an Ed25519 seed or a secp256k1 scalar.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// An Ed25519 key in memory.
pub(crate) struct SoftwareEd25519 {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

/// A secp256k1 key in memory.
pub(crate) struct SoftwareSecp256k1 {
    secret: Secret,
    address: [u8; 20],
}

/// An account that exists in memory only and is gone with this value.
#[derive(Debug)]
pub struct ThrowawayAccount(SoftwareSecp256k1);

/// Makes an account from fresh randomness that is never written anywhere.
pub fn throwaway_account() -> Result<ThrowawayAccount, KeyError> {
    let secret = generate(Purpose::Account)?;
    let signer = SoftwareSecp256k1::new(secret).ok_or(KeyError::Signing)?;
    Ok(ThrowawayAccount(signer))
}

/// Fresh secret bytes that are a valid key for the purpose.
pub(crate) fn generate(purpose: Purpose) -> Result<Secret, KeyError> {
    loop {
        let mut secret = Secret::default();
        random(secret.as_mut())?;
        // All but one in 2^128 scalars are valid; every seed is.
        if public_of(purpose, &secret).is_some() {
            return Ok(secret);
        }
    }
}

/// Fills the buffer from the operating system's generator.
pub(crate) fn random(buffer: &mut [u8]) -> Result<(), KeyError> {
    getrandom::fill(buffer).map_err(|error| {
        let source = error.raw_os_error().map_or_else(
            || std::io::Error::other(error.to_string()),
            std::io::Error::from_raw_os_error,
        );
        KeyError::Randomness(source)
    })
}

/// The public half; `None` if the bytes are no key of this kind.
pub(crate) fn public_of(purpose: Purpose, secret: &Secret) -> Option<PublicKey> {
    match purpose {
        Purpose::Node | Purpose::Consensus => {
            SoftwareEd25519::new(secret).map(|key| PublicKey::Ed25519(key.public))
        }
        Purpose::Account => {
            SoftwareSecp256k1::new(secret.clone()).map(|key| PublicKey::Account(key.address))
        }
    }
}

impl SoftwareEd25519 {
    pub(crate) fn new(seed: &Secret) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair, public })
    }
}

impl SoftwareSecp256k1 {
    pub(crate) fn new(secret: Secret) -> Option<Self> {
        let mut key = SecretKey::from_byte_array(*secret).ok()?;
        let public = key.public_key(SECP256K1).serialize_uncompressed();
        key.non_secure_erase();
        let hash = keccak256(&public[1..]);
        let address = hash[12..].try_into().ok()?;
        Some(Self { secret, address })
    }
}

impl Ed25519Signer for SoftwareEd25519 {
    fn public_key(&self) -> [u8; 32] {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let signature = self.pair.try_sign(message).map_err(|_unspecified| KeyError::Signing)?;
        signature.as_ref().try_into().map_err(|_unspecified| KeyError::Signing)
    }
}

impl Secp256k1Signer for SoftwareSecp256k1 {
    fn address(&self) -> [u8; 20] {
        self.address
    }

    fn sign_hash(&self, hash: &[u8; 32]) -> Result<[u8; 65], KeyError> {
        let mut key =
            SecretKey::from_byte_array(*self.secret).map_err(|_unspecified| KeyError::Signing)?;
        let signature = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(*hash), &key);
        key.non_secure_erase();
        let (recovery, compact) = signature.serialize_compact();
        let mut out = [0u8; 65];
        out[..64].copy_from_slice(&compact);
        out[64] = match recovery {
            secp256k1::ecdsa::RecoveryId::Zero => 0,
            secp256k1::ecdsa::RecoveryId::One => 1,
            // r above the field's order: one signature in 2^127, and Ethereum can't express it.
            secp256k1::ecdsa::RecoveryId::Two | secp256k1::ecdsa::RecoveryId::Three => {
                return Err(KeyError::Signing);
            }
        };
        Ok(out)
    }
}

impl Secp256k1Signer for ThrowawayAccount {
    fn address(&self) -> [u8; 20] {
        self.0.address()
    }

    fn sign_hash(&self, hash: &[u8; 32]) -> Result<[u8; 65], KeyError> {
        self.0.sign_hash(hash)
    }
}

impl fmt::Debug for SoftwareEd25519 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareEd25519")
            .field("public", &hex::encode(self.public))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SoftwareSecp256k1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareSecp256k1")
            .field("address", &hex::encode(self.address))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ed25519_signs_the_vectors_of_rfc_8032() {
        // RFC 8032, 7.1, tests 1 and 3.
        let vectors = [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ];
        for (seed, public, message, signature) in vectors {
            let seed = Zeroizing::new(hex::decode(seed).unwrap().try_into().unwrap());
            let key = SoftwareEd25519::new(&seed).unwrap();
            assert_eq!(hex::encode(key.public_key()), public);
            let message = hex::decode(message).unwrap();
            assert_eq!(hex::encode(key.sign(&message).unwrap()), signature);
        }
    }

    #[test]
    fn secp256k1_has_the_known_address_and_recovers() {
        let mut secret = Secret::default();
        secret[31] = 1;
        let key = SoftwareSecp256k1::new(secret).unwrap();
        assert_eq!(hex::encode(key.address()), "7e5f4552091a69125d5dfcb7b8c2659029395bdf");
        let hash = [7u8; 32];
        let signed = key.sign_hash(&hash).unwrap();
        let signature = alloy_primitives::Signature::from_raw(&signed).unwrap();
        let recovered = signature.recover_address_from_prehash(&hash.into()).unwrap();
        assert_eq!(*recovered, key.address());
        assert_eq!(signature.normalize_s(), None, "s is in the lower half");
    }

    #[test]
    fn invalid_scalars_are_no_account() {
        assert_eq!(public_of(Purpose::Account, &Secret::default()), None);
        assert_eq!(public_of(Purpose::Account, &Zeroizing::new([0xff; 32])), None);
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret = generate(Purpose::Account).unwrap();
        let digits = hex::encode(*secret);
        let account = SoftwareSecp256k1::new(secret.clone()).unwrap();
        let node = SoftwareEd25519::new(&secret).unwrap();
        for text in [format!("{account:?}"), format!("{node:?}"), format!("{account:#?}")] {
            assert!(!text.contains(&digits) && !text.contains(&format!("{:?}", *secret)), "{text}");
        }
        assert_ne!(throwaway_account().unwrap().address(), throwaway_account().unwrap().address());
    }
}
