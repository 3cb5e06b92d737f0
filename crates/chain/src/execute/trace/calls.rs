//! `callTracer`: the calls of an execution as a tree, and `flatCallTracer`'s list of them.

use alloy_primitives::{Address, B256, Bytes, Log, U64, U256};
use serde::{Deserialize, Serialize, Serializer};

use super::flaw::Flaw;
use super::watch::{Ended, Entered, Exited};
use super::{is_blank, opcode};
use crate::execute::revert::revert_reason;

/// What `callTracer` is asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "they are Geth's two options")]
pub(super) struct CallConfig {
    only_top_call: bool,
    with_log: bool,
}

/// A call, with those that it made. Absent is what does not apply, as in Geth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Who calls.
    pub from: Address,
    /// The gas that it may use; of the outermost one the transaction's limit.
    pub gas: U64,
    /// The gas that it used; of the outermost one the transaction's, after refunds.
    pub gas_used: U64,
    /// Whose code runs, which contract is created, or who inherits; nobody where creating failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Address>,
    /// What it is given: of a creation its code.
    pub input: Bytes,
    /// What it returned, or reverted with.
    #[serde(skip_serializing_if = "is_blank")]
    pub output: Bytes,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What Solidity's `revert` or a panic says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revert_reason: Option<String>,
    /// The calls that it made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Self>,
    /// What it logged, if it and all around it succeeded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<CallLog>,
    /// The value that is sent; none in a static call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<U256>,
    /// The instruction that made it.
    #[serde(rename = "type", serialize_with = "instruction")]
    pub kind: u8,
}

/// What a call logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallLog {
    /// Who logged it.
    pub address: Address,
    /// What it can be found by.
    pub topics: Vec<B256>,
    /// What else it says.
    pub data: Bytes,
    /// Its place among all of the block.
    pub index: U64,
    /// How many calls its own had made before.
    pub position: U64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn instruction<S: Serializer>(byte: &u8, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&opcode::name(*byte))
}

/// Collects calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallTracer {
    config: CallConfig,
    open: Vec<Call>,
    gas_limit: u64,
    depth: usize,
}

impl CallTracer {
    pub(super) fn new(config: CallConfig) -> Self {
        Self { config, ..Self::default() }
    }

    pub(super) fn begin(&mut self, gas_limit: u64) {
        self.gas_limit = gas_limit;
    }

    pub(super) fn enter(&mut self, entered: &Entered<'_>) -> usize {
        self.depth = entered.depth;
        let is_outer = entered.depth == 0;
        if self.config.only_top_call && !is_outer {
            return 0;
        }
        self.open.push(Call {
            from: entered.from,
            gas: U64::from(if is_outer { self.gas_limit } else { entered.gas }),
            gas_used: U64::ZERO,
            to: Some(entered.to),
            input: entered.input.clone(),
            output: Bytes::new(),
            error: None,
            revert_reason: None,
            calls: Vec::new(),
            logs: Vec::new(),
            value: entered.value,
            kind: entered.kind,
        });
        size_of::<Call>() + entered.input.len()
    }

    pub(super) fn exit(&mut self, exited: &Exited<'_>) -> usize {
        if exited.depth == 0 {
            if let [outer] = self.open.as_mut_slice() {
                outer.end(exited);
            }
            return exited.output.len();
        }
        self.depth = exited.depth - 1;
        if self.config.only_top_call {
            return 0;
        }
        if let [.., _, _] = self.open.as_slice()
            && let Some(mut call) = self.open.pop()
            && let Some(caller) = self.open.last_mut()
        {
            call.gas_used = U64::from(exited.gas_used);
            call.end(exited);
            caller.calls.push(call);
        }
        exited.output.len()
    }

    pub(super) fn log(&mut self, log: &Log, index: u64) -> usize {
        if !self.config.with_log || (self.config.only_top_call && self.depth > 0) {
            return 0;
        }
        let Some(call) = self.open.last_mut() else { return 0 };
        call.logs.push(CallLog {
            address: log.address,
            topics: log.topics().to_vec(),
            data: log.data.data.clone(),
            index: U64::from(index),
            position: U64::from(call.calls.len()),
        });
        size_of::<CallLog>() + log.data.data.len()
    }

    /// The outermost call, when the transaction is over.
    pub(super) fn end(&mut self, ended: &Ended<'_>) -> Option<Call> {
        let mut outer = self.open.pop()?;
        outer.gas_used = U64::from(ended.gas_used);
        if self.config.with_log {
            outer.forget_failed();
        }
        Some(outer)
    }

    /// Takes the call back that ended last.
    pub(super) fn drop_last(&mut self) {
        if let Some(caller) = self.open.last_mut() {
            caller.calls.pop();
        }
    }
}

impl Call {
    fn end(&mut self, exited: &Exited<'_>) {
        let Some(flaw) = exited.flaw else {
            self.output = exited.output.clone();
            return;
        };
        self.error = Some(flaw.to_string());
        if opcode::is_create(self.kind) {
            self.to = None;
        }
        if *flaw == Flaw::Reverted {
            self.output = exited.output.clone();
            self.revert_reason = revert_reason(exited.output).filter(|reason| !reason.is_empty());
        }
    }

    /// What a failed call or one within it logged is gone.
    fn forget_failed(&mut self) {
        if self.error.is_some() {
            return self.forget();
        }
        self.calls.iter_mut().for_each(Self::forget_failed);
    }

    fn forget(&mut self) {
        self.logs.clear();
        self.calls.iter_mut().for_each(Self::forget);
    }
}
