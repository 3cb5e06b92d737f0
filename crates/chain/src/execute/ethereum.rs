//! What the headers and bodies of Ethereum's own blocks must be, by fork.
//!
//! The seal and the difficulty of proof of work are not checked: the suites that bring such blocks
//! don't ask for it, and no Windlass network has them.

use alloy_consensus::proofs::{
    calculate_ommers_root, calculate_transaction_root, calculate_withdrawals_root,
};
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, TxEip4844Variant, TxEnvelope};
use alloy_eips::eip1559::INITIAL_BASE_FEE;
use alloy_primitives::{B64, U256};

use super::header::{MAX_BLOCK_BYTES, Parent, same};
use crate::block::Block;
use crate::chain::{InvalidBlock, ValidateError};
use crate::rules::{Fork, RuleSet};
use crate::state::base::Base;

const MIN_GAS_LIMIT: u64 = 5_000;
const MAX_GAS_LIMIT: u64 = (1 << 63) - 1;
const GAS_LIMIT_BOUND_DIVISOR: u64 = 1_024;
const ELASTICITY: u64 = 2;
const MAX_EXTRA_DATA: usize = 32;
const MAX_OMMERS: usize = 2;
const OMMER_GENERATIONS: u64 = 6;

/// Checks what can be checked before execution.
pub(super) fn check_before(
    rules: &RuleSet,
    parent: Parent<'_>,
    block: &Block,
) -> Result<(), InvalidBlock> {
    let header = block.header();
    let fork = rules.fork(header.number, header.timestamp);
    let parent_fork = rules.fork(parent.header.number, parent.header.timestamp);
    if header.timestamp <= parent.header.timestamp {
        return Err(wrong("timestamp", header.timestamp, "later than the parent's"));
    }
    if header.extra_data.len() > MAX_EXTRA_DATA {
        return Err(wrong("extraData", &header.extra_data, "at most 32 bytes"));
    }
    check_gas(header, parent.header, fork, parent_fork)?;
    let base_fee = (fork >= Fork::London).then(|| {
        let next = rules.next_base_fee(parent.header).filter(|_| parent_fork >= Fork::London);
        next.unwrap_or(INITIAL_BASE_FEE)
    });
    same("baseFeePerGas", header.base_fee_per_gas, base_fee)?;
    if fork >= Fork::Merge {
        same("difficulty", header.difficulty, U256::ZERO)?;
        same("nonce", header.nonce, B64::ZERO)?;
        same("sha3Uncles", header.ommers_hash, EMPTY_OMMER_ROOT_HASH)?;
    }
    check_blobs(rules, header, parent.header, fork)?;
    same("requestsHash", header.requests_hash.is_some(), fork >= Fork::Prague)?;
    same("blockAccessListHash", header.block_access_list_hash, None)?;
    same("slotNumber", header.slot_number, None)?;
    check_body(block, fork)
}

/// Checks the ommers against the ancestors (yellow paper, section 11.1).
pub(super) fn check_ancestry(
    rules: &RuleSet,
    block: &Block,
    base: &Base,
) -> Result<(), ValidateError> {
    let ommers = &block.as_inner().body.ommers;
    if ommers.is_empty() {
        return Ok(());
    }
    let wrong_ommer = |reason: &str| Err(InvalidBlock::Body(format!("an ommer {reason}")).into());
    if ommers.len() > MAX_OMMERS {
        return Err(InvalidBlock::Body("it has more than two ommers".to_owned()).into());
    }
    let mut seen = Vec::new();
    let mut ancestors = Vec::new();
    for number in block.number().saturating_sub(OMMER_GENERATIONS + 1)..block.number() {
        let Some(ancestor) = base.block(number)? else { continue };
        seen.push(ancestor.hash());
        seen.extend(ancestor.as_inner().body.ommers.iter().map(Header::hash_slow));
        ancestors.push(ancestor);
    }
    for ommer in ommers {
        let hash = ommer.hash_slow();
        if seen.contains(&hash) {
            return wrong_ommer("is included already");
        }
        seen.push(hash);
        let parent = ancestors.iter().find(|ancestor| ancestor.hash() == ommer.parent_hash);
        let Some(parent) = parent.filter(|parent| parent.hash() != block.parent_hash()) else {
            return wrong_ommer("is no child of a recent ancestor");
        };
        let fork = rules.fork(ommer.number, ommer.timestamp);
        let parent_fork = rules.fork(parent.number(), parent.header().timestamp);
        same("number", ommer.number, parent.number() + 1)?;
        if ommer.timestamp <= parent.header().timestamp {
            return wrong_ommer("is not later than its parent");
        }
        check_gas(ommer, parent.header(), fork, parent_fork)?;
    }
    Ok(())
}

