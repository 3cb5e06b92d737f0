//! Golden plans: what is observed on the left, what is to be done on the right.

use std::collections::{BTreeMap, BTreeSet};

use windlass_engine::{
    NodeReport, Seat,
    governance::{MemberFacts, Roll},
    windlass::WindlassEngine,
};
use windlass_model::{
    ErrorCode, KeyId, NodeId, OperationId, OrganizationId, WorkloadId,
    api::Organization,
    governance::SeatState,
    network::{
        BlockRef, Intent, NetworkState, NodesRequest, OperationKind, OperationState, Reason,
    },
    spec::Manifest,
    workload::Desired,
};
use windlass_substrate::{ExitRecord, Instance, InstanceState, Running, fingerprint};

use super::{
    Backoff, Observation, change, declare, describe, nodes,
    plan::{Action, Errand, plan},
    teardown,
};
use crate::{
    monitor::LiveNode,
    operation,
    store::rows::{
        AccountRow, Leaving, ProcessRef, Record, Registration, Standing, StoredTransaction,
        TeardownRecord,
    },
    world::{
        Engines, EveryPointPassed, HttpWire, LoopbackPorts, MachineClock, MachineEntropy,
        VaultKeys, World,
    },
};

const NOW_MS: u64 = 1_000_000;

struct Case {
    observed: Observation,
    world: World,
    _directory: tempfile::TempDir,
}

/// A network that was just declared, and nothing else.
fn declared() -> Case {
    let directory = tempfile::tempdir().unwrap();
    let vault = windlass_keys::vault::Vault::open(directory.path().join("keys")).unwrap();
    let world = World {
        substrate: std::sync::Arc::new(windlass_substrate::fake::FakeSubstrate::new()),
        engines: Engines::default(),
        keys: std::sync::Arc::new(VaultKeys::new(std::sync::Arc::new(vault))),
        wire: std::sync::Arc::new(HttpWire),
        ports: std::sync::Arc::new(LoopbackPorts),
        clock: std::sync::Arc::new(MachineClock),
        entropy: std::sync::Arc::new(MachineEntropy),
        points: std::sync::Arc::new(EveryPointPassed),
    };
    let organization =
        Organization { id: OrganizationId::from_entropy([1; 10]), name: "acme".parse().unwrap() };
    let name = Some("trade".parse().unwrap());
    let manifest = Manifest { name, ..Manifest::default() };
    let record = declare::declare(&world, &organization, &manifest, 77, NOW_MS).unwrap().record;
    let observed = Observation {
        now_ms: NOW_MS,
        installation: "test".to_owned(),
        vault: directory.path().to_owned(),
        backoff: Backoff::default(),
        record,
        instances: BTreeMap::new(),
        live: BTreeMap::new(),
        offered_ports: vec![4001, 4002, 4003, 4004],
        held_keys: BTreeSet::new(),
        errands: BTreeMap::new(),
    };
    Case { observed, world, _directory: directory }
}

impl Case {
    fn record(&mut self) -> &mut Record {
        &mut self.observed.record
    }

    /// Keys, ports and genesis are there.
    fn founded(self) -> Self {
        self.keyed().born()
    }

    /// Every node has keys and a port, every account its address.
    fn keyed(mut self) -> Self {
        for (index, node) in (0u8..).zip(&mut self.observed.record.nodes) {
            node.node_key.public = Some([index; 32]);
            node.consensus_key.public = Some([index + 100; 32]);
            node.port = Some(4001 + u16::from(index));
        }
        for account in &mut self.observed.record.network.status.accounts {
            account.address = Some(format!("0x{}", "ac".repeat(20)));
        }
        self
    }

    fn born(mut self) -> Self {
        let network = &mut self.observed.record.network;
        network.genesis = Some("{}".to_owned());
        network.status.genesis_hash = Some("0xaa".to_owned());
        network.status.test_transaction = Some(StoredTransaction {
            method: "send".to_owned(),
            params: serde_json::Value::Null,
            hash: "0xbb".to_owned(),
        });
        network.state = NetworkState::Creating;
        self
    }

