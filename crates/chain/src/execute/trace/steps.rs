//! The struct logger: what every instruction found.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types::trace::geth::GethDefaultTracingOptions;
use revm::bytecode::opcode as op;
use revm::interpreter::interpreter_types::{InputsTr, MemoryTr, ReturnData};
use serde::Serialize;

use super::flaw::Flaw;
use super::view::{Context, View};
use super::watch::{Ended, Exited, Step};
use super::{is_blank, opcode};
use crate::chain::ChainError;

/// What an execution was, instruction by instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Steps {
    /// The gas that it used, after refunds.
    pub gas: u64,
    /// Whether it failed.
    pub failed: bool,
    /// What it returned, or reverted with.
    pub return_value: Bytes,
    /// The instructions.
    pub struct_logs: Vec<StepLog>,
}

/// An instruction, and what it found. Absent is what was not asked for, and what is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepLog {
    /// Its place in the code.
    pub pc: usize,
    /// Its name.
    pub op: String,
    /// The gas that is left before it.
    pub gas: u64,
    /// What it costs; if it fails, as far as that was known.
    pub gas_cost: u64,
    /// How many calls it is in, the outermost among them.
    pub depth: usize,
    /// Why it fails, if that is known before it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The stack, its top last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<Vec<U256>>,
    /// What the last call returned.
    #[serde(skip_serializing_if = "is_blank")]
    pub return_data: Bytes,
    /// The memory, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<B256>,
    /// Where it reads or writes a slot: all slots of the contract so far, and what is in them then.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<B256, B256>,
    /// The gas that will be given back in the end.
    #[serde(skip_serializing_if = "is_zero")]
    pub refund: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Records instructions.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepTracer {
    options: GethDefaultTracingOptions,
    steps: Steps,
    slots: BTreeMap<Address, BTreeMap<B256, B256>>,
    /// How long the answer is so far, in bytes; counted only where it is limited.
    length: u64,
}

impl StepTracer {
    pub(super) fn new(options: GethDefaultTracingOptions) -> Self {
        Self { options, ..Self::default() }
    }

    pub(super) fn step(
        &mut self,
        step: &Step<'_>,
        context: &Context<'_>,
    ) -> Result<usize, ChainError> {
        let limit = self.options.limit.filter(|limit| *limit > 0);
        if limit.is_some_and(|limit| self.length > limit) {
            return Ok(0);
        }
        let interpreter = step.interpreter;
        let stack = interpreter.stack.data().as_slice();
        let has_stack = self.options.is_stack_enabled();
        let log = StepLog {
            pc: step.pc,
            op: opcode::name(step.byte),
            gas: step.gas,
            gas_cost: step.cost,
            depth: step.depth,
            error: step.flaw.map(Flaw::to_string),
            stack: has_stack.then(|| stack.to_vec()),
            return_data: if self.options.is_return_data_enabled() {
                interpreter.return_data.buffer().clone()
            } else {
                Bytes::new()
            },
            memory: if self.options.is_memory_enabled() {
                words(&interpreter.memory.slice(0..interpreter.memory.size()))
            } else {
                Vec::new()
            },
            storage: self.storage(step, context)?,
            refund: step.refund,
        };
        if limit.is_some() {
            self.length += serde_json::to_vec(&log).map_or(0, |text| count(text.len()));
        }
        let kept = kept_bytes(&log);
        self.steps.struct_logs.push(log);
        Ok(kept)
    }

    /// The contract's slots, if the instruction is about one of them.
    fn storage(
        &mut self,
        step: &Step<'_>,
        context: &Context<'_>,
    ) -> Result<BTreeMap<B256, B256>, ChainError> {
        if !self.options.is_storage_enabled() || step.flaw.is_some() {
            return Ok(BTreeMap::new());
        }
        let contract = step.interpreter.input.target_address();
        let (slot, value) = match (step.byte, step.interpreter.stack.data().as_slice()) {
            (op::SLOAD, [.., slot]) => (*slot, View::of(context).slot(contract, *slot)?.0),
            (op::SSTORE, [.., value, slot]) => (*slot, *value),
            _ => return Ok(BTreeMap::new()),
        };
        let slots = self.slots.entry(contract).or_default();
        slots.insert(slot.into(), value.into());
        Ok(slots.clone())
    }

    pub(super) fn exit(&mut self, exited: &Exited<'_>) {
        if exited.depth > 0 {
            return;
        }
        self.steps.failed = exited.flaw.is_some();
        if exited.flaw.is_none_or(|flaw| *flaw == Flaw::Reverted) {
            self.steps.return_value = exited.output.clone();
        }
    }

    pub(super) fn end(&mut self, ended: &Ended<'_>) -> Steps {
        Steps { gas: ended.gas_used, ..std::mem::take(&mut self.steps) }
    }
}

fn words(memory: &[u8]) -> Vec<B256> {
    memory.chunks(32).map(B256::right_padding_from).collect()
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn kept_bytes(log: &StepLog) -> usize {
    const SLOT: usize = size_of::<(B256, B256)>();
    size_of::<StepLog>()
        + log.op.len()
        + log.stack.as_ref().map_or(0, |stack| size_of_val(stack.as_slice()))
        + size_of_val(log.memory.as_slice())
        + log.return_data.len()
        + log.storage.len() * SLOT
}
