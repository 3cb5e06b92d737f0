//! The genesis document: every parameter of a network, in one canonical form.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::block::Block;

/// The version of the document's format.
pub const VERSION: u64 = 1;

/// A network's genesis document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The chain id that transactions sign; from 1 to 2^53 - 1.
    pub chain_id: u64,
    /// Unix time of the genesis block, in seconds.
    pub timestamp: u64,
    /// The gas limit of every block.
    pub gas_limit: u64,
    /// The most bytes a contract's code may have (EIP-170).
    pub contract_size_limit: u64,
    /// The most gas a transaction may ask for (EIP-7825).
    pub transaction_gas_cap: u64,
    /// The least time between two blocks, in milliseconds.
    pub min_block_interval_ms: u64,
    /// How many blocks an epoch has.
    pub epoch_length: u64,
    /// The scheme of the consensus keys.
    pub signature_scheme: SignatureScheme,
    /// How gas is priced.
    pub fees: Fees,
    /// The accounts that exist from the beginning.
    pub alloc: BTreeMap<Address, GenesisAccount>,
    /// The organizations and their validators.
    pub members: Vec<Member>,
}

/// The scheme of the consensus keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureScheme {
    /// Ed25519 (RFC 8032).
    Ed25519,
}

/// How gas is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fees {
    /// Fees are neither required nor charged.
    Free,
    /// EIP-1559 with a floor.
    Eip1559 {
        /// The least base fee, in wei.
        floor_wei: u64,
    },
}

/// An account that exists from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenesisAccount {
    /// Its balance in wei.
    pub balance: U256,
    /// Its nonce.
    pub nonce: u64,
    /// Its code.
    pub code: Bytes,
    /// Its storage; no slot is zero.
    pub storage: BTreeMap<B256, B256>,
}

/// An organization's seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name of the organization.
    pub organization: String,
    /// Its validators.
    pub validators: Vec<Validator>,
}

/// A validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// Its name.
    pub name: String,
    /// Its p2p identity: an Ed25519 public key.
    pub node_key: B256,
    /// The public key of its votes.
    pub consensus_key: B256,
}

/// Why bytes are not a genesis document.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// The bytes are not JSON.
    #[error("the genesis document is not valid JSON")]
    Json(#[source] serde_json::Error),
    /// A field is wrong.
    #[error("genesis field {field}: {reason}")]
    Field {
        /// The path of the field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Genesis {
    /// Reads and validates a document.
    pub fn parse(bytes: &[u8]) -> Result<Self, GenesisError> {
        let _ = bytes;
        todo!()
    }

    /// Checks what the types can't hold.
    pub fn validate(&self) -> Result<(), GenesisError> {
        todo!()
    }

    /// The one encoding of the document: sorted keys, no white space, lower-case hex.
    pub fn canonical_json(&self) -> Vec<u8> {
        todo!()
    }

    /// keccak-256 of the canonical document: what the genesis block's `extraData` holds.
    pub fn document_hash(&self) -> B256 {
        alloy_primitives::keccak256(self.canonical_json())
    }

    /// All validators in the document's order: a node's index is its position here.
    pub fn validators(&self) -> impl Iterator<Item = &Validator> {
        self.members.iter().flat_map(|member| &member.validators)
    }

    /// The genesis block.
    pub fn block(&self) -> Block {
        todo!()
    }

    /// The hash of the genesis block: THE hash of the network.
    pub fn hash(&self) -> B256 {
        self.block().hash()
    }
}
