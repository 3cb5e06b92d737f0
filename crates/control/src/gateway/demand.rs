//! What clients want of networks: a long poll of the gateway, answered when that is new.

use std::time::Duration;

use windlass_model::route::Demand;

use crate::{
    gateway::{Gateway, GatewayError},
    world::{Message, Target, World},
};

/// How long the gateway may hold a poll that has nothing new.
const HOLD: Duration = Duration::from_secs(25);
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

    /// What is wanted, as soon as that is another than was heard last, or after a while.
    pub(crate) async fn hear(&mut self) -> Result<Demand, GatewayError> {
        let heard = self.ask().await;
        self.seen = heard.as_ref().ok().map(|demand| demand.revision);
        heard
    }

    /// Has the next answer come at once, new or not.
    pub(crate) fn forget(&mut self) {
        self.seen = None;
    }

    async fn ask(&self) -> Result<Demand, GatewayError> {
        let socket = self.gateway.facts().admin.ok_or(GatewayError::NotRunning)?;
        let hold_ms = HOLD.as_millis();
        let seen = self.seen.map(|seen| format!("&seen={seen}")).unwrap_or_default();
        let message = Message {
            target: Target::Socket(socket),
            method: "GET",
            path: format!("/demand?hold_ms={hold_ms}{seen}"),
            body: Vec::new(),
            timeout: HOLD + GRACE,
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
