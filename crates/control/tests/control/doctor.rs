//! What is told of a network whose nodes are silent, that nobody listens to, or that does not run.

use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_control::{
    Control,
    service::{Action, Actor, Granted, RequestMeta, authorize},
    world::{Clock as _, MachineClock},
};
use windlass_model::{
    WorkloadId,
    api::Accepted,
    condition::{
        Cause, CheckOutcome, Condition, ConditionKind, ConditionStatus, Diagnosis, Gravity,
    },
    network::{Health, Network, NetworkState, OperationState},
    spec::Manifest,
};

use crate::fake::{FakeWorld, script::Script};

const PATIENCE: Duration = Duration::from_secs(20);
const NAME: &str = "trade";

struct Ward {
    world: Arc<FakeWorld>,
    control: Control,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

impl Ward {
    /// With a network that is usable.
    async fn open() -> Self {
        let world = FakeWorld::new();
        let control = world.open(&Arc::new(Script::new(None, None))).await;
        let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
        control.run(&tracker, &shutdown);
        let ward = Self { world, control, tracker, shutdown };
        let manifest = Manifest { name: NAME.parse().ok(), ..Manifest::default() };
        let create = ward.may(Action::Create).await;
        let declared = ward.control.declare(&create, manifest, meta()).await;
        ward.ends(declared.expect("it is taken")).await;
        ward.until("every node answers", |network| network.health == Health::Healthy).await;
        ward
    }

    async fn may(&self, action: Action) -> Granted {
        let all = self.control.every_organization().await.expect("organizations");
        let organizations = all.into_iter().map(|one| one.id).collect();
        let actor = Actor { id: "token:test".to_owned(), organizations };
        authorize(&actor, action, &actor.organizations[0]).expect("its own")
    }

    async fn ends(&self, accepted: Accepted) {
        let read = self.may(Action::Read).await;
        let id = accepted.operation.expect("an operation").id;
        let ended = self.control.wait_operation(&read, &id, PATIENCE).await.expect("it is there");
        assert_eq!(ended.state, OperationState::Succeeded, "{ended:?}");
        assert_eq!(ended.actor, "token:test");
    }

    async fn show(&self) -> Network {
        self.control.network(&self.may(Action::Read).await, NAME).await.expect("it is there")
    }

    async fn doctor(&self) -> Diagnosis {
        self.control.doctor(&self.may(Action::Read).await, NAME).await.expect("it is examined")
    }

    async fn until(&self, what: &str, is: impl Fn(&Network) -> bool) -> Network {
        let seen = tokio::time::timeout(PATIENCE, async {
            loop {
                let network = self.show().await;
                if is(&network) {
                    return network;
                }
                tokio::task::yield_now().await;
            }
        });
        seen.await.unwrap_or_else(|_| panic!("never: {what}"))
    }

