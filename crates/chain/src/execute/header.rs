//! The header of a Windlass block: what the proposer chooses, what the parent gives, what execution
//! gives.

use std::fmt::Debug;

use alloy_consensus::constants::EMPTY_WITHDRAWALS;
use alloy_consensus::proofs::{calculate_receipt_root, calculate_transaction_root};
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};

use super::block::Executed;
use super::ethereum;
use crate::block::{Block, ExtraData, timestamp_ms};
use crate::chain::{Attributes, InvalidBlock, ValidateError};
use crate::receipt::Receipt;
use crate::rules::{Kind, RuleSet, Windlass, prevrandao};
use crate::state::base::Base;

/// The most bytes of a block's RLP: EIP-7934's limit.
pub(crate) const MAX_BLOCK_BYTES: usize = 8 << 20;

/// The parent of a block to be made or checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent<'a> {
    pub(crate) hash: B256,
    pub(crate) header: &'a Header,
}

/// The header of a new block as far as it is known before execution.
pub(crate) fn proposed(
    rules: &RuleSet,
    parent: Parent<'_>,
    attributes: Attributes,
) -> Result<Header, InvalidBlock> {
    let Kind::Windlass(windlass) = &rules.kind else {
        return Err(InvalidBlock::Body("only windlass networks build blocks".to_owned()));
    };
    let parent_ms = timestamp_ms(parent.header);
    if attributes.timestamp_ms < parent_ms {
        return Err(InvalidBlock::Time { timestamp_ms: attributes.timestamp_ms, parent_ms });
    }
    let milliseconds = u16::try_from(attributes.timestamp_ms % 1_000)
        .expect("a remainder of 1,000 is below 1,000");
    let extra = ExtraData { epoch: attributes.epoch, milliseconds };
    let mut header = given(rules, windlass, parent);
    header.timestamp = attributes.timestamp_ms / 1_000;
    header.extra_data = extra.encode();
    header.beneficiary = attributes.beneficiary;
    Ok(header)
}

/// Checks that a block says to have this parent.
pub(crate) fn same_parent(block: &Block, parent: B256) -> Result<(), InvalidBlock> {
    same("parentHash", block.parent_hash(), parent)
}

/// Checks what needs blocks before the parent: Ethereum's ommers.
pub(crate) fn check_ancestry(
    rules: &RuleSet,
    block: &Block,
    base: &Base,
) -> Result<(), ValidateError> {
    match &rules.kind {
        Kind::Windlass(_) => Ok(()),
        Kind::Ethereum(_) => ethereum::check_ancestry(rules, block, base),
    }
}

/// Checks what can be checked before execution.
pub(crate) fn check_before(
    rules: &RuleSet,
    parent: Parent<'_>,
    block: &Block,
) -> Result<(), InvalidBlock> {
    let header = block.header();
    same("parentHash", header.parent_hash, parent.hash)?;
    same("number", header.number, parent.header.number.saturating_add(1))?;
    let windlass = match &rules.kind {
        Kind::Windlass(windlass) => windlass,
        Kind::Ethereum(_) => return ethereum::check_before(rules, parent, block),
    };
    if block.size() > MAX_BLOCK_BYTES {
        return Err(InvalidBlock::Body(format!("it is over {MAX_BLOCK_BYTES} bytes")));
    }
    if block.extra_data().is_none() {
        return Err(InvalidBlock::Header {
            field: "extraData",
            found: header.extra_data.to_string(),
            expected: "version, epoch, milliseconds and zeroes".to_owned(),
        });
    }
    let (parent_ms, timestamp_ms) = (timestamp_ms(parent.header), block.timestamp_ms());
    if timestamp_ms < parent_ms {
        return Err(InvalidBlock::Time { timestamp_ms, parent_ms });
    }
    let mut expected = given(rules, windlass, parent);
    expected.transactions_root = calculate_transaction_root(block.transactions());
    same_before(header, &expected)?;
    let body = &block.as_inner().body;
    if !body.ommers.is_empty() {
        return Err(InvalidBlock::Body("it has ommers".to_owned()));
    }
    if body.withdrawals.as_ref().is_none_or(|withdrawals| !withdrawals.is_empty()) {
        return Err(InvalidBlock::Body("its withdrawals are not an empty list".to_owned()));
    }
    Ok(())
}

