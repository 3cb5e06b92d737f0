//! The governance contract: docs/protocol/governance.md.
//!
//! Its interface is the chain's; here are [`actions`], the actions of proposals in its encoding, [`failure`] what
//! its refusals mean, [`read`] its answers, [`send`] transactions to it.

mod actions;
mod failure;
mod read;
mod send;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use alloy_primitives::{U256, hex};
use alloy_sol_types::SolCall;
use serde_json::{Value, json};
use windlass_chain::governance::{ADDRESS, abi::Governance as Contract};
use windlass_model::{
    governance::{
        Action, Effect, Failure, Names, NetworkParameters, PermittedAccount, ProposedAction, Role,
        Voice,
    },
    spec::NetworkSpec,
};

use crate::{
    EngineError, RpcRequest,
    governance::{
        AccountFacts, Act, Force, Governance, Head, Outcome, Outgoing, ProposalFacts, Roll, Signed,
        VoteFacts,
    },
};

/// The engine's governance.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WindlassGovernance;

fn address() -> String {
    format!("{ADDRESS:#x}")
}

/// A call of the contract at a block.
fn view(call: &impl SolCall, at: u64) -> RpcRequest {
    let input = hex::encode_prefixed(call.abi_encode());
    let params = json!([{ "to": address(), "input": input }, format!("{at:#x}")]);
    RpcRequest { method: "eth_call", params }
}

impl Governance for WindlassGovernance {
    fn address(&self) -> String {
        address()
    }

    fn roll(&self, at: u64) -> Vec<RpcRequest> {
        vec![
            view(&Contract::membersCall {}, at),
            view(&Contract::validatorsCall {}, at),
            view(&Contract::observersCall {}, at),
        ]
    }

    fn read_roll(&self, answers: &[Value]) -> Result<Roll, EngineError> {
        read::roll(answers)
    }

    fn former(&self, role: Role, id: u32, at: u64) -> RpcRequest {
        match role {
            Role::Member => view(&Contract::memberCall { id }, at),
            Role::Validator => view(&Contract::validatorCall { id }, at),
        }
    }

    fn read_former(&self, role: Role, answer: &Value) -> Result<String, EngineError> {
        read::former(role, answer)
    }

    fn validator_set(&self, at: u64) -> RpcRequest {
        view(&Contract::validatorSetCall {}, at)
    }

    fn read_validator_set(&self, answer: &Value) -> Result<BTreeSet<String>, EngineError> {
        read::validator_set(answer)
    }

    fn parameters(&self, at: u64) -> Vec<RpcRequest> {
        vec![view(&Contract::parametersCall {}, at), view(&Contract::permittedCountCall {}, at)]
    }

    fn read_parameters(&self, answers: &[Value]) -> Result<NetworkParameters, EngineError> {
        read::parameters(answers)
    }

    fn permitted(&self, from: u64, count: u64, at: u64) -> RpcRequest {
        view(&Contract::permittedCall { from: U256::from(from), count: U256::from(count) }, at)
    }

    fn read_permitted(&self, answer: &Value) -> Result<Vec<PermittedAccount>, EngineError> {
        read::permitted(answer)
    }

    fn proposal_count(&self, at: u64) -> RpcRequest {
        view(&Contract::proposalCountCall {}, at)
    }

    fn read_proposal_count(&self, answer: &Value) -> Result<u64, EngineError> {
        read::proposal_count(answer)
    }

    fn proposals(&self, from: u64, count: u64, at: u64) -> RpcRequest {
        view(&Contract::proposalsCall { from: U256::from(from), count: U256::from(count) }, at)
    }

    fn read_proposals(&self, answer: &Value) -> Result<Vec<ProposalFacts>, EngineError> {
        read::proposals(answer)
    }

    fn votes(&self, proposal: u64, at: u64) -> RpcRequest {
        view(&Contract::votesOfCall { id: U256::from(proposal) }, at)
    }

    fn read_votes(&self, answer: &Value) -> Result<Vec<VoteFacts>, EngineError> {
        read::votes(answer)
    }

    fn next_epoch(&self, spec: &NetworkSpec, block: u64) -> u64 {
        let length = spec.epoch_length.max(1);
        (block / length).saturating_add(1).saturating_mul(length)
    }

    fn before_epoch(&self, spec: &NetworkSpec, block: u64) -> u64 {
        let length = spec.epoch_length.max(1);
        (block / length * length).saturating_sub(1)
    }

    fn effects(&self, spec: &NetworkSpec, actions: &[ProposedAction], block: u64) -> Vec<Effect> {
        let epoch = self.next_epoch(spec, block);
        let effect = |proposed: &ProposedAction| {
            let (when, from_block) = match &proposed.action {
                Some(action) => effect(action, block, epoch),
                None => (format!("recorded in block {block}"), None),
            };
            Effect { words: proposed.words.clone(), when, from_block }
        };
        actions.iter().map(effect).collect()
    }