    /// The nodes run, as process 100 and up.
    fn running(mut self) -> Self {
        for index in 0..self.observed.record.nodes.len() {
            let node = self.observed.record.nodes[index].clone();
            let wanted =
                describe::workload(&self.observed, &WindlassEngine, &node, Desired::Running)
                    .unwrap();
            let running = process(index);
            let instance = Instance {
                id: wanted.id.clone(),
                labels: wanted.labels.clone(),
                fingerprint: fingerprint(&wanted),
                state: InstanceState::Running(running.clone()),
                ports: wanted.ports.clone(),
                sockets: BTreeMap::new(),
                directory: None,
                layers: Vec::new(),
            };
            self.observed.instances.insert(wanted.id.clone(), instance);
            let ProcessRef { pid, start_time_ticks } = (&running).into();
            self.observed.record.nodes[index].status.process =
                Some(ProcessRef { pid, start_time_ticks });
        }
        self
    }

    /// The nodes say that they are connected with so many and have this tip.
    fn saying(mut self, connected: u32, height: u64) -> Self {
        for index in 0..4 {
            let report = NodeReport {
                revision: 1,
                genesis_hash: "0xaa".to_owned(),
                chain_id: 77,
                tip: BlockRef { number: height, hash: format!("0x{height}") },
                connected_validators: connected,
                quorum: 3,
                validators: 4,
                seat: Seat::Votes,
                syncing: false,
                highest: height,
                stalled: None,
            };
            let id = self.observed.record.nodes[index].id.clone();
            let process = Some(process(index));
            let live = LiveNode { process, report: Some(report), ..LiveNode::default() };
            self.observed.live.insert(id, live);
        }
        self
    }

    /// A node says what it is and how far.
    fn said(mut self, index: usize, seat: Seat, height: u64) -> Self {
        let process = process(index);
        let connected = if seat == Seat::Unnamed { 0 } else { 4 };
        let stalled = (NOW_MS, "no member has named its node key".to_owned());
        let report = NodeReport {
            revision: 1,
            genesis_hash: "0xaa".to_owned(),
            chain_id: 77,
            tip: BlockRef { number: height, hash: format!("0x{height}") },
            connected_validators: connected,
            quorum: 3,
            validators: 4,
            syncing: false,
            highest: height,
            stalled: (seat == Seat::Unnamed).then_some(stalled),
            seat,
        };
        let id = self.observed.record.nodes[index].id.clone();
        let live = LiveNode { process: Some(process), report: Some(report), ..LiveNode::default() };
        self.observed.live.insert(id, live);
        self
    }

    /// A member, or an organization that is none, is to have one more node.
    fn adding(mut self, organization: &str) -> Self {
        let member = MemberFacts {
            id: 1,
            state: SeatState::Active,
            account: format!("0x{}", "ac".repeat(20)),
            organization: "acme".to_owned(),
            endpoint: String::new(),
        };
        let roll = Roll { members: vec![member], ..Roll::default() };
        let request = NodesRequest { member: organization.to_owned(), count: 1 };
        let world = self.world.clone();
        let addition = nodes::addition(self.record(), &roll, &request).unwrap();
        let names = nodes::add(&world, self.record(), &addition, NOW_MS);
        self = self.asked(OperationKind::AddNodes);
        nodes::tell(self.record(), &addition, names, NOW_MS);
        self
    }

    /// The operation by which a member does something about the node is in this state.
    fn errand(mut self, errand: Errand, state: OperationState) -> Self {
        let id = OperationId::from_entropy([6; 10]);
        let network = self.observed.record.network.clone();
        let object = (&network.organization, &network.id, &network.name);
        let mut operation =
            operation::begin(id.clone(), object, OperationKind::AddObserver, NOW_MS);
        operation.state = state;
        let status = &mut self.record().nodes[4].status;
        let registration = match errand {
            Errand::Register => status.registration.as_mut(),
            Errand::Withdraw => status.leaving.as_mut().and_then(|one| one.withdrawal.as_mut()),
        };
        registration.unwrap().operation = Some(id.clone());
        self.observed.errands.insert(id, operation);
        self
    }

    /// The create is over.
    fn usable(mut self) -> Self {
        self.record().network.state = NetworkState::Usable;
        self.record().network.operation = None;
        self
    }

