//! The state of accounts and contracts at one block.

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::chain::ChainError;

/// The state at one block's end.
#[derive(Debug)]
pub struct StateView {
    pub(crate) number: u64,
}

/// An account as the state trie holds it.
pub use alloy_trie::TrieAccount as Account;

/// A Merkle proof of an account and of slots of its storage (EIP-1186).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The block whose state root the proof leads to.
    pub block_number: u64,
    /// That block's hash.
    pub block_hash: B256,
    /// The account; `None` where the proof shows that there is none.
    pub account: Option<Account>,
    /// The nodes from the state root to the account.
    pub account_proof: Vec<Bytes>,
    /// One proof a slot, in the order asked.
    pub storage: Vec<StorageProof>,
}

/// A Merkle proof of one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageProof {
    /// The slot.
    pub slot: U256,
    /// Its value; zero where the proof shows that there is none.
    pub value: U256,
    /// The nodes from the storage root to the slot.
    pub proof: Vec<Bytes>,
}

impl StateView {
    /// The number of the block.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// An account; `None` where there is none.
    pub fn account(&self, address: Address) -> Result<Option<Account>, ChainError> {
        let _ = address;
        todo!()
    }

    /// A slot of an account's storage.
    pub fn storage(&self, address: Address, slot: U256) -> Result<U256, ChainError> {
        let _ = (address, slot);
        todo!()
    }

    /// An account's code.
    pub fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        let _ = address;
        todo!()
    }
}
