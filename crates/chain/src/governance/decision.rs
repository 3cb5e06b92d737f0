//! What a vote would decide: asked of the contract before the vote is taken.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;
use revm::context::result::ExecutionResult;

use super::abi::Governance::{
    membersCall, parametersCall, proposalCall, proposeCall, settleCall, voteCall,
};
use super::{
    ADDRESS, RULES_VERSION, SeatedValidator, active, read_validator_set, seated, validator_set_call,
};
use crate::execute::CallRequest;

/// The state of a proposal whose actions were executed.
const APPROVED: u8 = 1;
/// The policy under which a fee is charged.
const EIP1559: u8 = 1;

/// What a vote would bring about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Who would have a seat from the next epoch on; `None` if they are the same as without it.
    pub validators: Option<Vec<SeatedValidator>>,
    /// The rules that blocks would have from a height on; `None` if it is not about them.
    pub upgrade: Option<Upgrade>,
    /// The fee that transactions would pay, those of members too; `None` if they pay no more than
    /// without it.
    pub tariff: Option<Tariff>,
    /// The gas that a block would have, if it is less than without it.
    pub gas_limit: Option<u64>,
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

/// The least fee that is charged, and who would have to pay it to take it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// The least base fee, in wei per gas.
    pub floor_wei: u64,
    /// What share of the members must be exceeded to change it, in percent.
    pub threshold: u8,
    /// The accounts of the active members.
    pub accounts: Vec<Address>,
}

/// A transaction to the contract, and what is asked after it, one question at a time.
#[derive(Debug)]
pub(crate) struct Questions {
    input: Bytes,
    forced: Option<bool>,
    validators: Option<Vec<SeatedValidator>>,
    terms: Option<Terms>,
    decision: Option<Decision>,
}

/// What the contract's parameters say that a node may have something against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) upgrade: Option<Upgrade>,
    /// The least base fee in wei, if a fee is charged.
    pub(crate) floor_wei: Option<u64>,
    pub(crate) gas_limit: u64,
    threshold: u8,
}

impl Questions {
    /// Those about the transaction with this input.
    pub(crate) fn about(input: Bytes) -> Self {
        Self { input, forced: None, validators: None, terms: None, decision: None }
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
            3 => {
                self.terms = Some(read_terms(&output).ok()?);
                Some(question(membersCall {}.abi_encode()))
            }
            _ => {
                let members = membersCall::abi_decode_returns(&output).ok()?;
                let accounts = active(members).into_iter().map(|one| one.account).collect();
                let Terms { upgrade, floor_wei, gas_limit, threshold } = self.terms.take()?;
                let gas_limit = Some(gas_limit);
                let tariff = floor_wei.map(|floor_wei| Tariff { floor_wei, threshold, accounts });
                let (validators, forced) = (self.validators.take(), self.forced?);
                self.decision = Some(Decision { validators, upgrade, tariff, gas_limit, forced });
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

/// What that call answered; an error if it is no such answer.
pub(crate) fn read_terms(output: &[u8]) -> Result<Terms, alloy_sol_types::Error> {
    let parameters = parametersCall::abi_decode_returns(output)?;
    let (version, height) = (parameters.nextRulesVersion, parameters.nextRulesHeight);
    Ok(Terms {
        upgrade: (version != 0).then_some(Upgrade { version, height }),
        floor_wei: (parameters.feePolicy == EIP1559).then_some(parameters.baseFeeFloor),
        gas_limit: parameters.gasLimit,
        threshold: parameters.parametersThreshold,
    })
}

fn question(input: impl Into<Bytes>) -> CallRequest {
    CallRequest { to: Some(ADDRESS), input: input.into(), ..CallRequest::default() }
}