    fn asked(mut self, kind: OperationKind) -> Self {
        let id = OperationId::from_entropy([5; 10]);
        change::begin(self.record(), kind, id, NOW_MS);
        self
    }

    /// A node ended.
    fn ended(mut self, index: usize, reason: &str) -> Self {
        let id = WorkloadId::of_node(&self.observed.record.nodes[index].id);
        let exit = ExitRecord {
            code: None,
            signal: Some(9),
            reason: reason.to_owned(),
            at_ms: NOW_MS,
            pid: None,
        };
        let instance = self.observed.instances.get_mut(&id).unwrap();
        instance.state = InstanceState::Stopped { exit: Some(exit) };
        self
    }

    #[track_caller]
    fn check(&self, expect: &str) {
        let plan = plan(&self.observed, &WindlassEngine);
        let mut lines: Vec<String> = plan.actions.iter().map(|action| self.line(action)).collect();
        if let Some(at_ms) = plan.wake_at_ms {
            lines.push(format!("wake in {} ms", at_ms - NOW_MS));
        }
        let expect: Vec<&str> = expect.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        assert_eq!(lines, expect);
    }

    fn line(&self, action: &Action) -> String {
        let nodes = &self.observed.record.nodes;
        let name =
            |id: &NodeId| nodes.iter().find(|node| node.id == *id).map_or("?", |node| &node.name);
        let key = |key: &KeyId| {
            let owner =
                nodes.iter().find(|node| node.node_key.id == *key || node.consensus_key.id == *key);
            let account = |account: &AccountRow| account.key.as_ref() == Some(key);
            let mut accounts = self.observed.record.accounts().filter(|(_, one)| account(one));
            let member = accounts.next().map(|(name, _)| name.as_str());
            owner.map(|node| node.name.as_str()).or(member).unwrap_or("?")
        };
        match action {
            Action::SetState(state) => format!("state {state:?}"),
            Action::Reach(step) => format!("step {step}"),
            Action::Detail(text) => format!("detail {text}"),
            Action::Explain(reason) => {
                format!("explain {:?}", reason.as_ref().map(|reason| &reason.message))
            }
            Action::NoteStarted { node, process } => {
                format!("{} runs as {}", name(node), process.pid)
            }
            Action::NoteEnded { node, reason, retry_at_ms } => format!(
                "{} is down ({}), again in {} ms",
                name(node),
                reason.message,
                retry_at_ms - NOW_MS
            ),
            Action::NoteHealthy(node) => format!("{} is healthy", name(node)),
            Action::NoteStopped(node) => format!("{} is stopped", name(node)),
            Action::ChoosePort { node, port } => format!("port {port} for {}", name(node)),
            Action::Inventory(things) => format!("inventory of {} things", things.len()),
            Action::NoteStanding { node, standing } => {
                format!("{} is {standing:?}", name(node))
            }
            Action::NodeInventory { node, things } => {
                format!("inventory of {} things of {}", things.len(), name(node))
            }
            Action::Declare { node, errand } => format!("declare {errand:?} {}", name(node)),
            Action::NoteDone { node, errand } => format!("done {errand:?} {}", name(node)),
            Action::GiveUp { node, errand, reason } => {
                format!("give up {errand:?} {} ({})", name(node), reason.message)
            }
            Action::ReleaseNode(node) => format!("release {}", name(node)),
            Action::CreateKey { node, purpose, .. } => {
                format!("create {purpose} key of {}", name(node))
            }
            Action::CreateAccount { member, .. } => {
                let whose = self.observed.record.accounts().nth(*member);
                format!("create account key of {}", whose.unwrap().0)
            }
            Action::Ensure { node, workload } => {
                format!("ensure {} {:?}", name(node), workload.desired)
            }
            Action::Remove(id) => {
                let node = nodes.iter().find(|node| WorkloadId::of_node(&node.id) == *id);
                format!("remove {}", node.map_or("?", |node| &node.name))
            }
            Action::DestroyKey(id) => format!("destroy a key of {}", key(id)),
            Action::Conclude(state) => format!("conclude {state:?}"),
            Action::MakeGenesis
            | Action::SendTest
            | Action::CollectEvidence
            | Action::Publish
            | Action::ProbeEndpoint
            | Action::Release => format!("{action:?}"),
        }
    }
}

