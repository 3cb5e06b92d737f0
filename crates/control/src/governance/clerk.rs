//! Carries ballots out: signs them and sends them, one after the other in a network.
//!
//! A pass takes no input but the store and the world. A ballot's transaction is written down before
//! it is sent, and a ballot gets no other one: whatever happens in between, what is sent again is
//! the same bytes with the same nonce, and the chain takes them once.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_engine::governance::{Outcome, Verdict};
use windlass_keys::KeyError;
use windlass_model::{
    ErrorCode, NetworkId, OrganizationId, Problem,
    governance::{BallotOutcome, ProposalState},
    network::{Intent, Operation, OperationKind, Reason, StepState},
};

use super::{
    council::{self, Council},
    draft,
};
use crate::{
    monitor::Monitor,
    network::{Wakes, reasons},
    operation::{self, Ending, step},
    service::Answer,
    store::{
        Find, Store, StoreError,
        error::causes,
        rows::{Ballot, Record, StoredTransaction},
    },
    world::World,
};

/// How often it looks for what nobody told.
const SLOW_BEAT: Duration = Duration::from_secs(30);
/// How long it waits for the world before it looks again.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a transaction may wait for a block before the object says so.
const PATIENCE_MS: u64 = 5_000;

/// Carries ballots out.
#[derive(Clone, Debug)]
pub(crate) struct Clerk {
    pub(crate) store: Store,
    pub(crate) world: World,
    pub(crate) monitor: Monitor,
    /// Rung when a ballot was declared.
    pub(crate) bell: Arc<Notify>,
    /// Who waits for what members do about nodes.
    pub(crate) wakes: Arc<Wakes>,
    pub(crate) serving: Arc<Mutex<BTreeSet<NetworkId>>>,
}

/// What became of a ballot in one pass.
enum Step {
    /// It is signed.
    Signed(StoredTransaction),
    /// There is nothing to do but to look again.
    Sent,
    /// It has come to its end.
    Ended(Ending),
}

impl Clerk {
    /// Gives every network with ballots its worker, for as long as the platform runs.
    pub(crate) async fn run(self, tracker: TaskTracker, shutdown: CancellationToken) {
        let work = async {
            loop {
                match self.store.networks_with_ballots().await {
                    Ok(networks) => self.take_up(networks, &tracker, &shutdown),
                    Err(error) => tracing::error!("{error}{}", causes(&error)),
                }
                // Cancel safety: a ring that comes while nobody waits is kept by the bell.
                tokio::select! {
                    () = self.bell.notified() => {}
                    () = tokio::time::sleep(SLOW_BEAT) => {}
                }
            }
        };
        // Cancel safety: both branches may be dropped at any await; nothing is held.
        tokio::select! {
            () = work => {}
            () = shutdown.cancelled() => {}
        }
    }

    fn take_up(
        &self,
        networks: Vec<(OrganizationId, NetworkId)>,
        tracker: &TaskTracker,
        shutdown: &CancellationToken,
    ) {
        for (organization, network) in networks {
            if !self.served().insert(network.clone()) {
                continue;
            }
            let (worker, shutdown) = (self.clone(), shutdown.clone());
            tracker.spawn(async move {
                worker.serve(&organization, &network, &shutdown).await;
                worker.served().remove(&network);
                // What was declared in this moment is found by the next look.
                worker.bell.notify_one();
            });
        }
    }

