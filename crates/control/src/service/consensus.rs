//! What consensus is doing, as every node of a network says, who voted twice, and what they measure. Everybody is
//! asked at once, and who does not answer is named.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use windlass_engine::{Engine, RpcRequest};
use windlass_model::{
    consensus::{ConsensusReport, NetworkConsensus, NodeConsensus},
    misconduct::{DoubleVote, NetworkMisconduct, NodeMisconduct},
    network::Intent,
};

use crate::{
    governance::{stopped, unavailable},
    network::Exposition,
    service::{Action, Answer, Control, Granted},
    store::{error::causes, rows::Record},
    world::{Message, Target, rpc},
};

/// How long a node has for an answer: what it says is in its memory.
const PATIENCE: Duration = Duration::from_secs(2);

impl Control {
    /// What each node says that consensus is doing.
    pub async fn consensus(&self, granted: &Granted, network: &str) -> Answer<NetworkConsensus> {
        let (record, engine) = self.asked(granted, network).await?;
        let names = record.names_by_key();
        let targets = self.inner.monitor.targets(&record.network.id);
        let asked = record.nodes.iter().map(|node| {
            let (names, target, engine) = (&names, targets.get(&node.id), &*engine);
            async move {
                let (report, unreachable) = match self.report(engine, target).await {
                    Ok(report) => (Some(report.with_names(names)), None),
                    Err(why) => (None, Some(why)),
                };
                let (node, name) = (node.id.clone(), node.name.clone());
                NodeConsensus { node, name, report, unreachable }
            }
        });
        let nodes = join_all(asked).await;
        Ok(NetworkConsensus { names, nodes })
    }

    /// Which validators each node saw vote twice.
    pub async fn misconduct(&self, granted: &Granted, network: &str) -> Answer<NetworkMisconduct> {
        let (record, engine) = self.asked(granted, network).await?;
        let targets = self.inner.monitor.targets(&record.network.id);
        let asked = record.nodes.iter().map(|node| {
            let (target, engine) = (targets.get(&node.id), &*engine);
            async move {
                let (seen, unreachable) = match self.seen(engine, target).await {
                    Ok(seen) => (Some(seen), None),
                    Err(why) => (None, Some(why)),
                };
                let (node, name) = (node.id.clone(), node.name.clone());
                NodeMisconduct { node, name, seen, unreachable }
            }
        });
        Ok(NetworkMisconduct { nodes: join_all(asked).await })
    }

    /// What all nodes measure, in Prometheus' text format, each labelled with the node's name.
    pub async fn metrics(&self, granted: &Granted, network: &str) -> Answer<String> {
        let (record, engine) = self.asked(granted, network).await?;
        let targets = self.inner.monitor.targets(&record.network.id);
        let asked = record.nodes.iter().map(|node| {
            let (target, engine) = (targets.get(&node.id), &*engine);
            async move { (node.name.as_str(), self.measured(engine, target).await) }
        });
        let mut exposition = Exposition::default();
        for (node, measured) in join_all(asked).await {
            match measured {
                Ok(text) => exposition.add(node, &text),
                Err(why) => {
                    tracing::debug!(node, why, "a node does not tell its measurements");
                    exposition.add_unreachable(node);
                }
            }
        }
        Ok(exposition.text())
    }

    async fn asked(
        &self,
        granted: &Granted,
        network: &str,
    ) -> Answer<(Record, std::sync::Arc<dyn Engine>)> {
        let record = self.record(granted.allows(Action::Read)?, network).await?;
        if record.network.intent != Intent::Running {
            return Err(stopped(&record));
        }
        let engine = self.inner.world.engines.get(record.network.spec.engine).cloned();
        let engine =
            engine.ok_or_else(|| unavailable(&record, "this platform does not have its engine"))?;
        Ok((record, engine))
    }

    async fn report(
        &self,
        engine: &dyn Engine,
        target: Option<&Target>,
    ) -> Result<ConsensusReport, String> {
        let answer = self.answer(target, engine.consensus_request()).await?;
        engine.read_consensus(&answer).map_err(|error| error.to_string())
    }

    async fn seen(
        &self,
        engine: &dyn Engine,
        target: Option<&Target>,
    ) -> Result<Vec<DoubleVote>, String> {
        let answer = self.answer(target, engine.misconduct_request()).await?;
        engine.read_misconduct(&answer).map_err(|error| error.to_string())
    }

    async fn answer(&self, target: Option<&Target>, request: RpcRequest) -> Result<Value, String> {
        let target = target.ok_or("it has no process")?;
        let question = (request.method, &request.params);
        let answer = rpc(&*self.inner.world.wire, target, "/", question, PATIENCE).await;
        answer.map_err(|error| format!("{error}{}", causes(&error)))
    }

    async fn measured(
        &self,
        engine: &dyn Engine,
        target: Option<&Target>,
    ) -> Result<String, String> {
        let message = Message {
            target: target.ok_or("it has no process")?.clone(),
            method: "GET",
            path: engine.metrics_path().to_owned(),
            body: Vec::new(),
            timeout: PATIENCE,
        };
        let reply = self.inner.world.wire.exchange(message).await;
        let reply = reply.map_err(|error| format!("{error}{}", causes(&error)))?;
        if reply.status != 200 {
            return Err(format!("it answered with status {}", reply.status));
        }
        String::from_utf8(reply.body).map_err(|error| error.to_string())
    }
}
