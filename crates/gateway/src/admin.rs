//! The admin socket: what is served is pushed and asked for here. It is a file in the gateway's own
//! directory that only this user can open; nothing else guards it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt, Limited};
use hyper::{Method, Request, Response, StatusCode, Uri, body::Incoming};
use serde::Serialize;
use tokio::sync::Mutex;
use windlass_model::{
    NetworkId,
    error::{ErrorCode, Problem},
    route::Demand,
};

use crate::{
    answer::{self, Body, json, refuse},
    proxy::Proxy,
    routes::RouteTable,
    store,
    table::{Counts, RefusedTable, Table},
};

/// What is served, for whoever asks otherwise.
const SERVED: &str = "GET and PUT /routes, GET /stats, GET /demand";

/// The longest that a question for demand is held.
const LONGEST_HOLD_MS: u64 = 60_000;

/// Routes of far more networks than fit a machine.
const TABLE_BYTES: usize = 64 * 1024 * 1024;

/// What `GET /stats` answers.
#[derive(Debug, Serialize)]
struct Stats {
    generation: u64,
    networks: HashMap<NetworkId, Counts>,
}

#[derive(Debug)]
pub(crate) struct Admin {
    directory: PathBuf,
    proxy: Arc<Proxy>,
    /// Pushes are taken one after another.
    turn: Arc<Mutex<()>>,
}

impl Admin {
    pub(crate) fn new(directory: &Path, proxy: Arc<Proxy>) -> Self {
        Self { directory: directory.to_owned(), proxy, turn: Arc::default() }
    }

    pub(crate) async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/routes") => json(StatusCode::OK, &self.proxy.table.get().source),
            (&Method::GET, "/stats") => {
                let table = self.proxy.table.get();
                let stats = Stats { generation: table.source.generation, networks: table.counts() };
                json(StatusCode::OK, &stats)
            }
            (&Method::GET, "/demand") => match asked(request.uri()) {
                Ok(asked) => json(StatusCode::OK, &self.demand(asked).await),
                Err(problem) => refuse(&problem, None),
            },
            (&Method::PUT, "/routes") => match self.put(request).await {
                Ok(table) => json(StatusCode::OK, &table),
                Err(problem) => refuse(&problem, None),
            },
            (_, "/routes" | "/stats" | "/demand") => refuse(
                &Problem::new(
                    ErrorCode::MethodNotAllowed,
                    "this method is not served here",
                    SERVED,
                ),
                None,
            ),
            _ => refuse(
                &Problem::new(
                    ErrorCode::RouteNotFound,
                    "the admin socket serves /routes, /stats and /demand",
                    SERVED,
                ),
                None,
            ),
        }
    }

    /// What clients want, as soon as that is another than was seen, or after a while.
    async fn demand(&self, Asked { seen, hold_ms }: Asked) -> Demand {
        let proxy = &self.proxy;
        let mut revisions = proxy.queue.revisions();
        let other = revisions.wait_for(|revision| Some(*revision) != seen);
        // Cancel safe: nothing is taken from the channel. At the gateway's end nobody waits.
        tokio::select! {
            _ = tokio::time::timeout(Duration::from_millis(hold_ms.min(LONGEST_HOLD_MS)), other) => {}
            () = proxy.stop.cancelled() => {}
        }
        proxy.queue.demand(&proxy.table.get(), proxy.now_ms())
    }

    /// Puts a table in force and on disk. Pushing the table in force again changes nothing.
    async fn put(&self, request: Request<Incoming>) -> Result<RouteTable, Box<Problem>> {
        let body = Limited::new(request.into_body(), TABLE_BYTES).collect().await;
        let body = body.map_err(|error| answer::malformed(error.to_string()))?.to_bytes();
        let pushed: RouteTable =
            serde_json::from_slice(&body).map_err(|error| answer::malformed(error.to_string()))?;
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let current = self.proxy.table.get();
        if pushed == current.source {
            return Ok(pushed);
        }
        let (generation, known) = (pushed.generation, current.source.generation);
        if generation <= known {
            let stale = RefusedTable::Stale { pushed: generation, current: known };
            return Err(Box::new(conflict(&stale)));
        }
        let table = Table::next(pushed.clone(), &current, self.proxy.now_ms())
            .map_err(|refused| answer::malformed(refused.to_string()))?;
        let (directory, stored) = (self.directory.clone(), pushed.clone());
        let proxy = Arc::clone(&self.proxy);
        // Once begun it is carried to its end, whether or not the caller waits.
        let saving = self.proxy.tasks.spawn_blocking(move || {
            let saved = store::save(&directory, &stored);
            // In force on a full disk too: what was destroyed must not be served. Who restarts this
            // process asks what it serves and pushes what it should.
            proxy.table.set(table);
            proxy.queue.replaced(&proxy.table.get());
            drop(turn);
            saved
        });
        let failed = |error: &dyn std::fmt::Display| {
            let detail = format!("the routes are in force and could not be stored: {error}");
            Problem::new(ErrorCode::StoreUnavailable, detail, "free some space")
        };
        match saving.await {
            Ok(Ok(())) => {
                tracing::info!(generation, routes = pushed.routes.len(), "new routes are in force");
                Ok(pushed)
            }
            Ok(Err(error)) => Err(Box::new(failed(&error))),
            Err(error) => Err(Box::new(failed(&error))),
        }
    }
}

/// What a question for demand says.
struct Asked {
    seen: Option<u64>,
    hold_ms: u64,
}

fn asked(uri: &Uri) -> Result<Asked, Box<Problem>> {
    let mut asked = Asked { seen: None, hold_ms: 0 };
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let number = |text: &str| -> Result<u64, Box<Problem>> {
            let parsed = text.parse();
            parsed.map_err(|_error| answer::malformed(format!("`{pair}` is not a number")).into())
        };
        match pair.split_once('=') {
            Some(("seen", text)) => asked.seen = Some(number(text)?),
            Some(("hold_ms", text)) => asked.hold_ms = number(text)?,
            _ => return Err(answer::malformed(format!("`{pair}` is not known")).into()),
        }
    }
    Ok(asked)
}

fn conflict(refused: &RefusedTable) -> Problem {
    Problem::new(
        ErrorCode::VersionConflict,
        refused.to_string(),
        "read GET /routes and push a higher generation",
    )
}
