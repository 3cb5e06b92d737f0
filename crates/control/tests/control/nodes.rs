//! Nodes that come and go, good and bad, over the fake world.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_control::{
    Control,
    service::{Action, Actor, Granted, RequestMeta, authorize},
    world::{Clock as _, MachineClock},
};
use windlass_model::{
    ErrorCode, Problem,
    api::Accepted,
    governance::{Action as Proposed, Named, ProposalRequest},
    network::{Health, NodeRole, NodesRequest, Operation, OperationKind, OperationState},
    spec::Manifest,
};

use crate::fake::{FakeWorld, script::Script};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

struct Desk {
    world: Arc<FakeWorld>,
    control: Control,
    shutdown: CancellationToken,
}

type Answer = Result<Accepted, Box<Problem>>;

impl Desk {
    /// A platform with a network of four.
    async fn open() -> Self {
        let world = FakeWorld::new();
        let control = world.open(&Arc::new(Script::new(None, None))).await;
        let shutdown = CancellationToken::new();
        control.run(&TaskTracker::new(), &shutdown);
        let desk = Self { world, control, shutdown };
        let manifest = Manifest { name: Some("trade".parse().unwrap()), ..Manifest::default() };
        let create = desk.may(Action::Create).await;
        let created = desk.control.declare(&create, manifest, meta()).await;
        desk.ends(created).await;
        desk
    }

    async fn may(&self, action: Action) -> Granted {
        let all = self.control.every_organization().await.expect("organizations");
        let organizations: Vec<_> = all.into_iter().map(|one| one.id).collect();
        let actor = Actor { id: "token:test".to_owned(), organizations: organizations.clone() };
        authorize(&actor, action, &organizations[0]).expect("its own")
    }

    async fn add(&self, network: &str, member: &str, count: u32) -> Answer {
        let request = NodesRequest { member: member.to_owned(), count };
        let change = self.may(Action::Change).await;
        self.control.add_nodes(&change, network, request, meta()).await
    }

    async fn remove(&self, network: &str, node: &str) -> Answer {
        let destroy = self.may(Action::Destroy).await;
        self.control.remove_node(&destroy, (network, node), meta()).await
    }

    async fn ends(&self, answer: Answer) -> Operation {
        let accepted = answer.expect("it is accepted");
        let read = self.may(Action::Read).await;
        let id = accepted.operation.expect("an operation").id;
        let ended = self.control.wait_operation(&read, &id, PATIENCE).await.expect("it is there");
        assert_eq!(ended.state, OperationState::Succeeded, "{ended:#?}");
        ended
    }
}

