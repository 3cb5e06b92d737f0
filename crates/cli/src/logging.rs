//! Where logs go: the platform's to stderr, a workload's to its own rotated file.

use std::{
    io::{self, IsTerminal},
    sync::Mutex,
};

use tracing_subscriber::EnvFilter;
use windlass_substrate::resident::LogWriter;

use crate::environment;

const PLATFORM: &str = "info,sqlx=warn,hyper=warn,tower_http=warn";

/// Logs for people on a terminal, as JSON lines elsewhere.
pub(crate) fn to_stderr() {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(environment::log_filter(PLATFORM)))
        .with_writer(io::stderr);
    if io::stderr().is_terminal() {
        builder.compact().init();
    } else {
        builder.json().init();
    }
}

/// Logs as JSON lines into a workload's own log.
pub(crate) fn to_file(writer: LogWriter, otherwise: &str) {
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(EnvFilter::new(environment::log_filter(otherwise)))
        .with_writer(Mutex::new(writer))
        .init();
}
