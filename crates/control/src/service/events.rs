//! The event stream: what is in the outbox, in its order, and ticks in between.

use std::collections::VecDeque;

use futures::{StreamExt as _, stream::BoxStream};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};
use windlass_model::{
    EventId, OrganizationId,
    api::{Event, EventBody},
};

use crate::{
    monitor::Tick,
    service::{Action, Answer, Control, Granted},
    store::{Find, OutboxEntry, error::causes},
};

/// How many outbox entries are read at once.
const PAGE: u32 = 256;

/// One subscriber.
struct Subscription {
    control: Control,
    organization: OrganizationId,
    /// Everything up to here was delivered.
    seen: EventId,
    ready: VecDeque<Event>,
    changes: watch::Receiver<u64>,
    ticks: broadcast::Receiver<Tick>,
}

impl Control {
    /// The organization's events after the given one, then live, with ticks in between. Without
    /// one, live from now on. An event shows its object as it is when the event is delivered.
    pub async fn events(
        &self,
        granted: &Granted,
        after: Option<EventId>,
    ) -> Answer<BoxStream<'static, Event>> {
        let organization = granted.allows(Action::Read)?.clone();
        // Subscribed before the position is read: nothing falls between the two.
        let mut changes = self.inner.store.changes();
        let ticks = self.inner.monitor.ticks();
        let newest = self.inner.store.newest_event().await?;
        if after.is_some() {
            changes.mark_changed();
        }
        let subscription = Subscription {
            control: self.clone(),
            organization,
            // A position of the future is another database's: live from now on.
            seen: after.map_or(newest, |after| after.min(newest)),
            ready: VecDeque::new(),
            changes,
            ticks,
        };
        Ok(futures::stream::unfold(subscription, Subscription::next).boxed())
    }
}

impl Subscription {
    async fn next(mut self) -> Option<(Event, Self)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some((event, self));
            }
            // Cancel safety: both only note that there is something to look at.
            tokio::select! {
                changed = self.changes.changed() => {
                    changed.ok()?;
                    self.read().await;
                }
                tick = self.ticks.recv() => match tick {
                    Ok(tick) => self.tick(tick).await,
                    // Ticks say how it is now: the ones that were missed are out of date.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    async fn read(&mut self) {
        let store = &self.control.inner.store;
        match store.events(&self.organization, self.seen, PAGE).await {
            Ok(entries) => {
                if entries.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX) {
                    self.changes.mark_changed();
                }
                for entry in entries {
                    self.seen = entry.id;
                    if let Some(body) = self.body(&entry).await {
                        let event = Event { id: Some(entry.id), at_ms: entry.at_ms, body };
                        self.ready.push_back(event);
                    }
                }
            }
            Err(error) => tracing::error!("{error}{}", causes(&error)),
        }
    }

    /// The object that the entry names, as it is now; `None` if it is gone, which a later entry
    /// says.
    async fn body(&self, entry: &OutboxEntry) -> Option<EventBody> {
        let store = &self.control.inner.store;
        match entry.kind.as_str() {
            "network" => self.network(&entry.object).await,
            "network_gone" => {
                entry.object.parse().ok().map(|network| EventBody::NetworkGone { network })
            }
            _ => {
                let id = entry.object.parse().ok()?;
                match store.operation(&self.organization, &id).await {
                    Ok(operation) => operation
                        .map(|operation| EventBody::Operation { operation: Box::new(operation) }),
                    Err(error) => {
                        tracing::error!("{error}{}", causes(&error));
                        None
                    }
                }
            }
        }
    }

    async fn network(&self, id: &str) -> Option<EventBody> {
        let find = Find::parse(id);
        match self.control.inner.store.network(&self.organization, &find).await {
            Ok(record) => record
                .map(|record| EventBody::Network { network: Box::new(self.control.view(&record)) }),
            Err(error) => {
                tracing::error!("{error}{}", causes(&error));
                None
            }
        }
    }

    async fn tick(&mut self, tick: Tick) {
        if tick.organization != self.organization {
            return;
        }
        let body = match tick.tip {
            Some(tip) => Some(EventBody::Tip { network: tick.network, tip }),
            None => self.network(tick.network.as_str()).await,
        };
        self.ready.extend(body.map(|body| Event { id: None, at_ms: tick.at_ms, body }));
    }
}
