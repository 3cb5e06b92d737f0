//! What clients want of networks: a long poll of the gateway, answered when that is new.

use std::time::Duration;

use windlass_model::route::Demand;

use crate::{
    gateway::{Gateway, GatewayError},
    world::{Message, Target, World},
};

/// How long the gateway may hold a poll that has nothing new.
pub(crate) const HOLD: Duration = Duration::from_secs(25);
/// How much longer its answer may take.
const GRACE: Duration = Duration::from_secs(5);

/// Listens to the gateway.
#[derive(Debug)]
pub(crate) struct Listener {
    world: World,
    gateway: Gateway,
    /// The last that was heard.
    seen: Option<u64>,
}

impl Listener {
    pub(crate) fn new(world: World, gateway: Gateway) -> Self {
        Self { world, gateway, seen: None }
    }

    /// What is wanted, as soon as that is another than was heard last, or after so long.
    pub(crate) async fn hear(&mut self, hold: Duration) -> Result<Demand, GatewayError> {
        let heard = self.ask(hold).await;
        self.seen = heard.as_ref().ok().map(|demand| demand.revision);
        self.gateway.note_local(heard.as_ref().map_or(&[], |demand| &demand.local));
        heard
    }

    /// What is wanted now.
    pub(crate) async fn now(&self) -> Result<Demand, GatewayError> {
        self.ask(Duration::ZERO).await
    }

    async fn ask(&self, hold: Duration) -> Result<Demand, GatewayError> {
        let socket = self.gateway.facts().admin.ok_or(GatewayError::NotRunning)?;
        let hold_ms = hold.as_millis();
        let seen = self.seen.map(|seen| format!("&seen={seen}")).unwrap_or_default();
        let message = Message {
            target: Target::Socket(socket),
            method: "GET",
            path: format!("/demand?hold_ms={hold_ms}{seen}"),
            body: Vec::new(),
            timeout: hold + GRACE,
        };
        let reply = self.world.wire.exchange(message).await?;
        let refused = |text: String| GatewayError::Refused { status: reply.status, text };
        if reply.status != 200 {
            let text = String::from_utf8_lossy(&reply.body).chars().take(200).collect();
            return Err(refused(text));
        }
        serde_json::from_slice(&reply.body).map_err(|error| refused(error.to_string()))
    }
}
