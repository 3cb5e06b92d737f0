//! What is claimed about a block, against the roots in its header.

use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{Header, ReceiptEnvelope, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, Bytes, Log, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};

use crate::error::{ProofError, Reason, at};
use crate::file::{AccountClaim, Claim, Inclusion};
use crate::limits::{MAX_PATH_NODES, MAX_SLOTS};
use crate::path::lookup;
use crate::verify::at_most;

/// What is proven about a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A transaction is in it.
    Transaction(Box<TransactionFact>),
    /// A transaction in it logged this.
    Log(Box<LogFact>),
    /// An account is so after it.
    Account(AccountFact),
}

/// A transaction in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionFact {
    /// Its position in the block, from zero.
    pub index: u64,
    /// Its hash.
    pub hash: B256,
    /// Who signed it.
    pub sender: Address,
    /// The transaction.
    pub transaction: TxEnvelope,
    /// Whether it succeeded, what it logged, and the gas used in the block up to and with it.
    pub receipt: ReceiptEnvelope,
}

/// A log in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFact {
    /// Which of the transaction's logs it is, from zero.
    pub position: u64,
    /// The log.
    pub log: Log,
    /// The transaction that logged it.
    pub transaction: TransactionFact,
}

/// An account after a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFact {
    /// Its address.
    pub address: Address,
    /// Its nonce, balance, storage root and code hash; `None` if there is no such account.
    pub account: Option<TrieAccount>,
    /// The slots that were asked for, in the proof's order.
    pub slots: Vec<SlotFact>,
}

/// A slot of an account's storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotFact {
    /// Its number, as 32 bytes.
    pub slot: B256,
    /// Its value; zero if there is none.
    pub value: U256,
}

/// Checks a claim about the block with this header, whose hash is known to be final.
pub(crate) fn check(claim: &Claim, header: &Header) -> Result<Fact, ProofError> {
    match claim {
        Claim::Transaction(inclusion) => {
            let fact = transaction(inclusion, header, "claim.transaction")?;
            Ok(Fact::Transaction(Box::new(fact)))
        }
        Claim::Log(claim) => {
            let transaction = transaction(&claim.inclusion, header, "claim.log.inclusion")?;
            let (position, logs) = (claim.position, transaction.receipt.logs());
            let log = usize::try_from(position).ok().and_then(|position| logs.get(position));
            let log = log.cloned().ok_or_else(|| {
                at("claim.log.position", Reason::NoLog { position, logs: logs.len() })
            })?;
            Ok(Fact::Log(Box::new(LogFact { position, log, transaction })))
        }
        Claim::Account(claim) => account_and_slots(claim, header).map(Fact::Account),
    }
}

fn transaction(
    inclusion: &Inclusion,
    header: &Header,
    part: &str,
) -> Result<TransactionFact, ProofError> {
    let Inclusion { index, transaction, transaction_path, receipt, receipt_path } = inclusion;
    let key = alloy_rlp::encode(index);
    let path_part = format!("{part}.transaction_path");
    included(header.transactions_root, &key, transaction, transaction_path, &path_part)?;
    let path_part = format!("{part}.receipt_path");
    included(header.receipts_root, &key, receipt, receipt_path, &path_part)?;
    let unknown = |field: &str, what: &'static str, reason: String| {
        at(format!("{part}.{field}"), Reason::Unknown { what, reason })
    };
    let hash = keccak256(transaction);
    let transaction = TxEnvelope::decode_2718_exact(transaction)
        .map_err(|error| unknown("transaction", "a transaction", error.to_string()))?;
    let receipt = ReceiptEnvelope::decode_2718_exact(receipt)
        .map_err(|error| unknown("receipt", "a receipt", error.to_string()))?;
    let sender = transaction.recover_signer().ok();
    let sender = sender.ok_or_else(|| at(format!("{part}.transaction"), Reason::Sender))?;
    Ok(TransactionFact { index: *index, hash, sender, transaction, receipt })
}

/// Checks that a trie has this value for the key.
fn included(
    root: B256,
    key: &[u8],
    value: &Bytes,
    path: &[Bytes],
    part: &str,
) -> Result<(), ProofError> {
    match find(root, key, path, part)? {
        Some(found) if found == **value => Ok(()),
        Some(_) => Err(at(part, Reason::Differs)),
        None => Err(at(part, Reason::Absent)),
    }
}

fn account_and_slots(claim: &AccountClaim, header: &Header) -> Result<AccountFact, ProofError> {
    let AccountClaim { address, account_proof, slots } = claim;
    at_most("claim.account.slots", slots.len(), MAX_SLOTS)?;
    let account =
        account(header.state_root, *address, account_proof, "claim.account.account_proof")?;
    let storage_root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
    let slots = slots.iter().enumerate().map(|(index, claim)| {
        let part = format!("claim.account.slots[{index}].proof");
        let value = slot(storage_root, claim.slot, &claim.proof, &part)?;
        Ok(SlotFact { slot: claim.slot, value })
    });
    Ok(AccountFact { address: *address, account, slots: slots.collect::<Result<_, _>>()? })
}

/// What the state with this root has for an account: `path` are the nodes of the trie from the root to
/// the account, as EIP-1186 lists them.
///
/// # Errors
/// If the path does not hold.
pub fn proven_account(
    state_root: B256,
    address: Address,
    path: &[Bytes],
) -> Result<Option<TrieAccount>, ProofError> {
    account(state_root, address, path, "account_proof")
}

/// What a state has for an account.
pub(crate) fn account(
    state_root: B256,
    address: Address,
    path: &[Bytes],
    part: &str,
) -> Result<Option<TrieAccount>, ProofError> {
    let found = find(state_root, keccak256(address).as_slice(), path, part)?;
    found.map(|value| decode(&value, "an account", part)).transpose()
}

/// What an account's storage has in a slot.
pub(crate) fn slot(
    storage_root: B256,
    slot: B256,
    path: &[Bytes],
    part: &str,
) -> Result<U256, ProofError> {
    let found = find(storage_root, keccak256(slot).as_slice(), path, part)?;
    let value = found.map(|value| decode(&value, "a value of a slot", part)).transpose()?;
    Ok(value.unwrap_or(U256::ZERO))
}

fn find(root: B256, key: &[u8], path: &[Bytes], part: &str) -> Result<Option<Vec<u8>>, ProofError> {
    at_most(part, path.len(), MAX_PATH_NODES)?;
    lookup(root, key, path).map_err(|error| at(part, error))
}

fn decode<T: Decodable>(bytes: &[u8], what: &'static str, part: &str) -> Result<T, ProofError> {
    alloy_rlp::decode_exact(bytes)
        .map_err(|error| at(part, Reason::Unknown { what, reason: error.to_string() }))
}
