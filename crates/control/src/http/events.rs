//! The event stream (server-sent events).
//!
//! An event that is kept carries its position as the SSE id; a browser sends the last one back as
//! `Last-Event-ID` when it reconnects, and misses nothing. Ticks carry no id. A reader that takes
//! nothing for [`PATIENCE`] is cut off: it may come back and resume, and holds nothing meanwhile.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event as Frame, KeepAlive, Sse},
    },
};
use futures::{StreamExt, stream::BoxStream};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use windlass_model::{
    ErrorCode, EventId,
    api::{Event, EventKind},
};

use super::{
    Api,
    access::Caller,
    extract::{Path, Query},
    failure::Failure,
};
use crate::service::{Action, EventQuery, Follow, Watching};

/// Events that wait for a reader.
const QUEUE: usize = 64;
/// How long a reader may take nothing while the queue is full.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a comment is sent on a silent stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When a browser should reconnect.
const RETRY: Duration = Duration::from_secs(1);
const LAST_EVENT_ID: &str = "last-event-id";

/// Which events a stream is to have.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// Only those about this network, by its name or id.
    network: Option<String>,
    /// Only those of these kinds, with commas between them: `network`, `network_gone`, `operation`, `tip`.
    kind: Option<String>,
    /// `false` ends the stream after what is kept; begins with the first, without `Last-Event-ID`.
    follow: Option<bool>,
}

impl EventsQuery {
    fn query(self, after: Option<EventId>) -> Result<EventQuery, Failure> {
        let words = self.kind.iter().flat_map(|kinds| kinds.split(',')).map(str::trim);
        let kind = |word: &str| {
            let kind = EventKind::ALL.into_iter().find(|kind| kind.as_str() == word);
            kind.ok_or_else(|| {
                Failure::new(
                    ErrorCode::InvalidRequest,
                    format!("`{word}` is no kind of event"),
                    "the kinds are `network`, `network_gone`, `operation` and `tip`",
                )
            })
        };
        let kinds = words.filter(|word| !word.is_empty()).map(kind);
        let kinds = kinds.collect::<Result<_, Failure>>()?;
        let follow = if self.follow == Some(false) { Follow::No } else { Follow::Yes };
        Ok(EventQuery { after, network: self.network, kinds, follow })
    }
}

/// Streams what happens in an organization, from now on or from an event on.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/events", tag = "events",
    operation_id = "stream_events",
    params(
        ("organization" = String, Path, description = "Its name or id"),
        ("Last-Event-ID" = Option<i64>, Header, description = "Resume after this event"),
        EventsQuery,
    ),
    responses((status = 200, description = "Server-sent events: `event` is the kind, `id` the position, `data` an Event",
               body = Event, content_type = "text/event-stream")),
)]
pub(super) async fn stream(
    State(api): State<Api>,
    caller: Caller,
    Path(organization): Path<String>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let granted = caller.granted(&api, Action::Read, &organization).await?;
    let after = last_event_id(&headers)?;
    let Watching { after, events } = api.control().watch(&granted, query.query(after)?).await?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    api.tracker().spawn(forward(events, sender, api.shutdown().clone(), PATIENCE));
    // Who loses the stream before the first event begins again here, too.
    let opening = Frame::default().comment("windlass events").retry(RETRY).id(after.to_string());
    let frames = futures::stream::iter([opening])
        .chain(ReceiverStream::new(receiver).map(|event| frame(&event)))
        .map(Ok::<_, Infallible>);
    let body = Sse::new(frames).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // Proxies must not hold events back.
    Ok(([("x-accel-buffering", "no")], body).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<EventId>, Failure> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<i64>() {
        Ok(id) if id >= 0 => Ok(Some(EventId(id))),
        Ok(_) | Err(_) => Err(Failure::new(
            ErrorCode::InvalidRequest,
            "the Last-Event-ID is not an event's id",
            "send the `id` of the last event that you have, or leave the header out",
        )),
    }
}

/// Moves events to a reader until either end goes, the platform stops, or patience ends.
async fn forward(
    mut events: BoxStream<'static, Event>,
    sender: mpsc::Sender<Event>,
    shutdown: CancellationToken,
    patience: Duration,
) {
    loop {
        let next = tokio::select! {
            // `next` is cancel-safe: an event that was not taken stays in the stream.
            next = events.next() => next,
            () = sender.closed() => None,
            () = shutdown.cancelled() => None,
        };
        let Some(event) = next else { return };
        if sender.send_timeout(event, patience).await.is_err() {
            return;
        }
    }
}

fn frame(event: &Event) -> Frame {
    let kind = event.body.kind().as_str();
    let data = serde_json::to_string(event).expect("an event is plain data with string keys");
    let frame = Frame::default().event(kind).data(data);
    match event.id {
        Some(id) => frame.id(id.to_string()),
        None => frame,
    }
}

#[cfg(test)]
mod tests {
    use windlass_model::{NetworkId, api::EventBody, network::BlockRef};

    use super::*;

    fn tick() -> Event {
        let body = EventBody::Tip {
            network: NetworkId::from_entropy([1; 10]),
            tip: BlockRef { number: 1, hash: "0x00".to_owned() },
        };
        Event { id: None, at_ms: 1, body }
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_cut_off() {
        let (sender, mut receiver) = mpsc::channel(2);
        let endless = futures::stream::repeat_with(tick).boxed();
        forward(endless, sender, CancellationToken::new(), Duration::from_millis(5)).await;
        let mut held = 0;
        while receiver.recv().await.is_some() {
            held += 1;
        }
        assert_eq!(held, 2, "what was queued is all that is kept");
    }

    #[tokio::test]
    async fn a_silent_stream_ends_with_the_platform_and_with_its_reader() {
        let (sender, receiver) = mpsc::channel(2);
        let shutdown = CancellationToken::new();
        let silent = || futures::stream::pending().boxed();
        let first = forward(silent(), sender.clone(), shutdown.clone(), PATIENCE);
        drop(receiver);
        first.await;
        let (sender, _receiver) = mpsc::channel(2);
        shutdown.cancel();
        forward(silent(), sender, shutdown, PATIENCE).await;
    }
}
