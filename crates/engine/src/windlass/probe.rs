//! The questions a node is asked, and how its answers are read.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Signature, TxKind, U256};
use serde::Deserialize;
use serde_json::{Value, json};
use windlass_model::{
    api::{BlockSummary, TransactionSummary},
    network::BlockRef,
    spec::{Fees, NetworkSpec},
};

use crate::{
    EngineError, History, MachineReport, NodeReport, RpcRequest, Seat, SeatKeys, Sign,
    TestTransaction, Work,
};

/// What the test transaction, a transfer of nothing, costs in gas.
pub(super) const PROBE_GAS: u64 = 21_000;
/// The most that the test transaction pays per gas, in floors of the base fee.
pub(super) const PROBE_FEE_FACTOR: u64 = 4;

/// What a node says that has no seat in the epoch; whatever else keeps one from voting, it has.
const NO_SEAT: &str = "not a validator";

const STATUS: &str = "windlass_status";
const AWAIT_STATUS: &str = "windlass_awaitStatus";
const RECEIPT: &str = "eth_getTransactionReceipt";
const BLOCK: &str = "eth_getBlockByNumber";
const HEIGHT: &str = "eth_blockNumber";

pub(super) fn status_request() -> RpcRequest {
    RpcRequest { method: STATUS, params: json!([]) }
}

pub(super) fn await_status_request(revision: u64, timeout_ms: u64) -> RpcRequest {
    RpcRequest { method: AWAIT_STATUS, params: json!([revision, timeout_ms]) }
}

#[expect(clippy::struct_excessive_bools, reason = "they are the fields of a node's answer")]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusAnswer {
    revision: u64,
    genesis_hash: String,
    chain_id: u64,
    tip: TipAnswer,
    connected_validators: u32,
    quorum: u32,
    validators: u32,
    #[serde(default)]
    idle: bool,
    syncing: bool,
    #[serde(default)]
    earlier: Option<EarlierAnswer>,
    #[serde(default)]
    highest: u64,
    #[serde(default)]
    sync: Option<SyncAnswer>,
    #[serde(default)]
    left_s: Option<u64>,
    #[serde(default = "yes")]
    named: bool,
    #[serde(default)]
    seated: bool,
    #[serde(default)]
    node_key: String,
    #[serde(default)]
    consensus_key: String,
    #[serde(default)]
    not_voting: Option<String>,
    stalled: Option<StalledAnswer>,
    #[serde(default)]
    peers: Vec<PeerAnswer>,
    #[serde(default)]
    machine: MachineAnswer,
}

