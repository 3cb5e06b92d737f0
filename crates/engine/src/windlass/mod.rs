//! Our own engine: `windlass node` processes, Ethereum blocks, BFT finality.

mod diagnosis;
mod genesis;
mod governance;
mod probe;
mod recovery;
#[cfg(test)]
mod tests;
mod workload;

use serde_json::Value;
use windlass_model::{
    api::BlockSummary,
    consensus::ConsensusReport,
    misconduct::DoubleVote,
    network::BlockRef,
    spec::{EngineName, NetworkSpec},
    workload::Workload,
};

use crate::{
    Engine, EngineError, GenesisFile, GenesisInput, NodeInput, NodeReport, RpcRequest, Sign,
    TestTransaction, governance::Governance, recovery::Recovery,
};

/// The engine `windlass`.
#[derive(Clone, Copy, Debug, Default)]
pub struct WindlassEngine;

impl Engine for WindlassEngine {
    fn name(&self) -> EngineName {
        EngineName::Windlass
    }

    fn memory_per_node_mib(&self, validators: u32) -> u32 {
        // Measured (development build): 59 MiB in a network of 4, 215 MiB in one of 100. What grows
        // are the connections, one to each other validator, with their queues.
        validators.saturating_mul(2).saturating_add(64)
    }

    fn messages_per_block(&self, validators: u32) -> u64 {
        // Each sends its votes to all others.
        let validators = u64::from(validators);
        validators * validators.saturating_sub(1)
    }

    fn genesis(&self, input: &GenesisInput<'_>) -> Result<GenesisFile, EngineError> {
        genesis::genesis(input)
    }

    fn workload(&self, input: &NodeInput<'_>) -> Result<Workload, EngineError> {
        workload::workload(input)
    }

    fn rpc_socket(&self) -> &'static str {
        workload::RPC_SOCKET
    }

    fn status_request(&self) -> RpcRequest {
        probe::status_request()
    }

    fn await_status_request(&self, revision: u64, timeout_ms: u64) -> RpcRequest {
        probe::await_status_request(revision, timeout_ms)
    }

    fn read_status(&self, answer: &Value) -> Result<NodeReport, EngineError> {
        probe::read_status(answer)
    }

    fn consensus_request(&self) -> RpcRequest {
        diagnosis::consensus_request()
    }

    fn read_consensus(&self, answer: &Value) -> Result<ConsensusReport, EngineError> {
        diagnosis::read_consensus(answer)
    }

    fn misconduct_request(&self) -> RpcRequest {
        diagnosis::misconduct_request()
    }

    fn read_misconduct(&self, answer: &Value) -> Result<Vec<DoubleVote>, EngineError> {
        diagnosis::read_misconduct(answer)
    }

    fn metrics_path(&self) -> &'static str {
        diagnosis::METRICS_PATH
    }

    fn test_transaction(
        &self,
        spec: &NetworkSpec,
        account: [u8; 20],
        nonce: u64,
        sign: &Sign<'_>,
    ) -> Result<TestTransaction, EngineError> {
        probe::test_transaction(spec, account, nonce, sign)
    }

    fn receipt_request(&self, hash: &str) -> RpcRequest {
        probe::receipt_request(hash)
    }

    fn read_receipt(&self, answer: &Value) -> Result<Option<BlockRef>, EngineError> {
        probe::read_receipt(answer)
    }

    fn block_request(&self, number: u64) -> RpcRequest {
        probe::block_request(number)
    }

    fn read_block(&self, answer: &Value) -> Result<Option<BlockSummary>, EngineError> {
        probe::read_block(answer)
    }

    fn governance(&self) -> Option<&dyn Governance> {
        Some(&governance::WindlassGovernance)
    }

    fn recovery(&self) -> Option<&dyn Recovery> {
        Some(&recovery::WindlassRecovery)
    }

    fn height_request(&self) -> RpcRequest {
        probe::height_request()
    }

    fn read_height(&self, answer: &Value) -> Result<u64, EngineError> {
        probe::read_height(answer)
    }
}
