//! From the changes of a block to its state root and the trie records it writes.

use alloy_primitives::{Address, B256, U256};
use alloy_rlp::Encodable;
use alloy_trie::EMPTY_ROOT_HASH;
use nybbles::Nibbles;

use super::base::{Base, hashed};
use super::keys::{self, Owner};
use super::layer::Changes;
use super::trie::{self, Nodes};
use crate::chain::ChainError;

/// An empty trie, where everything below an account was wiped.
struct NoNodes;

impl Nodes for NoNodes {
    type Error = ChainError;

    fn node(&self, _: &Nibbles) -> Result<Option<Vec<u8>>, ChainError> {
        Ok(None)
    }

    fn damaged(what: String) -> ChainError {
        ChainError::Damaged(what)
    }
}

/// Computes the storage roots of the changed accounts and the state root, and records the nodes.
///
/// `wiped` are the accounts whose whole storage was removed before the slots of `changes` were set.
pub(crate) fn seal(
    base: &Base,
    changes: &mut Changes,
    wiped: &[Address],
) -> Result<B256, ChainError> {
    for address in wiped {
        for key in base.all_nodes(address)? {
            changes.nodes.insert(key, None);
        }
    }
    for (address, change) in &mut changes.accounts {
        let Some(account) = &mut change.after else { continue };
        let is_wiped = wiped.contains(address);
        if is_wiped {
            account.storage_root = EMPTY_ROOT_HASH;
        }
        let Some(slots) = changes.storage.get(address) else { continue };
        let owner = Owner::storage(address);
        let edits = slots.iter().map(|(slot, change)| (hash_slot(slot), leaf(change.after)));
        let updated = if is_wiped {
            trie::update(&NoNodes, edits.filter(|(_, value)| value.is_some()))?
        } else {
            trie::update(&base.nodes(owner), edits)?
        };
        account.storage_root = updated.root;
        for (path, record) in updated.records {
            changes.nodes.insert(keys::node(owner, &path), record);
        }
    }
    let edits = changes.accounts.iter().map(|(address, change)| {
        let mut value = Vec::new();
        if let Some(account) = &change.after {
            account.encode(&mut value);
        }
        (hashed(address), change.after.map(|_| value))
    });
    let updated = trie::update(&base.nodes(Owner::Accounts), edits)?;
    for (path, record) in updated.records {
        changes.nodes.insert(keys::node(Owner::Accounts, &path), record);
    }
    Ok(updated.root)
}

/// The key of a slot in its storage trie.
pub(crate) fn hash_slot(slot: &U256) -> Nibbles {
    hashed(slot.to_be_bytes::<32>())
}

fn leaf(value: U256) -> Option<Vec<u8>> {
    (!value.is_zero()).then(|| alloy_rlp::encode(value))
}