/// Nodes of earlier versions are validators, all of them.
fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SyncAnswer {
    per_mille: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EarlierAnswer {
    blocks: u64,
    left_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PeerAnswer {
    node_key: String,
    connected: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MachineAnswer {
    at_ms: Option<u64>,
    version: Option<String>,
    disk_free_bytes: Option<u64>,
    disk_bytes: Option<u64>,
    resident_bytes: Option<u64>,
    memory_limit_bytes: Option<u64>,
    clock_ahead_us: Option<i64>,
}

impl From<MachineAnswer> for MachineReport {
    fn from(answer: MachineAnswer) -> Self {
        let MachineAnswer {
            at_ms,
            version,
            disk_free_bytes,
            disk_bytes,
            resident_bytes,
            memory_limit_bytes,
            clock_ahead_us,
        } = answer;
        Self {
            at_ms,
            version,
            disk_free_bytes,
            disk_bytes,
            resident_bytes,
            memory_limit_bytes,
            clock_ahead_us,
        }
    }
}

#[derive(Deserialize)]
struct TipAnswer {
    number: u64,
    hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StalledAnswer {
    since_ms: u64,
    reason: String,
}

pub(super) fn read_status(answer: &Value) -> Result<NodeReport, EngineError> {
    let status: StatusAnswer = read(STATUS, answer)?;
    let highest = status.highest.max(status.tip.number);
    let digits = |key: &str| key.strip_prefix("0x").unwrap_or(key).to_owned();
    let seated_by = status.seated.then(|| SeatKeys {
        node_key: digits(&status.node_key),
        consensus_key: digits(&status.consensus_key),
    });
    Ok(NodeReport {
        revision: status.revision,
        genesis_hash: status.genesis_hash,
        chain_id: status.chain_id,
        tip: BlockRef { number: status.tip.number, hash: status.tip.hash },
        connected_validators: status.connected_validators,
        quorum: status.quorum,
        validators: status.validators,
        seat: if status.named { seat(status.not_voting) } else { Seat::Unnamed },
        seated_by,
        work: if status.idle { Work::Nothing } else { Work::Something },
        syncing: status.syncing,
        highest,
        history: if status.sync.is_none() && status.earlier.is_none() {
            History::Whole
        } else {
            History::Lacking
        },
        state_per_mille: status.sync.map(|sync| sync.per_mille),
        earlier_blocks: status.earlier.as_ref().map_or(0, |earlier| earlier.blocks),
        left_s: status.left_s.or(status.earlier.and_then(|earlier| earlier.left_s)),
        stalled: status.stalled.map(|stalled| (stalled.since_ms, stalled.reason)),
        peers: status.peers.iter().map(|peer| (digits(&peer.node_key), peer.connected)).collect(),
        machine: status.machine.into(),
    })
}

/// What a node is that the members have named.
fn seat(not_voting: Option<String>) -> Seat {
    match not_voting {
        None => Seat::Votes,
        Some(why) if why.contains(NO_SEAT) => Seat::Follows(why),
        Some(why) => Seat::Silent(why),
    }
}

pub(super) fn test_transaction(
    spec: &NetworkSpec,
    account: [u8; 20],
    nonce: u64,
    sign: &Sign<'_>,
) -> Result<TestTransaction, EngineError> {
    let max_fee_per_gas = match spec.fees {
        Fees::Free {} => 0,
        Fees::Eip1559 { floor_wei } => u128::from(floor_wei.max(1)) * u128::from(PROBE_FEE_FACTOR),
    };
    let transaction = TxEip1559 {
        chain_id: spec.chain_id,
        nonce,
        gas_limit: PROBE_GAS,
        max_fee_per_gas,
        max_priority_fee_per_gas: 0,
        to: TxKind::Call(Address::from(account)),
        value: U256::ZERO,
        ..TxEip1559::default()
    };
    let bytes = sign(transaction.signature_hash().0);
    let signature = Signature::from_raw_array(&bytes)
        .map_err(|error| EngineError::Value { field: "signature", value: error.to_string() })?;
    let signed = TxEnvelope::from(transaction.into_signed(signature));
    let raw = alloy_primitives::hex::encode_prefixed(signed.encoded_2718());
    Ok(TestTransaction {
        send: RpcRequest { method: "eth_sendRawTransaction", params: json!([raw]) },
        hash: signed.tx_hash().to_string(),
    })
}

pub(super) fn receipt_request(hash: &str) -> RpcRequest {
    RpcRequest { method: RECEIPT, params: json!([hash]) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptAnswer {
    block_number: String,
    block_hash: String,
}

pub(super) fn read_receipt(answer: &Value) -> Result<Option<BlockRef>, EngineError> {
    let receipt: Option<ReceiptAnswer> = read(RECEIPT, answer)?;
    receipt
        .map(|receipt| {
            let number = quantity(RECEIPT, &receipt.block_number)?;
            Ok(BlockRef { number, hash: receipt.block_hash })
        })
        .transpose()
}

pub(super) fn block_request(number: u64) -> RpcRequest {
    RpcRequest { method: BLOCK, params: json!([format!("{number:#x}"), true]) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockAnswer {
    number: String,
    hash: String,
    timestamp: String,
    extra_data: String,
    gas_used: String,
    transactions: Vec<TransactionAnswer>,
}

#[derive(Deserialize)]
struct TransactionAnswer {
    hash: String,
    from: String,
    to: Option<String>,
    value: String,
}

pub(super) fn read_block(answer: &Value) -> Result<Option<BlockSummary>, EngineError> {
    let block: Option<BlockAnswer> = read(BLOCK, answer)?;
    block
        .map(|block| {
            let seconds = quantity(BLOCK, &block.timestamp)?;
            Ok(BlockSummary {
                number: quantity(BLOCK, &block.number)?,
                timestamp_ms: seconds * 1_000 + milliseconds(&block.extra_data),
                hash: block.hash,
                gas_used: quantity(BLOCK, &block.gas_used)?,
                transactions: block.transactions.into_iter().map(summary).collect(),
            })
        })
        .transpose()
}

fn summary(answer: TransactionAnswer) -> TransactionSummary {
    TransactionSummary { hash: answer.hash, from: answer.from, to: answer.to, value: answer.value }
}

/// The milliseconds within the second, which our blocks keep in `extraData`.
fn milliseconds(extra_data: &str) -> u64 {
    alloy_primitives::hex::decode(extra_data)
        .ok()
        .and_then(|bytes| windlass_chain::ExtraData::decode(&bytes))
        .map_or(0, |extra| u64::from(extra.milliseconds))
}

pub(super) fn height_request() -> RpcRequest {
    RpcRequest { method: HEIGHT, params: json!([]) }
}

pub(super) fn read_height(answer: &Value) -> Result<u64, EngineError> {
    let height: String = read(HEIGHT, answer)?;
    quantity(HEIGHT, &height)
}

fn read<'de, T: Deserialize<'de>>(
    method: &'static str,
    answer: &'de Value,
) -> Result<T, EngineError> {
    T::deserialize(answer)
        .map_err(|error| EngineError::Answer { method, reason: error.to_string() })
}

fn quantity(method: &'static str, text: &str) -> Result<u64, EngineError> {
    text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or_else(
        || EngineError::Answer { method, reason: format!("`{text}` is not a quantity") },
    )
}
