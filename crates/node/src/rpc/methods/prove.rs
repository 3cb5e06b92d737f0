//! Proofs that are checked without asking anybody (docs/protocol/proofs.md), the document that they
//! begin from, and the whole state as an export.

use alloy_primitives::{Bytes, U64, U256};
use jsonrpsee::RpcModule;
use serde_json::{Value, json};
use windlass_chain::{ExportPageError, ProveError};
use windlass_proof::Proof;

use super::{Node, Shared, method};
use crate::rpc::args::Args;
use crate::rpc::error::RpcError;
use crate::rpc::hex_param::slot;
use crate::rpc::limits;

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, "windlass_genesis", 0, async |node: Shared, _args| {
        serde_json::from_slice::<Value>(node.ledger.document())
            .map_err(|error| RpcError::Internal(error.to_string()))
    });
    method(module, "windlass_export", 1, async |node: Shared, args: Args| {
        let cursor = args.optional::<Bytes>(0)?;
        export(node, cursor).await
    });
    method(module, "windlass_proveTransaction", 2, async |node: Shared, args: Args| {
        let (hash, since) = (args.hash(0)?, args.optional(1)?.unwrap_or(0));
        prove(node, move |node| node.ledger.chain().prove_transaction(hash, since)).await
    });
    method(module, "windlass_proveLog", 3, async |node: Shared, args: Args| {
        let (hash, position) = (args.hash(0)?, args.required(1)?);
        let since = args.optional(2)?.unwrap_or(0);
        prove(node, move |node| node.ledger.chain().prove_log(hash, position, since)).await
    });
    method(module, "windlass_proveValidators", 1, async |node: Shared, args: Args| {
        let since = args.optional(0)?.unwrap_or(0);
        let worker = Shared::clone(&node);
        let job = move || {
            let (genesis, changes) = worker.ledger.chain().prove_validators(since)?;
            Ok(json!({ "genesis": genesis, "changes": changes }))
        };
        node.work.run(job).await
    });
    method(module, "windlass_proveAccount", 3, async |node: Shared, args: Args| {
        let address = args.address(0)?;
        let slots = args.optional::<Vec<String>>(1)?.unwrap_or_default();
        let since = args.optional(2)?.unwrap_or(0);
        if slots.len() > limits::PROOF_SLOTS {
            let text = format!("too many slots: {}, at most {}", slots.len(), limits::PROOF_SLOTS);
            return Err(RpcError::LimitExceeded(text));
        }
        let number = |text: &String| Ok(U256::from_be_bytes(slot(text)?.as_b256().0));
        let slots = slots.iter().map(number).collect::<Result<Vec<U256>, RpcError>>()?;
        prove(node, move |node| node.ledger.chain().prove_account(address, &slots, since)).await
    });
}

/// A page of the state after the tip: docs/protocol/recovery.md.
async fn export(node: Shared, cursor: Option<Bytes>) -> Result<Value, RpcError> {
    let worker = Shared::clone(&node);
    let job = move || {
        let (chain, document) = (worker.ledger.chain(), worker.ledger.document());
        let page = chain.export(
            document,
            cursor.as_ref().map(|bytes| &bytes[..]),
            limits::EXPORT_PAGE_BYTES,
        );
        let page = page.map_err(|error| match error {
            ExportPageError::Chain(error) | ExportPageError::Prove(ProveError::Chain(error)) => {
                error.into()
            }
            ExportPageError::Moved { .. }
            | ExportPageError::NoBlock
            | ExportPageError::Cursor
            | ExportPageError::Prove(_) => RpcError::Server(error.to_string()),
        })?;
        let (accounts, slots) = page.counts;
        Ok(json!({
            "number": U64::from(page.number),
            "hash": page.hash,
            "lines": page.lines,
            "accounts": U64::from(accounts),
            "slots": U64::from(slots),
            "next": page.next,
        }))
    };
    node.work.run(job).await
}

async fn prove(
    node: Shared,
    work: impl FnOnce(&Node) -> Result<Proof, ProveError> + Send + 'static,
) -> Result<Proof, RpcError> {
    let worker = Shared::clone(&node);
    let job = move || {
        work(&worker).map_err(|error| match error {
            ProveError::Chain(error) => error.into(),
            ProveError::UnknownTransaction
            | ProveError::NoLog { .. }
            | ProveError::NoCertificate(_)
            | ProveError::TooFar { .. }
            | ProveError::BeforeCheckpoint { .. } => RpcError::Server(error.to_string()),
        })
    };
    node.work.run(job).await
}
