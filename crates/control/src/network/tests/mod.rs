//! Golden plans: what is observed on the left, what is to be done on the right.

use std::collections::{BTreeMap, BTreeSet};

use windlass_engine::{
    History, MachineReport, NodeReport, Seat, Work,
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
    monitor::{LiveNode, Silence},
    operation,
    store::rows::{
        AccountRow, Blocks, Leaving, NodeRow, ProcessRef, Record, Registration, Standing,
        StoredTransaction, TeardownRecord,
    },
    world::{
        Engines, EveryPointPassed, HttpWire, LoopbackPorts, MachineClock, MachineEntropy,
        VaultKeys, World,
    },
};

mod comings;
mod ending;
mod life;
mod new_disks;
mod recoveries;
mod replacements;
mod sleeping;

const NOW_MS: u64 = 1_000_000;

/// The member whose key is here.
fn acme() -> MemberFacts {
    MemberFacts {
        id: 1,
        state: SeatState::Active,
        account: format!("0x{}", "ac".repeat(20)),
        organization: "acme".to_owned(),
        endpoint: String::new(),
    }
}

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
    let record =
        declare::declare(&world, &organization, &manifest, 77, ("test", NOW_MS)).unwrap().record;
    let observed = Observation {
        now_ms: NOW_MS,
        installation: "test".to_owned(),
        vault: directory.path().to_owned(),
        exports: directory.path().join("exports"),
        leases: directory.path().join("leases"),
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
            let mut node = self.observed.record.nodes[index].clone();
            let setup = describe::setup(&self.observed.record, &node);
            if node.setup() != setup {
                node.status.setup = Some(setup.clone());
                self.observed.record.nodes[index] = node.clone();
            }
            let (engine, node) = (&WindlassEngine, (&node, &setup));
            let wanted =
                describe::workload(&self.observed, engine, node, Desired::Running).unwrap();
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
                seated_by: None,
                work: Work::Nothing,
                syncing: false,
                history: History::Whole,
                highest: height,
                state_per_mille: None,
                earlier_blocks: 0,
                left_s: None,
                stalled: None,
                peers: Vec::new(),
                machine: MachineReport::default(),
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
            seated_by: None,
            work: Work::Nothing,
            syncing: false,
            history: History::Whole,
            highest: height,
            state_per_mille: None,
            earlier_blocks: 0,
            left_s: None,
            stalled: (seat == Seat::Unnamed).then_some(stalled),
            peers: Vec::new(),
            machine: MachineReport::default(),
            seat,
        };
        let id = self.observed.record.nodes[index].id.clone();
        let live = LiveNode { process: Some(process), report: Some(report), ..LiveNode::default() };
        self.observed.live.insert(id, live);
        self
    }

    /// A member, or an organization that is none, is to have one more node.
    fn adding(mut self, organization: &str) -> Self {
        let roll = Roll { members: vec![acme()], ..Roll::default() };
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
            operation::begin(id.clone(), object, OperationKind::AddObserver, ("test", NOW_MS));
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
        change::begin(self.record(), kind, id, ("test", NOW_MS));
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
        let name = |id: &NodeId| {
            nodes.iter().find(|node| node.id == *id).map_or("?", |node| node.name.as_str())
        };
        let key = |key: &KeyId| {
            let owner = nodes.iter().find(|node| node.key_ids().any(|own| own == key));
            let account = |account: &AccountRow| account.key.as_ref() == Some(key);
            let mut accounts = self.observed.record.accounts().filter(|(_, one)| account(one));
            let member = accounts.next().map(|(name, _)| name.as_str());
            owner.map(|node| node.name.as_str()).or(member).unwrap_or("?")
        };
        match action {
            Action::NoteStarted { .. }
            | Action::NoteEnded { .. }
            | Action::NoteEmptied(_)
            | Action::NoteRepair { .. }
            | Action::NoteHealthy(_)
            | Action::NoteStopped(_)
            | Action::NoteRank { .. }
            | Action::NoteSetup { .. }
            | Action::NoteReplaced { .. }
            | Action::NoteForgotten { .. } => noted(action, name),
            Action::SetState(state) => format!("state {state:?}"),
            Action::Reach(step) => format!("step {step}"),
            Action::Detail(text) => format!("detail {text}"),
            Action::Explain(reason) => {
                format!("explain {:?}", reason.as_ref().map(|reason| &reason.message))
            }
            Action::ChoosePort { node, port } => format!("port {port} for {}", name(node)),
            Action::Inventory(things) => format!("inventory of {} things", things.len()),
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
            | Action::Admit
            | Action::Publish
            | Action::ProbeEndpoint
            | Action::Release => format!("{action:?}"),
        }
    }
}

/// What is noted of a node.
fn noted<'a>(action: &Action, name: impl Fn(&NodeId) -> &'a str) -> String {
    match action {
        Action::NoteStarted { node, process } => {
            format!("{} runs as {}", name(node), process.pid)
        }
        Action::NoteEnded { node, reason, retry_at_ms } => format!(
            "{} is down ({}), again in {} ms",
            name(node),
            reason.message,
            retry_at_ms - NOW_MS
        ),
        Action::NoteRepair { node, reason } => {
            format!("{} is repaired ({})", name(node), reason.message)
        }
        Action::NoteHealthy(node) => format!("{} is healthy", name(node)),
        Action::NoteEmptied(node) => format!("nothing is left of the disk of {}", name(node)),
        Action::NoteStopped(node) => format!("{} is stopped", name(node)),
        Action::NoteRank { node, rank } => {
            let lacks = if rank.whole { "" } else { " and lacks blocks" };
            format!("{} is {:?}{lacks}", name(node), rank.standing)
        }
        Action::NoteSetup { node, setup } => {
            let next = usize::from(setup.next_node_key.is_some());
            format!(
                "{} is given {} node keys, {} consensus keys and {} peers",
                name(node),
                1 + next,
                setup.consensus_keys.len(),
                setup.renewed.len()
            )
        }
        Action::NoteReplaced { node, purpose } => {
            format!("the {purpose} key of {} is replaced", name(node))
        }
        Action::NoteForgotten { node, .. } => format!("a key of {} is gone", name(node)),
        other => format!("{other:?}"),
    }
}

fn process(index: usize) -> Running {
    let pid = 100 + u32::try_from(index).unwrap();
    Running { pid, start_time_ticks: 1, started_at_ms: NOW_MS - 1_000, ready: true }
}
