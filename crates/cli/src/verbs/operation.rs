//! `windlass operation …`.

use std::time::Duration;

use super::Session;
use crate::{args::OperationVerb, environment::Outcome, progress, render};

pub(super) async fn run(session: &Session, verb: OperationVerb) -> Outcome<()> {
    match verb {
        OperationVerb::Ls => {
            let operations = session.client.operations().await?;
            session.output.result(&operations, || render::operations(&operations));
        }
        OperationVerb::Show { operation } => {
            let operation = session.client.operation(&operation, Duration::ZERO).await?;
            session.output.result(&operation, || render::operation(&operation));
        }
        OperationVerb::Wait { operation, timeout } => {
            let timeout = Duration::from_secs(timeout);
            let ended =
                progress::follow(&session.client, &operation, timeout, session.output).await?;
            let operation = progress::succeeded(ended)?;
            session.output.result(&operation, || render::operation(&operation));
        }
    }
    Ok(())
}
