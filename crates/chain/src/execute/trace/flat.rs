//! `flatCallTracer`: the calls of an execution in a list, as Parity told them.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use revm::bytecode::opcode as op;
use serde::{Deserialize, Serialize};

use super::calls::{Call, CallTracer};
use super::opcode;
use super::watch::{Entered, Exited, Place};

/// What `flatCallTracer` is asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "they are Geth's two options")]
pub(super) struct FlatConfig {
    convert_parity_errors: bool,
    include_precompiles: bool,
}

/// A call in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlatCall {
    /// What was done.
    pub action: FlatAction,
    /// The block it is in, if it is in one.
    pub block_hash: Option<B256>,
    /// That block's number; 0 for none.
    pub block_number: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What came of it, unless it failed without a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<FlatResult>,
    /// How many calls it made.
    pub subtraces: usize,
    /// Its place in the tree: of each call on the way to it which one it is.
    pub trace_address: Vec<usize>,
    /// The transaction it is of.
    pub transaction_hash: Option<B256>,
    /// That transaction's place in the block.
    pub transaction_position: u64,
    /// `call`, `create` or `suicide`.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// What a call in the list does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields of the tree's calls, as far as each kind has them")]
pub struct FlatAction {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<U256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gas: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<U256>,
}

/// What came of a call in the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields of the tree's calls, as far as each kind has them")]
pub struct FlatResult {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gas_used: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Bytes>,
}

/// Collects calls for a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlatTracer {
    config: FlatConfig,
    pub(super) calls: CallTracer,
    precompiles: Vec<Address>,
    place: Place,
}

impl FlatTracer {
    pub(super) fn new(config: FlatConfig) -> Self {
        Self { config, ..Self::default() }
    }

    pub(super) fn begin(&mut self, gas_limit: u64, precompiles: Vec<Address>, place: Place) {
        self.calls.begin(gas_limit);
        self.precompiles = precompiles;
        self.place = place;
    }

    pub(super) fn enter(&mut self, entered: &Entered<'_>) -> usize {
        let value = entered.value.or((entered.depth > 0).then_some(U256::ZERO));
        self.calls.enter(&Entered { value, ..*entered })
    }

    pub(super) fn exit(&mut self, exited: &Exited<'_>) -> usize {
        let kept = self.calls.exit(exited);
        let is_plain = matches!(exited.kind, op::CALL | op::STATICCALL);
        let is_precompile = is_plain && self.precompiles.contains(&exited.to);
        if exited.depth > 0 && is_precompile && !self.config.include_precompiles {
            self.calls.drop_last();
        }
        kept
    }

    /// The list that the tree makes.
    pub(super) fn list(&self, outer: &Call) -> Vec<FlatCall> {
        let mut list = Vec::new();
        self.add(&mut list, outer, &[]);
        list
    }

    fn add(&self, list: &mut Vec<FlatCall>, call: &Call, at: &[usize]) {
        let has_result = call.error.as_deref().is_none_or(|error| error == "execution reverted");
        let is_parity = self.config.convert_parity_errors;
        let in_words = |error| if is_parity { parity_words(error) } else { error };
        let error = call.error.as_deref().map(|error| in_words(error).to_owned());
        let (kind, action, result) = parts(call);
        list.push(FlatCall {
            action,
            block_hash: self.place.block_hash,
            block_number: self.place.block_number,
            error,
            result: result.filter(|_| has_result),
            subtraces: call.calls.len(),
            trace_address: at.to_vec(),
            transaction_hash: self.place.transaction_hash,
            transaction_position: self.place.index,
            kind,
        });
        for (index, inner) in call.calls.iter().enumerate() {
            self.add(list, inner, &[at, &[index]].concat());
        }
    }
}

fn parts(call: &Call) -> (&'static str, FlatAction, Option<FlatResult>) {
    let (from, gas, gas_used) = (Some(call.from), Some(call.gas), Some(call.gas_used));
    let (name, value) = (opcode::name(call.kind).to_lowercase(), call.value);
    if call.kind == op::SELFDESTRUCT {
        let (balance, refund_address) = (value, call.to);
        let action = FlatAction { address: from, balance, refund_address, ..Default::default() };
        return ("suicide", action, None);
    }
    if opcode::is_create(call.kind) {
        let (creation_method, init) = (Some(name), Some(call.input.clone()));
        let action =
            FlatAction { creation_method, from, gas, init, value, ..FlatAction::default() };
        let code = Some(call.output.clone());
        let result = FlatResult { address: call.to, code, gas_used, output: None };
        return ("create", action, Some(result));
    }
    let (call_type, input, to) = (Some(name), Some(call.input.clone()), call.to);
    let action = FlatAction { call_type, from, gas, input, to, value, ..FlatAction::default() };
    let output = Some(call.output.clone());
    ("call", action, Some(FlatResult { address: None, code: None, gas_used, output }))
}

/// What Parity said for it.
fn parity_words(error: &str) -> &str {
    match error {
        "contract creation code storage out of gas"
        | "out of gas"
        | "gas uint64 overflow"
        | "max code size exceeded" => "Out of gas",
        "invalid jump destination" => "Bad jump destination",
        "execution reverted" => "Reverted",
        "return data out of bounds" => "Out of bounds",
        "stack limit reached 1024 (1023)" => "Out of stack",
        "precompiled failed" | "invalid input length" => "Built-in failed",
        other if other.starts_with("out of gas:") => "Out of gas",
        other if other.starts_with("invalid opcode:") => "Bad instruction",
        other if other.starts_with("stack underflow") => "Stack underflow",
        other => other,
    }
}
