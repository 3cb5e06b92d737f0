//! Transactions to the contract: made, signed, and what came of them.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Bytes, LogData, Signature, TxKind, U64, U128, U256, hex};
use alloy_sol_types::SolEvent;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use windlass_chain::governance::ADDRESS;
use windlass_model::network::BlockRef;

use crate::{
    EngineError, RpcRequest,
    governance::{AccountFacts, Head, Outcome, Outgoing, Signed, Verdict},
};
use windlass_chain::governance::abi::Governance as Contract;

pub(super) const BLOCK: &str = "eth_getBlockByNumber";
pub(super) const ESTIMATE: &str = "eth_estimateGas";
pub(super) const NONCE: &str = "eth_getTransactionCount";
pub(super) const BALANCE: &str = "eth_getBalance";
const RECEIPT: &str = "eth_getTransactionReceipt";

fn read<T: DeserializeOwned>(method: &'static str, answer: &Value) -> Result<T, EngineError> {
    T::deserialize(answer)
        .map_err(|error| EngineError::Answer { method, reason: error.to_string() })
}

fn nth<'a>(
    method: &'static str,
    answers: &'a [Value],
    index: usize,
) -> Result<&'a Value, EngineError> {
    let missing = || EngineError::Answer { method, reason: "it is missing".to_owned() };
    answers.get(index).ok_or_else(missing)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadAnswer {
    number: U64,
    hash: B256,
    gas_limit: U64,
    base_fee_per_gas: Option<U128>,
}

pub(super) fn read_head(answer: &Value) -> Result<Head, EngineError> {
    let head: HeadAnswer = read(BLOCK, answer)?;
    Ok(Head {
        block: BlockRef { number: head.number.to(), hash: head.hash.to_string() },
        base_fee_wei: head.base_fee_per_gas.unwrap_or_default().to(),
        gas_limit: head.gas_limit.to(),
    })
}

pub(super) fn read_estimate(answer: &Value) -> Result<u64, EngineError> {
    read::<U64>(ESTIMATE, answer).map(|gas| gas.to())
}

pub(super) fn read_account(answers: &[Value]) -> Result<AccountFacts, EngineError> {
    let nonce: U64 = read(NONCE, nth(NONCE, answers, 0)?)?;
    let balance: U256 = read(BALANCE, nth(BALANCE, answers, 1)?)?;
    Ok(AccountFacts { nonce: nonce.to(), balance_wei: balance.saturating_to() })
}

fn transaction(outgoing: &Outgoing) -> Result<TxEip1559, EngineError> {
    let wrong = |_odd| EngineError::Value { field: "data", value: outgoing.data.clone() };
    let input: Bytes = outgoing.data.parse().map_err(wrong)?;
    Ok(TxEip1559 {
        chain_id: outgoing.chain_id,
        nonce: outgoing.nonce,
        gas_limit: outgoing.gas,
        max_fee_per_gas: outgoing.max_fee_wei,
        max_priority_fee_per_gas: 0,
        to: TxKind::Call(ADDRESS),
        value: U256::ZERO,
        input,
        ..TxEip1559::default()
    })
}

pub(super) fn signing_hash(outgoing: &Outgoing) -> Result<[u8; 32], EngineError> {
    Ok(transaction(outgoing)?.signature_hash().0)
}

pub(super) fn signed(outgoing: &Outgoing, signature: &[u8; 65]) -> Result<Signed, EngineError> {
    let signature = Signature::from_raw_array(signature)
        .map_err(|error| EngineError::Value { field: "signature", value: error.to_string() })?;
    let signed = TxEnvelope::from(transaction(outgoing)?.into_signed(signature));
    let raw = hex::encode_prefixed(signed.encoded_2718());
    Ok(Signed {
        send: RpcRequest { method: "eth_sendRawTransaction", params: json!([raw]) },
        hash: signed.tx_hash().to_string(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptAnswer {
    block_number: U64,
    block_hash: B256,
    status: U64,
    logs: Vec<LogAnswer>,
}

#[derive(Deserialize)]
struct LogAnswer {
    topics: Vec<B256>,
    data: Bytes,
}

pub(super) fn read_outcome(answer: &Value) -> Result<Option<Outcome>, EngineError> {
    let Some(receipt) = read::<Option<ReceiptAnswer>>(RECEIPT, answer)? else { return Ok(None) };
    let block =
        BlockRef { number: receipt.block_number.to(), hash: receipt.block_hash.to_string() };
    if receipt.status.is_zero() {
        return Ok(Some(Outcome { block, verdict: Verdict::Reverted }));
    }
    // Whoever proposes votes for it, so that both say which proposal it was.
    let about = |log: LogAnswer| {
        let log = LogData::new(log.topics, log.data)?;
        let voted = Contract::VoteCast::decode_log_data(&log).map(|voted| voted.id);
        voted.or_else(|_| Contract::ProposalSettled::decode_log_data(&log).map(|one| one.id)).ok()
    };
    let proposal = receipt.logs.into_iter().find_map(about).map(|id| id.saturating_to());
    Ok(Some(Outcome { block, verdict: Verdict::Done { proposal } }))
}
