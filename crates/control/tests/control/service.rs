//! The service's answers, good and bad, over the fake world.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::fake::{
    FakeWorld, Seeded,
    script::{Fault, Script},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_control::{
    Backoff, Control,
    service::{Action, Actor, Granted, RequestMeta, authorize},
    world::{Clock as _, MachineClock},
};
use windlass_model::{
    ErrorCode, LeaseId, Problem,
    api::{Accepted, ApplyPlan, Page},
    governance::{Named, Proposal, ProposalRequest, Voice, VoteRequest},
    network::{NetworkState, OperationKind, OperationState},
    receipt::ReleasedKind,
    spec::Manifest,
};
use windlass_substrate::lease::Hold;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Desk {
    world: Arc<FakeWorld>,
    pub(crate) control: Control,
    shutdown: CancellationToken,
}

pub(crate) type Answer = Result<Accepted, Box<Problem>>;

impl Desk {
    pub(crate) async fn open(fault_at: Option<(usize, Fault)>) -> Self {
        Self::over(FakeWorld::new(), fault_at).await
    }

    async fn over(world: Arc<FakeWorld>, fault_at: Option<(usize, Fault)>) -> Self {
        let script = Arc::new(Script::new(None, fault_at));
        let control = world.open(&script).await;
        let shutdown = CancellationToken::new();
        control.run(&TaskTracker::new(), &shutdown);
        Self { world, control, shutdown }
    }

    async fn actor(&self) -> Actor {
        let all = self.control.every_organization().await.expect("organizations");
        let organizations = all.into_iter().map(|one| one.id).collect();
        Actor { id: "token:test".to_owned(), organizations }
    }

    pub(crate) async fn may(&self, action: Action) -> Granted {
        let actor = self.actor().await;
        authorize(&actor, action, &actor.organizations[0]).expect("its own")
    }

    pub(crate) async fn declare(&self, manifest: &str) -> Answer {
        self.declare_with(manifest, meta()).await
    }

    async fn declare_with(&self, manifest: &str, meta: RequestMeta) -> Answer {
        let manifest = windlass_model::read::toml::<Manifest>(manifest, ErrorCode::InvalidSpec)?;
        self.control.declare(&self.may(Action::Create).await, manifest, meta).await
    }

    async fn declare_under(&self, lease: &LeaseId) -> Answer {
        let name = Some("trade".parse().expect("a valid name"));
        let manifest = Manifest { name, ..Manifest::default() };
        let create = self.may(Action::Create).await;
        self.control.declare_under(&create, manifest, Some(lease.clone()), meta()).await
    }

    async fn vacated(&self) {
        let vacated = tokio::time::timeout(PATIENCE, self.control.vacated()).await;
        vacated.expect("every network is gone in time");
    }

    pub(crate) async fn destroy(&self, name: &str) -> Answer {
        self.control.destroy(&self.may(Action::Destroy).await, name, meta()).await
    }

    pub(crate) async fn apply(&self, name: &str, manifest: &str) -> Answer {
        let manifest = windlass_model::read::toml::<Manifest>(manifest, ErrorCode::InvalidSpec)?;
        self.control.apply(&self.may(Action::Change).await, name, manifest, meta()).await
    }

