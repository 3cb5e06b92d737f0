//! The doctor: asks everybody anew, and says what is wrong, since when, whose fault it is and what to do.
//!
//! What is heard goes to the monitor as polls' answers do, and the findings are the conditions that follow:
//! they are said here and on the object in the same words. Of a network that does not run nobody is asked.

use std::time::Duration;

use futures::future::join_all;
use windlass_engine::{Engine, NodeReport};
use windlass_model::{
    NetworkId, WorkloadId,
    condition::{Check, CheckOutcome, Condition, Diagnosis, Gravity, findings},
    network::{Intent, NetworkState},
};
use windlass_substrate::{Instance, InstanceState, LabelSelector};

use crate::{
    governance::unavailable,
    network::probe,
    service::{Action, Answer, Control, Granted},
    store::{
        error::causes,
        rows::{NodeRow, Record},
    },
    world::{Target, rpc},
};

/// How long whoever is asked has for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

impl Control {
    /// Looks at a network now.
    pub async fn doctor(&self, granted: &Granted, name_or_id: &str) -> Answer<Diagnosis> {
        let record = self.record(granted.allows(Action::Read)?, name_or_id).await?;
        let network = &record.network;
        let engine = self.inner.world.engines.get(network.spec.engine).cloned();
        let engine =
            engine.ok_or_else(|| unavailable(&record, "this platform does not have its engine"))?;
        let checks = if network.intent == Intent::Running {
            let (processes, nodes, endpoint) = futures::join!(
                self.look_at_processes(&record),
                self.ask_nodes(&record, &*engine),
                self.call_endpoint(&record, &*engine)
            );
            [processes].into_iter().chain(nodes).chain([endpoint]).collect()
        } else {
            vec![Check {
                name: "nodes".to_owned(),
                outcome: CheckOutcome::Skipped,
                detail: "it is not meant to run: nobody was asked, and nothing was woken"
                    .to_owned(),
                took_ms: 0,
            }]
        };
        let live = self.inner.monitor.network(&network.id);
        let conditions = live.map(|live| live.conditions).unwrap_or_default();
        Ok(diagnosis(&record, conditions, checks, self.inner.world.now_ms()))
    }

    /// Whether the substrate has a process of every node, and what each uses.
    async fn look_at_processes(&self, record: &Record) -> Check {
        let began_ms = self.inner.world.now_ms();
        let substrate = &self.inner.world.substrate;
        let selector = LabelSelector::all()
            .with("installation", self.inner.settings.installation.as_str())
            .with("network", record.network.id.as_str());
        let listed = match tokio::time::timeout(PATIENCE, substrate.list(&selector)).await {
            Ok(listed) => listed.map_err(|error| format!("{error}{}", causes(&error))),
            Err(_) => Err(format!("the substrate does not answer within {} s", PATIENCE.as_secs())),
        };
        let (outcome, detail) = match listed {
            Err(why) => (CheckOutcome::Failed, why),
            Ok(instances) => {
                self.measure(record).await;
                processes(record, &instances)
            }
        };
        self.check("processes", (outcome, detail), began_ms)
    }

    async fn measure(&self, record: &Record) {
        let measured = record.nodes.iter().map(|node| async move {
            let id = WorkloadId::of_node(&node.id);
            if let Ok(usage) = self.inner.world.substrate.usage(&id).await {
                self.inner.monitor.note_usage(&record.network.id, &node.id, usage);
            }
        });
        join_all(measured).await;
    }

    /// Asks every node how it does.
    async fn ask_nodes(&self, record: &Record, engine: &dyn Engine) -> Vec<Check> {
        let network = &record.network.id;
        let targets = self.inner.monitor.targets(network);
        let asked = record.nodes.iter().filter(|node| !node.is_leaving()).map(|node| {
            let target = targets.get(&node.id);
            async move { self.ask_node(network, (node, target), engine).await }
        });
        join_all(asked).await
    }

    async fn ask_node(
        &self,
        network: &NetworkId,
        (node, target): (&NodeRow, Option<&Target>),
        engine: &dyn Engine,
    ) -> Check {
        let began_ms = self.inner.world.now_ms();
        let Some(target) = target else {
            let seen = (CheckOutcome::Failed, "it has no process".to_owned());
            return self.check(&node.name, seen, began_ms);
        };
        let request = engine.status_request();
        let question = (request.method, &request.params);
        let answer = rpc(&*self.inner.world.wire, target, "/", question, PATIENCE).await;
        let report = answer.map_err(|error| format!("{error}{}", causes(&error)));
        let report = report
            .and_then(|answer| engine.read_status(&answer).map_err(|error| error.to_string()));
        let seen = match &report {
            Ok(report) => (CheckOutcome::Passed, told(report)),
            Err(why) => (CheckOutcome::Failed, format!("it does not answer: {why}")),
        };
        self.inner.monitor.note_answer(network, (&node.id, began_ms), report);
        self.check(&node.name, seen, began_ms)
    }