    fn mute(&self, count: usize) -> Vec<WorkloadId> {
        let ids: Vec<WorkloadId> = self.world.nodes().into_keys().take(count).collect();
        self.world.mute.lock().unwrap().extend(ids.clone());
        ids
    }
}

impl Drop for Ward {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn meta() -> RequestMeta {
    RequestMeta {
        idempotency_key: None,
        request_hash: [1; 32],
        if_version: None,
        now_ms: MachineClock.now_ms(),
    }
}

fn of(conditions: &[Condition], kind: ConditionKind) -> &Condition {
    conditions.iter().find(|one| one.kind == kind).expect("every condition is told")
}

fn usable(network: &Network) -> &Condition {
    of(&network.conditions, ConditionKind::Usable)
}

#[tokio::test]
async fn a_network_that_is_well_is_told_so_with_what_was_asked() {
    let ward = Ward::open().await;
    let said = ward.doctor().await;
    // The fake's nodes tell no version, as those of earlier ones.
    let wrong: Vec<ConditionKind> = said.findings.iter().map(|one| one.kind).collect();
    assert_eq!(wrong, [ConditionKind::VersionsAgree], "{said:#?}");
    let names: Vec<&str> = said.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(
        names,
        ["processes", "validator-0", "validator-1", "validator-2", "validator-3", "endpoint"]
    );
    for check in &said.checks {
        assert_eq!(check.outcome, CheckOutcome::Passed, "{check:?}");
    }
    let shown = ward.show().await;
    assert_eq!(usable(&shown).status, ConditionStatus::True);
    assert_eq!(of(&said.conditions, ConditionKind::EndpointAnswers).status, ConditionStatus::True);
}

#[tokio::test]
async fn nodes_that_fall_silent_are_found_at_once_and_told_on_the_object_too() {
    let ward = Ward::open().await;
    ward.mute(1);
    let said = ward.doctor().await;
    let one = of(&said.findings, ConditionKind::NodesAnswer);
    assert_eq!((one.cause, one.gravity), (Cause::Unresponsive, Gravity::Warning), "{one:?}");
    assert_eq!(one.nodes.len(), 1);
    assert_eq!(of(&said.conditions, ConditionKind::Usable).status, ConditionStatus::True);
    assert!(said.checks.iter().any(|check| check.outcome == CheckOutcome::Failed));

    ward.mute(2);
    let said = ward.doctor().await;
    let worst = said.findings.first().expect("something is wrong");
    assert_eq!((worst.kind, worst.gravity), (ConditionKind::Usable, Gravity::Critical));
    let shown = ward.show().await;
    assert_eq!(
        (shown.health, usable(&shown).status),
        (Health::Unavailable, ConditionStatus::False)
    );
    assert!(usable(&shown).says_as(worst), "the doctor and the object say the same");

    ward.world.mute.lock().unwrap().clear();
    ward.doctor().await;
    let shown = ward.show().await;
    assert_eq!(usable(&shown).status, ConditionStatus::True);
}

#[tokio::test]
async fn a_network_that_nobody_listens_to_is_not_told_as_usable() {
    let ward = Ward::open().await;
    // Whatever listens is dead; the rows still say that it is usable.
    ward.shutdown.cancel();
    ward.tracker.close();
    tokio::time::timeout(PATIENCE, ward.tracker.wait()).await.expect("all tasks end");
    let before = ward.show().await;
    assert_eq!((before.state, before.health), (NetworkState::Usable, Health::Healthy));
    ward.world.clock.step(60);
    let after = ward.show().await;
    assert_eq!(after.state, NetworkState::Usable);
    assert_eq!(after.health, Health::Unknown);
    let usable = usable(&after);
    assert_eq!((usable.status, usable.cause), (ConditionStatus::Unknown, Cause::NotHeard));
    assert_eq!(Some(usable.since_ms), before.answered_at_ms, "since its last answer");
    assert_eq!(after.answered_at_ms, before.answered_at_ms);
}

#[tokio::test]
async fn one_that_is_stopped_or_sleeps_is_told_so_and_nobody_is_woken() {
    let ward = Ward::open().await;
    let change = ward.may(Action::Change).await;
    for (state, summary) in [
        (NetworkState::Sleeping, "`trade` sleeps, and nothing is wrong with it"),
        (NetworkState::Stopped, "`trade` is stopped, and nothing is wrong with it"),
    ] {
        let done = match state {
            NetworkState::Sleeping => ward.control.sleep(&change, NAME, meta()).await,
            _ => ward.control.stop(&change, NAME, meta()).await,
        };
        ward.ends(done.expect("it is taken")).await;
        let said = ward.doctor().await;
        assert!(said.summary.starts_with(summary), "{}", said.summary);
        assert_eq!((said.gravity, said.findings.len()), (Gravity::None, 0), "{said:#?}");
        assert_eq!(said.checks.len(), 1);
        assert_eq!(said.checks[0].outcome, CheckOutcome::Skipped);
        assert_eq!(ward.show().await.state, state);
        assert!(ward.world.nodes().is_empty(), "nothing was started");
    }
}
