//! Governance as the service offers it: what the contract says, and ballots declared.

use windlass_model::{
    OperationId, Problem,
    api::{Accepted, Page},
    governance::{
        BallotPlan, NetworkMember, NetworkObserver, NetworkParameters, NetworkValidator,
        PermittedAccount, Proposal, ProposalRequest, SettleRequest, VoteRequest,
    },
    network::OperationKind,
};

use crate::{
    governance::{self, Council, Draft},
    operation::{self, action_of},
    service::{
        Action, Answer, Control, Granted, RequestMeta,
        mutate::recall,
        read::{MAX_PAGE, bad_cursor},
    },
    store::{
        AuditEntry, Remembered,
        rows::{Ballot, Record},
    },
};

/// What a member asks for.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Propose(ProposalRequest),
    Vote(u64, VoteRequest),
    Settle(u64, SettleRequest),
}

impl Asked {
    fn kind(&self) -> OperationKind {
        match self {
            Self::Propose(_) => OperationKind::Propose,
            Self::Vote(..) => OperationKind::Vote,
            Self::Settle(..) => OperationKind::Settle,
        }
    }
}

impl Control {
    /// The members of a network.
    pub async fn members(&self, granted: &Granted, network: &str) -> Answer<Vec<NetworkMember>> {
        let record = self.record(granted.allows(Action::Read)?, network).await?;
        let roll = self.council(&record).await?.roll().await?;
        Ok(governance::members(&record, &roll))
    }

    /// The validators of a network.
    pub async fn validators(
        &self,
        granted: &Granted,
        network: &str,
    ) -> Answer<Vec<NetworkValidator>> {
        let record = self.record(granted.allows(Action::Read)?, network).await?;
        let council = self.council(&record).await?;
        let seen = self.consensus(granted, network);
        let (roll, voting, seen) = futures::join!(council.roll(), council.voting(), seen);
        Ok(governance::validators(&record, &roll?, voting.as_ref(), &seen?))
    }

    /// The observers of a network.
    pub async fn observers(
        &self,
        granted: &Granted,
        network: &str,
    ) -> Answer<Vec<NetworkObserver>> {
        let record = self.record(granted.allows(Action::Read)?, network).await?;
        Ok(governance::observers(&self.council(&record).await?.roll().await?))
    }

    /// The parameters of a network.
    pub async fn parameters(&self, granted: &Granted, network: &str) -> Answer<NetworkParameters> {
        let record = self.record(granted.allows(Action::Read)?, network).await?;
        self.council(&record).await?.parameters().await
    }

    /// The accounts with permissions in a network.
    pub async fn permissions(
        &self,
        granted: &Granted,
        network: &str,
        (cursor, limit): (Option<&str>, u32),
    ) -> Answer<Page<PermittedAccount>> {
        let record = self.record(granted.allows(Action::Read)?, network).await?;
        let from = cursor.map(position).transpose()?.unwrap_or_default();
        let limit = u64::from(limit.clamp(1, MAX_PAGE));
        let mut items = self.council(&record).await?.permitted(from, limit + 1).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let end = from.saturating_add(u64::try_from(items.len()).unwrap_or(u64::MAX));
        Ok(Page { items, next_cursor: more.then(|| end.to_string()) })
    }

    /// The proposals of a network, newest first.
    pub async fn proposals(
        &self,
        granted: &Granted,
        network: &str,
        (cursor, limit): (Option<&str>, u32),
    ) -> Answer<Page<Proposal>> {
        let record = self.record(granted.allows(Action::Read)?, network).await?;
        let before = cursor.map(position).transpose()?;
        let council = self.council(&record).await?;
        let count = council.proposal_count().await?;
        let last = before.map_or(count, |before| before.saturating_sub(1).min(count));
        let some = u64::from(limit.clamp(1, MAX_PAGE)).min(last);
        let first = last - some + 1;
        let now_ms = self.inner.world.now_ms();
        let mut items = governance::proposals(&council, (first, some), now_ms).await?;
        items.reverse();
        Ok(Page { items, next_cursor: (first > 1 && some > 0).then(|| first.to_string()) })
    }

    /// One proposal of a network.
    pub async fn proposal(&self, granted: &Granted, network: &str, id: u64) -> Answer<Proposal> {
        let record = self.record(granted.allows(Action::Read)?, network).await?;
        let council = self.council(&record).await?;
        governance::existing(&council, id, self.inner.world.now_ms()).await
    }

    /// Proposes for a member whose key is held here.
    pub async fn propose(
        &self,
        granted: &Granted,
        network: &str,
        request: ProposalRequest,
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        Box::pin(self.ballot(granted, network, Asked::Propose(request), meta)).await
    }

    /// Votes for a member whose key is held here.
    pub async fn vote(
        &self,
        granted: &Granted,
        network: &str,
        (proposal, request): (u64, VoteRequest),
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        Box::pin(self.ballot(granted, network, Asked::Vote(proposal, request), meta)).await
    }

    /// Settles a proposal for a member whose key is held here.
    pub async fn settle(
        &self,
        granted: &Granted,
        network: &str,
        (proposal, request): (u64, SettleRequest),
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        Box::pin(self.ballot(granted, network, Asked::Settle(proposal, request), meta)).await
    }

    /// What [`Control::settle`] would send.
    pub async fn plan_settle(
        &self,
        granted: &Granted,
        network: &str,
        (proposal, request): (u64, SettleRequest),
        meta: &RequestMeta,
    ) -> Answer<BallotPlan> {
        Box::pin(self.plan(granted, network, Asked::Settle(proposal, request), meta)).await
    }

