//! Executing final blocks once more to see what they did.

use alloy_primitives::B256;

use super::{At, Chain, ChainError, stored_block};
use crate::execute::block::BlockExecutor;
use crate::execute::trace::{Place, Tracer, trace_call};
use crate::execute::{
    CallLimits, CallRequest, GethDebugTracingOptions, NoSenders, Trace, TraceError, recover,
};
use crate::governance::InForce;

impl Chain {
    /// Traces the transactions of a final block, or one of them: its hash and its trace.
    ///
    /// The state before the block must be kept still.
    pub fn trace_block(
        &self,
        number: u64,
        only: Option<usize>,
        options: &GethDebugTracingOptions,
        limits: CallLimits<'_>,
    ) -> Result<Vec<(B256, Trace)>, TraceError> {
        let Some(parent) = number.checked_sub(1) else { return Err(TraceError::Genesis) };
        let tracer = Tracer::new(options)?;
        let view = self.state(At::Number(parent))?;
        let snapshot = view.base.snapshot();
        let block = stored_block(snapshot, number)?.ok_or(ChainError::UnknownBlock)?;
        let in_force = InForce::read(self.rules(), &view.base, number)?;
        let transactions = recover(block.transactions(), &NoSenders)
            .map_err(|error| ChainError::Damaged(error.to_string()))?;
        let mut executor = BlockExecutor::begin_traced(
            &in_force,
            block.header(),
            &view.base,
            &self.codes,
            (limits.cancel, tracer),
        )?;
        let wanted = |index: usize| only.is_none_or(|only| only == index);
        let mut traces = Vec::new();
        for (index, transaction) in transactions.iter().enumerate() {
            if only.is_some_and(|only| index > only) {
                break;
            }
            let place = Place {
                block_hash: Some(block.hash()),
                block_number: number,
                transaction_hash: Some(*transaction.tx_hash()),
                index: u64::try_from(index).unwrap_or(u64::MAX),
                logs: 0,
            };
            let traced = executor.trace(transaction, wanted(index).then_some(place));
            if let Some(found) = traced? {
                traces.push((*transaction.tx_hash(), found));
            }
        }
        Ok(traces)
    }

    /// Traces a call.
    pub fn trace_call(
        &self,
        at: At,
        request: &CallRequest,
        options: &GethDebugTracingOptions,
        limits: CallLimits<'_>,
    ) -> Result<Trace, TraceError> {
        self.on_site(at, |site| trace_call(site, request, options, limits))
    }
}
