//! `windlass network members`, `proposals`, `propose`, `vote` and their like.

use windlass_model::{
    ErrorCode,
    api::Accepted,
    governance::{BallotPlan, ProposalRequest, SettleRequest, VoteRequest},
    network::OperationState,
};
use windlass_substrate::clock::now_ms;

use super::{Session, evidence};
use crate::{
    args::{GovernanceVerb, ProposeArgs, SettleArgs, VoteArgs},
    environment::{Outcome, problem},
    render, spec,
};

/// Carries out a verb of governance.
pub(super) async fn run(session: &Session, verb: GovernanceVerb) -> Outcome<()> {
    let (client, output) = (&session.client, session.output);
    match verb {
        GovernanceVerb::Members(args) => {
            let members = client.members(&args.network).await?;
            output.result(&members, || render::members(&members));
        }
        GovernanceVerb::Validators(args) => {
            let validators = client.validators(&args.network).await?;
            output.result(&validators, || render::validators(&validators));
        }
        GovernanceVerb::Observers(args) => {
            let observers = client.observers(&args.network).await?;
            output.result(&observers, || render::observers(&observers));
        }
        GovernanceVerb::Parameters(args) => {
            let parameters = client.parameters(&args.network).await?;
            output.result(&parameters, || render::parameters(&parameters));
        }
        GovernanceVerb::Permissions(args) => {
            let permissions = client.permissions(&args.network).await?;
            output.result(&permissions, || render::permissions(&permissions));
        }
        GovernanceVerb::Proposals(args) => {
            let proposals = client.proposals(&args.network).await?;
            let now_ms = now_ms();
            output.result(&proposals, || render::proposals(&args.network, &proposals, now_ms));
        }
        GovernanceVerb::Proposal(args) => {
            let proposal = client.proposal(&args.network, args.proposal).await?;
            let now_ms = now_ms();
            output.result(&proposal, || render::proposal(&proposal, now_ms));
        }
        GovernanceVerb::Propose(args) => propose(session, *args).await?,
        GovernanceVerb::Vote(args) => vote(session, args).await?,
        GovernanceVerb::Settle(args) => settle(session, args).await?,
    }
    Ok(())
}

async fn propose(session: &Session, args: ProposeArgs) -> Outcome<()> {
    let wait = args.wait();
    let mut request = match (&args.file, args.action) {
        (Some(file), None) => spec::read_document::<ProposalRequest>(file)?,
        (None, Some(action)) => {
            ProposalRequest { actions: vec![action.into()], ..ProposalRequest::default() }
        }
        (Some(_), Some(_)) => {
            return Err(problem(
                ErrorCode::InvalidRequest,
                "the proposal is in the file and on the command line",
                "write every action into the file, or leave -f out",
            ));
        }
        (None, None) => {
            return Err(problem(
                ErrorCode::InvalidRequest,
                "the proposal has no action",
                "name one, or a file with -f: see `windlass network propose --help`",
            ));
        }
    };
    request.member = args.member.or(request.member);
    request.reason = args.reason.unwrap_or(request.reason);
    if let Some(hash) = &args.evidence {
        request.reason = evidence::reason(session, &args.network, hash, &request.reason).await?;
    }
    request.force |= args.force;
    if args.print {
        let plan = session.client.plan_propose(&args.network, &request).await?;
        print(session, &plan);
        return Ok(());
    }
    let accepted = session.client.propose(&args.network, &request).await?;
    session.conclude(accepted, &wait, told).await
}

async fn vote(session: &Session, args: VoteArgs) -> Outcome<()> {
    let request = VoteRequest { member: args.member, vote: args.vote.into() };
    if args.print {
        let plan = session.client.plan_vote(&args.network, args.proposal, &request).await?;
        print(session, &plan);
        return Ok(());
    }
    let accepted = session.client.vote(&args.network, args.proposal, &request).await?;
    session.conclude(accepted, &args.wait, told).await
}

async fn settle(session: &Session, args: SettleArgs) -> Outcome<()> {
    let request = SettleRequest { member: args.member };
    if args.print {
        let plan = session.client.plan_settle(&args.network, args.proposal, &request).await?;
        print(session, &plan);
        return Ok(());
    }
    let accepted = session.client.settle(&args.network, args.proposal, &request).await?;
    session.conclude(accepted, &args.wait, told).await
}

/// Whoever signs it reads JSON, with `--json` or without.
fn print(session: &Session, plan: &BallotPlan) {
    for line in &plan.words {
        session.output.note(line);
    }
    for warning in &plan.warnings {
        session.output.warning(warning);
    }
    session.output.result(&plan.transaction, || {
        serde_json::to_string_pretty(&plan.transaction).expect("a transaction is plain data")
    });
}

fn told(accepted: &Accepted) -> String {
    let Some(operation) = &accepted.operation else { return String::new() };
    match (&operation.ballot, operation.state) {
        (Some(outcome), _) => render::ballot(outcome, now_ms()),
        (None, OperationState::Running) => format!(
            "it is under way as {}\n`windlass operation wait {}` waits for it",
            operation.id, operation.id
        ),
        (None, _) => render::operation(operation),
    }
}
