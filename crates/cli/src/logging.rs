//! Where logs go: the platform's to stderr, a workload's to its own rotated file.
//!
//! A line that can't be written is lost. The library would tell of it on stderr, holding the log:
//! where stderr is on the same full disk, that panics, and who logs the panic waits for ever.

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
        .log_internal_errors(false)
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
        .log_internal_errors(false)
        .with_env_filter(EnvFilter::new(environment::log_filter(otherwise)))
        .with_writer(Mutex::new(writer))
        .init();
}
