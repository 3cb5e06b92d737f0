//! What the service changes: intent, operation, audit row, events and the remembered answer, in one
//! transaction. Nothing else happens here; the reconciler is woken and does the rest.

use sha2::{Digest as _, Sha256};
use windlass_model::{
    ErrorCode, LeaseId, Name, OperationId, OrganizationId, Problem,
    api::{Accepted, ApplyPlan, Organization},
    budget::Quota,
    network::{Operation, OperationKind, Reason},
    spec::{Defaults, Manifest},
};

use crate::{
    network::{
        capacity::{self, Asked},
        change::{self, Decision},
        declare, ending,
        quota::{self, Grows, Total},
    },
    operation::action_of,
    service::{Action, Answer, Control, Granted, RequestMeta, network_not_found},
    store::{AuditEntry, Change, Find, Remembered, StoreError, rows::Record},
};

/// How often a random chain id is drawn before it is a defect.
const DRAWS: usize = 16;

/// What a change came to, before it is answered.
pub(super) struct Outcome {
    pub(super) record: Record,
    pub(super) operation: Option<Operation>,
    pub(super) warnings: Vec<String>,
}

impl Control {
    /// Declares a network that lives until somebody destroys it.
    pub async fn declare(
        &self,
        granted: &Granted,
        manifest: Manifest,
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        Box::pin(self.declare_under(granted, manifest, None, meta)).await
    }

    /// Declares a network that lives as long as somebody holds a lease, if one is named.
    pub async fn declare_under(
        &self,
        granted: &Granted,
        manifest: Manifest,
        lease: Option<LeaseId>,
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        let organization = self.owner(granted.allows(Action::Create)?).await?;
        let mut change = self.inner.store.begin().await?;
        if let Some(answer) = recall(&mut change, &organization.id, &meta).await? {
            return Ok(answer);
        }
        let declared = (&manifest, lease);
        let asked = (granted.actor(), &meta);
        let outcome = self.declare_in(&mut change, &organization, declared, asked).await?;
        let accepted =
            self.finish(change, granted, action_of(OperationKind::Create), outcome, &meta).await?;
        self.inner.leases.ring();
        Ok(accepted)
    }

    /// Declares the network if it is absent, and changes it to the manifest if it differs.
    pub async fn apply(
        &self,
        granted: &Granted,
        name_or_id: &str,
        manifest: Manifest,
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        let organization = self.owner(granted.allows(Action::Change)?).await?;
        let mut change = self.inner.store.begin().await?;
        if let Some(answer) = recall(&mut change, &organization.id, &meta).await? {
            return Ok(answer);
        }
        let found = change.network(&organization.id, &Find::parse(name_or_id)).await?;
        let Some(record) = found else {
            let manifest = named(manifest, name_or_id)?;
            let declared = (&manifest, None);
            let asked = (granted.actor(), &meta);
            let outcome = self.declare_in(&mut change, &organization, declared, asked).await?;
            let accepted = self
                .finish(change, granted, action_of(OperationKind::Create), outcome, &meta)
                .await;
            self.inner.leases.ring();
            return accepted;
        };
        let manifest = named(manifest, record.network.name.as_str())?;
        let had = Some(record.network.spec.ttl_s);
        let manifest = limited(&manifest, &change.quota(&organization.id).await?, had)?;
        let spec = manifest.resolve(&defaults(&organization, &record))?;
        let (decision, _) = change::update(&record, &spec)?;
        let mut after = record.clone();
        if spec.ttl_s != after.network.spec.ttl_s {
            after.network.status.end = ending::declared(spec.ttl_s, self.inner.world.now_ms());
        }
        after.network.spec = spec;
        let asked = (granted.actor(), &meta);
        let outcome = self.decided(&mut change, (record, after), decision, asked).await?;
        self.finish(change, granted, action_of(OperationKind::Update), outcome, &meta).await
    }

    /// What [`Control::apply`] would do.
    pub async fn plan_apply(
        &self,
        granted: &Granted,
        name_or_id: &str,
        manifest: &Manifest,
    ) -> Answer<ApplyPlan> {
        let organization = self.owner(granted.allows(Action::Read)?).await?;
        let found = self.inner.store.network(&organization.id, &Find::parse(name_or_id)).await?;
        let Some(record) = found else {
            let manifest = named(manifest.clone(), name_or_id)?;
            let chain_id = declare::random_chain_id(&self.inner.world);
            manifest.resolve(&Defaults { chain_id, organization: organization.name })?;
            return Ok(ApplyPlan::Create);
        };
        let manifest = named(manifest.clone(), record.network.name.as_str())?;
        let had = Some(record.network.spec.ttl_s);
        let quota = self.inner.store.quota(&organization.id).await?;
        let manifest = limited(&manifest, &quota, had)?;
        let spec = manifest.resolve(&defaults(&organization, &record))?;
        let (_, changes) = change::update(&record, &spec)?;
        Ok(if changes.is_empty() { ApplyPlan::Nothing } else { ApplyPlan::Update { changes } })
    }

