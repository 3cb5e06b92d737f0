//! Accounts: balance, nonce, code, storage, proof.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64, U256};
use alloy_rpc_types::serde_helpers::JsonStorageKey;
use alloy_rpc_types::{EIP1186AccountProofResponse, EIP1186StorageProof};
use jsonrpsee::RpcModule;
use windlass_chain::{At, ChainError};

use super::execute::run;
use super::{Node, Shared, method, state_at};
use crate::rpc::args::Args;
use crate::rpc::block_param::BlockParam;
use crate::rpc::error::RpcError;
use crate::rpc::hex_param::slot;
use crate::rpc::limits;

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, "eth_getBalance", 2, async |node: Shared, args: Args| {
        let state = node.ledger.chain().state(state_at(&node, args.optional(1)?)?)?;
        let account = state.account(args.address(0)?)?;
        Ok(account.map_or(U256::ZERO, |account| account.balance))
    });
    method(module, "eth_getTransactionCount", 2, async |node: Shared, args: Args| {
        let address = args.address(0)?;
        transaction_count(&node, address, args.optional(1)?)
    });
    method(module, "eth_getCode", 2, async |node: Shared, args: Args| {
        let address = args.address(0)?;
        code(&node, address, args.optional(1)?)
    });
    method(module, "eth_getStorageAt", 3, async |node: Shared, args: Args| {
        let (address, slot) = (args.address(0)?, slot(&args.required::<String>(1)?)?);
        let state = node.ledger.chain().state(state_at(&node, args.optional(2)?)?)?;
        let slot = U256::from_be_bytes(slot.as_b256().0);
        Ok(B256::from(state.storage(address, slot)?))
    });
    method(module, "eth_getStorageValues", 2, async |node: Shared, args: Args| {
        let wanted = args.required(0)?;
        storage_values(&node, wanted, args.optional(1)?)
    });
    method(module, "eth_getProof", 3, async |node: Shared, args: Args| {
        let (address, slots) = (args.address(0)?, args.required::<Vec<String>>(1)?);
        let slots = slots.iter().map(|text| slot(text)).collect::<Result<_, _>>()?;
        let at = state_at(&node, args.optional(2)?)?;
        // The tries of an earlier state take a while to make.
        run(&node, move |node, limits| proof(node, (address, slots), at, limits.cancel)).await
    });
}

/// `pending` counts the pool's executable transactions.
fn transaction_count(
    node: &Node,
    address: Address,
    id: Option<BlockParam>,
) -> Result<U64, RpcError> {
    if id.is_some_and(|id| id.0.is_pending()) {
        return Ok(U64::from(node.ledger.pending_nonce(address)?));
    }
    let account = node.ledger.chain().state(state_at(node, id)?)?.account(address)?;
    Ok(U64::from(account.map_or(0, |account| account.nonce)))
}

/// Slots of several accounts at once.
fn storage_values(
    node: &Node,
    wanted: BTreeMap<Address, Vec<B256>>,
    id: Option<BlockParam>,
) -> Result<BTreeMap<Address, Vec<B256>>, RpcError> {
    let count: usize = wanted.values().map(Vec::len).sum();
    if count > limits::STORAGE_VALUES {
        let text = format!("too many slots (max {})", limits::STORAGE_VALUES);
        return Err(RpcError::LimitExceeded(text));
    }
    if count == 0 {
        return Err(RpcError::InvalidParams("empty request".to_owned()));
    }
    let state = node.ledger.chain().state(state_at(node, id)?)?;
    wanted
        .into_iter()
        .map(|(address, slots)| {
            let values: Result<Vec<B256>, ChainError> = slots
                .into_iter()
                .map(|slot| Ok(B256::from(state.storage(address, slot.into())?)))
                .collect();
            Ok((address, values?))
        })
        .collect()
}

fn code(node: &Node, address: Address, id: Option<BlockParam>) -> Result<Bytes, RpcError> {
    let state = node.ledger.chain().state(state_at(node, id)?)?;
    let contract =
        state.account(address)?.is_some_and(|account| account.code_hash != KECCAK256_EMPTY);
    if contract { Ok(state.code(address)?) } else { Ok(Bytes::new()) }
}

fn proof(
    node: &Node,
    (address, keys): (Address, Vec<JsonStorageKey>),
    at: At,
    cancel: Option<&AtomicBool>,
) -> Result<EIP1186AccountProofResponse, RpcError> {
    if keys.len() > limits::PROOF_SLOTS {
        let (most, got) = (limits::PROOF_SLOTS, keys.len());
        let text = format!("too many storage keys requested (max {most}, got {got})");
        return Err(RpcError::InvalidParams(text));
    }
    let slots: Vec<U256> = keys.iter().map(|key| U256::from_be_bytes(key.as_b256().0)).collect();
    let proof = node.ledger.chain().proof(at, address, &slots, cancel)?;
    let account = proof.account.unwrap_or_default();
    let storage_proof = keys
        .into_iter()
        .zip(proof.storage)
        .map(|(key, slot)| EIP1186StorageProof::new(key, slot.value, slot.proof))
        .collect();
    Ok(EIP1186AccountProofResponse {
        address,
        balance: account.balance,
        code_hash: account.code_hash,
        nonce: account.nonce,
        storage_hash: account.storage_root,
        account_proof: proof.account_proof,
        storage_proof,
    })
}
