//! The state of accounts and contracts.
//!
//! Three forms of the same: flat records, which execution reads; the Merkle Patricia tries, which
//! give the state root and proofs; and the history of replaced values, where a read at an older block
//! finds what the first later change replaced. A block that is not final is a layer of changes in memory.

pub(crate) mod base;
pub(crate) mod history;
pub(crate) mod keys;
pub(crate) mod layer;
pub(crate) mod record;
pub(crate) mod root;
pub(crate) mod trie;

use alloy_primitives::{Address, B256, Bytes, U256};

use self::base::{Base, hashed};
use self::keys::Owner;
pub use self::trie::{Leaf, RangeError, check_range};
use crate::chain::ChainError;

/// An account as the state trie holds it.
pub use alloy_trie::TrieAccount as Account;

/// The state at one final block's end: a consistent view, whatever is finalised meanwhile.
#[derive(Debug)]
pub struct StateView {
    pub(crate) number: u64,
    pub(crate) base: Base,
}

/// A Merkle proof of an account and of slots of its storage (EIP-1186).
#[expect(clippy::struct_field_names, reason = "the name is EIP-1186's")]
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
        self.base.account(&address)
    }

    /// A slot of an account's storage.
    pub fn storage(&self, address: Address, slot: U256) -> Result<U256, ChainError> {
        self.base.slot(&address, &slot)
    }

    /// An account's code.
    pub fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        match self.base.account(&address)? {
            Some(account) => self.base.code(&account.code_hash),
            None => Ok(Bytes::new()),
        }
    }

    /// Proves an account and slots of it; only where the view is of the store's last block.
    pub(crate) fn prove(
        &self,
        block_hash: B256,
        address: Address,
        slots: &[U256],
    ) -> Result<Proof, ChainError> {
        let (account_proof, _) = trie::prove(&self.base.nodes(Owner::Accounts), &hashed(address))?;
        let nodes = self.base.nodes(Owner::storage(&address));
        let mut storage = Vec::with_capacity(slots.len());
        for slot in slots {
            let (proof, _) = trie::prove(&nodes, &root::hash_slot(slot))?;
            let value = self.base.slot(&address, slot)?;
            storage.push(StorageProof { slot: *slot, value, proof });
        }
        Ok(Proof {
            block_number: self.number,
            block_hash,
            account: self.base.account(&address)?,
            account_proof,
            storage,
        })
    }
}