    pub(crate) async fn ends(&self, accepted: &Accepted) -> OperationState {
        let read = self.may(Action::Read).await;
        let id = &accepted.operation.as_ref().expect("an operation").id;
        self.control.wait_operation(&read, id, PATIENCE).await.expect("it is there").state
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(crate) fn meta() -> RequestMeta {
    RequestMeta {
        idempotency_key: None,
        request_hash: [1; 32],
        if_version: None,
        now_ms: MachineClock.now_ms(),
    }
}

#[track_caller]
pub(crate) fn refused(answer: Answer, code: ErrorCode, detail: &str) {
    let problem = answer.expect_err("it is refused");
    assert_eq!(problem.code, code, "{problem:?}");
    assert!(problem.detail.contains(detail), "{}", problem.detail);
    assert!(!problem.hint.is_empty());
}

#[tokio::test]
async fn bad_declarations_are_refused_and_leave_nothing() {
    let desk = Desk::open(None).await;
    refused(desk.declare("validators = 4").await, ErrorCode::InvalidName, "no name");
    let first = desk.declare("name = \"trade\"\nchain_id = 77").await.expect("valid");
    let taken = desk.declare("name = \"trade\"").await;
    refused(taken, ErrorCode::NameTaken, "`trade`");
    let taken = desk.declare("name = \"other\"\nchain_id = 77").await;
    refused(taken, ErrorCode::ChainIdTaken, "77");
    // 4 × 64 run; 8 GiB are 8192 MiB.
    let many: Vec<_> = (0..2).map(|n| format!("name = \"many-{n}\"\nvalidators = 100")).collect();
    let second = desk.declare(&many[0]).await;
    let sum = "100 nodes need 64 MiB each = 6400 MiB, and the networks that run need 6656 MiB: \
               13056 MiB of the machine's 8192 MiB";
    assert!(second.is_ok(), "6656 MiB fit");
    refused(desk.declare(&many[1]).await, ErrorCode::InsufficientMemory, sum);
    assert!(first.warnings.is_empty());
    // What stopped meanwhile is measured again when it is to start.
    let change = desk.may(Action::Change).await;
    assert_eq!(desk.ends(&first).await, OperationState::Succeeded);
    let stop = desk.control.stop(&change, "trade", meta()).await.expect("it runs");
    assert_eq!(desk.ends(&stop).await, OperationState::Succeeded);
    desk.declare("name = \"next\"\nvalidators = 27").await.expect("6400 + 1728 MiB fit");
    let sum = "and the networks that run need 8128 MiB: 8384 MiB of the machine's 8192 MiB";
    refused(desk.control.start(&change, "trade", meta()).await, ErrorCode::InsufficientMemory, sum);
    let gone = desk.destroy("next").await.expect("it is there");
    assert_eq!(desk.ends(&gone).await, OperationState::Succeeded);
    let read = desk.may(Action::Read).await;
    let page = desk.control.networks(&read, None, 1).await.expect("a page");
    assert_eq!(page.items[0].name.as_str(), "many-0");
    let rest = desk.control.networks(&read, page.next_cursor.as_deref(), 1).await.expect("a page");
    assert_eq!((rest.items[0].name.as_str(), rest.next_cursor), ("trade", None));
}

#[tokio::test]
async fn few_validators_are_warned_of() {
    let desk = Desk::open(None).await;
    for (validators, warned) in [(1, true), (2, true), (3, true), (4, false)] {
        let manifest = format!("name = \"n{validators}\"\nvalidators = {validators}");
        let accepted = desk.declare(&manifest).await.expect("valid");
        assert_eq!(!accepted.warnings.is_empty(), warned, "{:?}", accepted.warnings);
        assert_eq!(desk.ends(&accepted).await, OperationState::Succeeded);
    }
}

#[tokio::test]
async fn a_replayed_request_acts_once() {
    let desk = Desk::open(None).await;
    let keyed = |hash: u8| RequestMeta {
        idempotency_key: Some("k".to_owned()),
        request_hash: [hash; 32],
        ..meta()
    };
    let first = desk.declare_with("name = \"trade\"", keyed(1)).await.expect("valid");
    let again = desk.declare_with("name = \"trade\"", keyed(1)).await.expect("the same answer");
    assert_eq!(first, again);
    let other = desk.declare_with("name = \"other\"", keyed(2)).await;
    refused(other, ErrorCode::IdempotencyKeyReused, "`k`");
}

#[tokio::test]
async fn a_destroy_supersedes_a_create_and_is_one_operation() {
    // No gateway answers, and it is waited for: nothing ends before it does.
    let patient =
        Backoff { least_ms: 1, most_ms: 4, healthy_after_ms: 60_000, give_up_after_ms: 60_000 };
    let world = FakeWorld::with(patient, 20_000, Seeded::of_the_machine());
    let desk = Desk::over(world, None).await;
    desk.world.wedged.store(true, Ordering::SeqCst);
    let create = desk.declare("name = \"trade\"").await.expect("valid");
    let stop = desk.control.stop(&desk.may(Action::Change).await, "trade", meta()).await;
    refused(stop, ErrorCode::NetworkBusy, "being created");
    let id = |accepted: &Accepted| accepted.operation.as_ref().map(|one| one.id.clone());
    let applied = desk.apply("trade", "").await.expect("it is on its way");
    assert_eq!(id(&applied), id(&create), "whoever applies waits for the create");
    let destroy = desk.destroy("trade").await.expect("always taken");
    refused(desk.apply("trade", "").await, ErrorCode::NetworkBusy, "being destroyed");
    let again = desk.destroy("trade").await.expect("the same one");
    assert_eq!(id(&destroy), id(&again));
    assert_eq!(desk.ends(&create).await, OperationState::Superseded);
    desk.world.wedged.store(false, Ordering::SeqCst);
    assert_eq!(desk.ends(&destroy).await, OperationState::Succeeded);
    refused(desk.destroy("trade").await, ErrorCode::NetworkNotFound, "`trade`");
    assert!(desk.world.nodes().is_empty());
    assert!(desk.world.keys.lock().unwrap().is_empty());
}

#[tokio::test]
async fn apply_creates_changes_what_can_be_changed_and_refuses_the_rest() {
    let desk = Desk::open(None).await;
    let created = desk.apply("trade", "validators = 4").await.expect("created");
    assert_eq!(desk.ends(&created).await, OperationState::Succeeded);
    let nothing = desk.apply("trade", "validators = 4").await.expect("as it is");
    assert_eq!(nothing.operation, None);
    let before = desk.world.nodes();
    let changed =
        "cors_origins = [\"https://a.example\"]\nsync = \"full\"\n[node_limits]\nmemory_mib = 256";
    let manifest =
        windlass_model::read::toml::<Manifest>(changed, ErrorCode::InvalidSpec).expect("valid");
    let read = desk.may(Action::Read).await;
    let plan = desk.control.plan_apply(&read, "trade", &manifest).await.expect("a plan");
    let ApplyPlan::Update { changes } = plan else { panic!("{plan:?}") };
    let fields: Vec<_> = changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(fields, ["cors_origins", "node_limits", "sync"]);
    let applied = desk.apply("trade", changed).await.expect("applied");
    assert_eq!(applied.operation.as_ref().map(|one| one.kind), Some(OperationKind::Update));
    assert_eq!(desk.ends(&applied).await, OperationState::Succeeded);
    let after = desk.world.nodes();
    assert!(before.iter().all(|(id, pid)| after[id] != *pid), "every node has its new limit");
    let refusal = desk.apply("trade", "gas_limit = 40000000").await;
    refused(refusal, ErrorCode::ImmutableField, "`gas_limit`");
}

#[tokio::test]
async fn the_second_of_two_changes_conflicts() {
    let desk = Desk::open(None).await;
    let created = desk.declare("name = \"trade\"").await.expect("valid");
    assert_eq!(desk.ends(&created).await, OperationState::Succeeded);
    let read = desk.may(Action::Read).await;
    let seen = desk.control.network(&read, "trade").await.expect("there");
    assert_eq!(seen.state, NetworkState::Usable);
    let versioned = || RequestMeta { if_version: Some(seen.resource_version), ..meta() };
    let change = desk.may(Action::Change).await;
    let stop = desk.control.stop(&change, "trade", versioned()).await.expect("as seen");
    refused(
        desk.control.start(&change, "trade", versioned()).await,
        ErrorCode::VersionConflict,
        "resource version",
    );
    assert_eq!(desk.ends(&stop).await, OperationState::Succeeded);
    let blocks = desk.control.blocks(&read, "trade", 5).await.expect_err("it is stopped");
    assert_eq!(blocks.code, ErrorCode::NetworkStopped);
}

#[tokio::test]
async fn a_login_code_works_once() {
    let desk = Desk::open(None).await;
    let code = desk.control.login_code(&desk.actor().await, &meta()).await.expect("a code");
    let session = desk.control.open_session(&code.code, &meta()).await.expect("a session");
    let again = desk.control.open_session(&code.code, &meta()).await.expect_err("it is spent");
    assert_eq!(again.code, ErrorCode::LoginLinkInvalid);
    let actor = desk.control.session(&session.secret).await.expect("it stands for somebody");
    assert_eq!(actor.organizations, desk.actor().await.organizations);
    desk.control.end_session(&session.secret, &meta()).await.expect("ended");
    let ended = desk.control.session(&session.secret).await.expect_err("ended");
    assert_eq!(ended.code, ErrorCode::Unauthenticated);
}

#[tokio::test]
async fn a_repeated_login_is_answered_with_the_same_secret() {
    let desk = Desk::open(None).await;
    let keyed = |key: &str, hash: u8| RequestMeta {
        idempotency_key: Some(key.to_owned()),
        request_hash: [hash; 32],
        ..meta()
    };
    let actor = desk.actor().await;
    let code = async |meta: RequestMeta| desk.control.login_code(&actor, &meta).await;
    let first = code(keyed("a", 1)).await.expect("a code");
    let again = code(keyed("a", 1)).await.expect("the same code");
    assert_eq!((&first.code, first.expires_at_ms), (&again.code, again.expires_at_ms));
    assert_ne!(code(keyed("b", 1)).await.expect("another code").code, first.code);
    assert_ne!(code(meta()).await.expect("another code").code, first.code);
    let reused = code(keyed("a", 2)).await.expect_err("another request");
    assert_eq!(reused.code, ErrorCode::IdempotencyKeyReused);

    let open = async |meta: RequestMeta| desk.control.open_session(&first.code, &meta).await;
    let reused = open(keyed("a", 3)).await.expect_err("the key is a code's");
    assert_eq!(reused.code, ErrorCode::IdempotencyKeyReused);
    let session = open(keyed("c", 3)).await.expect("the code is not spent by what was refused");
    let again = open(keyed("c", 3)).await.expect("the same session");
    assert_eq!((&session.secret, session.expires_at_ms), (&again.secret, again.expires_at_ms));
    for other in [keyed("d", 3), keyed("c", 4), meta()] {
        let spent = open(other).await.expect_err("it is spent");
        assert_eq!(spent.code, ErrorCode::LoginLinkInvalid);
    }
    let spent = code(keyed("a", 1)).await.expect_err("a spent code is not given again");
    assert_eq!(spent.code, ErrorCode::LoginLinkInvalid);
}

fn proposal(reason: &str) -> ProposalRequest {
    ProposalRequest { reason: reason.to_owned(), ..ProposalRequest::default() }
}

#[tokio::test]
async fn what_the_contract_or_a_node_refuses_is_told_in_their_words() {
    let desk = Desk::open(None).await;
    let created = desk.declare("name = \"trade\"").await.expect("valid");
    assert_eq!(desk.ends(&created).await, OperationState::Succeeded);
    let govern = desk.may(Action::Govern).await;
    let change = desk.may(Action::Change).await;
    let barred = desk.control.propose(&change, "trade", proposal("x"), meta()).await;
    refused(barred, ErrorCode::Forbidden, "may not govern");

    let proposed = desk.control.propose(&govern, "trade", proposal("a"), meta()).await;
    let proposed = proposed.expect("the contract would take it");
    assert!(proposed.warnings[0].contains("one vote too many"), "{:?}", proposed.warnings);
    assert_eq!(desk.ends(&proposed).await, OperationState::Succeeded);
    let vote = || VoteRequest { member: None, vote: Voice::Yes };
    let voted = desk.control.vote(&govern, "trade", (1, vote()), meta()).await;
    refused(voted, ErrorCode::AlreadyVoted, "one vote too many");
    let unknown = desk.control.vote(&govern, "trade", (7, vote()), meta()).await;
    refused(unknown, ErrorCode::ProposalNotFound, "no proposal 7");
    let stranger = VoteRequest { member: Some(Named::Id(9)), vote: Voice::No };
    let voted = desk.control.vote(&govern, "trade", (1, stranger), meta()).await;
    refused(voted, ErrorCode::MemberNotFound, "`9`");

    let lacking = proposal("refused by the node");
    let refused = desk.control.propose(&govern, "trade", lacking, meta()).await;
    let refused = refused.expect("the contract would take it");
    assert_eq!(desk.ends(&refused).await, OperationState::Failed);
    let id = refused.operation.expect("an operation").id;
    let read = desk.may(Action::Read).await;
    let reason = desk.control.operation(&read, &id).await.expect("there").reason.expect("why");
    assert_eq!(reason.code, ErrorCode::TransactionRefused);
    assert!(reason.message.contains("it would leave 2 of 4 validators"), "{reason:?}");
    let page = desk.control.proposals(&read, "trade", (None, 5)).await.expect("a page");
    assert_eq!(page.items.len(), 1, "what was refused is on no chain");
}

#[tokio::test]
async fn ballots_are_carried_out_one_after_the_other_and_a_repeated_request_once() {
    let desk = Desk::open(None).await;
    let created = desk.declare("name = \"trade\"").await.expect("valid");
    assert_eq!(desk.ends(&created).await, OperationState::Succeeded);
    let govern = desk.may(Action::Govern).await;
    let keyed = |key: &str| RequestMeta { idempotency_key: Some(key.to_owned()), ..meta() };
    let mut all = Vec::new();
    for key in ["a", "b", "a", "c", "b"] {
        let proposed = desk.control.propose(&govern, "trade", proposal(key), keyed(key)).await;
        all.push(proposed.expect("the contract would take it"));
    }
    for accepted in &all {
        assert_eq!(desk.ends(accepted).await, OperationState::Succeeded);
    }
    let read = desk.may(Action::Read).await;
    let page = desk.control.proposals(&read, "trade", (None, 2)).await.expect("a page");
    let ids = |page: &Page<Proposal>| page.items.iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!((ids(&page), page.next_cursor.as_deref()), (vec![3, 2], Some("2")));
    let cursor = page.next_cursor.as_deref();
    let rest = desk.control.proposals(&read, "trade", (cursor, 2)).await.expect("a page");
    assert_eq!((ids(&rest), rest.next_cursor), (vec![1], None));
    let odd = desk.control.proposals(&read, "trade", (Some("x"), 2)).await.expect_err("no cursor");
    assert_eq!(odd.code, ErrorCode::InvalidRequest);
}

/// What lives under a lease goes with its holder, also if the platform was dead when that went.
#[tokio::test]
async fn a_lease_keeps_a_network_alive() {
    let desk = Desk::open(None).await;
    let lease = LeaseId::from_entropy([7; 10]);
    let folder = desk.world.directory.path().join("leases");
    std::fs::create_dir(&folder).expect("a folder can be made");
    let path = folder.join(lease.as_str());
    refused(desk.declare_under(&lease).await, ErrorCode::LeaseNotHeld, "nobody holds");
    let hold = Hold::make(&path).expect("a lease can be made");
    let created = desk.declare_under(&lease).await.expect("it is held");
    assert_eq!(created.network.lease, Some(lease.clone()));
    assert_eq!(desk.ends(&created).await, OperationState::Succeeded);
    // The holder has it destroyed, and may want another one.
    let destroyed = desk.destroy("trade").await.expect("it is there");
    assert_eq!(desk.ends(&destroyed).await, OperationState::Succeeded);
    let created = desk.declare_under(&lease).await.expect("it is held still");
    assert_eq!(desk.ends(&created).await, OperationState::Succeeded);
    drop(hold);
    desk.vacated().await;
    let receipts = desk.control.receipts().await.expect("they can be read");
    let [receipt, _] = &receipts[..] else { panic!("two receipts: {receipts:?}") };
    let lines = receipt.released.iter().filter(|line| line.kind == ReleasedKind::File);
    let names: Vec<_> = lines.map(|line| line.name.as_str()).collect();
    assert!(names.contains(&path.to_string_lossy().as_ref()), "{names:?}");
    assert!(!path.exists(), "the lease went with it");

    let hold = Hold::make(&path).expect("a lease can be made");
    let created = desk.declare_under(&lease).await.expect("it is held");
    assert_eq!(desk.ends(&created).await, OperationState::Succeeded);
    let world = Arc::clone(&desk.world);
    desk.shutdown.cancel();
    desk.control.close().await;
    drop((desk, hold));
    let desk = Desk::over(world, None).await;
    desk.vacated().await;
    assert_eq!(desk.control.receipts().await.expect("they can be read").len(), 3);
    assert_eq!(desk.world.nodes().len(), 0);
}
