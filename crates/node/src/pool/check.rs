//! What can be said of a transaction without any state: that it decodes, is for this network, is
//! signed, and could ever be in a block.

use alloy_consensus::transaction::{Recovered, SignerRecoverable as _};
use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_eips::eip2718::{Decodable2718 as _, Eip2718Error};

use super::PoolError;
use crate::gossip::MAX_TRANSACTION_BYTES;

const BASE_GAS: u64 = 21_000;
const CREATION_GAS: u64 = 32_000;
const ZERO_BYTE_GAS: u64 = 4;
const BYTE_GAS: u64 = 16;
const INIT_CODE_WORD_GAS: u64 = 2;
const ACCESS_ADDRESS_GAS: u64 = 2_400;
const ACCESS_SLOT_GAS: u64 = 1_900;
const AUTHORIZATION_GAS: u64 = 25_000;
const FLOOR_TOKEN_GAS: u64 = 10;
const TOKENS_PER_BYTE: u64 = 4;
/// Geth's limit for a transaction; a network with greater contracts raises it.
const TRANSACTION_BYTES: usize = 128 * 1024;

/// What the network's genesis and its members fix about transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolRules {
    /// The chain id that transactions sign.
    pub chain_id: u64,
    /// Who pays for gas.
    pub fees: FeeRule,
    /// The gas limit of a block.
    pub block_gas_limit: u64,
    /// The most gas a transaction may ask for (EIP-7825).
    pub transaction_gas_cap: u64,
    /// The most bytes a contract's code may have; twice that for its init code (EIP-3860).
    pub contract_size_limit: u64,
}

/// Whether transactions pay for gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeeRule {
    /// Nobody pays, whatever the transaction offers.
    Free,
    /// The base fee is never below the floor, so that no transaction below it can ever execute.
    Eip1559 {
        /// The least base fee in wei.
        floor_wei: u64,
    },
}

impl PoolRules {
    /// The most bytes a transaction may have.
    pub fn transaction_bytes(&self) -> usize {
        // Room for the arguments of the constructor beside the greatest init code.
        let with_arguments = self.init_code_limit().saturating_add(TRANSACTION_BYTES / 4);
        TRANSACTION_BYTES.max(with_arguments).min(MAX_TRANSACTION_BYTES)
    }

    fn init_code_limit(&self) -> usize {
        usize::try_from(self.contract_size_limit.saturating_mul(2)).unwrap_or(usize::MAX)
    }
}

/// Decodes EIP-2718 bytes and checks everything but the signature.
pub fn decode(bytes: &[u8], rules: &PoolRules) -> Result<TxEnvelope, PoolError> {
    match bytes {
        [] | [..0x80] => return Err(PoolError::TooShort),
        [3, ..] => return Err(PoolError::Blob),
        // Above 0x7f it is a list: a legacy transaction.
        [1 | 2 | 4 | 0x80.., ..] => {}
        [..] => return Err(PoolError::UnknownType),
    }
    let limit = rules.transaction_bytes();
    if bytes.len() > limit {
        return Err(PoolError::Oversized { size: bytes.len(), limit });
    }
    let transaction = TxEnvelope::decode_2718_exact(bytes).map_err(|error| match error {
        Eip2718Error::RlpError(error) => PoolError::Encoding(flaw(bytes, &error)),
        Eip2718Error::UnexpectedType(_) if bytes.first().is_some_and(|first| *first < 0x80) => {
            PoolError::UnknownType
        }
        // No list at all, or one with nothing in it.
        Eip2718Error::UnexpectedType(_) => {
            PoolError::Encoding(flaw(bytes, &alloy_rlp::Error::InputTooShort))
        }
        other => PoolError::Encoding(other.to_string()),
    })?;
    check_identity(&transaction, rules)?;
    gas(&transaction, rules)?;
    Ok(transaction)
}

