//! Failures of the world as reasons on an object: the code, what happened, what to do.

use std::path::Path;

use windlass_keys::KeyError;
use windlass_model::{ErrorCode, Problem, network::Reason};
use windlass_substrate::{ExitRecord, SubstrateError};

use crate::{
    gateway::GatewayError,
    network::{ObserveError, PassError},
    store::{StoreError, error::causes},
};

fn reason(
    code: ErrorCode,
    error: &dyn std::error::Error,
    remedy: impl Into<String>,
    now_ms: u64,
) -> Reason {
    let message = format!("{error}{}", causes(error));
    Reason { code, message, remedy: remedy.into(), since_ms: now_ms }
}

/// A verb of the substrate failed.
pub(crate) fn of_substrate(error: &SubstrateError, now_ms: u64) -> Reason {
    let code = match error {
        SubstrateError::PortInUse { .. } => ErrorCode::PortInUse,
        SubstrateError::DiskFull { .. } => ErrorCode::DiskFull,
        SubstrateError::TooMany { .. } => ErrorCode::TooManyRequests,
        SubstrateError::NotWritable { .. } | SubstrateError::Foreign { .. } => {
            ErrorCode::DataDirectoryUnusable
        }
        SubstrateError::DataDamaged { path, .. } => {
            return reason(ErrorCode::LedgerDamaged, error, repair(path), now_ms);
        }
        SubstrateError::ExitedEarly { exit: Some(exit), .. } => code_of(exit),
        _ => ErrorCode::WorkloadFailed,
    };
    reason(code, error, error.hint(), now_ms)
}

/// A process ended by itself, in this directory.
pub(crate) fn of_exit(
    exit: &ExitRecord,
    directory: Option<&Path>,
    (message, remedy): (String, String),
    now_ms: u64,
) -> Reason {
    let code = code_of(exit);
    let remedy = match (code, directory) {
        (ErrorCode::LedgerDamaged, Some(directory)) => repair(directory),
        (ErrorCode::OutOfMemory, _) => format!(
            "raise `node_limits.memory_mib` in the spec and apply it, or give the machine more; {remedy}"
        ),
        _ => remedy,
    };
    Reason { code, message, remedy, since_ms: now_ms }
}

fn code_of(exit: &ExitRecord) -> ErrorCode {
    if exit.is_disk_full() {
        ErrorCode::DiskFull
    } else if exit.is_data_damaged() {
        ErrorCode::LedgerDamaged
    } else if exit.is_out_of_memory() {
        ErrorCode::OutOfMemory
    } else if exit.reason.contains("port_in_use") {
        ErrorCode::PortInUse
    } else {
        ErrorCode::WorkloadFailed
    }
}

/// What to do about a node's damaged ledger. The voting record is with the key, so that the node
/// keeps silent where it may have voted.
fn repair(directory: &Path) -> String {
    format!(
        "move {} elsewhere: the node is started again by itself, fetches the chain from its \
         peers, and votes again from the next epoch on",
        directory.join("data").display()
    )
}

/// The key holder failed.
pub(crate) fn of_keys(error: &KeyError, now_ms: u64) -> Reason {
    let text = causes(error);
    let full = text.contains("No space left") || text.contains("os error 28");
    let code = if full { ErrorCode::DiskFull } else { ErrorCode::DataDirectoryUnusable };
    reason(code, error, error.hint(), now_ms)
}

/// The gateway can't serve.
pub(crate) fn of_gateway(error: &GatewayError, now_ms: u64) -> Reason {
    match error {
        GatewayError::Substrate(error) => of_substrate(error, now_ms),
        GatewayError::Store(_)
        | GatewayError::Wire(_)
        | GatewayError::Refused { .. }
        | GatewayError::NoPort
        | GatewayError::Slow(_)
        | GatewayError::NotRunning => reason(
            ErrorCode::NetworkUnavailable,
            error,
            "the gateway is started again by itself; the platform's log says more",
            now_ms,
        ),
    }
}

/// A pass came to nothing. Of what could not be written down, nobody could read elsewhere.
pub(crate) fn of_pass(error: &PassError, now_ms: u64) -> Reason {
    match error {
        PassError::Save(error) | PassError::Observe(ObserveError::Store(error)) => {
            of_store(error, now_ms)
        }
        PassError::Observe(ObserveError::Substrate(error)) => of_substrate(error, now_ms),
        PassError::Observe(ObserveError::Keys(error)) => of_keys(error, now_ms),
        PassError::Engine => reason(
            ErrorCode::Internal,
            error,
            "run the version of windlass that declared the network",
            now_ms,
        ),
    }
}

fn of_store(error: &StoreError, now_ms: u64) -> Reason {
    let Problem { code, detail, .. } = Problem::from(error);
    let remedy = match code {
        ErrorCode::DiskFull => "free space on the disk of the data directory; it goes on by itself",
        _ => "it is tried again by itself; the platform's log says more",
    };
    Reason { code, message: detail, remedy: remedy.to_owned(), since_ms: now_ms }
}

/// A node, or the endpoint, did not answer as it should.
pub(crate) fn of_answer(error: &dyn std::error::Error, now_ms: u64) -> Reason {
    let remedy = "it is asked again by itself; `windlass network logs` shows what the nodes do";
    reason(ErrorCode::NetworkUnavailable, error, remedy, now_ms)
}

/// The folder of exports can't be changed.
pub(crate) fn of_shelf(path: &Path, error: &std::io::Error, now_ms: u64) -> Reason {
    Reason {
        code: ErrorCode::DataDirectoryUnusable,
        message: format!("cannot remove {}: {error}", path.display()),
        remedy: "see that the platform may write there; it is tried again by itself".to_owned(),
        since_ms: now_ms,
    }
}
