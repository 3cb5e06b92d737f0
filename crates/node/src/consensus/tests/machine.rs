//! What a simulated validator keeps its ledger on: a memory that never fails, or the real ledger on a
//! disk that may.

use alloy_consensus::{SignableTransaction as _, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_sol_types::{SolCall as _, SolValue as _};
use secp256k1::{Message, SECP256K1, SecretKey};
use windlass_chain::{
    genesis::Genesis,
    governance::{
        self,
        abi::Governance::{Action, NewValidator, proposeCall},
    },
    store::SimulatedDisk,
};

use super::ledger::{self, MemoryLedger};
use super::tampered::Tampered;
use crate::{ledger::open_store, seam::Ledger};

/// One validator's machine; it outlives the processes that run on it.
pub(crate) trait Machine {
    /// What runs on it.
    type Ledger: Ledger;

    /// A new one for a validator of this network.
    fn new(genesis: &Genesis) -> Self;

    /// The ledger as a process that starts finds it.
    fn boot(&mut self) -> Self::Ledger;

    /// The process is gone, and what was not durable with it.
    fn crash(&mut self, entropy: impl FnMut() -> u64);

    /// Whether its process may end by itself, asked when it has.
    fn excuse(&self) -> Box<dyn Fn() -> bool + Send>;

    /// The transaction of a number.
    fn transaction(number: u64) -> Bytes;

    /// Whether the transaction of a number is in a final block.
    fn contains(ledger: &Self::Ledger, number: u64) -> bool;
}

/// The hashes of all final blocks, from block 0 on.
pub(crate) fn hashes(ledger: &impl Ledger) -> Vec<B256> {
    let block = |number| ledger.block_by_number(number).expect("the ledger reads");
    (0..=ledger.tip().number)
        .map(|number| block(number).expect("a final block is there").hash())
        .collect()
}

/// A ledger in memory, without execution.
pub(crate) struct Memory {
    ledger: MemoryLedger,
}

impl Machine for Memory {
    type Ledger = MemoryLedger;

    fn new(genesis: &Genesis) -> Self {
        Self { ledger: MemoryLedger::new(genesis.validators().map(Into::into).collect()) }
    }

    fn boot(&mut self) -> MemoryLedger {
        self.ledger.clone()
    }

    fn crash(&mut self, _entropy: impl FnMut() -> u64) {
        self.ledger.crash();
    }

    fn excuse(&self) -> Box<dyn Fn() -> bool + Send> {
        Box::new(|| false)
    }

    fn transaction(number: u64) -> Bytes {
        ledger::transaction(number)
    }

    fn contains(ledger: &MemoryLedger, number: u64) -> bool {
        ledger.contains(number)
    }
}

/// The real ledger: execution, state, pool, store.
pub(crate) struct Real {
    pub(crate) disk: SimulatedDisk,
    genesis: Genesis,
}

impl Machine for Real {
    type Ledger = Tampered;

    fn new(genesis: &Genesis) -> Self {
        Self { disk: SimulatedDisk::default(), genesis: genesis.clone() }
    }

    fn boot(&mut self) -> Tampered {
        let store = self.disk.open().expect("a disk that has power opens");
        let ledger = open_store(store, &self.genesis, None);
        Tampered::new(ledger.expect("what a crash leaves is a ledger"))
    }

    fn crash(&mut self, entropy: impl FnMut() -> u64) {
        self.disk.crash(entropy);
    }

    fn excuse(&self) -> Box<dyn Fn() -> bool + Send> {
        let disk = self.disk.clone();
        Box::new(move || disk.has_failed())
    }

    /// Of an account that sends no other, so that none waits for another one.
    fn transaction(number: u64) -> Bytes {
        let transaction = TxLegacy {
            gas_limit: 21_000,
            to: TxKind::Call(Address::repeat_byte(0x77)),
            ..TxLegacy::default()
        };
        sign(&key(&number.to_be_bytes()), transaction)
    }

    fn contains(ledger: &Tampered, number: u64) -> bool {
        let hash = keccak256(Self::transaction(number));
        ledger.honest.chain().transaction(hash).expect("the ledger reads").is_some()
    }
}

/// The key of an account, by what it is for.
fn key(what: &[u8]) -> SecretKey {
    SecretKey::from_byte_array(keccak256(what).0).expect("almost every number is a key")
}

fn sign(key: &SecretKey, transaction: TxLegacy) -> Bytes {
    let transaction = TxLegacy { chain_id: Some(super::network::CHAIN_ID), ..transaction };
    let message = Message::from_digest(transaction.signature_hash().0);
    let (recovery, bytes) = SECP256K1.sign_ecdsa_recoverable(message, key).serialize_compact();
    let signature = Signature::from_bytes_and_parity(&bytes, i32::from(recovery) == 1);
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
}

/// The account of the simulated networks' only member.
pub(crate) fn member() -> Address {
    let public = key(b"member").public_key(SECP256K1).serialize_uncompressed();
    Address::from_slice(&keccak256(&public[1..])[12..])
}

/// What the member proposes, as the governance contract numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Suspend(u32),
    Resume(u32),
    /// A new validator with these keys.
    Add(B256, B256),
    /// A validator gets another node key.
    ReplaceNode(u32, B256),
    /// A validator gets another consensus key.
    ReplaceConsensus(u32, B256),
}

/// The member's proposal of one action, which it decides alone.
pub(crate) fn proposal(nonce: u64, change: Change) -> Bytes {
    let (kind, arguments) = match change {
        Change::Suspend(validator) => (6, validator.abi_encode()),
        Change::Resume(validator) => (7, validator.abi_encode()),
        Change::ReplaceNode(validator, key) => {
            (8, (validator, U256::ZERO, key).abi_encode_params())
        }
        Change::ReplaceConsensus(validator, key) => {
            (8, (validator, U256::ONE, key).abi_encode_params())
        }
        Change::Add(node_key, consensus_key) => {
            let new = NewValidator {
                name: "later".to_owned(),
                nodeKey: node_key,
                consensusKey: consensus_key,
                account: Address::ZERO,
                endpoint: String::new(),
            };
            (4, (1_u32, new).abi_encode_params())
        }
    };
    let action = Action { kind, arguments: arguments.into() };
    let call = proposeCall { actions: vec![action], force: true, reason: String::new() };
    let transaction = TxLegacy {
        nonce,
        gas_limit: 3_000_000,
        to: TxKind::Call(governance::ADDRESS),
        input: call.abi_encode().into(),
        ..TxLegacy::default()
    };
    sign(&key(b"member"), transaction)
}