/// What is wrong with an encoding, as Geth tells it where it is the outermost list.
fn flaw(bytes: &[u8], error: &alloy_rlp::Error) -> String {
    let (kind, mut list) = match bytes.split_first() {
        Some((1, list)) => ("AccessListTx", list),
        Some((2, list)) => ("DynamicFeeTx", list),
        Some((4, list)) => ("SetCodeTx", list),
        Some(_) | None => ("LegacyTx", bytes),
    };
    match alloy_rlp::Header::decode(&mut list) {
        Err(_) => "value size exceeds available input length".to_owned(),
        Ok(header) if !header.list => format!("expected input list for types.{kind}"),
        Ok(header) if header.payload_length < list.len() => {
            "input contains more than one value".to_owned()
        }
        Ok(_) => match error {
            alloy_rlp::Error::InputTooShort => format!("too few elements for types.{kind}"),
            alloy_rlp::Error::ListLengthMismatch { .. } => {
                format!("input list has too many elements for types.{kind}")
            }
            other => other.to_string(),
        },
    }
}

/// Recovers the sender, which is the costly part: done once, here, and kept with the transaction.
pub fn recover(transaction: TxEnvelope) -> Result<Recovered<TxEnvelope>, PoolError> {
    let sender = transaction.recover_signer().map_err(|_invalid| PoolError::Signature)?;
    Ok(Recovered::new_unchecked(transaction, sender))
}

fn check_identity(transaction: &TxEnvelope, rules: &PoolRules) -> Result<(), PoolError> {
    if transaction.is_eip4844() {
        return Err(PoolError::Blob);
    }
    match transaction.chain_id() {
        None => return Err(PoolError::Unprotected),
        Some(have) if have != rules.chain_id => {
            return Err(PoolError::ChainId { have, want: rules.chain_id });
        }
        Some(_) => {}
    }
    if transaction.nonce() == u64::MAX {
        return Err(PoolError::NonceMax);
    }
    if transaction.authorization_list().is_some_and(<[_]>::is_empty) {
        return Err(PoolError::NoAuthorization);
    }
    Ok(())
}

/// Checks what the rules say of gas and its price.
pub(super) fn gas(transaction: &TxEnvelope, rules: &PoolRules) -> Result<(), PoolError> {
    let gas = transaction.gas_limit();
    let limit = rules.init_code_limit();
    if transaction.is_create() && transaction.input().len() > limit {
        return Err(PoolError::InitCode { size: transaction.input().len(), limit });
    }
    if gas > rules.block_gas_limit {
        return Err(PoolError::BlockGas);
    }
    if gas > rules.transaction_gas_cap {
        return Err(PoolError::GasCap { cap: rules.transaction_gas_cap, gas });
    }
    let fee_cap = transaction.max_fee_per_gas();
    if transaction.max_priority_fee_per_gas().is_some_and(|tip| tip > fee_cap) {
        return Err(PoolError::TipAboveFeeCap);
    }
    match rules.fees {
        FeeRule::Eip1559 { floor_wei } if fee_cap < u128::from(floor_wei) => {
            return Err(PoolError::Underpriced { fee_cap, needed: floor_wei });
        }
        FeeRule::Eip1559 { .. } | FeeRule::Free => {}
    }
    let (intrinsic, floor) = least_gas(transaction);
    if gas < intrinsic {
        return Err(PoolError::IntrinsicGas { gas, needed: intrinsic });
    }
    if gas < floor {
        return Err(PoolError::FloorGas { gas, needed: floor });
    }
    Ok(())
}

/// What a transaction costs before it executes, and the floor for its data (EIP-7623).
fn least_gas(transaction: &TxEnvelope) -> (u64, u64) {
    let input = transaction.input();
    let length = count(input.len());
    let zeroes: u64 = input.iter().map(|byte| u64::from(*byte == 0)).sum();
    let others = length - zeroes;
    let mut gas = BASE_GAS + zeroes * ZERO_BYTE_GAS + others * BYTE_GAS;
    if transaction.is_create() {
        gas += CREATION_GAS + length.div_ceil(32) * INIT_CODE_WORD_GAS;
    }
    if let Some(list) = transaction.access_list() {
        let slots: usize = list.iter().map(|item| item.storage_keys.len()).sum();
        gas += count(list.len()) * ACCESS_ADDRESS_GAS + count(slots) * ACCESS_SLOT_GAS;
    }
    gas += transaction.authorization_count().unwrap_or_default() * AUTHORIZATION_GAS;
    let floor = BASE_GAS + (zeroes + others * TOKENS_PER_BYTE) * FLOOR_TOKEN_GAS;
    (gas, floor)
}

/// A length that was held in memory fits in 64 bits.
fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
