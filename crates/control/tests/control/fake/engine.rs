//! An engine whose nodes live in the fake world: its formats are the plainest that carry the facts.

use std::collections::BTreeMap;

use super::governance::FakeGovernance;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use windlass_engine::{
    Engine, EngineError, GenesisFile, GenesisInput, History, MachineReport, NodeInput, NodeReport,
    RpcRequest, Seat, Sign, TestTransaction, Work, governance::Governance,
    windlass::WindlassEngine,
};
use windlass_model::{
    api::BlockSummary,
    consensus::ConsensusReport,
    misconduct::DoubleVote,
    network::BlockRef,
    spec::{EngineName, NetworkSpec},
    workload::Workload,
};

#[derive(Clone, Copy, Debug)]
pub(crate) struct FakeEngine;

fn digest(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(Sha256::digest(bytes)))
}

/// The genesis hash, which the fake nodes compute from their file as real ones do.
pub(crate) fn genesis_hash(content: &str) -> String {
    digest(content)
}

fn unreadable(method: &'static str) -> EngineError {
    EngineError::Answer { method, reason: "not as a fake node answers".to_owned() }
}

fn block(value: &Value) -> Option<BlockRef> {
    let number = value.get("number")?.as_u64()?;
    Some(BlockRef { number, hash: value.get("hash")?.as_str()?.to_owned() })
}

impl Engine for FakeEngine {
    fn name(&self) -> EngineName {
        EngineName::Windlass
    }

    fn memory_per_node_mib(&self, _validators: u32) -> u32 {
        64
    }

    fn messages_per_block(&self, validators: u32) -> u64 {
        WindlassEngine.messages_per_block(validators)
    }

    fn genesis(&self, input: &GenesisInput<'_>) -> Result<GenesisFile, EngineError> {
        let keys: BTreeMap<_, _> = input
            .members
            .iter()
            .flat_map(|member| &member.validators)
            .map(|one| (&one.name, (hex::encode(one.node_key), hex::encode(one.consensus_key))))
            .collect();
        let members: Vec<_> = input
            .members
            .iter()
            .map(|member| {
                let account = format!("0x{}", hex::encode(member.account));
                json!({"organization": member.organization, "account": account})
            })
            .collect();
        let content = json!({
            "chain_id": input.spec.chain_id,
            "probe": hex::encode(input.probe_account),
            "keys": keys,
            "members": members,
        })
        .to_string();
        Ok(GenesisFile { hash: genesis_hash(&content), content })
    }

    fn workload(&self, input: &NodeInput<'_>) -> Result<Workload, EngineError> {
        WindlassEngine.workload(input)
    }

    fn rpc_socket(&self) -> &'static str {
        WindlassEngine.rpc_socket()
    }

    fn status_request(&self) -> RpcRequest {
        RpcRequest { method: "status", params: json!([]) }
    }

    fn await_status_request(&self, revision: u64, timeout_ms: u64) -> RpcRequest {
        RpcRequest { method: "await", params: json!([revision, timeout_ms]) }
    }

    fn read_status(&self, answer: &Value) -> Result<NodeReport, EngineError> {
        let read = || {
            let number = |name: &str| answer.get(name)?.as_u64();
            let connected = u32::try_from(number("connected")?).ok()?;
            let quorum = u32::try_from(number("quorum")?).ok()?;
            Some(NodeReport {
                revision: number("revision")?,
                genesis_hash: answer.get("genesis")?.as_str()?.to_owned(),
                chain_id: number("chain_id")?,
                tip: block(answer.get("tip")?)?,
                connected_validators: connected,
                quorum,
                validators: u32::try_from(number("validators")?).ok()?,
                seat: match answer.get("seat")?.as_str()? {
                    "votes" => Seat::Votes,
                    "follows" => Seat::Follows("it is an observer".to_owned()),
                    _ => Seat::Unnamed,
                },
                seated_by: None,
                work: Work::Nothing,
                syncing: false,
                history: History::Whole,
                highest: block(answer.get("tip")?)?.number,
                state_per_mille: None,
                earlier_blocks: 0,
                left_s: None,
                stalled: None,
                peers: Vec::new(),
                machine: MachineReport::default(),
            })
        };
        read().ok_or_else(|| unreadable("status"))
    }

    fn consensus_request(&self) -> RpcRequest {
        WindlassEngine.consensus_request()
    }

    fn read_consensus(&self, answer: &Value) -> Result<ConsensusReport, EngineError> {
        WindlassEngine.read_consensus(answer)
    }

    fn misconduct_request(&self) -> RpcRequest {
        WindlassEngine.misconduct_request()
    }

    fn read_misconduct(&self, answer: &Value) -> Result<Vec<DoubleVote>, EngineError> {
        WindlassEngine.read_misconduct(answer)
    }

    fn metrics_path(&self) -> &'static str {
        WindlassEngine.metrics_path()
    }

    fn test_transaction(
        &self,
        _spec: &NetworkSpec,
        account: [u8; 20],
        _nonce: u64,
        sign: &Sign<'_>,
    ) -> Result<TestTransaction, EngineError> {
        let signed = hex::encode(sign([7; 32]));
        let hash = digest(format!("{}{signed}", hex::encode(account)));
        Ok(TestTransaction { send: RpcRequest { method: "send", params: json!([hash]) }, hash })
    }

    fn receipt_request(&self, hash: &str) -> RpcRequest {
        RpcRequest { method: "receipt", params: json!([hash]) }
    }

    fn read_receipt(&self, answer: &Value) -> Result<Option<BlockRef>, EngineError> {
        Ok(block(answer))
    }

    fn block_request(&self, number: u64) -> RpcRequest {
        RpcRequest { method: "block", params: json!([number]) }
    }

    fn read_block(&self, answer: &Value) -> Result<Option<BlockSummary>, EngineError> {
        Ok(block(answer).map(|block| BlockSummary {
            number: block.number,
            hash: block.hash,
            timestamp_ms: 0,
            gas_used: 0,
            transactions: Vec::new(),
        }))
    }

    fn recovery(&self) -> Option<&dyn windlass_engine::recovery::Recovery> {
        None
    }

    fn governance(&self) -> Option<&dyn Governance> {
        Some(&FakeGovernance)
    }

    fn height_request(&self) -> RpcRequest {
        RpcRequest { method: "height", params: json!([]) }
    }

    fn read_height(&self, answer: &Value) -> Result<u64, EngineError> {
        answer.as_u64().ok_or_else(|| unreadable("height"))
    }
}