    /// Ends a network's processes and keeps everything else.
    pub async fn stop(
        &self,
        granted: &Granted,
        name_or_id: &str,
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        Box::pin(self.intend(
            granted,
            (Action::Change, OperationKind::Stop),
            name_or_id,
            meta,
            change::stop,
        ))
        .await
    }

    /// Brings a stopped network back.
    pub async fn start(
        &self,
        granted: &Granted,
        name_or_id: &str,
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        let what = (Action::Change, OperationKind::Start);
        Box::pin(self.intend(granted, what, name_or_id, meta, change::start)).await
    }

    /// Ends a network's processes until somebody asks it for something.
    pub async fn sleep(
        &self,
        granted: &Granted,
        name_or_id: &str,
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        let what = (Action::Change, OperationKind::Sleep);
        Box::pin(self.intend(granted, what, name_or_id, meta, change::sleep)).await
    }

    /// Wakes a network that sleeps, before anybody asks it for something.
    pub async fn wake(
        &self,
        granted: &Granted,
        name_or_id: &str,
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        let what = (Action::Change, OperationKind::Wake);
        Box::pin(self.intend(granted, what, name_or_id, meta, change::wake)).await
    }

    /// Leaves nothing of a network. A second destroy of one under way answers the same operation.
    pub async fn destroy(
        &self,
        granted: &Granted,
        name_or_id: &str,
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        let what = (Action::Destroy, OperationKind::Destroy);
        let decide = |record: &Record| Ok(change::destroy(record));
        Box::pin(self.intend(granted, what, name_or_id, meta, decide)).await
    }

    #[expect(clippy::too_many_arguments, reason = "a mutation is all of these at once")]
    pub(super) async fn intend(
        &self,
        granted: &Granted,
        (action, kind): (Action, OperationKind),
        name_or_id: &str,
        meta: RequestMeta,
        decide: impl FnOnce(&Record) -> Result<Decision, Box<Problem>>,
    ) -> Answer<Accepted> {
        let organization = granted.allows(action)?.clone();
        let mut change = self.inner.store.begin().await?;
        if let Some(answer) = recall(&mut change, &organization, &meta).await? {
            return Ok(answer);
        }
        let found = change.network(&organization, &Find::parse(name_or_id)).await?;
        let record = found.ok_or_else(|| network_not_found(name_or_id))?;
        let decision = decide(&record)?;
        let after = record.clone();
        let asked = (granted.actor(), &meta);
        let outcome = self.decided(&mut change, (record, after), decision, asked).await?;
        self.finish(change, granted, action_of(kind), outcome, &meta).await
    }

    async fn declare_in(
        &self,
        change: &mut Change,
        organization: &Organization,
        (manifest, lease): (&Manifest, Option<LeaseId>),
        (actor, meta): (&str, &RequestMeta),
    ) -> Answer<Outcome> {
        let world = &self.inner.world;
        let manifest = &limited(manifest, &change.quota(&organization.id).await?, None)?;
        let chain_id = free_chain_id(change, || declare::random_chain_id(world)).await?;
        let mut declared =
            declare::declare(world, organization, manifest, chain_id, (actor, world.now_ms()))?;
        if let Some(lease) = lease.or_else(|| self.inner.settings.lease.clone()) {
            self.inner.leases.check(&lease)?;
            declared.record.network.status.lease = Some(lease);
        }
        let network = &declared.record.network;
        let taken = change.network(&organization.id, &Find::Name(network.name.to_string())).await?;
        if taken.is_some() {
            return Err(declare::name_taken(&network.name));
        }
        if change.chain_id_taken(network.spec.chain_id).await? {
            return Err(declare::chain_id_taken(network.spec.chain_id));
        }
        let mut warnings = declared.warnings;
        let asked = (&declared.record, "validators");
        warnings.extend(self.check_capacity(change, asked, Grows::Networks).await?);
        match change.insert(&declared.record, meta.now_ms).await {
            Err(error) if error.taken().is_some() => {
                return Err(declare::name_taken(&network.name));
            }
            inserted => inserted?,
        }
        let operation = declared.record.operation.clone();
        if let Some(operation) = &operation {
            change.put_request(&operation.id, &meta.request_hash).await?;
        }
        Ok(Outcome { operation, record: declared.record, warnings })
    }

