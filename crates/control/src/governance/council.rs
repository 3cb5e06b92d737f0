//! The governance contract of a network, asked through the node with the newest tip, or through
//! another one where that does not answer.
//!
//! Everything that one council is asked is asked of one block.

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use serde_json::Value;
use windlass_engine::{
    EngineError, RpcRequest,
    governance::{
        AccountFacts, FoundAction, Governance, Head, Outcome, Outgoing, ProposalFacts, Roll,
        VoteFacts,
    },
};
use windlass_model::{
    ErrorCode, Problem,
    consensus::with_names,
    governance::{Action, Named, Names, NetworkParameters, PermittedAccount, Role},
    network::Intent,
    spec::Fees,
};

use super::{stopped, unavailable};
use crate::{
    monitor::Monitor,
    network::probe,
    service::Answer,
    store::{
        error::causes,
        rows::{Record, StoredTransaction},
    },
    world::{RpcError, Target, World, rpc_first},
};

/// How many proposals one call of the contract is asked for: each may have sixteen long actions.
const PROPOSALS_A_CALL: u64 = 10;
/// How many questions are under way at once.
const AT_ONCE: usize = 8;
/// The code of an error that is the node's own fault.
const OWN_FAULT: i64 = -32603;
/// How long a node has to answer to a transaction.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// A network's contract at one block.
#[derive(Debug)]
pub(crate) struct Council<'a> {
    world: &'a World,
    pub(crate) record: &'a Record,
    pub(crate) contract: &'a dyn Governance,
    /// Who is asked, the first who answers.
    targets: Vec<Target>,
    /// The newest block when it was opened.
    pub(crate) head: Head,
    /// The block that is asked about.
    at: u64,
}

/// Opens a network's contract at its newest block.
pub(crate) async fn open<'a>(
    world: &'a World,
    monitor: &Monitor,
    record: &'a Record,
) -> Answer<Council<'a>> {
    if record.network.intent != Intent::Running {
        return Err(stopped(record));
    }
    let (targets, _) = monitor
        .best_nodes(&record.network.id)
        .ok_or_else(|| unavailable(record, "no node answers at the moment"))?;
    open_at(world, record, targets).await
}

/// Opens a network's contract at the newest block of the first of these nodes that answers.
pub(crate) async fn open_at<'a>(
    world: &'a World,
    record: &'a Record,
    targets: Vec<Target>,
) -> Answer<Council<'a>> {
    let engine = world
        .engines
        .get(record.network.spec.engine)
        .ok_or_else(|| unavailable(record, "this platform does not have its engine"))?;
    let contract = engine.governance().ok_or_else(|| ungoverned(record))?;
    let answer = probe::ask_first(world, &targets, &contract.head()).await;
    let answer = answer.map_err(|error| silent(record, &error))?;
    let head = contract.read_head(&answer).map_err(|error| odd(record, &error))?;
    Ok(Council { world, record, contract, targets, at: head.block.number, head })
}

