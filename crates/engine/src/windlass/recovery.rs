//! Export and recovery as the chain has them.

use std::io::BufRead;

use alloy_primitives::{B256, Bytes, U64};
use serde::Deserialize;
use serde_json::{Value, json};
use windlass_chain::{
    export::{self, End, ExportError},
    recovery::{self, Recovery as File, RecoveryError},
};
use windlass_model::network::BlockRef;

use crate::{
    EngineError, GenesisFile, RpcRequest,
    recovery::{Agreement, ExportPage, Judged, Recovery, Signatory},
};

const METHOD: &str = "windlass_export";

/// Export and recovery of the engine `windlass`.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindlassRecovery;

/// A page as nodes answer it.
#[derive(Deserialize)]
struct Page {
    number: U64,
    hash: B256,
    lines: Vec<String>,
    accounts: U64,
    slots: U64,
    next: Option<Bytes>,
}

impl Recovery for WindlassRecovery {
    fn page(&self, cursor: Option<&str>) -> RpcRequest {
        RpcRequest { method: METHOD, params: json!([cursor]) }
    }

    fn read_page(&self, answer: &Value) -> Result<ExportPage, EngineError> {
        let page = Page::deserialize(answer)
            .map_err(|error| EngineError::Answer { method: METHOD, reason: error.to_string() })?;
        Ok(ExportPage {
            block: BlockRef { number: page.number.to(), hash: page.hash.to_string() },
            lines: page.lines,
            accounts: page.accounts.to(),
            slots: page.slots.to(),
            next: page.next.map(|next| next.to_string()),
        })
    }

    fn end(&self, accounts: u64, slots: u64, sha256: [u8; 32]) -> String {
        let end = End { accounts, slots, sha256: sha256.into() };
        serde_json::to_string(&end).expect("numbers and a hash are written without failing")
    }

    fn agreement(&self, recovery: &str) -> Result<Agreement, EngineError> {
        let file = File::from_json(recovery.as_bytes()).map_err(EngineError::Recovery)?;
        Ok(Agreement {
            predecessor: file.predecessor.genesis.to_string(),
            successor: file.successor.to_string(),
            digest: file.digest().0,
            accounts: file.signatures.iter().map(|one| format!("{:#x}", one.account)).collect(),
        })
    }

    fn judge(&self, recovery: &str, export: &mut dyn BufRead) -> Result<Judged, EngineError> {
        let file = File::from_json(recovery.as_bytes()).map_err(EngineError::Recovery)?;
        let exported = export::verify_of(export, file.predecessor.genesis).map_err(|error| {
            let ExportError::OtherNetwork { found, expected } = error else {
                return EngineError::Export(error);
            };
            EngineError::Recovery(RecoveryError::Differs {
                what: "the network with genesis",
                named: expected.to_string(),
                given: found.to_string(),
            })
        })?;
        let judged = recovery::judge(&exported, &file).map_err(EngineError::Recovery)?;
        let content = String::from_utf8(judged.genesis.canonical_json())
            .expect("the canonical encoding is JSON, which is UTF-8");
        let block = &exported.verified.block;
        let members = judged.members.iter().map(|member| Signatory {
            organization: member.organization.clone(),
            account: format!("{:#x}", member.account),
            signed: member.signed,
        });
        Ok(Judged {
            predecessor: exported.verified.genesis.to_string(),
            block: BlockRef { number: block.number, hash: block.hash.to_string() },
            export: exported.sha256.to_string(),
            members: members.collect(),
            needed: judged.needed(),
            others: judged.others.iter().map(|account| format!("{account:#x}")).collect(),
            genesis: GenesisFile { content, hash: judged.successor.to_string() },
        })
    }
}
