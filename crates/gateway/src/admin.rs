//! The admin socket: what is served is pushed and asked for here. It is a file in the gateway's own
//! directory that only this user can open; nothing else guards it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use http_body_util::{BodyExt, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use serde::Serialize;
use tokio::sync::Mutex;
use windlass_model::{
    NetworkId,
    error::{ErrorCode, Problem},
};

use crate::{
    answer::{self, Body, json, refuse},
    proxy::Proxy,
    routes::RouteTable,
    store,
    table::{Counts, RefusedTable, Table},
};

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
            (&Method::PUT, "/routes") => match self.put(request).await {
                Ok(table) => json(StatusCode::OK, &table),
                Err(problem) => refuse(&problem, None),
            },
            (_, "/routes" | "/stats") => refuse(
                &Problem::new(
                    ErrorCode::MethodNotAllowed,
                    "this method is not served here",
                    "GET and PUT /routes, GET /stats",
                ),
                None,
            ),
            _ => refuse(
                &Problem::new(
                    ErrorCode::RouteNotFound,
                    "the admin socket serves /routes and /stats",
                    "GET and PUT /routes, GET /stats",
                ),
                None,
            ),
        }
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
        let table = Table::next(pushed.clone(), &current)
            .map_err(|refused| answer::malformed(refused.to_string()))?;
        let (directory, stored) = (self.directory.clone(), pushed.clone());
        let proxy = Arc::clone(&self.proxy);
        // Once begun it is carried to its end, whether or not the caller waits.
        let saving = self.proxy.tasks.spawn_blocking(move || {
            let saved = store::save(&directory, &stored);
            // In force on a full disk too: what was destroyed must not be served. Who restarts this
            // process asks what it serves and pushes what it should.
            proxy.table.set(table);
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

fn conflict(refused: &RefusedTable) -> Problem {
    Problem::new(
        ErrorCode::VersionConflict,
        refused.to_string(),
        "read GET /routes and push a higher generation",
    )
}