/// Checks what execution gave.
pub(crate) fn check_after(header: &Header, executed: &Executed) -> Result<(), InvalidBlock> {
    let mut expected = Header::default();
    complete(&mut expected, executed);
    same("gasUsed", header.gas_used, expected.gas_used)?;
    same("receiptsRoot", header.receipts_root, expected.receipts_root)?;
    same("logsBloom", header.logs_bloom, expected.logs_bloom)?;
    same("requestsHash", header.requests_hash, expected.requests_hash)?;
    let blob_gas_used = header.blob_gas_used.map(|_| executed.blob_gas_used);
    same("blobGasUsed", header.blob_gas_used, blob_gas_used)?;
    same("stateRoot", header.state_root, executed.state_root)
}

/// Fills in what execution gave.
pub(crate) fn complete(header: &mut Header, executed: &Executed) {
    header.gas_used = executed.gas_used;
    header.state_root = executed.state_root;
    let envelopes: Vec<_> = executed.receipts.iter().map(Receipt::envelope).collect();
    header.receipts_root = calculate_receipt_root(&envelopes);
    header.logs_bloom =
        envelopes.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom());
    header.requests_hash =
        executed.requests.as_ref().map(alloy_eips::eip7685::Requests::requests_hash);
}

pub(crate) fn receipts_root(receipts: &[Receipt]) -> B256 {
    let envelopes: Vec<_> = receipts.iter().map(Receipt::envelope).collect();
    calculate_receipt_root(&envelopes)
}

/// What rules and parent give.
fn given(rules: &RuleSet, windlass: &Windlass, parent: Parent<'_>) -> Header {
    Header {
        parent_hash: parent.hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        difficulty: U256::ZERO,
        number: parent.header.number.saturating_add(1),
        gas_limit: windlass.gas_limit,
        mix_hash: prevrandao(parent.hash),
        nonce: B64::ZERO,
        base_fee_per_gas: rules.next_base_fee(parent.header),
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        beneficiary: Address::ZERO,
        extra_data: Bytes::new(),
        ..Header::default()
    }
}

fn same_before(header: &Header, expected: &Header) -> Result<(), InvalidBlock> {
    same("sha3Uncles", header.ommers_hash, expected.ommers_hash)?;
    same("difficulty", header.difficulty, expected.difficulty)?;
    same("gasLimit", header.gas_limit, expected.gas_limit)?;
    same("mixHash", header.mix_hash, expected.mix_hash)?;
    same("nonce", header.nonce, expected.nonce)?;
    same("baseFeePerGas", header.base_fee_per_gas, expected.base_fee_per_gas)?;
    same("withdrawalsRoot", header.withdrawals_root, expected.withdrawals_root)?;
    same("blobGasUsed", header.blob_gas_used, expected.blob_gas_used)?;
    same("excessBlobGas", header.excess_blob_gas, expected.excess_blob_gas)?;
    same(
        "parentBeaconBlockRoot",
        header.parent_beacon_block_root,
        expected.parent_beacon_block_root,
    )?;
    same("requestsHash", header.requests_hash, expected.requests_hash)?;
    same("transactionsRoot", header.transactions_root, expected.transactions_root)?;
    same("blockAccessListHash", header.block_access_list_hash, expected.block_access_list_hash)?;
    same("slotNumber", header.slot_number, expected.slot_number)
}

#[expect(clippy::needless_pass_by_value, reason = "most are small and copied")]
pub(super) fn same<T: PartialEq + Debug>(
    field: &'static str,
    found: T,
    expected: T,
) -> Result<(), InvalidBlock> {
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
    Err(InvalidBlock::Header { field, found, expected })
}
