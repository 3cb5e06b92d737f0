//! What a node has and by which rules it goes: `eth_capabilities` and `eth_config` (EIP-7910).

use alloy_eips::eip7840::BlobParams;
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, Bytes, U64, address};
use jsonrpsee::RpcModule;
use serde_json::{Map, Value, json};
use windlass_chain::{Fork, Schedule};

use super::{Node, Shared, method};
use crate::rpc::args::Args;
use crate::rpc::error::RpcError;

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, "eth_capabilities", 0, async |node: Shared, _args: Args| capabilities(&node));
    method(module, "eth_config", 0, async |node: Shared, _args: Args| config(&node));
}

/// The precompiled contracts by the fork that brought them, as EIP-7910 names them.
const PRECOMPILES: [(Fork, &str, Address); 18] = [
    (Fork::Frontier, "ECREC", at(0x01)),
    (Fork::Frontier, "SHA256", at(0x02)),
    (Fork::Frontier, "RIPEMD160", at(0x03)),
    (Fork::Frontier, "ID", at(0x04)),
    (Fork::Byzantium, "MODEXP", at(0x05)),
    (Fork::Byzantium, "BN254_ADD", at(0x06)),
    (Fork::Byzantium, "BN254_MUL", at(0x07)),
    (Fork::Byzantium, "BN254_PAIRING", at(0x08)),
    (Fork::Istanbul, "BLAKE2F", at(0x09)),
    (Fork::Cancun, "KZG_POINT_EVALUATION", at(0x0a)),
    (Fork::Prague, "BLS12_G1ADD", at(0x0b)),
    (Fork::Prague, "BLS12_G1MSM", at(0x0c)),
    (Fork::Prague, "BLS12_G2ADD", at(0x0d)),
    (Fork::Prague, "BLS12_G2MSM", at(0x0e)),
    (Fork::Prague, "BLS12_PAIRING_CHECK", at(0x0f)),
    (Fork::Prague, "BLS12_MAP_FP_TO_G1", at(0x10)),
    (Fork::Prague, "BLS12_MAP_FP2_TO_G2", at(0x11)),
    (Fork::Osaka, "P256VERIFY", address!("0x0000000000000000000000000000000000000100")),
];

const fn at(last: u8) -> Address {
    Address::with_last_byte(last)
}

/// From which block on the node has what. States and proofs have windows before the tip.
fn capabilities(node: &Node) -> Result<Value, RpcError> {
    let chain = node.ledger.chain();
    let tip = chain.tip();
    let first = U64::from(chain.first_block()?);
    let oldest = chain.oldest_state()?;
    let all = json!({ "disabled": false, "oldestBlock": first });
    let window = |oldest: u64, blocks: u64| {
        let mut kept = json!({ "disabled": false, "oldestBlock": U64::from(oldest) });
        if blocks < u64::MAX {
            let blocks = U64::from(blocks);
            kept["deleteStrategy"] = json!({ "type": "window", "retentionBlocks": blocks });
        }
        kept
    };
    let proofs = chain.proof_window();
    Ok(json!({
        "head": { "number": U64::from(tip.number), "hash": tip.hash },
        "state": window(oldest, chain.state_window()),
        "tx": all,
        "logs": all,
        "receipts": all,
        "blocks": all,
        "stateproofs": window(tip.number.saturating_sub(proofs).max(oldest), proofs),
    }))
}

fn config(node: &Node) -> Result<Value, RpcError> {
    let chain = node.ledger.chain();
    let header = chain.header(chain.tip().hash)?.ok_or_else(RpcError::header_not_found)?;
    let (number, now) = (header.number, header.timestamp);
    let rules = node.ledger.next_rules();
    let Some(schedule) = rules.schedule() else {
        // Always the newest rules, from block 0 on.
        let genesis = chain.header(0)?.ok_or_else(RpcError::header_not_found)?;
        let current = described(node, Fork::Osaka, genesis.timestamp, None)?;
        return Ok(json!({ "current": current, "next": null, "last": null }));
    };
    let times = schedule.times();
    let begun = times.range(..=now).next_back().copied().unwrap_or(0);
    let told = |time: u64| {
        described(node, rules.fork(number, time), time, Some((schedule, rules.blob_params(time))))
    };
    let next = times.range(now.saturating_add(1)..).next();
    let last = next.and_then(|_| times.last());
    Ok(json!({
        "current": told(begun)?,
        "next": next.map(|time| told(*time)).transpose()?,
        "last": last.map(|time| told(*time)).transpose()?,
    }))
}

/// The rules from a time on.
fn described(
    node: &Node,
    fork: Fork,
    time: u64,
    ethereum: Option<(&Schedule, Option<BlobParams>)>,
) -> Result<Value, RpcError> {
    let chain = node.ledger.chain();
    let genesis = chain.header(0)?.ok_or_else(RpcError::header_not_found)?;
    let blobs = ethereum.and_then(|(_, params)| params).map(|params| {
        json!({
            "target": params.target_blob_count,
            "max": params.max_blob_count,
            "baseFeeUpdateFraction": u64::try_from(params.update_fraction).unwrap_or(u64::MAX),
        })
    });
    let id = match ethereum {
        Some((schedule, _)) => schedule.fork_id(chain.genesis_hash(), genesis.timestamp, time),
        None => Schedule::default().fork_id(chain.genesis_hash(), genesis.timestamp, time),
    };
    let precompiles: Map<String, Value> = PRECOMPILES
        .iter()
        .filter(|(since, _, _)| fork >= *since)
        .map(|(_, name, address)| ((*name).to_owned(), json!(address)))
        .collect();
    Ok(json!({
        "activationTime": time,
        "blobSchedule": blobs,
        "chainId": U64::from(chain.rules().chain_id()),
        "forkId": Bytes::copy_from_slice(&id),
        "precompiles": precompiles,
        "systemContracts": system_contracts(fork, ethereum.map(|(schedule, _)| schedule)),
    }))
}

/// The contracts that every block calls. A network of ours takes no deposits.
fn system_contracts(fork: Fork, ethereum: Option<&Schedule>) -> Map<String, Value> {
    let deposits = ethereum.map(|schedule| schedule.deposit_contract);
    let withdrawals = eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
    let consolidations = eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS;
    [
        (Fork::Cancun, "BEACON_ROOTS_ADDRESS", Some(eip4788::BEACON_ROOTS_ADDRESS)),
        (Fork::Prague, "HISTORY_STORAGE_ADDRESS", Some(eip2935::HISTORY_STORAGE_ADDRESS)),
        (Fork::Prague, "DEPOSIT_CONTRACT_ADDRESS", deposits),
        (Fork::Prague, "WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS", Some(withdrawals)),
        (Fork::Prague, "CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS", Some(consolidations)),
    ]
    .into_iter()
    .filter(|(since, _, _)| fork >= *since)
    .filter_map(|(_, name, address)| Some((name.to_owned(), json!(address?))))
    .collect()
}
