//! What a vote would decide: asked of the contract before the vote is taken.

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::SolCall;
use revm::context::result::ExecutionResult;

use super::abi::Governance::{parametersCall, proposalCall, proposeCall, settleCall, voteCall};
use super::{
    ADDRESS, RULES_VERSION, SeatedValidator, read_validator_set, seated, validator_set_call,
};
use crate::execute::CallRequest;

/// The state of a proposal whose actions were executed.
const APPROVED: u8 = 1;

/// What a vote would bring about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Who would have a seat from the next epoch on; `None` if they are the same as without it.
    pub validators: Option<Vec<SeatedValidator>>,
    /// The rules that blocks would have from a height on; `None` if it is not about them.
    pub upgrade: Option<Upgrade>,
    /// Whether the members accept what nodes may have against it.
    pub forced: bool,
}

/// Rules that are to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Their version.
    pub version: u32,
    /// The first block under them.
    pub height: u64,
}

impl Upgrade {
    /// Whether this program knows them.
    pub fn is_known(&self) -> bool {
        self.version == RULES_VERSION
    }
}

/// A transaction to the contract, and what is asked after it, one question at a time.
#[derive(Debug)]
pub(crate) struct Questions {
    input: Bytes,
    forced: Option<bool>,
    validators: Option<Vec<SeatedValidator>>,
    decision: Option<Decision>,
}

impl Questions {
    /// Those about the transaction with this input.
    pub(crate) fn about(input: Bytes) -> Self {
        Self { input, forced: None, validators: None, decision: None }
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
            2 => {
                self.validators = Some(seated(read_validator_set(&output)?).0);
                Some(question(parameters_call()))
            }
            _ => {
                let upgrade = read_upgrade(&output).ok()?;
                let validators = self.validators.take();
                self.decision = self.forced.map(|forced| Decision { validators, upgrade, forced });
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

/// The call that answers with the parameters.
pub(crate) fn parameters_call() -> Bytes {
    parametersCall {}.abi_encode().into()
}

/// What that call answered of rules to come; an error if it is no such answer.
pub(crate) fn read_upgrade(output: &[u8]) -> Result<Option<Upgrade>, alloy_sol_types::Error> {
    let parameters = parametersCall::abi_decode_returns(output)?;
    let (version, height) = (parameters.nextRulesVersion, parameters.nextRulesHeight);
    Ok((version != 0).then_some(Upgrade { version, height }))
}

fn question(input: impl Into<Bytes>) -> CallRequest {
    CallRequest { to: Some(ADDRESS), input: input.into(), ..CallRequest::default() }
}