    /// What [`Control::propose`] would send.
    pub async fn plan_propose(
        &self,
        granted: &Granted,
        network: &str,
        request: ProposalRequest,
        meta: &RequestMeta,
    ) -> Answer<BallotPlan> {
        Box::pin(self.plan(granted, network, Asked::Propose(request), meta)).await
    }

    /// What [`Control::vote`] would send.
    pub async fn plan_vote(
        &self,
        granted: &Granted,
        network: &str,
        (proposal, request): (u64, VoteRequest),
        meta: &RequestMeta,
    ) -> Answer<BallotPlan> {
        Box::pin(self.plan(granted, network, Asked::Vote(proposal, request), meta)).await
    }

    async fn plan(
        &self,
        granted: &Granted,
        network: &str,
        asked: Asked,
        meta: &RequestMeta,
    ) -> Answer<BallotPlan> {
        let record = self.record(granted.allows(Action::Read)?, network).await?;
        let record = self.awake(granted, record).await?;
        let (record, told) = Box::pin(self.with_keys_of(granted, record, &asked, meta)).await?;
        let Draft { member, transaction, words, mut warnings, key: _ } =
            self.draft(&record, asked).await?;
        warnings.extend(told);
        Ok(BallotPlan { member, transaction, words, warnings })
    }

    /// Declares a ballot: the contract is asked first, and what is written afterwards is carried
    /// out by the clerk.
    async fn ballot(
        &self,
        granted: &Granted,
        network: &str,
        asked: Asked,
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        let organization = granted.allows(Action::Govern)?.clone();
        let kind = asked.kind();
        // A repeated request is answered whatever the contract says by now.
        let mut change = self.inner.store.begin().await?;
        if let Some(answer) = recall(&mut change, &organization, &meta).await? {
            return Ok(answer);
        }
        drop(change);
        let record = self.record(&organization, network).await?;
        let record = self.awake(granted, record).await?;
        let (record, told) = Box::pin(self.with_keys_of(granted, record, &asked, &meta)).await?;
        let mut draft = self.draft(&record, asked).await?;
        draft.warnings.extend(told);
        let ballot = self.ballot_of(&record, &draft)?;
        let object = (&organization, &record.network.id, &record.network.name);
        let begun = (granted.actor(), ballot.created_at_ms);
        let operation = operation::begin(ballot.operation.clone(), object, kind, begun);

        let mut change = self.inner.store.begin().await?;
        if let Some(answer) = recall(&mut change, &organization, &meta).await? {
            return Ok(answer);
        }
        change.put_ballot(&ballot).await?;
        change.put_operation(&operation).await?;
        change.put_request(&operation.id, &meta.request_hash).await?;
        let id = operation.id.as_str();
        change.announce(&organization, "operation", id, ballot.created_at_ms).await?;
        change
            .audit(&AuditEntry {
                organization: Some(&organization),
                at_ms: meta.now_ms,
                actor: granted.actor(),
                action: action_of(kind),
                object: record.network.id.as_str(),
                request_hash: &meta.request_hash,
                outcome: "accepted",
            })
            .await?;
        let accepted = Accepted {
            network: self.view(&record),
            operation: Some(operation),
            warnings: draft.warnings,
        };
        if let Some(key) = &meta.idempotency_key {
            let response = serde_json::to_string(&accepted).expect("an answer is plain data");
            let request_hash = hex::encode(meta.request_hash);
            let remembered = Remembered { request_hash, response };
            change.remember(&organization, key, &remembered, meta.now_ms).await?;
        }
        change.commit("mutation").await?;
        self.inner.bell.notify_one();
        Ok(accepted)
    }

    async fn with_keys_of(
        &self,
        granted: &Granted,
        record: Record,
        asked: &Asked,
        meta: &RequestMeta,
    ) -> Answer<(Record, Vec<String>)> {
        match asked {
            Asked::Propose(request) => self.with_new_keys(granted, record, request, meta).await,
            Asked::Vote(..) | Asked::Settle(..) => Ok((record, Vec::new())),
        }
    }

    fn ballot_of(&self, record: &Record, draft: &Draft) -> Answer<Ballot> {
        Ok(Ballot {
            operation: OperationId::from_entropy(self.inner.world.random()),
            organization: record.network.organization.clone(),
            network: record.network.id.clone(),
            member: draft.member.clone(),
            account: draft.transaction.from.clone(),
            key: draft.key()?.clone(),
            data: draft.transaction.data.clone(),
            transaction: None,
            created_at_ms: self.inner.world.now_ms(),
        })
    }

    async fn draft(&self, record: &Record, asked: Asked) -> Answer<Draft> {
        let council = self.council(record).await?;
        match asked {
            Asked::Propose(request) => governance::proposal(&council, request).await,
            Asked::Vote(proposal, request) => {
                let now_ms = self.inner.world.now_ms();
                governance::vote(&council, proposal, &request, now_ms).await
            }
            Asked::Settle(proposal, request) => {
                let now_ms = self.inner.world.now_ms();
                governance::settlement(&council, proposal, &request, now_ms).await
            }
        }
    }

    pub(super) async fn council<'a>(&'a self, record: &'a Record) -> Answer<Council<'a>> {
        governance::open(&self.inner.world, &self.inner.monitor, record).await
    }
}

/// Where a page begins.
fn position(cursor: &str) -> Result<u64, Box<Problem>> {
    cursor.parse().map_err(|_odd| bad_cursor(cursor))
}