fn check_gas(
    header: &Header,
    parent: &Header,
    fork: Fork,
    parent_fork: Fork,
) -> Result<(), InvalidBlock> {
    let becomes_elastic = fork >= Fork::London && parent_fork < Fork::London;
    let parent_limit = parent.gas_limit * if becomes_elastic { ELASTICITY } else { 1 };
    let limit = header.gas_limit;
    if !(MIN_GAS_LIMIT..=MAX_GAS_LIMIT).contains(&limit)
        || limit.abs_diff(parent_limit) >= parent_limit / GAS_LIMIT_BOUND_DIVISOR
    {
        return Err(wrong("gasLimit", limit, "within 1/1024 of the parent's, from 5000 on"));
    }
    if header.gas_used > limit {
        return Err(wrong("gasUsed", header.gas_used, "at most the gas limit"));
    }
    Ok(())
}

fn check_blobs(
    rules: &RuleSet,
    header: &Header,
    parent: &Header,
    fork: Fork,
) -> Result<(), InvalidBlock> {
    let has_blobs = fork >= Fork::Cancun;
    same("blobGasUsed", header.blob_gas_used.is_some(), has_blobs)?;
    same("parentBeaconBlockRoot", header.parent_beacon_block_root.is_some(), has_blobs)?;
    let excess = rules.blob_params(header.timestamp).filter(|_| has_blobs).map(|params| {
        params.next_block_excess_blob_gas_osaka(
            parent.excess_blob_gas.unwrap_or(0),
            parent.blob_gas_used.unwrap_or(0),
            parent.base_fee_per_gas.unwrap_or(0),
        )
    });
    same("excessBlobGas", header.excess_blob_gas, excess)
}

fn check_body(block: &Block, fork: Fork) -> Result<(), InvalidBlock> {
    let header = block.header();
    let body = &block.as_inner().body;
    if fork >= Fork::Osaka && block.size() > MAX_BLOCK_BYTES {
        return Err(InvalidBlock::Body(format!("it is over {MAX_BLOCK_BYTES} bytes")));
    }
    same("sha3Uncles", header.ommers_hash, calculate_ommers_root(&body.ommers))?;
    let root = calculate_transaction_root(&body.transactions);
    same("transactionsRoot", header.transactions_root, root)?;
    same("withdrawalsRoot", header.withdrawals_root.is_some(), fork >= Fork::Shanghai)?;
    let root = body.withdrawals.as_ref().map(|list| calculate_withdrawals_root(list));
    same("withdrawalsRoot", header.withdrawals_root, root)?;
    let has_sidecar = body.transactions.iter().any(|transaction| match transaction {
        TxEnvelope::Eip4844(signed) => {
            matches!(signed.tx(), TxEip4844Variant::TxEip4844WithSidecar(_))
        }
        TxEnvelope::Legacy(_)
        | TxEnvelope::Eip2930(_)
        | TxEnvelope::Eip1559(_)
        | TxEnvelope::Eip7702(_) => false,
    });
    if has_sidecar {
        return Err(InvalidBlock::Body("a transaction carries its blobs".to_owned()));
    }
    Ok(())
}

fn wrong(field: &'static str, found: impl std::fmt::Display, expected: &str) -> InvalidBlock {
    InvalidBlock::Header { field, found: found.to_string(), expected: expected.to_owned() }
}