fn process(index: usize) -> Running {
    let pid = 100 + u32::try_from(index).unwrap();
    Running { pid, start_time_ticks: 1, started_at_ms: NOW_MS - 1_000, ready: true }
}

#[test]
fn a_declared_network_gets_keys_ports_and_genesis() {
    declared().check(
        "state Creating
         step keys
         create node key of validator-0
         create consensus key of validator-0
         create node key of validator-1
         create consensus key of validator-1
         create node key of validator-2
         create consensus key of validator-2
         create node key of validator-3
         create consensus key of validator-3
         create account key of acme
         step genesis
         port 4001 for validator-0
         port 4002 for validator-1
         port 4003 for validator-2
         port 4004 for validator-3
         MakeGenesis
         step processes",
    );
}

#[test]
fn a_founded_network_is_started_and_proved() {
    declared().founded().check(
        "state Creating
         ensure validator-0 Running
         ensure validator-1 Running
         ensure validator-2 Running
         ensure validator-3 Running
         step processes",
    );
    declared().founded().running().check(
        "state Creating
         step peers
         detail 0 of 4 nodes answer
         wake in 3000 ms",
    );
    declared().founded().running().saying(3, 0).check(
        "state Creating
         step peers
         detail validator-0 is connected with 3 of 4 nodes
         wake in 3000 ms",
    );
    declared().founded().running().saying(4, 0).check(
        "state Creating
         step test transaction
         SendTest
         detail 0 of 4 nodes have the first block
         wake in 500 ms",
    );
    declared().founded().running().saying(4, 1).check(
        "state Creating
         step test transaction
         CollectEvidence
         step endpoint
         Publish
         ProbeEndpoint
         conclude Usable",
    );
}

#[test]
fn what_runs_is_adopted() {
    let mut case = declared().founded().running();
    case.record().nodes[1].status.process = None;
    case.check(
        "state Creating
         validator-1 runs as 101
         step peers
         detail 0 of 4 nodes answer
         wake in 3000 ms",
    );
}

#[test]
fn a_usable_network_at_rest_needs_nothing() {
    declared().founded().running().saying(4, 9).usable().check("");
}

#[test]
fn a_node_that_ended_is_started_again_after_a_pause() {
    let case = declared().founded().running().saying(4, 9).usable().ended(2, "killed");
    case.check(
        "validator-2 is down (validator-2 ended with signal 9: killed), again in 250 ms
         wake in 250 ms",
    );
    let mut case = case;
    case.record().nodes[2].status.process = None;
    case.record().nodes[2].status.failures = 3;
    case.record().nodes[2].status.retry_at_ms = NOW_MS + 70;
    case.check("wake in 70 ms");
    case.record().nodes[2].status.retry_at_ms = NOW_MS;
    case.check("ensure validator-2 Running");
}

