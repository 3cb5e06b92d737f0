//! Keys that sign: Ed25519 as in RFC 8032 for votes, secp256k1 for accounts.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_primitives::{Address, B256, Signature, U256, keccak256};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};
use sha2::{Digest, Sha512};
use windlass_proof::Validator;

/// An Ed25519 private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// A key that its name gives.
    pub(crate) fn named(name: &str) -> Self {
        Self(keccak256(name).0)
    }

    /// The scalar, and the prefix that makes the nonces.
    fn expand(&self) -> (Scalar, [u8; 32]) {
        let hash: [u8; 64] = Sha512::digest(self.0).into();
        let (scalar, prefix) = hash.split_at(32);
        let scalar = clamp_integer(scalar.try_into().unwrap());
        (Scalar::from_bytes_mod_order(scalar), prefix.try_into().unwrap())
    }

    /// The public key.
    pub(crate) fn public(&self) -> B256 {
        B256::from(EdwardsPoint::mul_base(&self.expand().0).compress().to_bytes())
    }

    /// A signature: R ‖ s.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let (scalar, prefix) = self.expand();
        let wide = |parts: &[&[u8]]| {
            Scalar::from_bytes_mod_order_wide(&Sha512::digest(parts.concat()).into())
        };
        let nonce = wide(&[&prefix, message]);
        let commitment = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
        let challenge = wide(&[&commitment, self.public().as_slice(), message]);
        let response = nonce + challenge * scalar;
        [commitment, response.to_bytes()].concat().try_into().unwrap()
    }
}

/// A validator's two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) node: Key,
    pub(crate) consensus: Key,
}

impl Keys {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            node: Key::named(&format!("{name}, node")),
            consensus: Key::named(&format!("{name}, consensus")),
        }
    }

    pub(crate) fn validator(&self) -> Validator {
        Validator { node_key: self.node.public(), consensus_key: self.consensus.public() }
    }
}

/// Validators by their names.
pub(crate) fn validators(names: &[&str]) -> Vec<Keys> {
    names.iter().map(|name| Keys::named(name)).collect()
}

/// An account that signs transactions.
pub(crate) fn account(name: &str) -> (SecretKey, Address) {
    let secret = SecretKey::from_byte_array(keccak256(name).0).unwrap();
    let public = PublicKey::from_secret_key(SECP256K1, &secret).serialize_uncompressed();
    (secret, Address::from_slice(&keccak256(&public[1..])[12..]))
}

/// A transaction of an account.
pub(crate) fn transaction(from: &str, nonce: u64, to: Address, input: &[u8]) -> TxEnvelope {
    let transaction = TxEip1559 {
        chain_id: 7_001,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: 2_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: to.into(),
        value: U256::from(nonce) * U256::from(1_000_000_000_000_000u64),
        input: input.to_vec().into(),
        ..TxEip1559::default()
    };
    let message = Message::from_digest(transaction.signature_hash().0);
    let (id, bytes) =
        SECP256K1.sign_ecdsa_recoverable(message, &account(from).0).serialize_compact();
    let signature = Signature::from_bytes_and_parity(&bytes, i32::from(id) == 1);
    TxEnvelope::Eip1559(transaction.into_signed(signature))
}

#[test]
fn keys_are_those_of_rfc_8032() {
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let key = Key(alloy_primitives::hex::decode_to_array(seed).unwrap());
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    assert_eq!(alloy_primitives::hex::encode(key.public()), public);
    let signature = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
                     5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
    assert_eq!(alloy_primitives::hex::encode(key.sign(b"")), signature);
}