impl Drop for Desk {
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

#[track_caller]
fn refused(answer: Answer, code: ErrorCode, detail: &str) {
    let problem = answer.expect_err("it is refused");
    assert_eq!(problem.code, code, "{problem:?}");
    assert!(problem.detail.contains(detail), "{}", problem.detail);
    assert!(!problem.hint.is_empty());
}

#[tokio::test]
async fn what_cannot_be_added_or_removed_is_refused_with_the_reason() {
    let desk = Desk::open().await;
    refused(desk.add("nope", "default", 1).await, ErrorCode::NetworkNotFound, "`nope`");
    refused(desk.add("trade", "Not A Name", 1).await, ErrorCode::InvalidName, "has the character");
    refused(desk.add("trade", "default", 0).await, ErrorCode::InvalidRequest, "no node");
    refused(desk.add("trade", "default", 97).await, ErrorCode::TooManyNodes, "may have 100");
    refused(desk.add("trade", "default", u32::MAX).await, ErrorCode::TooManyNodes, "4 nodes");
    let fit = "a member may have 16, so that 16 more fit";
    refused(desk.add("trade", "default", 17).await, ErrorCode::TooManyObservers, fit);
    // 8 GiB and 64 MiB a node: what is declared beside it takes most of them.
    for (name, validators) in [("large", 100), ("small", 9)] {
        let manifest = format!("name = \"{name}\"\nvalidators = {validators}");
        let manifest: Manifest =
            windlass_model::read::toml(&manifest, ErrorCode::InvalidSpec).expect("valid");
        let create = desk.may(Action::Create).await;
        desk.control.declare(&create, manifest, meta()).await.expect("7232 MiB fit");
    }
    let sum = "20 nodes need 64 MiB each = 1280 MiB, and the networks that run need 6976 MiB";
    refused(desk.add("trade", "default", 16).await, ErrorCode::InsufficientMemory, sum);
    refused(desk.remove("trade", "validator-9").await, ErrorCode::NodeNotFound, "validator-9");
    let seated = desk.remove("trade", "validator-3").await;
    let hint = seated.as_ref().map_err(|problem| problem.hint.clone()).unwrap_err();
    assert!(hint.contains("propose trade remove-validator validator-3"), "{hint}");
    refused(seated, ErrorCode::NodeVotes, "validator-3 is a validator");
    let read = desk.may(Action::Read).await;
    let barred = NodesRequest { member: "default".to_owned(), count: 1 };
    let barred = desk.control.add_nodes(&read, "trade", barred, meta()).await;
    refused(barred, ErrorCode::Forbidden, "may not change");
    let change = desk.may(Action::Change).await;
    desk.ends(desk.control.stop(&change, "trade", meta()).await).await;
    refused(desk.add("trade", "default", 1).await, ErrorCode::NetworkStopped, "does not run");
    refused(desk.remove("trade", "validator-3").await, ErrorCode::NetworkStopped, "not run");
    assert_eq!(desk.control.nodes(&read, "trade").await.expect("nodes").len(), 4);
}

#[tokio::test]
async fn an_organization_that_is_no_member_gets_nodes_and_an_account() {
    let desk = Desk::open().await;
    let keys = desk.world.keys.lock().unwrap().len();
    let added = desk.ends(desk.add("trade", "delta", 2).await).await;
    assert_eq!((added.kind, added.nodes.len()), (OperationKind::AddNodes, 2));
    // As validators the two would be missing of six, of whom five have to vote.
    let next =
        "windlass network propose trade add-member delta --observer-node validator-4 validator-5";
    assert_eq!(added.next.as_deref(), Some(next));
    let steps: Vec<_> = added.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(steps, ["keys", "processes"]);
    assert_eq!(desk.world.keys.lock().unwrap().len(), keys + 5, "two of each, and an account's");
    let read = desk.may(Action::Read).await;
    let nodes = desk.control.nodes(&read, "trade").await.expect("nodes");
    assert_eq!((nodes[4].role, nodes[4].member.as_str()), (NodeRole::Unnamed, "delta"));
    assert_eq!((nodes[0].role, nodes[0].voting), (NodeRole::Validator, Some(true)));
    let network = desk.control.network(&read, "trade").await.expect("it is there");
    assert_eq!((network.health, network.voting_validators), (Health::Healthy, Some(4)));

    // What the members would vote on has what the rows say.
    let action = Proposed::AddMemberNodes {
        organization: "delta".to_owned(),
        endpoint: String::new(),
        nodes: added.nodes.clone(),
        observer_nodes: Vec::new(),
    };
    let request = |action| ProposalRequest { actions: vec![action], ..ProposalRequest::default() };
    let plan =
        desk.control.plan_propose(&read, "trade", request(action), &meta()).await.expect("a plan");
    let words = &plan.words[0];
    assert!(words.contains("add the member `delta` with the account 0x"), "{words}");
    assert!(words.contains("2 validators and 0 observers"), "{words}");
    let action = Proposed::AddMemberNodes {
        organization: "delta".to_owned(),
        endpoint: String::new(),
        nodes: Vec::new(),
        observer_nodes: added.nodes.clone(),
    };
    let plan =
        desk.control.plan_propose(&read, "trade", request(action), &meta()).await.expect("a plan");
    assert!(plan.words[0].contains("0 validators and 2 observers"), "{:?}", plan.words);
    let wrong = |member: &str, node: &str| {
        let nodes = vec![node.to_owned()];
        request(Proposed::AddValidatorNodes { member: Named::Name(member.to_owned()), nodes })
    };
    for (request, code, detail) in [
        (wrong("default", "validator-4"), ErrorCode::InvalidRequest, "a node of `delta`"),
        (wrong("default", "validator-9"), ErrorCode::NodeNotFound, "validator-9"),
        (wrong("delta", "validator-4"), ErrorCode::MemberNotFound, "`delta`"),
    ] {
        let problem =
            desk.control.plan_propose(&read, "trade", request, &meta()).await.expect_err("odd");
        assert_eq!(problem.code, code, "{problem:?}");
        assert!(problem.detail.contains(detail), "{}", problem.detail);
    }

    let removed = desk.ends(desk.remove("trade", "validator-4").await).await;
    assert_eq!(removed.receipt.expect("a receipt").released.len(), 8);
    desk.ends(desk.add("trade", "delta", 1).await).await;
    let nodes = desk.control.nodes(&read, "trade").await.expect("nodes");
    let names: Vec<_> = nodes[4..].iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["validator-5", "validator-6"], "no name comes back");
    assert_eq!(desk.world.keys.lock().unwrap().len(), keys + 5, "and the account stays");
    let destroy = desk.may(Action::Destroy).await;
    desk.ends(desk.control.destroy(&destroy, "trade", meta()).await).await;
    assert!(desk.world.keys.lock().unwrap().is_empty());
}