    fn served(&self) -> std::sync::MutexGuard<'_, BTreeSet<NetworkId>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ballots of one network, until there is none. A pass under way is finished at a shutdown.
    async fn serve(
        &self,
        organization: &OrganizationId,
        network: &NetworkId,
        shutdown: &CancellationToken,
    ) {
        while !shutdown.is_cancelled() {
            let moved = match self.store.next_ballot(organization, network).await {
                Ok(None) => return,
                Ok(Some(ballot)) => Box::pin(self.pass(&ballot)).await,
                Err(error) => Err(error),
            };
            match moved {
                Ok(Moved::On) => continue,
                Ok(Moved::Not) => {}
                Err(error) => tracing::error!(%network, "{error}{}", causes(&error)),
            }
            // Cancel safety: neither branch holds anything.
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// One pass over one ballot.
    async fn pass(&self, ballot: &Ballot) -> Result<Moved, StoreError> {
        let find = Find::Id(ballot.network.clone());
        let record = self.store.network(&ballot.organization, &find).await?;
        let found = self.store.operation(&ballot.organization, &ballot.operation).await?;
        let Some(before) = found else {
            let reason = format!("{} is not there", ballot.operation);
            return Err(StoreError::Damaged { what: "ballot", reason });
        };
        let step = match record {
            Some(record) if record.network.intent != Intent::Destroyed => {
                let step = Box::pin(self.step(&record, ballot, before.kind)).await;
                step.or_else(|problem| self.put_off(&record, &problem))
            }
            // Its key goes with the network.
            Some(_) | None => Ok(Step::Ended(Ending::Superseded)),
        };
        self.save(ballot, &before, step).await
    }

    /// What kept a ballot from being carried out: what may pass is waited for, the rest ends it.
    fn put_off(&self, record: &Record, problem: &Problem) -> Result<Step, Reason> {
        let reason = |remedy: String| Reason {
            code: problem.code,
            message: problem.detail.clone(),
            remedy,
            since_ms: self.world.now_ms(),
        };
        match problem.code {
            ErrorCode::NetworkStopped | ErrorCode::NetworkSleeping => {
                Err(reason(format!("it is sent when the network runs again: {}", problem.hint)))
            }
            ErrorCode::NetworkUnavailable => Err(reason(format!(
                "it goes on by itself; `windlass network show {}` says how the network does",
                record.network.name
            ))),
            code if is_final(code) => Ok(Step::Ended(Ending::Failed(reason(problem.hint.clone())))),
            _ => Err(reason(problem.hint.clone())),
        }
    }

    /// The next step of a ballot.
    async fn step(&self, record: &Record, ballot: &Ballot, kind: OperationKind) -> Answer<Step> {
        let council = council::open(&self.world, &self.monitor, record).await?;
        let Some(transaction) = &ballot.transaction else {
            return self.sign(&council, ballot).await.map(Step::Signed);
        };
        if let Some(outcome) = council.outcome(transaction).await? {
            return self.conclude(council, (ballot, kind), transaction, outcome).await;
        }
        council.send(transaction).await?;
        match council.outcome(transaction).await? {
            Some(outcome) => self.conclude(council, (ballot, kind), transaction, outcome).await,
            None => Ok(Step::Sent),
        }
    }

    /// Asks the contract once more, and signs.
    async fn sign(&self, council: &Council<'_>, ballot: &Ballot) -> Answer<StoredTransaction> {
        let names = council::present(&council.roll().await?);
        council.rehearse(&ballot.account, &ballot.data, &names).await?;
        let outgoing = council.outgoing(&ballot.account, &ballot.data).await?;
        let unsignable = |why: String| {
            let hint = "this is a defect of Windlass: please report it";
            Box::new(Problem::new(ErrorCode::TransactionRefused, why, hint))
        };
        let hash = council.contract.signing_hash(&outgoing);
        let hash = hash.map_err(|error| unsignable(error.to_string()))?;
        let signature = self.world.keys.sign_hash(&ballot.key, hash).await;
        let signature = signature.map_err(|error| unsigned(&error, self.world.now_ms()))?;
        let signed = council.contract.signed(&outgoing, signature);
        let signed = signed.map_err(|error| unsignable(error.to_string()))?;
        Ok(StoredTransaction {
            method: signed.send.method.to_owned(),
            params: signed.send.params,
            hash: signed.hash,
        })
    }

    /// What came of a ballot whose transaction is in a final block.
    async fn conclude(
        &self,
        council: Council<'_>,
        (ballot, kind): (&Ballot, OperationKind),
        transaction: &StoredTransaction,
        Outcome { block, verdict }: Outcome,
    ) -> Answer<Step> {
        let council = council.at(block.number);
        let proposal = match verdict {
            Verdict::Done { proposal: Some(proposal) } => proposal,
            Verdict::Done { proposal: None } if is_about_a_node(kind) => {
                return Ok(Step::Ended(Ending::Succeeded));
            }
            Verdict::Done { proposal: None } => return Err(voteless(transaction)),
            Verdict::Reverted => {
                let names = council::present(&council.roll().await?);
                let output = council.reverted(&ballot.account, &ballot.data, block.number).await?;
                return Err(council.refused(&output, &names));
            }
        };
        let now_ms = self.world.now_ms();
        let proposal = draft::existing(&council, proposal, now_ms).await?;
        let effects = match proposal.state {
            ProposalState::Approved => {
                let spec = &council.record.network.spec;
                council.contract.effects(spec, &proposal.actions, block.number)
            }
            ProposalState::InProgress
            | ProposalState::Rejected
            | ProposalState::Expired
            | ProposalState::ActionFailed => Vec::new(),
        };
        let transaction = transaction.hash.clone();
        let member = ballot.member.clone();
        let outcome = BallotOutcome { member, transaction, block, proposal, effects };
        Ok(Step::Ended(Ending::Balloted(Box::new(outcome))))
    }

    /// Writes down what became of a ballot; nothing if nothing did.
    async fn save(
        &self,
        ballot: &Ballot,
        before: &Operation,
        step: Result<Step, Reason>,
    ) -> Result<Moved, StoreError> {
        let now_ms = self.world.now_ms();
        let mut after = before.clone();
        let mut signed = None;
        let mut moved = Moved::On;
        match step {
            Ok(Step::Signed(transaction)) => {
                operation::reach(&mut after, step::TRANSACTION, now_ms);
                operation::explain(&mut after, None);
                signed = Some(Ballot { transaction: Some(transaction), ..ballot.clone() });
            }
            Ok(Step::Sent) => {
                moved = Moved::Not;
                explain(&mut after, waiting(before, now_ms));
            }
            Ok(Step::Ended(ending)) => operation::end(&mut after, ending, now_ms),
            Err(reason) => {
                moved = Moved::Not;
                explain(&mut after, Some(reason));
            }
        }
        if after == *before && signed.is_none() {
            return Ok(moved);
        }
        let mut change = self.store.begin().await?;
        if let Some(signed) = &signed {
            change.put_ballot(signed).await?;
        }
        change.put_operation(&after).await?;
        change.announce(&after.organization, "operation", after.id.as_str(), now_ms).await?;
        if operation::ended(&after) {
            change.remove_ballot(ballot).await?;
            change.audit_outcome(&after, operation::outcome_of(&after), now_ms).await?;
        }
        change.commit("ballot").await?;
        if operation::ended(&after) && is_about_a_node(after.kind) {
            self.wakes.wake_known(&after.network);
        }
        Ok(moved)
    }
}

/// Whether it is something that a member does about a node, without a vote.
fn is_about_a_node(kind: OperationKind) -> bool {
    matches!(kind, OperationKind::AddObserver | OperationKind::RemoveObserver)
}

fn voteless(transaction: &StoredTransaction) -> Box<Problem> {
    Box::new(Problem::new(
        ErrorCode::TransactionRefused,
        format!("the transaction {} succeeded, and cast no vote", transaction.hash),
        "this is a defect of Windlass: please report it",
    ))
}

/// Whether no waiting mends it.
fn is_final(code: ErrorCode) -> bool {
    [
        ErrorCode::MemberKeyAbsent,
        ErrorCode::MemberNotFound,
        ErrorCode::ValidatorNotFound,
        ErrorCode::ProposalNotFound,
        ErrorCode::NotAMember,
        ErrorCode::MemberSuspended,
        ErrorCode::AlreadyVoted,
        ErrorCode::ProposalClosed,
        ErrorCode::ProposalInvalid,
        ErrorCode::ActionFailed,
        ErrorCode::InsufficientBalance,
        ErrorCode::TransactionRefused,
    ]
    .contains(&code)
}

/// Whether there is more to be done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    On,
    Not,
}

/// Says why there is no progress; the time of a reason that is known already stays.
fn explain(operation: &mut Operation, reason: Option<Reason>) {
    let same = |old: &Reason, new: &Reason| old.code == new.code && old.message == new.message;
    match (&operation.reason, &reason) {
        (Some(old), Some(new)) if same(old, new) => {}
        _ => operation::explain(operation, reason),
    }
}

/// Why a transaction that was sent is in no block, when that takes long.
fn waiting(operation: &Operation, now_ms: u64) -> Option<Reason> {
    let step = operation.steps.iter().find(|step| step.state == StepState::Running)?;
    let since_ms = step.started_at_ms?;
    (now_ms.saturating_sub(since_ms) >= PATIENCE_MS).then(|| Reason {
        code: ErrorCode::NetworkUnavailable,
        message: "the transaction is in no block yet".to_owned(),
        remedy: format!(
            "it goes on by itself; `windlass network show {}` says whether a quorum is there",
            operation.network_name
        ),
        since_ms,
    })
}

/// A key that is gone does not come back; whatever else keeps it from signing may pass.
fn unsigned(error: &KeyError, now_ms: u64) -> Box<Problem> {
    let Reason { code, message, remedy, .. } = reasons::of_keys(error, now_ms);
    let code =
        if matches!(error, KeyError::NotFound(_)) { ErrorCode::MemberKeyAbsent } else { code };
    Box::new(Problem::new(code, message, remedy))
}
