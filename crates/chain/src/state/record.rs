//! The flat records of accounts and slots: what is hashed in the key, the value, and when it changed.

use alloy_primitives::{Address, B256, U256};
use alloy_rlp::{Decodable, EMPTY_STRING_CODE, Encodable, Header};
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY};

use super::Account;
use super::history::Trail;

/// Encodes an account: `[nonce, balance]`, and for a contract `[…, storage root, code hash]`.
pub(crate) fn encode_account(account: &Account) -> Vec<u8> {
    let plain = account.storage_root == EMPTY_ROOT_HASH && account.code_hash == KECCAK_EMPTY;
    let mut payload = Vec::with_capacity(80);
    account.nonce.encode(&mut payload);
    account.balance.encode(&mut payload);
    if !plain {
        account.storage_root.encode(&mut payload);
        account.code_hash.encode(&mut payload);
    }
    let mut out = Vec::with_capacity(payload.len() + 2);
    Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend_from_slice(&payload);
    out
}

/// Decodes an account.
pub(crate) fn decode_account(mut bytes: &[u8]) -> Result<Account, alloy_rlp::Error> {
    let mut payload = Header::decode_bytes(&mut bytes, true)?;
    let nonce = u64::decode(&mut payload)?;
    let balance = U256::decode(&mut payload)?;
    let (storage_root, code_hash) = if payload.is_empty() {
        (EMPTY_ROOT_HASH, KECCAK_EMPTY)
    } else {
        (B256::decode(&mut payload)?, B256::decode(&mut payload)?)
    };
    Ok(Account { nonce, balance, storage_root, code_hash })
}

/// The record of an account: `address ‖ account ‖ trail`, an empty string in the place of one that is gone.
pub(crate) fn account_record(
    address: &Address,
    account: Option<&Account>,
    trail: &Trail,
) -> Vec<u8> {
    let mut record = address.to_vec();
    match account {
        Some(account) => record.extend_from_slice(&encode_account(account)),
        None => record.push(EMPTY_STRING_CODE),
    }
    trail.write(&mut record);
    record
}

/// Reads the record of an account, which may be gone.
pub(crate) fn read_account(record: &[u8]) -> Option<(Address, Option<Account>)> {
    let (address, account, _) = split_account(record)?;
    let is_gone = account == [EMPTY_STRING_CODE];
    Some((address, (!is_gone).then(|| decode_account(account)).transpose().ok()?))
}

/// Reads when a value changed, by its record.
pub(crate) type ReadTrail = fn(&[u8]) -> Option<Trail>;

/// When an account changed, by its record.
pub(crate) fn account_trail(record: &[u8]) -> Option<Trail> {
    split_account(record).and_then(|(_, _, trail)| Trail::read(trail))
}

/// Address, account and trail.
fn split_account(record: &[u8]) -> Option<(Address, &[u8], &[u8])> {
    let (address, rest) = record.split_at_checked(20)?;
    let (account, trail) = split_item(rest)?;
    Some((Address::from_slice(address), account, trail))
}

/// The record of a slot: `slot ‖ value ‖ trail`, the value in RLP; zero in one that is gone.
pub(crate) fn slot_record(slot: &U256, value: U256, trail: &Trail) -> Vec<u8> {
    let mut record = slot.to_be_bytes::<32>().to_vec();
    value.encode(&mut record);
    trail.write(&mut record);
    record
}

/// Reads the record of a slot.
pub(crate) fn read_slot(record: &[u8]) -> Option<(U256, U256)> {
    let (slot, mut rest) = record.split_at_checked(32)?;
    Some((U256::from_be_slice(slot), U256::decode(&mut rest).ok()?))
}

/// When a slot changed, by its record.
pub(crate) fn slot_trail(record: &[u8]) -> Option<Trail> {
    let (_, trail) = split_item(record.get(32..)?)?;
    Trail::read(trail)
}

/// The first item of RLP, with its head, and what follows.
fn split_item(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = bytes;
    let header = Header::decode(&mut rest).ok()?;
    let rest = rest.get(header.payload_length..)?;
    Some(bytes.split_at(bytes.len() - rest.len()))
}

/// An account that may not exist: empty bytes where it doesn't.
pub(crate) fn encode_optional(account: Option<&Account>) -> Vec<u8> {
    account.map(encode_account).unwrap_or_default()
}

/// The value of a slot, without leading zeroes.
pub(crate) fn encode_slot(value: U256) -> Vec<u8> {
    value.to_be_bytes_trimmed_vec()
}

/// Decodes a slot's value.
pub(crate) fn decode_slot(bytes: &[u8]) -> Option<U256> {
    U256::try_from_be_slice(bytes)
}
