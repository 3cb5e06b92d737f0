//! The flat records of accounts and slots: what is hashed in the key, the value, and when it changed.

use alloy_primitives::{Address, B256, U256};
use alloy_rlp::{Decodable, Encodable, Header};
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY};

use super::history::Trail;
use super::{Account, keys};

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

/// The record of an account: `address ‖ account ‖ trail`.
pub(crate) fn account_record(address: &Address, account: &Account, trail: &Trail) -> Vec<u8> {
    let mut record = [address.as_slice(), &encode_account(account)].concat();
    trail.write(&mut record);
    record
}

/// Reads the record of an account.
pub(crate) fn read_account(record: &[u8]) -> Option<(Address, Account)> {
    let (address, rest) = record.split_at_checked(20)?;
    Some((Address::from_slice(address), decode_account(rest).ok()?))
}

/// Reads when a value changed, by its record.
pub(crate) type ReadTrail = fn(&[u8]) -> Option<Trail>;

/// When an account changed, by its record.
pub(crate) fn account_trail(record: &[u8]) -> Option<Trail> {
    behind_item(record.get(20..)?).and_then(Trail::read)
}

/// The record of a slot: `slot ‖ value ‖ trail`, the value in RLP.
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
    behind_item(record.get(32..)?).and_then(Trail::read)
}

/// What is kept of a value that is gone: whose it was, as the key of a change of it has it, and the trail.
pub(crate) fn gone_record(change: &[u8], trail: &Trail) -> Vec<u8> {
    let mut record = keys::changed(change).to_vec();
    trail.write(&mut record);
    record
}

/// Whose value is gone, and when it changed; by the key that its record had.
pub(crate) fn read_gone<'a>(flat: &[u8], record: &'a [u8]) -> Option<(&'a [u8], Trail)> {
    let (whose, trail) = record.split_at_checked(keys::changed_len(flat))?;
    Some((whose, Trail::read(trail)?))
}

/// What follows the first item of RLP.
fn behind_item(mut bytes: &[u8]) -> Option<&[u8]> {
    let header = Header::decode(&mut bytes).ok()?;
    bytes.get(header.payload_length..)
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