#[test]
fn a_node_with_a_damaged_ledger_holds_up_no_start_of_the_others() {
    let with_damaged = |damaged: &[usize]| {
        let case = declared().founded().running().saying(4, 9).usable();
        let mut case = case.asked(OperationKind::Start);
        for index in damaged {
            case = case.ended(*index, "a page");
            let status = &mut case.record().nodes[*index].status;
            status.process = None;
            status.retry_at_ms = NOW_MS + 70;
            let (message, remedy) = ("damaged".to_owned(), "repair it".to_owned());
            let code = ErrorCode::LedgerDamaged;
            status.reason = Some(Reason { code, message, remedy, since_ms: NOW_MS });
        }
        case
    };
    with_damaged(&[2]).check(
        "state Starting
         step endpoint
         Publish
         ProbeEndpoint
         conclude Usable
         wake in 70 ms",
    );
    with_damaged(&[1, 2]).check(
        "state Starting
         explain Some(\"damaged\")
         step processes
         wake in 70 ms",
    );
}

#[test]
fn a_taken_port_is_replaced_and_all_peers_learn_of_it() {
    let mut case = declared().founded().running().saying(4, 9).usable();
    case.record().nodes[0].status.port_taken = true;
    case.observed.offered_ports = vec![5001];
    case.check(
        "port 5001 for validator-0
         step processes",
    );
    let mut case = declared().founded().running().saying(4, 9).usable();
    case.record().nodes[0].port = Some(5001);
    // One at a time, while the network is in use and the others answer.
    case.check("ensure validator-0 Running");
}

#[test]
fn a_stop_ends_the_processes_and_a_start_brings_them_back() {
    declared().founded().running().saying(4, 9).usable().asked(OperationKind::Stop).check(
        "state Stopping
         Publish
         step processes
         ensure validator-0 Stopped
         ensure validator-1 Stopped
         ensure validator-2 Stopped
         ensure validator-3 Stopped",
    );
    let mut case = declared().founded().usable();
    case.record().network.intent = Intent::Stopped;
    case.record().network.state = NetworkState::Stopped;
    case.check("");
    case.asked(OperationKind::Start).check(
        "state Starting
         ensure validator-0 Running
         ensure validator-1 Running
         ensure validator-2 Running
         ensure validator-3 Running
         step processes",
    );
    declared().founded().running().saying(3, 9).usable().asked(OperationKind::Start).check(
        "state Starting
         step endpoint
         Publish
         ProbeEndpoint
         conclude Usable",
    );
}

#[test]
fn a_destroy_takes_the_row_last() {
    let case = declared().founded().running().saying(4, 9).usable().asked(OperationKind::Destroy);
    case.check(
        "state Destroying
         inventory of 18 things
         step endpoint
         Publish
         step processes",
    );
}

/// A network at rest, with one node more that has keys and a port.
fn with_one_more(organization: &str) -> Case {
    declared().founded().running().saying(4, 9).usable().adding(organization).keyed()
}

#[test]
fn an_added_node_gets_keys_and_a_port_and_nobody_is_restarted() {
    declared().founded().running().saying(4, 9).usable().adding("acme").check(
        "step keys
         create node key of validator-4
         create consensus key of validator-4
         step genesis
         port 4001 for validator-4
         step processes",
    );
    declared().founded().running().saying(4, 9).usable().adding("delta").check(
        "step keys
         create node key of validator-4
         create consensus key of validator-4
         create account key of delta
         step genesis
         port 4001 for validator-4
         step processes",
    );
    with_one_more("acme").check(
        "state Usable
         ensure validator-4 Running
         step processes
         detail 0 of 1 nodes answer
         wake in 3000 ms",
    );
}

#[test]
fn an_added_node_is_registered_when_it_answers_and_waited_for_until_it_follows() {
    let answering = || with_one_more("acme").running().said(4, Seat::Unnamed, 0);
    answering().check(
        "state Usable
         declare Register validator-4
         step registration
         detail 0 of 1 nodes are registered
         wake in 3000 ms",
    );
    answering().errand(Errand::Register, OperationState::Running).check(
        "state Usable
         step registration
         detail 0 of 1 nodes are registered
         wake in 3000 ms",
    );
    answering().errand(Errand::Register, OperationState::Succeeded).check(
        "state Usable
         done Register validator-4
         step registration
         detail 0 of 1 nodes are registered
         wake in 3000 ms",
    );
    answering().errand(Errand::Register, OperationState::Failed).check(
        "state Usable
         give up Register validator-4 (op-0r30c1g60r30c1g6 was not carried out)",
    );
    let follows = || Seat::Follows("not a validator".to_owned());
    let registered = |height| {
        let mut case = with_one_more("acme").running().said(4, follows(), height);
        case.record().nodes[4].status.registration.as_mut().unwrap().done = true;
        case.record().nodes[4].status.standing = Some(Standing::Follower);
        case
    };
    registered(3).check(
        "state Usable
         step blocks
         detail validator-4: block 3 of 9
         wake in 3000 ms",
    );
    registered(8).check(
        "state Usable
         conclude Usable",
    );
    // Nobody names the node of an organization that is no member yet: that it runs is all.
    with_one_more("delta").running().said(4, Seat::Unnamed, 0).check(
        "state Usable
         conclude Usable",
    );
}

#[test]
fn a_start_waits_for_validators_and_not_for_nodes_that_nobody_named() {
    let mut case = with_one_more("delta").running().usable().asked(OperationKind::Start);
    case.record().nodes[4].status.process = None;
    case.record().nodes[4].status.retry_at_ms = NOW_MS + 70;
    case.record().nodes[4].status.failures = 3;
    let mut case = case.ended(4, "it does not start");
    case.check(
        "state Starting
         step endpoint
         Publish
         ProbeEndpoint
         conclude Usable
         wake in 70 ms",
    );
    case.record().nodes[4].status.standing = Some(Standing::Validator);
    case.check(
        "state Starting
         step processes
         wake in 70 ms",
    );
}

#[test]
fn what_a_node_is_to_the_members_is_noted_when_it_says_so() {
    let mut case = declared().founded().running().saying(4, 9).usable();
    let follows = Seat::Follows("not a validator".to_owned());
    case = case.said(3, follows, 9);
    case.check("validator-3 is Follower");
    case.record().nodes[3].status.standing = Some(Standing::Follower);
    case.check("");
}

#[test]
fn a_node_that_goes_is_taken_back_by_its_member_and_its_row_goes_last() {
    let mut case = with_one_more("acme").running().usable().asked(OperationKind::RemoveNode);
    case.record().nodes[4].status.standing = Some(Standing::Follower);
    let withdrawal = case.record().nodes[4].status.registration.clone();
    let leaving = Leaving { withdrawal, teardown: None };
    case.record().nodes[4].status.leaving = Some(leaving);
    case.check(
        "step registration
         declare Withdraw validator-4
         state Usable",
    );
    let refused = case.errand(Errand::Withdraw, OperationState::Failed);
    refused.check(
        "step registration
         give up Withdraw validator-4 (op-0r30c1g60r30c1g6 was not carried out)
         state Usable",
    );
    let mut case = refused;
    let leaving = case.record().nodes[4].status.leaving.as_mut().unwrap();
    leaving.withdrawal = leaving.withdrawal.clone().map(|one| Registration { done: true, ..one });
    case.check(
        "step processes
         inventory of 4 things of validator-4
         state Usable",
    );
    let teardown = || TeardownRecord::default();
    case.record().nodes[4].status.leaving.as_mut().unwrap().teardown = Some(teardown());
    case.check(
        "step processes
         remove validator-4
         state Usable",
    );
    let id = WorkloadId::of_node(&case.record().nodes[4].id);
    case.observed.instances.remove(&id);
    let removed = TeardownRecord { removed: vec![id], ..teardown() };
    case.record().nodes[4].status.leaving.as_mut().unwrap().teardown = Some(removed);
    case.check(
        "step keys
         destroy a key of validator-4
         destroy a key of validator-4
         step records
         release validator-4
         state Usable",
    );
}

#[test]
fn nobody_is_configured_anew_because_a_node_came_or_went() {
    let files = |case: &Case| -> BTreeMap<String, String> {
        let record = &case.observed.record;
        let file = |node| {
            let workload =
                describe::workload(&case.observed, &WindlassEngine, node, Desired::Running);
            (node.name.clone(), workload.unwrap().files["node.toml"].clone())
        };
        record.nodes.iter().map(file).collect()
    };
    let mut case = declared().founded().running().usable();
    let before = files(&case);
    for _ in 0..3 {
        case.record().network.operation = None;
        case = case.adding("acme").keyed();
    }
    let grown = files(&case);
    for name in ["validator-0", "validator-3"] {
        assert_eq!(grown[name], before[name]);
    }
    assert_eq!(grown["validator-6"].matches("127.0.0.1").count(), 7, "six others and itself");
    for index in [5, 1, 0] {
        let id = case.record().nodes[index].id.clone();
        teardown::depart(case.record(), &id);
    }
    for (name, file) in files(&case) {
        assert_eq!(grown[&name], file, "{name}");
    }
    case.record().network.operation = None;
    let case = case.adding("acme");
    let newest = case.observed.record.nodes.last().unwrap();
    assert_eq!(newest.name, "validator-7", "no name comes back");
    assert_eq!(files(&case)["validator-7"].matches("[[bootstrap]]").count(), 4, "those there are");
    assert_eq!(case.observed.record.network.status.departed.len(), 3);
}
