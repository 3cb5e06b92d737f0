//! The least gas with which a call succeeds, as Geth's `eth_estimateGas` searches it.

use alloy_primitives::{Bytes, U256};
use alloy_trie::KECCAK_EMPTY;
use revm::Database;
use revm::context::result::ExecutionResult;

use super::call::{CallError, CallLimits, CallRequest, CallResult, CallSite};
use super::call::{outcome, run};
use super::error::TransactionError;
use super::trace::flaw_of_call;

/// Why gas could not be estimated.
#[derive(Debug, thiserror::Error)]
pub enum EstimateError {
    /// The call could not run.
    #[error("{0}")]
    Call(#[from] CallError),
    /// The call could not run with any gas.
    #[error("failed with {gas} gas: {reason}")]
    Invalid {
        /// What it was tried with.
        gas: u64,
        /// Why, in Geth's words.
        reason: String,
    },
    /// The sender has not even the value.
    #[error("insufficient funds for transfer")]
    Funds,
    /// The call reverts with any gas.
    #[error("execution reverted")]
    Revert {
        /// What it reverts with.
        output: Bytes,
    },
    /// The call ends exceptionally with any gas.
    #[error("{reason}")]
    Halt {
        /// Why, in Geth's words.
        reason: String,
    },
    /// The call needs more gas than allowed.
    #[error("gas required exceeds allowance ({allowance})")]
    Allowance {
        /// What is allowed.
        allowance: u64,
    },
}

/// What a plain transfer costs.
const TRANSFER_GAS: u64 = 21_000;
/// What a call that sends value gives the callee.
const CALL_STIPEND: u64 = 2_300;

/// Searches the least gas; within 1.5 % of it, as Geth does.
pub(crate) fn estimate_gas(
    site: CallSite<'_>,
    request: &CallRequest,
    limits: CallLimits<'_>,
) -> Result<u64, EstimateError> {
    let most = allowance(site, request, limits)?;
    let mut probe = Probe { site, request, limits };
    if is_plain_transfer(site, request)?
        && most >= TRANSFER_GAS
        && let Ok(Attempt::Success { .. }) = probe.run(TRANSFER_GAS)
    {
        return Ok(TRANSFER_GAS);
    }
    let (gas_used, refunded) = match probe.run(most)? {
        Attempt::Success { gas_used, refunded } => (gas_used, refunded),
        Attempt::OutOfGas => return Err(EstimateError::Allowance { allowance: most }),
        Attempt::Failed(ended) => return Err(probe.failure(ended, most)?),
    };
    let mut high = most;
    let mut low = gas_used.saturating_sub(1);
    let optimistic =
        gas_used.saturating_add(refunded).saturating_add(CALL_STIPEND).saturating_mul(64) / 63;
    if optimistic < high {
        match probe.run(optimistic)? {
            Attempt::Success { .. } => high = optimistic,
            Attempt::OutOfGas | Attempt::Failed(_) => low = optimistic,
        }
    }
    while low.saturating_add(1) < high {
        if (high - low).saturating_mul(1_000) < high.saturating_mul(15) {
            break;
        }
        let middle = (low + (high - low) / 2).min(low.saturating_mul(2));
        match probe.run(middle)? {
            Attempt::Success { .. } => high = middle,
            Attempt::OutOfGas | Attempt::Failed(_) => low = middle,
        }
    }
    Ok(high)
}

#[derive(Debug)]
enum Attempt {
    Success { gas_used: u64, refunded: u64 },
    OutOfGas,
    Failed(ExecutionResult),
}

struct Probe<'a> {
    site: CallSite<'a>,
    request: &'a CallRequest,
    limits: CallLimits<'a>,
}

impl Probe<'_> {
    fn run(&mut self, gas: u64) -> Result<Attempt, EstimateError> {
        let result = match run(self.site, self.request, gas, self.limits.cancel) {
            Ok(result) => result,
            Err(CallError::Invalid(TransactionError::IntrinsicGas { .. })) => {
                return Ok(Attempt::OutOfGas);
            }
            Err(CallError::Invalid(reason)) => {
                let reason = reason.of_call(self.request.from, &self.request.input);
                return Err(EstimateError::Invalid { gas, reason });
            }
            Err(error) => return Err(error.into()),
        };
        let refunded = result.gas().final_refunded();
        let gas_used = result.tx_gas_used();
        Ok(match result {
            ExecutionResult::Success { .. } => Attempt::Success { gas_used, refunded },
            ended @ (ExecutionResult::Revert { .. } | ExecutionResult::Halt { .. }) => {
                Attempt::Failed(ended)
            }
        })
    }

    /// Why it failed with so much.
    fn failure(&self, ended: ExecutionResult, gas: u64) -> Result<EstimateError, EstimateError> {
        let limits = CallLimits { gas_cap: gas, ..self.limits };
        let request = CallRequest { gas: Some(gas), ..self.request.clone() };
        let is_flawed = ended.is_halt();
        let flaw = if is_flawed { flaw_of_call(self.site, &request, limits)? } else { None };
        Ok(match outcome(ended, flaw.as_ref()).result {
            CallResult::Revert { output } => EstimateError::Revert { output },
            CallResult::Halt { out_of_gas: false, reason } => EstimateError::Halt { reason },
            CallResult::Halt { .. } | CallResult::Success { .. } => {
                EstimateError::Allowance { allowance: gas }
            }
        })
    }
}

/// The most gas the sender may and can pay for.
fn allowance(
    site: CallSite<'_>,
    request: &CallRequest,
    limits: CallLimits<'_>,
) -> Result<u64, EstimateError> {
    let asked = request.gas.filter(|gas| *gas >= TRANSFER_GAS).unwrap_or(u64::MAX);
    let capped = asked
        .min(site.header.gas_limit)
        .min(limits.gas_cap)
        .min(site.rules.transaction_gas_cap().unwrap_or(u64::MAX));
    let price = request.max_fee_per_gas.or(request.gas_price).unwrap_or(0);
    if price == 0 || site.rules.fees_are_free() {
        return Ok(capped);
    }
    let (mut state, _) = site.state(&request.overrides)?;
    let account = state.basic(request.from).map_err(CallError::Chain)?;
    let have = account.map_or(U256::ZERO, |account| account.balance);
    let available = have.checked_sub(request.value).ok_or(EstimateError::Funds)?;
    let affordable = available / U256::from(price);
    Ok(u64::try_from(affordable).unwrap_or(u64::MAX).min(capped))
}

fn is_plain_transfer(site: CallSite<'_>, request: &CallRequest) -> Result<bool, EstimateError> {
    let Some(to) = request.to else { return Ok(false) };
    if !request.input.is_empty()
        || !request.access_list.is_empty()
        || !request.authorization_list.is_empty()
    {
        return Ok(false);
    }
    let (mut state, _) = site.state(&request.overrides)?;
    let account = state.basic(to).map_err(CallError::Chain)?;
    Ok(account.is_none_or(|account| account.code_hash == KECCAK_EMPTY))
}
