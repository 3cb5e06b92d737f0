//! Who votes next, from the governance contract's state, and who voted in earlier epochs.

use alloy_primitives::B256;

use super::{At, Chain, ChainError};
use crate::execute::{CallError, CallLimits, CallRequest, CallResult};
use crate::governance::{self, SeatedValidator};
use crate::state::keys;
use crate::store::Batch;

/// What reading the validators may use: a hundred with names and endpoints take less than a tenth.
const READING_GAS: u64 = 100_000_000;
/// The two keys of a validator, as they are kept.
const SEAT_BYTES: usize = 64;

impl Chain {
    /// The validators that the state after the tip has for the next epoch, in rising order of their
    /// node keys.
    pub fn next_validators(&self) -> Result<Vec<SeatedValidator>, ChainError> {
        let request = CallRequest {
            to: Some(governance::ADDRESS),
            input: governance::validator_set_call(),
            ..CallRequest::default()
        };
        let limits = CallLimits { gas_cap: READING_GAS, cancel: None };
        let failed = |why: String| ChainError::Execution(format!("the validators: {why}"));
        let outcome = self.call(At::Latest, &request, limits).map_err(|error| match error {
            CallError::Chain(error) => error,
            CallError::Invalid(_) | CallError::Cancelled => failed(error.to_string()),
        })?;
        match outcome.result {
            CallResult::Success { output } => governance::read_validator_set(&output)
                .ok_or_else(|| failed("the answer is no set of validators".to_owned())),
            CallResult::Revert { .. } => Err(failed("the contract reverted".to_owned())),
            CallResult::Halt { reason, .. } => Err(failed(reason)),
        }
    }

    /// The hash of those validators: one slot of the state.
    pub fn next_validators_hash(&self) -> Result<B256, ChainError> {
        let state = self.state(At::Latest)?;
        state.storage(governance::ADDRESS, governance::VALIDATOR_SET_HASH_SLOT).map(B256::from)
    }

    /// The validators of an epoch, if they were kept.
    pub fn validators_of(&self, epoch: u64) -> Result<Option<Vec<SeatedValidator>>, ChainError> {
        let Some(record) = self.store.snapshot()?.get(&keys::validators(epoch))? else {
            return Ok(None);
        };
        let (seats, rest) = record.as_chunks::<SEAT_BYTES>();
        if !rest.is_empty() {
            return Err(ChainError::Damaged(format!("validators of epoch {epoch}")));
        }
        let seat = |bytes: &[u8; SEAT_BYTES]| SeatedValidator {
            node_key: B256::from_slice(&bytes[..32]),
            consensus_key: B256::from_slice(&bytes[32..]),
        };
        Ok(Some(seats.iter().map(seat).collect()))
    }

    /// Keeps the validators of an epoch, durably when it returns.
    pub fn keep_validators(
        &self,
        epoch: u64,
        validators: &[SeatedValidator],
    ) -> Result<(), ChainError> {
        let seats = validators.iter().flat_map(|one| [one.node_key, one.consensus_key]);
        let mut batch = Batch::default();
        batch.put(keys::validators(epoch), seats.flatten().collect());
        let _writer = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(self.store.commit(batch)?)
    }
}