    /// Calls the endpoint like a client does.
    async fn call_endpoint(&self, record: &Record, engine: &dyn Engine) -> Check {
        let began_ms = self.inner.world.now_ms();
        let network = &record.network;
        let base = self.inner.gateway.facts().url;
        let skipped = |why: &str| (CheckOutcome::Skipped, why.to_owned());
        let seen = match base {
            _ if network.state != NetworkState::Usable => {
                skipped("it is served once the network is usable")
            }
            None => (CheckOutcome::Failed, "no gateway has come up yet".to_owned()),
            Some(base) => {
                let world = &self.inner.world;
                let called = probe::served(world, engine, (&base, network), PATIENCE).await;
                let called = called.map_err(|error| format!("{error}{}", causes(&error)));
                let silence = called.as_ref().err().cloned();
                self.inner.monitor.note_endpoint(&network.id, silence);
                match called {
                    Ok(None) => {
                        let text = "the gateway serves it; its keys are known to their users only";
                        (CheckOutcome::Passed, text.to_owned())
                    }
                    Ok(Some(proof)) => {
                        let text = format!(
                            "it answered chain id {} and block {} through the gateway",
                            proof.chain_id, proof.block
                        );
                        (CheckOutcome::Passed, text)
                    }
                    Err(why) => (CheckOutcome::Failed, why),
                }
            }
        };
        self.check("endpoint", seen, began_ms)
    }

    fn check(&self, name: &str, seen: (CheckOutcome, String), began_ms: u64) -> Check {
        let (outcome, detail) = seen;
        let took_ms = self.inner.world.now_ms().saturating_sub(began_ms);
        Check { name: name.to_owned(), outcome, detail, took_ms }
    }
}

/// What the substrate has of the nodes.
fn processes(record: &Record, instances: &[Instance]) -> (CheckOutcome, String) {
    let wanted: Vec<&NodeRow> = record.nodes.iter().filter(|node| !node.is_leaving()).collect();
    let of = |node: &NodeRow| {
        let id = WorkloadId::of_node(&node.id);
        instances.iter().find(|instance| instance.id == id)
    };
    let mut told = Vec::new();
    for node in &wanted {
        let name = &node.name;
        match of(node).map(|instance| (&instance.state, &instance.directory)) {
            Some((InstanceState::Running(_), _)) => {}
            Some((InstanceState::Stopped { exit: Some(exit) }, _)) => {
                told.push(format!("{name} ended with {exit}"));
            }
            Some((InstanceState::Stopped { exit: None }, _)) => {
                told.push(format!("{name} ended without a word"));
            }
            None => told.push(format!("{name} is not on the substrate")),
        }
    }
    let all = wanted.len();
    if told.is_empty() {
        return (CheckOutcome::Passed, format!("the substrate has all {all} of them"));
    }
    let there = all - told.len();
    (CheckOutcome::Failed, format!("{there} of {all} run; {}", told.join("; ")))
}

/// What a node's answer comes to.
fn told(report: &NodeReport) -> String {
    let (tip, machine) = (&report.tip, &report.machine);
    let version = machine.version.as_deref().unwrap_or("an earlier version");
    format!(
        "block {}, connected with {} of {} validators, {version}",
        tip.number, report.connected_validators, report.validators
    )
}

fn diagnosis(
    record: &Record,
    conditions: Vec<Condition>,
    checks: Vec<Check>,
    at_ms: u64,
) -> Diagnosis {
    let network = &record.network;
    let name = &network.name;
    let findings = findings(&conditions);
    let gravity = findings.first().map_or(Gravity::None, |worst| worst.gravity);
    let what = match findings.len() {
        1 => "one thing is".to_owned(),
        count => format!("{count} things are"),
    };
    let summary = match (gravity, network.state) {
        (Gravity::None, NetworkState::Usable) if conditions.is_empty() => {
            format!("the platform has not looked at `{name}` yet: ask again")
        }
        (Gravity::None, NetworkState::Usable) => format!("nothing is wrong with `{name}`"),
        (Gravity::None, NetworkState::Sleeping) => {
            format!("`{name}` sleeps, and nothing is wrong with it; a request wakes it")
        }
        (Gravity::None, NetworkState::Stopped) => {
            format!("`{name}` is stopped, and nothing is wrong with it")
        }
        (
            Gravity::None,
            NetworkState::Declared
            | NetworkState::Creating
            | NetworkState::Starting
            | NetworkState::Stopping
            | NetworkState::Destroying
            | NetworkState::Gone,
        ) => format!("`{name}` is on its way to another state, and gets on"),
        (Gravity::Warning, _) => format!("`{name}` goes on, and {what} wrong with it"),
        (Gravity::Critical, _) => {
            format!("`{name}` does not do what it is for, or soon will not: {what} wrong with it")
        }
    };
    Diagnosis { network: name.clone(), at_ms, gravity, summary, findings, conditions, checks }
}
