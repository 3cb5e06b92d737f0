//! How many requests the gateway has counted.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use windlass_model::NetworkId;

use crate::{
    gateway::Gateway,
    meter::Count,
    world::{Message, Target, World},
};

const PATIENCE: Duration = Duration::from_secs(5);

/// What `GET /stats` answers, as far as it is read here.
#[derive(Deserialize)]
struct Stats {
    networks: BTreeMap<NetworkId, Counts>,
}

#[derive(Deserialize)]
struct Counts {
    requests: u64,
}

impl Gateway {
    /// What its process has counted for each network; none if it does not answer.
    pub(crate) async fn requests(&self, world: &World) -> Option<BTreeMap<NetworkId, Count>> {
        let facts = self.facts();
        let (socket, gateway) = (facts.admin?, facts.pid?.to_string());
        let message = Message {
            target: Target::Socket(socket),
            method: "GET",
            path: "/stats".to_owned(),
            body: Vec::new(),
            timeout: PATIENCE,
        };
        let reply = world.wire.exchange(message).await.ok().filter(|reply| reply.status == 200)?;
        let stats: Stats = serde_json::from_slice(&reply.body).ok()?;
        let count = |counts: Counts| Count { gateway: gateway.clone(), requests: counts.requests };
        Some(stats.networks.into_iter().map(|(id, counts)| (id, count(counts))).collect())
    }
}
