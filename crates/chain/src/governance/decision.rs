//! What a vote would decide: asked of the contract before the vote is taken.

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::SolCall;
use revm::context::result::ExecutionResult;

use super::abi::Governance::{proposalCall, proposeCall, settleCall, voteCall};
use super::{ADDRESS, SeatedValidator, read_validator_set, validator_set_call};
use crate::execute::CallRequest;

/// The state of a proposal whose actions were executed.
const APPROVED: u8 = 1;

/// The validators that a vote would bring about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Who would have a seat from the next epoch on.
    pub validators: Vec<SeatedValidator>,
    /// Whether the members accept that these may lack a quorum of reachable ones.
    pub forced: bool,
}

/// A transaction to the contract, and what is asked after it, one question at a time.
#[derive(Debug)]
pub(crate) struct Questions {
    input: Bytes,
    forced: Option<bool>,
    decision: Option<Decision>,
}

impl Questions {
    /// Those about the transaction with this input.
    pub(crate) fn about(input: Bytes) -> Self {
        Self { input, forced: None, decision: None }
    }

    /// Takes an answer, that of the transaction first; the next question, if there is one.
    pub(crate) fn next(&mut self, result: ExecutionResult, asked: usize) -> Option<CallRequest> {
        let ExecutionResult::Success { output, .. } = result else { return None };
        let output = output.into_data();
        match asked {
            0 => {
                let id = self.proposal(&output)?;
                Some(question(proposalCall { id }.abi_encode()))
            }
            1 => {
                let proposal = proposalCall::abi_decode_returns(&output).ok()?;
                self.forced = (proposal.state == APPROVED).then_some(proposal.force);
                self.forced.map(|_| question(validator_set_call()))
            }
            _ => {
                let validators = read_validator_set(&output)?;
                self.decision = self.forced.map(|forced| Decision { validators, forced });
                None
            }
        }
    }

    pub(crate) fn decision(self) -> Option<Decision> {
        self.decision
    }

    /// The proposal that the transaction is about.
    fn proposal(&self, output: &[u8]) -> Option<U256> {
        if let Ok(vote) = voteCall::abi_decode(&self.input) {
            return Some(vote.id);
        }
        if let Ok(settle) = settleCall::abi_decode(&self.input) {
            return Some(settle.id);
        }
        proposeCall::abi_decode(&self.input).ok()?;
        proposeCall::abi_decode_returns(output).ok()
    }
}

fn question(input: impl Into<Bytes>) -> CallRequest {
    CallRequest { to: Some(ADDRESS), input: input.into(), ..CallRequest::default() }
}
