//! A throw-away account that signs its own transactions.

use std::time::Duration;

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::{eip2718::Encodable2718, eip2930::AccessList};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, keccak256};
use secp256k1::{Message, SECP256K1, SecretKey};
use serde_json::json;

use crate::{Endpoint, world};

/// A key and the nonce that it uses next.
#[derive(Debug)]
pub struct Account {
    key: SecretKey,
    /// Its address.
    pub address: Address,
    chain_id: u64,
    nonce: u64,
}

/// What a transaction does.
#[derive(Clone, Debug)]
pub struct Call {
    /// The recipient; none for a deployment.
    pub to: Option<Address>,
    /// The value in wei.
    pub value: U256,
    /// The input.
    pub input: Bytes,
    /// The gas limit.
    pub gas: u64,
}

impl Default for Call {
    fn default() -> Self {
        let to = Some(Address::repeat_byte(0x77));
        Self { to, value: U256::ZERO, input: Bytes::new(), gas: 21_000 }
    }
}

impl Account {
    /// A new account for a chain.
    pub fn new(chain_id: u64) -> Self {
        let mut secret = [0u8; 32];
        getrandom::fill(&mut secret).expect("the system gives random bytes");
        Self::of_key(secret, chain_id)
    }

    /// The account of a key, which has sent nothing yet.
    pub fn of_key(secret: [u8; 32], chain_id: u64) -> Self {
        let key = SecretKey::from_byte_array(secret).expect("almost every number is a key");
        let public = key.public_key(SECP256K1).serialize_uncompressed();
        let address = Address::from_raw_public_key(&public[1..]);
        Self { key, address, chain_id, nonce: 0 }
    }

    /// A signed transaction with the next nonce, as `0x` hex.
    pub fn sign(&mut self, call: Call) -> String {
        let nonce = self.nonce;
        self.nonce += 1;
        self.sign_with(call, nonce, self.chain_id)
    }

    /// A signed transaction with any nonce and chain id.
    pub fn sign_with(&self, call: Call, nonce: u64, chain_id: u64) -> String {
        let transaction = TxEip1559 {
            chain_id,
            nonce,
            gas_limit: call.gas,
            max_fee_per_gas: 1_000_000_000,
            max_priority_fee_per_gas: 0,
            to: call.to.map_or(TxKind::Create, TxKind::Call),
            value: call.value,
            input: call.input,
            access_list: AccessList::default(),
        };
        let signature = self.signature(transaction.signature_hash().0);
        let envelope = TxEnvelope::from(transaction.into_signed(signature));
        format!("0x{}", hex::encode(envelope.encoded_2718()))
    }

    /// A signature of 32 bytes: r, s and v as `0x` hex.
    pub fn sign_digest(&self, digest: [u8; 32]) -> String {
        format!("0x{}", hex::encode(self.signature(digest).as_bytes()))
    }

    fn signature(&self, digest: [u8; 32]) -> Signature {
        let signed = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(digest), &self.key);
        let (recovery, bytes) = signed.serialize_compact();
        Signature::from_bytes_and_parity(&bytes, i32::from(recovery) & 1 == 1)
    }

    /// Sends a transaction; its hash, once the network has acknowledged it. What was refused
    /// because a node was lost on the way is sent again, as clients are told to.
    pub async fn send(&mut self, endpoint: &Endpoint, call: Call) -> String {
        let raw = self.sign(call);
        let bytes = hex::decode(raw.trim_start_matches("0x")).expect("it was written as hex");
        let hash = keccak256(bytes).to_string();
        world::eventually("a transaction is acknowledged", Duration::from_secs(30), async || {
            match endpoint.try_call("eth_sendRawTransaction", json!([raw])).await? {
                Ok(answer) => {
                    assert_eq!(answer, json!(hash));
                    Some(())
                }
                // An earlier try has reached the network after all.
                Err(error) if error.message.contains("already known") => Some(()),
                Err(error) => {
                    let code = error.data.as_ref().and_then(|data| data.get("code")).cloned();
                    assert_eq!(code, Some(json!("network_unavailable")), "refused: {error:?}");
                    None
                }
            }
        })
        .await;
        hash
    }
}