impl Council<'_> {
    /// The same contract at another block.
    pub(crate) fn at(self, block: u64) -> Self {
        Self { at: block, ..self }
    }

    async fn ask(&self, request: &RpcRequest) -> Answer<Value> {
        let answer = probe::ask_first(self.world, &self.targets, request).await;
        answer.map_err(|error| silent(self.record, &error))
    }

    async fn ask_all(&self, requests: Vec<RpcRequest>) -> Answer<Vec<Value>> {
        try_join_all(requests.iter().map(|request| self.ask(request))).await
    }

    fn read<T>(&self, read: Result<T, EngineError>) -> Answer<T> {
        read.map_err(|error| odd(self.record, &error))
    }

    /// Members, validators and observers.
    pub(crate) async fn roll(&self) -> Answer<Roll> {
        let answers = self.ask_all(self.contract.roll(self.at)).await?;
        self.read(self.contract.read_roll(&answers))
    }

    /// The node keys of those who decide on the next block; `None` where that state is gone.
    pub(crate) async fn voting(&self) -> Option<BTreeSet<String>> {
        let next = self.at.saturating_add(1);
        let before = self.contract.before_epoch(&self.record.network.spec, next);
        let answer = self.ask(&self.contract.validator_set(before)).await.ok()?;
        self.contract.read_validator_set(&answer).ok()
    }

    pub(crate) async fn parameters(&self) -> Answer<NetworkParameters> {
        let answers = self.ask_all(self.contract.parameters(self.at)).await?;
        self.read(self.contract.read_parameters(&answers))
    }

    pub(crate) async fn permitted(&self, from: u64, count: u64) -> Answer<Vec<PermittedAccount>> {
        let answer = self.ask(&self.contract.permitted(from, count, self.at)).await?;
        self.read(self.contract.read_permitted(&answer))
    }

    pub(crate) async fn proposal_count(&self) -> Answer<u64> {
        let answer = self.ask(&self.contract.proposal_count(self.at)).await?;
        self.read(self.contract.read_proposal_count(&answer))
    }

    /// So many proposals from a number on, in rising order, with their votes.
    pub(crate) async fn proposals(
        &self,
        from: u64,
        count: u64,
    ) -> Answer<Vec<(ProposalFacts, Vec<VoteFacts>)>> {
        let end = from.saturating_add(count);
        let step = usize::try_from(PROPOSALS_A_CALL).expect("a small number");
        let firsts: Vec<u64> = (from..end).step_by(step).collect();
        let pages = stream::iter(firsts).map(async |first| {
            let some = PROPOSALS_A_CALL.min(end - first);
            let answer = self.ask(&self.contract.proposals(first, some, self.at)).await?;
            self.read(self.contract.read_proposals(&answer))
        });
        let pages: Vec<_> = pages.buffered(AT_ONCE).try_collect().await?;
        let found = stream::iter(pages.into_iter().flatten()).map(async |facts| {
            let answer = self.ask(&self.contract.votes(facts.id, self.at)).await?;
            let votes = self.read(self.contract.read_votes(&answer))?;
            Ok((facts, votes))
        });
        found.buffered(AT_ONCE).try_collect().await
    }

    /// What everybody is called whom these proposals name, those who are gone too.
    pub(crate) async fn names(
        &self,
        roll: &Roll,
        proposals: &[(ProposalFacts, Vec<VoteFacts>)],
    ) -> Answer<Names> {
        let mut names = present(roll);
        let mut unknown = BTreeSet::new();
        for (facts, votes) in proposals {
            let voters = votes.iter().map(|vote| vote.member).chain([facts.proposer]);
            unknown.extend(voters.map(|id| (0, id)));
            for action in &facts.actions {
                let FoundAction::Known(action) = action else { continue };
                match action.clone().subject() {
                    Some((Role::Member, Named::Id(id))) => drop(unknown.insert((0, *id))),
                    Some((Role::Validator, Named::Id(id))) => drop(unknown.insert((1, *id))),
                    Some((_, Named::Name(_))) | None => {}
                }
            }
        }
        for (kind, id) in unknown {
            let (role, known) = match kind {
                0 => (Role::Member, &mut names.members),
                _ => (Role::Validator, &mut names.validators),
            };
            if known.contains_key(&id) {
                continue;
            }
            // An action may name an id that was never given: then it has no name.
            let Ok(answer) = self.ask(&self.contract.former(role, id, self.at)).await else {
                continue;
            };
            known.insert(id, self.read(self.contract.read_former(role, &answer))?);
        }
        Ok(names)
    }

    /// Tries a member's transaction, and says why the contract would not take it.
    pub(crate) async fn rehearse(&self, from: &str, data: &str, names: &Names) -> Answer<()> {
        match self.revert(&self.contract.rehearsal(from, data, None)).await? {
            None => Ok(()),
            Some(output) => Err(self.refused(&output, names)),
        }
    }

    /// Why a transaction of this account reverted in this block, as far as the block before tells.
    pub(crate) async fn reverted(&self, from: &str, data: &str, block: u64) -> Answer<Vec<u8>> {
        let before = Some(block.saturating_sub(1));
        let output = self.revert(&self.contract.rehearsal(from, data, before)).await?;
        Ok(output.unwrap_or_default())
    }

    /// Why actions could not be executed if they were approved now.
    pub(crate) async fn trial(&self, actions: &[Action], names: &Names) -> Answer<Option<String>> {
        let request = self.read(self.contract.trial(actions))?;
        let output = self.revert(&request).await?;
        Ok(output.map(|output| self.contract.failure(&output, names).message))
    }

    /// What a call reverted with, if it did.
    async fn revert(&self, request: &RpcRequest) -> Answer<Option<Vec<u8>>> {
        match probe::ask_first(self.world, &self.targets, request).await {
            Ok(_) => Ok(None),
            Err(RpcError::Refused { data: Some(data), .. }) => {
                let digits = data.strip_prefix("0x").unwrap_or(&data);
                Ok(Some(hex::decode(digits).unwrap_or_default()))
            }
            Err(error) => Err(silent(self.record, &error)),
        }
    }

    /// What a revert means, as a problem.
    pub(crate) fn refused(&self, output: &[u8], names: &Names) -> Box<Problem> {
        let failure = self.contract.failure(output, names);
        Box::new(Problem::new(failure.code, failure.message, failure.hint))
    }

    /// A transaction of this account with what it takes to be in a block, or why the account can't
    /// pay for it.
    ///
    /// Where gas costs nothing it asks for as much as there may be: votes that come before it can
    /// make it the deciding one, which takes more.
    pub(crate) async fn outgoing(&self, from: &str, data: &str) -> Answer<Outgoing> {
        let spec = &self.record.network.spec;
        let answers = self.ask_all(self.contract.account(from)).await?;
        let AccountFacts { nonce, balance_wei } =
            self.read(self.contract.read_account(&answers))?;
        // What holds in the next block may have been decided in this one.
        let parameters = self.parameters().await?;
        let most = spec.transaction_gas_cap.min(parameters.gas_limit);
        let base = match parameters.fees {
            Fees::Free {} => 0,
            Fees::Eip1559 { floor_wei } => self.head.base_fee_wei.max(floor_wei.into()),
        };
        let gas = if base == 0 {
            most
        } else {
            let answer = self.ask(&self.contract.estimate(from, data)).await?;
            let estimate = self.read(self.contract.read_estimate(&answer))?;
            estimate.saturating_mul(2).min(most)
        };
        let max_fee_wei = base.saturating_mul(2);
        let cost = max_fee_wei.saturating_mul(u128::from(gas));
        if cost > balance_wei {
            return Err(Box::new(Problem::new(
                ErrorCode::InsufficientBalance,
                format!(
                    "the account {from} has {balance_wei} wei, and {gas} gas at {max_fee_wei} wei \
                     may cost {cost} wei"
                ),
                format!("send the account at least {} wei, and try again", cost - balance_wei),
            )));
        }
        Ok(Outgoing { chain_id: spec.chain_id, nonce, gas, max_fee_wei, data: data.to_owned() })
    }

    /// Sends a transaction. That a node has it already is a success.
    pub(crate) async fn send(&self, transaction: &StoredTransaction) -> Answer<()> {
        let (wire, call) = (&*self.world.wire, (transaction.method.as_str(), &transaction.params));
        let Err(error) = rpc_first(wire, &self.targets, call, SEND_TIMEOUT).await else {
            return Ok(());
        };
        match &error {
            RpcError::Refused { message, .. } if message.contains("already known") => Ok(()),
            RpcError::Refused { code, message, .. } if *code != OWN_FAULT => {
                if self.is_known(transaction).await? {
                    return Ok(());
                }
                Err(Box::new(Problem::new(
                    ErrorCode::TransactionRefused,
                    format!(
                        "the network refused the transaction: {}",
                        with_names(message, &self.record.names_by_key())
                    ),
                    "nothing was sent; mend what it says and try again",
                )))
            }
            // Another node, or the same one later, may take it.
            RpcError::Refused { .. }
            | RpcError::Elsewhere { .. }
            | RpcError::Wire { .. }
            | RpcError::Status { .. } => Err(silent(self.record, &error)),
        }
    }

    /// Whether the transaction waits or is final.
    async fn is_known(&self, transaction: &StoredTransaction) -> Answer<bool> {
        Ok(!self.ask(&self.contract.lookup(&transaction.hash)).await?.is_null())
    }

    /// What a transaction's receipt says, once there is one.
    pub(crate) async fn outcome(&self, transaction: &StoredTransaction) -> Answer<Option<Outcome>> {
        let answer = self.ask(&self.contract.receipt(&transaction.hash)).await?;
        self.read(self.contract.read_outcome(&answer))
    }
}

/// What those are called who are there.
pub(crate) fn present(roll: &Roll) -> Names {
    let members = roll.members.iter().map(|one| (one.id, one.organization.clone()));
    let validators = roll.validators.iter().map(|one| (one.id, one.name.clone()));
    Names { members: members.collect(), validators: validators.collect() }
}

fn silent(record: &Record, error: &RpcError) -> Box<Problem> {
    unavailable(record, &format!("{error}{}", causes(error)))
}

fn odd(record: &Record, error: &EngineError) -> Box<Problem> {
    unavailable(record, &format!("{error}{}", causes(error)))
}

fn ungoverned(record: &Record) -> Box<Problem> {
    Box::new(Problem::new(
        ErrorCode::InvalidRequest,
        format!("`{}` is not governed by members", record.network.name),
        "networks of the engine `windlass` are",
    ))
}
