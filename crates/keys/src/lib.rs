//! Who holds the private keys, and the only place that ever does.
//!
//! Every other room knows a key by its id ([`windlass_model::KeyId`]) and its public half, and asks
//! a signer to sign. A signer is a trait, so that the holder can be software (the [`vault`]), a
//! hardware module or a process of its own, and the rooms that sign don't see which.
//!
//! Three purposes, and a key has exactly one:
//!
//! | purpose | algorithm | what it signs |
//! |---|---|---|
//! | node | Ed25519 | handshakes between nodes; replaceable |
//! | consensus | Ed25519 | votes, and nothing else |
//! | account | secp256k1 | Ethereum transactions |
//!
//! Invariants:
//! - no function returns a private key but that of a [`TestAccount`], no `Debug` and no error text shows one, and memory that
//!   held one is overwritten when it is let go;
//! - a key file that is readable by anybody but its owner is not used;
//! - Ed25519 signatures are those of [RFC 8032], so signing is deterministic: a vote signed again
//!   after a crash is the same vote, byte for byte, and a verifier of [ZIP 215] accepts it.
//!
//! [RFC 8032]: https://www.rfc-editor.org/rfc/rfc8032
//! [ZIP 215]: https://zips.z.cash/zip-0215

#![warn(missing_docs)]

mod error;
mod file;
mod software;
mod test_account;
pub mod vault;

pub use error::KeyError;
pub use software::{ThrowawayAccount, throwaway_account};
pub use test_account::TestAccount;

/// Signs with an Ed25519 key that it holds.
pub trait Ed25519Signer: Send + Sync {
    /// The 32 bytes of the public key, as RFC 8032 encodes them.
    fn public_key(&self) -> [u8; 32];
    /// The signature over the message; the same message gives the same signature.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError>;
}

/// Signs with a secp256k1 key that it holds, as Ethereum accounts do.
pub trait Secp256k1Signer: Send + Sync {
    /// The account's address: the last 20 bytes of the public key's keccak-256.
    fn address(&self) -> [u8; 20];
    /// r ‖ s ‖ y parity (0 or 1) over a 32-byte hash, s in the lower half of the order.
    fn sign_hash(&self, hash: &[u8; 32]) -> Result<[u8; 65], KeyError>;
}

/// What a key is for; a key has one purpose for its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// The identity of a node towards other nodes.
    Node,
    /// The votes of a validator.
    Consensus,
    /// The transactions of an Ethereum account.
    Account,
}

/// The public half of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublicKey {
    /// An Ed25519 key, as RFC 8032 encodes it.
    Ed25519([u8; 32]),
    /// A secp256k1 key, as the address of its account.
    Account([u8; 20]),
}

impl PublicKey {
    /// The bytes, whichever kind it is.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(bytes) => bytes,
            Self::Account(bytes) => bytes,
        }
    }

    /// The Ed25519 key, where it is one.
    pub fn ed25519(&self) -> Option<[u8; 32]> {
        match self {
            Self::Ed25519(bytes) => Some(*bytes),
            Self::Account(_) => None,
        }
    }
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Node => "node",
            Self::Consensus => "consensus",
            Self::Account => "account",
        })
    }
}

/// Lowercase hexadecimal digits without a prefix.
impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.as_bytes()))
    }
}
