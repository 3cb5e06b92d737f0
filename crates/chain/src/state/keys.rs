//! How records are keyed: one letter for the kind, then what identifies the record.
//!
//! Numbers are big-endian, so that their order is the order of the keys.

use alloy_primitives::{Address, B256, U256, keccak256};
use nybbles::Nibbles;

pub(crate) const FORMAT: &[u8] = b"m/format";
pub(crate) const GENESIS: &[u8] = b"m/genesis";
pub(crate) const TIP: &[u8] = b"m/tip";
pub(crate) const OLDEST: &[u8] = b"m/oldest-state";
/// The block whose state a ledger began with, where that is not the genesis.
pub(crate) const FLOOR: &[u8] = b"m/floor";
/// The first block from which on all are there, where that is not the genesis.
pub(crate) const FIRST: &[u8] = b"m/first-block";
/// How far a state is imported.
pub(crate) const IMPORT: &[u8] = b"m/import";

pub(crate) fn header(number: u64) -> Vec<u8> {
    numbered(b'h', number)
}

pub(crate) fn body(number: u64) -> Vec<u8> {
    numbered(b'b', number)
}

pub(crate) fn receipts(number: u64) -> Vec<u8> {
    numbered(b'r', number)
}

pub(crate) fn certificate(number: u64) -> Vec<u8> {
    numbered(b'f', number)
}

/// Who votes in an epoch.
pub(crate) fn committee(epoch: u64) -> Vec<u8> {
    numbered(b'v', epoch)
}

/// How the state before an epoch shows that its validators are others than before.
pub(crate) fn validator_change(epoch: u64) -> Vec<u8> {
    numbered(b'w', epoch)
}

/// The header and certificate of the block before a change of validators, where the block itself isn't
/// there.
pub(crate) fn change_block(number: u64) -> Vec<u8> {
    numbered(b'W', number)
}

/// Evidence of a validator that voted twice.
pub(crate) fn evidence(epoch: u64, node_key: &B256, kind: u8) -> Vec<u8> {
    joined(b'e', &[&epoch.to_be_bytes(), node_key.as_slice(), &[kind]])
}

/// All evidence: the first key and the one after the last.
pub(crate) fn all_evidence() -> (Vec<u8>, Vec<u8>) {
    prefix(vec![b'e'])
}

pub(crate) fn block_number(hash: &B256) -> Vec<u8> {
    joined(b'n', &[hash.as_slice()])
}

/// Half of a transaction's hash: two with the same half would take 2^64 tries, and the index is smaller.
pub(crate) fn transaction(hash: &B256) -> Vec<u8> {
    joined(b't', &[&hash[..16]])
}

/// An account's record lies under the hash of its address, in the order of the trie's leaves.
pub(crate) fn account(address: &Address) -> Vec<u8> {
    hashed_account(&keccak256(address))
}

/// An account's record by the hash of its address.
pub(crate) fn hashed_account(address: &B256) -> Vec<u8> {
    joined(b'a', &[address.as_slice()])
}

/// All accounts: the first key and the one after the last.
pub(crate) fn all_accounts() -> (Vec<u8>, Vec<u8>) {
    prefix(vec![b'a'])
}

/// The accounts of a part of the trie, both ends in it: the first key and the one after the last.
pub(crate) fn accounts(from: &B256, to: &B256) -> (Vec<u8>, Vec<u8>) {
    (hashed_account(from), joined(b'a', &[to.as_slice(), &[0]]))
}

/// A slot's record lies under the hashes of its account's address and of the slot.
pub(crate) fn slot(address: &Address, slot: &U256) -> Vec<u8> {
    let hashed = keccak256(slot.to_be_bytes::<32>());
    joined(b's', &[keccak256(address).as_slice(), hashed.as_slice()])
}

/// The slots of an account, by the hash of its address, in a part of its trie, both ends in it: the
/// first key and the one after the last.
pub(crate) fn slots(address: &B256, from: &B256, to: &B256) -> (Vec<u8>, Vec<u8>) {
    let first = joined(b's', &[address.as_slice(), from.as_slice()]);
    (first, joined(b's', &[address.as_slice(), to.as_slice(), &[0]]))
}

/// All slots of an account, by the hash of its address.
pub(crate) fn all_slots(address: &B256) -> (Vec<u8>, Vec<u8>) {
    slots(address, &B256::ZERO, &B256::repeat_byte(0xff))
}

/// The hash that a flat record's key ends with.
pub(crate) fn hash_of(key: &[u8]) -> Option<B256> {
    Some(B256::from_slice(key.get(key.len().checked_sub(32)?..)?))
}

