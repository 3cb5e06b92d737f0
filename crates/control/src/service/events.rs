//! The event stream: what is in the outbox, in its order, and ticks in between.

use std::collections::{BTreeSet, VecDeque};

use futures::{StreamExt as _, stream::BoxStream};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};
use windlass_model::{
    EventId, NetworkId, OrganizationId,
    api::{Event, EventBody, EventKind},
};

use crate::{
    monitor::Tick,
    service::{Action, Answer, Control, Follow, Granted},
    store::{Find, OutboxEntry, error::causes},
};

/// How many outbox entries are read at once.
const PAGE: u32 = 256;

/// Which events are asked for.
#[derive(Clone, Debug)]
pub struct EventQuery {
    /// Those after this one; without it, those from now on, or all that are kept where the stream ends.
    pub after: Option<EventId>,
    /// Those about this network, by name or id.
    pub network: Option<String>,
    /// Those of these kinds; of all if there are none.
    pub kinds: BTreeSet<EventKind>,
    /// What happens when all that are kept were delivered.
    pub follow: Follow,
}

/// Events, and after which one they begin.
pub struct Watching {
    /// Everything up to here is not told.
    pub after: EventId,
    /// What comes after it.
    pub events: BoxStream<'static, Event>,
}

impl std::fmt::Debug for Watching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watching").field("after", &self.after).finish_non_exhaustive()
    }
}

/// One subscriber.
struct Subscription {
    control: Control,
    organization: OrganizationId,
    /// Everything up to here was delivered.
    seen: EventId,
    /// Where it ends, if it does.
    until: Option<EventId>,
    network: Option<NetworkId>,
    kinds: BTreeSet<EventKind>,
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
        let (network, kinds) = (None, BTreeSet::new());
        let query = EventQuery { after, network, kinds, follow: Follow::Yes };
        Ok(self.watch(granted, query).await?.events)
    }

    /// The organization's events that are asked for.
    pub async fn watch(&self, granted: &Granted, query: EventQuery) -> Answer<Watching> {
        let organization = granted.allows(Action::Read)?.clone();
        let network = match query.network.as_deref().map(Find::parse) {
            // One that is gone has events too.
            Some(Find::Id(id)) => Some(id),
            Some(Find::Name(name)) => Some(self.record(&organization, &name).await?.network.id),
            None => None,
        };
        // Subscribed before the position is read: nothing falls between the two.
        let mut changes = self.inner.store.changes();
        let ticks = self.inner.monitor.ticks();
        let newest = self.inner.store.newest_event().await?;
        let ends = query.follow == Follow::No;
        if query.after.is_some() || ends {
            changes.mark_changed();
        }
        let default = if ends { EventId(0) } else { newest };
        let subscription = Subscription {
            control: self.clone(),
            organization,
            // A position of the future is another database's: live from now on.
            seen: query.after.map_or(default, |after| after.min(newest)),
            until: ends.then_some(newest),
            network,
            kinds: query.kinds,
            ready: VecDeque::new(),
            changes,
            ticks,
        };
        let after = subscription.seen;
        let events = futures::stream::unfold(subscription, Subscription::next).boxed();
        Ok(Watching { after, events })
    }
}

impl Subscription {
    async fn next(mut self) -> Option<(Event, Self)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some((event, self));
            }
            if self.until.is_some_and(|until| self.seen >= until) {
                return None;
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
                let more = entries.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
                if more {
                    self.changes.mark_changed();
                }
                for entry in entries {
                    self.seen = entry.id;
                    if let Some(body) = self.body(&entry).await
                        && self.is_wanted(&body)
                    {
                        let event = Event { id: Some(entry.id), at_ms: entry.at_ms, body };
                        self.ready.push_back(event);
                    }
                }
                // The newest may be another organization's, or kept no longer.
                if let Some(until) = self.until.filter(|_| !more) {
                    self.seen = self.seen.max(until);
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

    fn is_wanted(&self, body: &EventBody) -> bool {
        let of_kind = self.kinds.is_empty() || self.kinds.contains(&body.kind());
        of_kind && self.network.as_ref().is_none_or(|only| only == body.network())
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
        if self.until.is_some() || self.network.as_ref().is_some_and(|only| *only != tick.network) {
            return;
        }
        let body = match tick.tip {
            Some(tip) => Some(EventBody::Tip { network: tick.network, tip }),
            None => self.network(tick.network.as_str()).await,
        };
        let body = body.filter(|body| self.is_wanted(body));
        self.ready.extend(body.map(|body| Event { id: None, at_ms: tick.at_ms, body }));
    }
}
