//! `4byteTracer`: which functions were called, and with how much.

use std::collections::BTreeMap;

use alloy_primitives::{Address, hex};
use revm::bytecode::opcode as op;

use super::watch::Entered;

/// Counts calls by the first four bytes of their input and how many come behind these.
#[derive(Clone, Debug, Default)]
pub(crate) struct SelectorTracer {
    counts: BTreeMap<String, u64>,
    precompiles: Vec<Address>,
}

/// About what a selector takes that is kept, in bytes.
const KEPT_BYTES: usize = 96;

impl SelectorTracer {
    /// Precompiled contracts have no functions: what calls them is not counted.
    pub(super) fn begin(&mut self, precompiles: Vec<Address>) {
        self.precompiles = precompiles;
    }

    pub(super) fn enter(&mut self, entered: &Entered<'_>) -> usize {
        let is_call =
            matches!(entered.kind, op::CALL | op::CALLCODE | op::DELEGATECALL | op::STATICCALL);
        let Some((selector, rest)) = entered.input.split_first_chunk::<4>() else { return 0 };
        if !is_call || self.precompiles.contains(&entered.to) {
            return 0;
        }
        let key = format!("{}-{}", hex::encode_prefixed(selector), rest.len());
        *self.counts.entry(key).or_default() += 1;
        KEPT_BYTES
    }

    pub(super) fn end(&mut self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.counts)
    }
}
