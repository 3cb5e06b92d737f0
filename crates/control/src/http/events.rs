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
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use windlass_model::{
    ErrorCode, EventId,
    api::{Event, EventBody},
};

use super::{Api, access::Caller, extract::Path, failure::Failure};
use crate::service::Action;

/// Events that wait for a reader.
const QUEUE: usize = 64;
/// How long a reader may take nothing while the queue is full.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a comment is sent on a silent stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When a browser should reconnect.
const RETRY: Duration = Duration::from_secs(1);
const LAST_EVENT_ID: &str = "last-event-id";

/// Streams what happens in an organization, from now on or from an event on.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/events", tag = "events",
    operation_id = "stream_events",
    params(
        ("organization" = String, Path, description = "Its name or id"),
        ("Last-Event-ID" = Option<i64>, Header, description = "Resume after this event"),
    ),
    responses((status = 200, description = "Server-sent events: `event` is the kind, `id` the position, `data` an Event",
               body = Event, content_type = "text/event-stream")),
)]
pub(super) async fn stream(
    State(api): State<Api>,
    caller: Caller,
    Path(organization): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let granted = caller.granted(&api, Action::Read, &organization).await?;
    let after = last_event_id(&headers)?;
    let events = api.control().events(&granted, after).await?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    api.tracker().spawn(forward(events, sender, api.shutdown().clone(), PATIENCE));
    let opening = Frame::default().comment("windlass events").retry(RETRY);
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
    let kind = match &event.body {
        EventBody::Network { .. } => "network",
        EventBody::NetworkGone { .. } => "network_gone",
        EventBody::Operation { .. } => "operation",
        EventBody::Tip { .. } => "tip",
    };
    let data = serde_json::to_string(event).expect("an event is plain data with string keys");
    let frame = Frame::default().event(kind).data(data);
    match event.id {
        Some(id) => frame.id(id.to_string()),
        None => frame,
    }
}

#[cfg(test)]
mod tests {
    use windlass_model::{NetworkId, network::BlockRef};

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