/// The hash of the address whose slot a key is of.
pub(crate) fn owner_of(key: &[u8]) -> Option<B256> {
    Some(B256::from_slice(key.get(1..33)?))
}

pub(crate) fn code(hash: &B256) -> Vec<u8> {
    joined(b'c', &[hash.as_slice()])
}

/// A code that an imported state lacks.
pub(crate) fn lacking_code(hash: &B256) -> Vec<u8> {
    joined(b'C', &[hash.as_slice()])
}

/// All codes that an imported state lacks: the first key and the one after the last.
pub(crate) fn lacking_codes() -> (Vec<u8>, Vec<u8>) {
    prefix(vec![b'C'])
}

/// What a block replaced of an account.
pub(crate) fn account_change(number: u64, address: &Address) -> Vec<u8> {
    joined(b'A', &[&number.to_be_bytes(), address.as_slice()])
}

/// What a block replaced of a slot.
pub(crate) fn slot_change(number: u64, address: &Address, slot: &U256) -> Vec<u8> {
    joined(b'S', &[&number.to_be_bytes(), address.as_slice(), &slot.to_be_bytes::<32>()])
}

/// When an account or a slot changed that is gone, by the key that its record had.
pub(crate) fn gone(flat: &[u8]) -> Vec<u8> {
    joined(b'g', &[flat])
}

/// All that a block replaced of accounts, and of slots: the first key and the one after the last.
pub(crate) fn changes(number: u64) -> [(Vec<u8>, Vec<u8>); 2] {
    [b'A', b'S'].map(|kind| prefix(numbered(kind, number)))
}

/// Whose change a key is of: an address, with a slot or without.
pub(crate) fn changed(key: &[u8]) -> &[u8] {
    key.get(9..).unwrap_or_default()
}

/// How long that is for the value whose record has this key.
pub(crate) fn changed_len(flat: &[u8]) -> usize {
    if flat.first() == Some(&b'a') { 20 } else { 52 }
}

/// The key of another block's change of what this one changed.
pub(crate) fn change_of(number: u64, changed: &[u8]) -> Vec<u8> {
    let kind = if changed.len() == 20 { b'A' } else { b'S' };
    joined(kind, &[&number.to_be_bytes(), changed])
}

/// The block whose change a key is of.
pub(crate) fn changing_block(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(1..9)?.try_into().ok()?))
}

/// The account whose change a key is of.
pub(crate) fn changed_account(key: &[u8]) -> Option<Address> {
    Some(Address::from_slice(key.get(9..29)?))
}

/// The slot whose change a key is of; `None` for an account's.
pub(crate) fn changed_slot(key: &[u8]) -> Option<U256> {
    Some(U256::from_be_slice(key.get(29..61)?))
}

/// The blocks with a log that has this address (position 0) or topic (positions 1 to 4), or another one of the
/// same sum: whoever looks for logs reads those of the block.
pub(crate) fn log(position: u8, value: &[u8], number: u64) -> Vec<u8> {
    let sum = value.chunks(8).fold(0, |sum: u64, word| {
        word.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)) ^ sum.rotate_left(1)
    });
    joined(b'l', &[&[position], &sum.to_be_bytes(), &number.to_be_bytes()])
}

/// The trie of accounts has no owner, a trie of storage its account, by the hash of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Accounts,
    Storage(B256),
}

impl Owner {
    pub(crate) fn storage(address: &Address) -> Self {
        Self::Storage(keccak256(address))
    }
}

pub(crate) fn node(owner: Owner, path: &Nibbles) -> Vec<u8> {
    match owner {
        Owner::Accounts => joined(b'x', &[&path.to_vec()]),
        Owner::Storage(address) => joined(b'y', &[address.as_slice(), &path.to_vec()]),
    }
}

/// All nodes of a storage trie: the first key and the one after the last.
pub(crate) fn nodes(address: &Address) -> (Vec<u8>, Vec<u8>) {
    prefix(joined(b'y', &[keccak256(address).as_slice()]))
}

pub(crate) fn number_of(key: &[u8]) -> Option<u64> {
    let tail = key.len().checked_sub(8)?;
    Some(u64::from_be_bytes(key[tail..].try_into().ok()?))
}

fn numbered(kind: u8, number: u64) -> Vec<u8> {
    joined(kind, &[&number.to_be_bytes()])
}

fn joined(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(kind);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

fn prefix(start: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let mut end = start.clone();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            break;
        }
    }
    (start, end)
}
