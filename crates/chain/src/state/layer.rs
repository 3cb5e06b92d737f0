//! A block's effect in memory: what it changed, above the state of its parent.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};

use super::Account;
use crate::block::Block;
use crate::receipt::Receipt;

/// An executed block that is not final.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) block: Block,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) changes: Changes,
}

/// A value before and after a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change<T> {
    pub(crate) before: T,
    pub(crate) after: T,
}

/// What a block changed; what it left as it was is not here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) accounts: BTreeMap<Address, Change<Option<Account>>>,
    pub(crate) storage: BTreeMap<Address, BTreeMap<U256, Change<U256>>>,
    pub(crate) codes: BTreeMap<B256, Bytes>,
    /// Records of trie nodes by their whole key.
    pub(crate) nodes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}