    fn input(&self, act: &Act) -> Result<String, EngineError> {
        let input = match act {
            Act::Propose { actions, force, reason } => Contract::proposeCall {
                actions: actions.iter().map(actions::encode).collect::<Result<_, _>>()?,
                force: *force == Force::Yes,
                reason: reason.clone(),
            }
            .abi_encode(),
            Act::Vote { proposal, voice } => {
                Contract::voteCall { id: U256::from(*proposal), support: *voice == Voice::Yes }
                    .abi_encode()
            }
            Act::Settle { proposal } => {
                Contract::settleCall { id: U256::from(*proposal) }.abi_encode()
            }
            Act::AddObserver { node_key, endpoint } => {
                Contract::addObserverCall { nodeKey: node_key.into(), endpoint: endpoint.clone() }
                    .abi_encode()
            }
            Act::RemoveObserver { node_key } => {
                Contract::removeObserverCall { nodeKey: node_key.into() }.abi_encode()
            }
        };
        Ok(hex::encode_prefixed(input))
    }

    fn rehearsal(&self, from: &str, data: &str, at: Option<u64>) -> RpcRequest {
        // On an idle network the newest block can be from before what has expired since.
        let at = at.map_or_else(|| "pending".to_owned(), |at| format!("{at:#x}"));
        let call = json!({ "from": from, "to": address(), "input": data });
        RpcRequest { method: "eth_call", params: json!([call, at]) }
    }

    fn trial(&self, actions: &[Action]) -> Result<RpcRequest, EngineError> {
        let actions = actions.iter().map(actions::encode).collect::<Result<_, _>>()?;
        let data = Contract::executeCall { actions }.abi_encode();
        let data = hex::encode_prefixed(data);
        Ok(self.rehearsal(&address(), &data, None))
    }

    fn failure(&self, output: &[u8], names: &Names) -> Failure {
        failure::failure(output, names)
    }

    fn head(&self) -> RpcRequest {
        RpcRequest { method: send::BLOCK, params: json!(["latest", false]) }
    }

    fn read_head(&self, answer: &Value) -> Result<Head, EngineError> {
        send::read_head(answer)
    }

    fn estimate(&self, from: &str, data: &str) -> RpcRequest {
        let call = json!({ "from": from, "to": address(), "input": data });
        RpcRequest { method: send::ESTIMATE, params: json!([call]) }
    }

    fn read_estimate(&self, answer: &Value) -> Result<u64, EngineError> {
        send::read_estimate(answer)
    }

    fn account(&self, address: &str) -> Vec<RpcRequest> {
        vec![
            RpcRequest { method: send::NONCE, params: json!([address, "pending"]) },
            RpcRequest { method: send::BALANCE, params: json!([address, "latest"]) },
        ]
    }

    fn read_account(&self, answers: &[Value]) -> Result<AccountFacts, EngineError> {
        send::read_account(answers)
    }

    fn signing_hash(&self, outgoing: &Outgoing) -> Result<[u8; 32], EngineError> {
        send::signing_hash(outgoing)
    }

    fn signed(&self, outgoing: &Outgoing, signature: [u8; 65]) -> Result<Signed, EngineError> {
        send::signed(outgoing, &signature)
    }

    fn lookup(&self, hash: &str) -> RpcRequest {
        RpcRequest { method: "eth_getTransactionByHash", params: json!([hash]) }
    }

    fn receipt(&self, hash: &str) -> RpcRequest {
        super::probe::receipt_request(hash)
    }

    fn read_outcome(&self, answer: &Value) -> Result<Option<Outcome>, EngineError> {
        send::read_outcome(answer)
    }
}

/// What nodes act by, and from when on: docs/protocol/governance.md, "What this version applies".
fn effect(action: &Action, block: u64, epoch: u64) -> (String, Option<u64>) {
    match action {
        Action::AddMember { validators, .. } if validators.is_empty() => {
            (format!("since block {block}"), Some(block))
        }
        Action::AddMember { .. } | Action::AddMemberNodes { .. } | Action::ResumeMember { .. } => (
            format!(
                "it votes on proposals since block {block}, its validators vote from block {epoch} on"
            ),
            Some(epoch),
        ),
        Action::SuspendMember { .. } | Action::RemoveMember { .. } => (
            format!(
                "it has no vote on proposals since block {block}, its validators vote until the epoch \
                 ends: no more from block {epoch} on"
            ),
            Some(epoch),
        ),
        Action::AddValidator { .. }
        | Action::AddValidatorNodes { .. }
        | Action::RemoveValidator { .. }
        | Action::SuspendValidator { .. }
        | Action::ResumeValidator { .. }
        | Action::ReplaceKey { .. }
        | Action::RenewKey { .. } => {
            (format!("at the end of the epoch: from block {epoch} on"), Some(epoch))
        }
        Action::SetThreshold { .. } => (format!("since block {block}"), Some(block)),
        Action::SetGasLimit { .. }
        | Action::SetFees { .. }
        | Action::SetPermissioning { .. }
        | Action::Allow { .. }
        | Action::Deny { .. } => {
            let next = block.saturating_add(1);
            (format!("from block {next} on"), Some(next))
        }
        Action::SetBlockInterval { .. } => {
            let next = block.saturating_add(1);
            (format!("from block {next} on; a longer one from block {epoch} on"), Some(epoch))
        }
        Action::UpgradeRules { version, height } => (
            format!(
                "from block {height} on; a node that does not know version {version} stops there"
            ),
            Some(*height),
        ),
    }
}