    /// Whether a network, as it is to be, fits beside the others that run, and into its organization's
    /// quota.
    pub(super) async fn check_capacity(
        &self,
        change: &mut Change,
        (record, field): (&Record, &'static str),
        grows: Grows,
    ) -> Answer<Vec<String>> {
        let Record { network, nodes, .. } = record;
        let running = change.running_beside(&network.id).await?;
        let nodes = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        let beside = change.holdings_beside(&network.organization, &network.id).await?;
        let own = running.iter().filter(|one| one.organization == network.organization);
        let need_mib = capacity::need_mib(&self.inner.world.engines, &network.spec, nodes);
        let total = Total {
            networks: u64::from(beside.networks) + 1,
            nodes: u64::from(beside.nodes) + u64::from(nodes),
            memory_mib: own.map(|one| self.need_mib(one)).sum::<u64>() + need_mib,
            disk_mib: self.inner.meter.disk_bytes(&network.organization) >> 20,
        };
        quota::check(&change.quota(&network.organization).await?, total, grows)?;
        let asked = Asked { spec: &network.spec, nodes, field };
        capacity::check(&self.inner.world.engines, asked, &running, self.inner.settings.machine)
    }

    /// Writes what was decided about a network that is there.
    async fn decided(
        &self,
        change: &mut Change,
        (before, mut after): (Record, Record),
        decision: Decision,
        (actor, meta): (&str, &RequestMeta),
    ) -> Answer<Outcome> {
        check_version(&before, meta)?;
        match decision {
            Decision::Nothing => {
                Ok(Outcome { record: before, operation: None, warnings: Vec::new() })
            }
            Decision::UnderWay => {
                let operation = before.operation.clone();
                Ok(Outcome { record: before, operation, warnings: Vec::new() })
            }
            Decision::Begin(kind) => {
                // Of what runs already, or is to end, nothing has to fit anew.
                let comes = matches!(kind, OperationKind::Start | OperationKind::Wake);
                let warnings = if comes {
                    self.check_capacity(change, (&before, "validators"), Grows::Running).await?
                } else {
                    Vec::new()
                };
                self.begin(change, &mut after, (actor, kind)).await?;
                change.save(&before, &mut after, meta.now_ms).await?;
                let operation = after.operation.clone();
                if let Some(operation) = &operation {
                    change.put_request(&operation.id, &meta.request_hash).await?;
                }
                Ok(Outcome { record: after, operation, warnings })
            }
        }
    }

    /// Writes what the platform decided by itself, with the rows of what a user decides, and wakes whoever
    /// carries it out.
    pub(super) async fn impose(
        &self,
        mut change: Change,
        granted: &Granted,
        (before, mut after): (&Record, Record),
        (kind, reason): (OperationKind, Reason),
    ) -> Answer<()> {
        let meta = RequestMeta {
            idempotency_key: None,
            request_hash: Sha256::digest(&reason.message).into(),
            if_version: None,
            now_ms: self.inner.world.now_ms(),
        };
        self.begin(&mut change, &mut after, (granted.actor(), kind)).await?;
        if let Some(operation) = after.current_operation() {
            operation.reason = Some(reason.clone());
        }
        after.network.status.reason = Some(reason);
        change.save(before, &mut after, meta.now_ms).await?;
        let operation = after.operation.clone();
        if let Some(operation) = &operation {
            change.put_request(&operation.id, &meta.request_hash).await?;
        }
        let outcome = Outcome { record: after, operation, warnings: Vec::new() };
        self.finish(change, granted, action_of(kind), outcome, &meta).await.map(drop)
    }

    /// Begins an operation in the place of the one under way.
    pub(super) async fn begin(
        &self,
        change: &mut Change,
        after: &mut Record,
        (actor, kind): (&str, OperationKind),
    ) -> Answer<()> {
        let id = OperationId::from_entropy(self.inner.world.random());
        let now_ms = self.inner.world.now_ms();
        let Some(superseded) = change::begin(after, kind, id, (actor, now_ms)) else {
            return Ok(());
        };
        change.put_operation(&superseded).await?;
        change.audit_outcome(&superseded, "superseded", now_ms).await?;
        let (organization, object) = (&superseded.organization, superseded.id.as_str());
        Ok(change.announce(organization, "operation", object, now_ms).await?)
    }

    /// Audits, remembers, commits and wakes.
    #[expect(clippy::too_many_arguments, reason = "a mutation is all of these at once")]
    pub(super) async fn finish(
        &self,
        mut change: Change,
        granted: &Granted,
        action: &str,
        outcome: Outcome,
        meta: &RequestMeta,
    ) -> Answer<Accepted> {
        let Outcome { record, operation, warnings } = outcome;
        let network = &record.network;
        let entry = AuditEntry {
            organization: Some(&network.organization),
            at_ms: meta.now_ms,
            actor: granted.actor(),
            action,
            object: network.id.as_str(),
            request_hash: &meta.request_hash,
            outcome: "accepted",
        };
        change.audit(&entry).await?;
        let accepted = Accepted { network: self.view(&record), operation, warnings };
        if let Some(key) = &meta.idempotency_key {
            let response = serde_json::to_string(&accepted).expect("an answer is plain data");
            let request_hash = hex::encode(meta.request_hash);
            let remembered = Remembered { request_hash, response };
            change.remember(&network.organization, key, &remembered, meta.now_ms).await?;
        }
        change.commit("mutation").await?;
        // Its route says whether requests wait.
        self.inner.gateway.wake();
        self.inner.calendar.notify_one();
        self.inner.wakes.wake(&network.organization, &network.id);
        Ok(accepted)
    }

    async fn owner(&self, id: &OrganizationId) -> Answer<Organization> {
        let all = self.inner.store.organizations().await?;
        let found = all.into_iter().find(|organization| organization.id == *id);
        found.ok_or_else(|| crate::authorize::unknown_organization(id.as_str()))
    }
}

/// What the same request was answered before, if it comes again.
pub(super) async fn recall(
    change: &mut Change,
    organization: &OrganizationId,
    meta: &RequestMeta,
) -> Answer<Option<Accepted>> {
    let Some(key) = &meta.idempotency_key else { return Ok(None) };
    let Some(remembered) = change.recall(organization, key).await? else { return Ok(None) };
    if remembered.request_hash != hex::encode(meta.request_hash) {
        return Err(key_reused(meta));
    }
    let answer = serde_json::from_str(&remembered.response).map_err(|error| {
        StoreError::Damaged { what: "remembered answer", reason: error.to_string() }
    })?;
    Ok(Some(answer))
}

/// The key stands for another request.
pub(super) fn key_reused(meta: &RequestMeta) -> Box<Problem> {
    let key = meta.idempotency_key.as_deref().unwrap_or_default();
    Box::new(Problem::new(
        ErrorCode::IdempotencyKeyReused,
        format!("the idempotency key `{key}` was used for another request"),
        "use a new key for every request; the same one only to repeat a request",
    ))
}

async fn free_chain_id(change: &mut Change, draw: impl Fn() -> u64) -> Answer<u64> {
    for _ in 0..DRAWS {
        let chain_id = draw();
        if !change.chain_id_taken(chain_id).await? {
            return Ok(chain_id);
        }
    }
    Err(Box::new(Problem::new(
        ErrorCode::Internal,
        "no free chain id was drawn",
        "give `chain_id` in the spec",
    )))
}

pub(super) fn check_version(record: &Record, meta: &RequestMeta) -> Answer<()> {
    let found = record.network.resource_version;
    match meta.if_version {
        Some(seen) if seen != found => Err(Box::new(Problem::new(
            ErrorCode::VersionConflict,
            format!("`{}` has the resource version {found}, not {seen}", record.network.name),
            "look at it as it is now and decide again",
        ))),
        Some(_) | None => Ok(()),
    }
}

/// The manifest with the time to live that its organization's quota gives, if it limits that. A network
/// keeps the one that it had, which may be from before the quota.
fn limited(manifest: &Manifest, quota: &Quota, had: Option<u32>) -> Answer<Manifest> {
    let Some(longest_s) = quota.longest_ttl_s else { return Ok(manifest.clone()) };
    match manifest.ttl_s.or(had) {
        asked if asked.is_some() && asked == had => {
            Ok(Manifest { ttl_s: asked, ..manifest.clone() })
        }
        Some(ttl_s) if ttl_s == 0 || ttl_s > longest_s => {
            Err(ending::too_long(longest_s, quota.longest_ttl_s))
        }
        asked => Ok(Manifest { ttl_s: asked.or(Some(longest_s)), ..manifest.clone() }),
    }
}

/// An omitted chain id is the one that the network has.
fn defaults(organization: &Organization, record: &Record) -> Defaults {
    Defaults { chain_id: record.network.spec.chain_id, organization: organization.name.clone() }
}

/// The manifest with the name that the path gives; two different names are a mistake.
fn named(manifest: Manifest, name: &str) -> Answer<Manifest> {
    let name: Name = name.parse().map_err(|error: windlass_model::name::InvalidName| {
        Box::new(Problem::new(
            ErrorCode::InvalidName,
            error.to_string(),
            "a name has 1 to 40 of a-z, 0-9 and `-`, and begins with a letter",
        ))
    })?;
    match &manifest.name {
        Some(other) if *other != name => Err(Box::new(Problem::new(
            ErrorCode::InvalidName,
            format!("the manifest is for `{other}`, and the request for `{name}`"),
            "a network keeps its name; apply the manifest under its own",
        ))),
        Some(_) => Ok(manifest),
        None => Ok(Manifest { name: Some(name), ..manifest }),
    }
}
