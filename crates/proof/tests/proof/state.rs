//! States made by hand: accounts with storage, their root, and proofs as in EIP-1186.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::proof::ProofRetainer;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};

/// A state: accounts by address.
pub(crate) type State = BTreeMap<Address, Account>;

/// An account with its storage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
    pub(crate) storage: BTreeMap<B256, U256>,
}

impl Account {
    pub(crate) fn trie_account(&self) -> TrieAccount {
        TrieAccount {
            nonce: self.nonce,
            balance: self.balance,
            storage_root: self.storage_trie(None).0,
            ..TrieAccount::default()
        }
    }

    fn storage_trie(&self, slot: Option<B256>) -> (B256, Vec<Bytes>) {
        let values =
            self.storage.iter().map(|(slot, value)| (keccak256(slot), alloy_rlp::encode(value)));
        trie(values.collect(), slot.map(keccak256))
    }

    pub(crate) fn slot_proof(&self, slot: B256) -> Vec<Bytes> {
        self.storage_trie(Some(slot)).1
    }
}

pub(crate) fn state_root(state: &State) -> B256 {
    state_trie(state, None).0
}

pub(crate) fn account_proof(state: &State, address: Address) -> Vec<Bytes> {
    state_trie(state, Some(address)).1
}

fn state_trie(state: &State, address: Option<Address>) -> (B256, Vec<Bytes>) {
    let values = state
        .iter()
        .map(|(address, account)| (keccak256(address), alloy_rlp::encode(account.trie_account())));
    trie(values.collect(), address.map(keccak256))
}

/// The root of a trie and the path to a key.
fn trie(values: BTreeMap<B256, Vec<u8>>, key: Option<B256>) -> (B256, Vec<Bytes>) {
    let targets: Vec<_> = key.iter().map(Nibbles::unpack).collect();
    let mut builder =
        HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets.clone()));
    for (key, value) in values {
        builder.add_leaf(Nibbles::unpack(key), &value);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes();
    let path = targets.first().map(|target| nodes.matching_nodes_sorted(target));
    let path = path.into_iter().flatten().map(|(_, node)| node);
    (root, if root == EMPTY_ROOT_HASH { Vec::new() } else { path.collect() })
}
