//! Governance over HTTP: what a network's members decided, and proposals and votes in.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use windlass_model::{
    ErrorCode,
    api::{Accepted, Page},
    governance::{
        BallotPlan, NetworkMember, NetworkObserver, NetworkParameters, NetworkValidator,
        PermittedAccount, Proposal, ProposalRequest, SettleRequest, VoteRequest,
    },
};

use super::{
    Api,
    access::Caller,
    extract::{Mutation, PageQuery, Path, Query},
    failure::Failure,
    networks::{InNetwork, accepted},
};
use crate::service::Action;

/// Which proposal.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OfProposal {
    /// Its name or id
    organization: String,
    /// Its name or id
    network: String,
    /// Its number in the network
    #[param(value_type = u64)]
    proposal: String,
}

impl OfProposal {
    fn number(&self) -> Result<u64, Failure> {
        self.proposal.parse().map_err(|_odd| {
            Failure::new(
                ErrorCode::ProposalNotFound,
                format!("there is no proposal `{}`", self.proposal),
                "proposals have numbers, from 1 on; list them to find it",
            )
        })
    }
}

/// What a proposal or a vote takes beside its body.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct BallotQuery {
    /// `true` answers the transaction that would be sent, and sends nothing. The key of the
    /// member's account need not be held here.
    #[serde(default)]
    dry_run: bool,
}

/// Lists the members of a network, in the order in which they were added.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/members", tag = "governance",
    operation_id = "list_members", params(InNetwork),
    responses((status = 200, description = "At most 100 members", body = Vec<NetworkMember>)),
)]
pub(super) async fn members(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
) -> Result<Json<Vec<NetworkMember>>, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    Ok(Json(api.control().members(&granted, &place.network).await?))
}

/// Lists the validators of a network, in the order of their ids.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/validators",
    tag = "governance", operation_id = "list_validators", params(InNetwork),
    responses((status = 200, description = "At most 100 validators", body = Vec<NetworkValidator>)),
)]
pub(super) async fn validators(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
) -> Result<Json<Vec<NetworkValidator>>, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    Ok(Json(api.control().validators(&granted, &place.network).await?))
}

/// Lists the observers of a network.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/observers",
    tag = "governance", operation_id = "list_observers", params(InNetwork),
    responses(
        (status = 200, description = "At most 16 observers a member", body = Vec<NetworkObserver>),
    ),
)]
pub(super) async fn observers(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
) -> Result<Json<Vec<NetworkObserver>>, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    Ok(Json(api.control().observers(&granted, &place.network).await?))
}

/// Shows the parameters that the members decide, and what a proposal needs.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/parameters",
    tag = "governance", operation_id = "get_parameters", params(InNetwork),
    responses((status = 200, description = "The parameters", body = NetworkParameters)),
)]
pub(super) async fn parameters(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
) -> Result<Json<NetworkParameters>, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    Ok(Json(api.control().parameters(&granted, &place.network).await?))
}

/// Lists the accounts that were given permissions.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/permissions",
    tag = "governance", operation_id = "list_permissions", params(InNetwork, PageQuery),
    responses((status = 200, description = "One page of accounts", body = Page<PermittedAccount>)),
)]
pub(super) async fn permissions(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<PermittedAccount>>, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    let (cursor, limit) = page.parts()?;
    let page = (cursor.as_deref(), limit);
    Ok(Json(api.control().permissions(&granted, &place.network, page).await?))
}

/// Lists the proposals of a network, the newest first.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/proposals",
    tag = "governance", operation_id = "list_proposals", params(InNetwork, PageQuery),
    responses((status = 200, description = "One page of proposals", body = Page<Proposal>)),
)]
pub(super) async fn proposals(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Proposal>>, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    let (cursor, limit) = page.parts()?;
    let page = (cursor.as_deref(), limit);
    Ok(Json(api.control().proposals(&granted, &place.network, page).await?))
}

/// Shows a proposal.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/proposals/{proposal}",
    tag = "governance", operation_id = "get_proposal", params(OfProposal),
    responses((status = 200, description = "The proposal as it is", body = Proposal)),
)]
pub(super) async fn proposal(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<OfProposal>,
) -> Result<Json<Proposal>, Failure> {
    let granted = caller.granted(&api, Action::Read, &place.organization).await?;
    let number = place.number()?;
    Ok(Json(api.control().proposal(&granted, &place.network, number).await?))
}

/// Proposes for a member whose key this platform holds. The operation tells what came of it.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks/{network}/proposals",
    tag = "governance", operation_id = "propose", params(InNetwork, BallotQuery),
    request_body = ProposalRequest,
    responses(
        (status = 200, description = "With dry_run: what would be sent", body = BallotPlan),
        (status = 202, description = "Written down; the operation sends it", body = Accepted),
    ),
)]
pub(super) async fn propose(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    Query(query): Query<BallotQuery>,
    mutation: Mutation,
) -> Result<Response, Failure> {
    let granted = place.granted(&api, &caller, Action::Govern).await?;
    let (request, meta) = mutation.json::<ProposalRequest>()?;
    if query.dry_run {
        let plan = api.control().plan_propose(&granted, &place.network, request, &meta).await?;
        return Ok(Json(plan).into_response());
    }
    let proposed = api.control().propose(&granted, &place.network, request, meta);
    Ok(accepted(proposed.await)?.into_response())
}

/// Votes for a member whose key this platform holds. The operation tells what came of it.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks/{network}/proposals/{proposal}/votes",
    tag = "governance", operation_id = "vote", params(OfProposal, BallotQuery),
    request_body = VoteRequest,
    responses(
        (status = 200, description = "With dry_run: what would be sent", body = BallotPlan),
        (status = 202, description = "Written down; the operation sends it", body = Accepted),
    ),
)]
pub(super) async fn vote(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<OfProposal>,
    Query(query): Query<BallotQuery>,
    mutation: Mutation,
) -> Result<Response, Failure> {
    let granted = caller.granted(&api, Action::Govern, &place.organization).await?;
    let number = place.number()?;
    let (request, meta) = mutation.json::<VoteRequest>()?;
    let ballot = (number, request);
    if query.dry_run {
        let plan = api.control().plan_vote(&granted, &place.network, ballot, &meta).await?;
        return Ok(Json(plan).into_response());
    }
    Ok(accepted(api.control().vote(&granted, &place.network, ballot, meta).await)?.into_response())
}

/// Settles a proposal that no vote settled: it is expired, or decided since members or thresholds changed.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks/{network}/proposals/{proposal}/settlement",
    tag = "governance", operation_id = "settle", params(OfProposal, BallotQuery),
    request_body = SettleRequest,
    responses(
        (status = 200, description = "With dry_run: what would be sent", body = BallotPlan),
        (status = 202, description = "Written down; the operation sends it", body = Accepted),
    ),
)]
pub(super) async fn settle(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<OfProposal>,
    Query(query): Query<BallotQuery>,
    mutation: Mutation,
) -> Result<Response, Failure> {
    let granted = caller.granted(&api, Action::Govern, &place.organization).await?;
    let number = place.number()?;
    let (request, meta) = mutation.json::<SettleRequest>()?;
    let ballot = (number, request);
    if query.dry_run {
        let plan = api.control().plan_settle(&granted, &place.network, ballot, &meta).await?;
        return Ok(Json(plan).into_response());
    }
    let settled = api.control().settle(&granted, &place.network, ballot, meta);
    Ok(accepted(settled.await)?.into_response())
}
