//! What the verbs do that talk to a platform: one request, one wait, one result.

mod budgets;
mod context;
pub(crate) mod database;
mod doctor;
mod events;
mod evidence;
mod governance;
mod keys;
mod logs;
mod network;
mod nodes;
mod operation;
mod platform;
mod proof;
mod recovery;
pub(crate) mod template;
pub(crate) mod verify;

use std::{process::ExitCode, time::Duration};

use windlass_model::{api::Accepted, network::OperationKind};

pub(crate) use self::context::run as context;
use crate::{
    args::{Cli, NetworkVerb, Verb, WaitArgs},
    client::Client,
    context as contexts,
    environment::Outcome,
    output::Output,
    progress,
};

/// What every verb has at hand.
pub(crate) struct Session {
    client: Client,
    output: Output,
}

/// Carries out a verb on the platform that the command line names.
pub(crate) async fn online(cli: Cli, output: Output) -> Outcome<ExitCode> {
    if let Verb::Network(NetworkVerb::Recovery(verb)) = &cli.verb
        && let Some(outcome) = recovery::offline(verb, output)
    {
        return outcome.map(|()| ExitCode::SUCCESS);
    }
    let platform = contexts::find(&cli.global)?;
    let session = Session { client: Client::new(platform, &cli.global.organization)?, output };
    if let Verb::Network(NetworkVerb::Doctor(named)) = &cli.verb {
        return doctor::run(&session, &named.network).await;
    }
    let outcome = match cli.verb {
        Verb::Down(down) => platform::down(&session, &down).await,
        Verb::Status => platform::status(&session).await,
        Verb::Login => platform::login(&session).await,
        Verb::Network(verb) => network::run(&session, verb).await,
        Verb::Proof(verb) => proof::run(&session, verb).await,
        Verb::Apply(apply) => network::apply(&session, apply).await,
        Verb::Quota(verb) => budgets::quota(&session, &verb).await,
        Verb::Usage(args) => budgets::usage(&session, &args).await,
        Verb::Events(args) => events::run(&session, &args).await,
        Verb::Operation(verb) => operation::run(&session, verb).await,
        Verb::Up(_)
        | Verb::Run(_)
        | Verb::Verify(_)
        | Verb::Context(_)
        | Verb::Init(_)
        | Verb::Template(_)
        | Verb::Completions { .. }
        | Verb::Version
        | Verb::Node(_)
        | Verb::Gateway(_) => Ok(()), // main carries them out without a platform
    };
    outcome.map(|()| ExitCode::SUCCESS)
}

impl Session {
    fn warn(&self, warnings: &[String]) {
        for warning in warnings {
            self.output.warning(warning);
        }
    }

    /// Waits for what was begun, if it is to be waited for, and tells what came of it.
    async fn conclude(
        &self,
        mut accepted: Accepted,
        wait: &WaitArgs,
        text: impl FnOnce(&Accepted) -> String,
    ) -> Outcome<()> {
        self.warn(&accepted.warnings);
        let timeout = Duration::from_secs(wait.timeout);
        if let Some(operation) = accepted.operation.take() {
            let operation = if wait.no_wait {
                operation
            } else {
                let ended =
                    progress::follow(&self.client, &operation.id, timeout, self.output).await?;
                progress::succeeded(ended)?
            };
            let gone = operation.kind == OperationKind::Destroy;
            if !wait.no_wait && !gone {
                accepted.network = self.client.network(accepted.network.id.as_str()).await?;
            }
            accepted.operation = Some(operation);
        }
        self.output.result(&accepted, || text(&accepted));
        Ok(())
    }
}
