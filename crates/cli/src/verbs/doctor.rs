//! `windlass network doctor`.

use std::process::ExitCode;

use windlass_model::condition::Gravity;

use super::Session;
use crate::{environment::Outcome, render};

/// Something is wrong with the network.
const ILL: u8 = 1;

pub(super) async fn run(session: &Session, network: &str) -> Outcome<ExitCode> {
    let diagnosis = session.client.doctor(network).await?;
    session.output.result(&diagnosis, || render::diagnosis(&diagnosis));
    Ok(match diagnosis.gravity {
        Gravity::None => ExitCode::SUCCESS,
        Gravity::Warning | Gravity::Critical => ExitCode::from(ILL),
    })
}
