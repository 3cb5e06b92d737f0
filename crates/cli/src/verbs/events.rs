//! `windlass events`: what happened, and what happens, one line each.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use windlass_model::{
    ErrorCode,
    api::{Event, EventBody},
    network::{Network, Operation, OperationState, StepState},
};

use super::Session;
use crate::{
    args::EventsArgs,
    client::{encode, lines},
    environment::{Outcome, problem},
    output::{Format, line as line_out},
    render,
};

/// After a lost connection.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(session: &Session, args: &EventsArgs) -> Outcome<()> {
    let network = args.network.as_ref().map(|network| format!("network={}&", encode(network)));
    let kinds = (!args.kind.is_empty()).then(|| format!("kind={}&", args.kind.join(",")));
    let query = format!(
        "{}{}follow={}",
        network.unwrap_or_default(),
        kinds.unwrap_or_default(),
        args.follow
    );
    let mut teller = Teller { session, seen: args.since, last: String::new() };
    loop {
        let chunks = session.client.events(&query, teller.seen).await;
        let told = match chunks {
            Ok(chunks) => teller.tell(chunks).await,
            // What is asked for is not there, or not allowed: no waiting mends that.
            Err(error) if !args.follow || error.code != ErrorCode::PlatformNotRunning => {
                return Err(error);
            }
            Err(error) => Err(error),
        };
        if !args.follow {
            return told;
        }
        let why = told.err().map_or_else(|| "the platform ended it".to_owned(), |one| one.detail);
        session.output.note(&format!("the stream was lost ({why}); trying again"));
        tokio::time::sleep(PAUSE).await;
    }
}

/// Tells events, and knows where it is.
struct Teller<'a> {
    session: &'a Session,
    seen: Option<u64>,
    /// What was told last: an object that changed in what is not shown is not told again.
    last: String,
}

impl Teller<'_> {
    async fn tell(&mut self, chunks: impl Stream<Item = Outcome<Bytes>>) -> Outcome<()> {
        let mut lines = Box::pin(lines(chunks));
        while let Some(line) = lines.next().await {
            let line = line?;
            // Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
            match line.split_once(": ").or_else(|| line.split_once(':')) {
                Some(("id", id)) => self.seen = id.parse().ok().or(self.seen),
                Some(("data", data)) => self.event(data)?,
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    fn event(&mut self, data: &str) -> Outcome<()> {
        if self.session.output.format() == Format::Json {
            line_out(data);
            return Ok(());
        }
        let event: Event = serde_json::from_str(data).map_err(|error| {
            problem(
                ErrorCode::Internal,
                format!("the platform sent what is no event: {error}"),
                "use a `windlass` of the platform's version",
            )
        })?;
        let said = said(&event.body);
        if said != self.last {
            line_out(&format!("{}  {said}", render::clock_time(event.at_ms)));
            self.last = said;
        }
        Ok(())
    }
}

/// An event in one line.
fn said(body: &EventBody) -> String {
    match body {
        EventBody::Network { network } => of_network(network),
        EventBody::NetworkGone { network } => format!("network    {network} is gone"),
        EventBody::Operation { operation } => of_operation(operation),
        EventBody::Tip { network, tip } => format!("tip        {network} {}", tip.number),
    }
}

fn of_network(network: &Network) -> String {
    let running = network.nodes.iter().filter(|node| node.pid.is_some()).count();
    let why = network.reason.as_ref().map(|reason| format!(": {}", reason.message));
    format!(
        "network    {} is {}, health {}, {running} of {} nodes run{}",
        network.name,
        render::word(&network.state),
        render::word(&network.health),
        network.nodes.len(),
        why.unwrap_or_default()
    )
}

fn of_operation(operation: &Operation) -> String {
    let step = operation.steps.iter().find(|step| step.state == StepState::Running);
    let step = step.filter(|_| operation.state == OperationState::Running);
    let why = operation.reason.as_ref().map(|reason| format!(": {}", reason.message));
    format!(
        "operation  {} {} {} {}{}{}",
        operation.id,
        render::word(&operation.kind),
        operation.network_name,
        render::word(&operation.state),
        step.map_or_else(String::new, |step| format!(" ({})", step.name)),
        why.unwrap_or_default()
    )
}
