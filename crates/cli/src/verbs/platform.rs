//! `windlass status`, `login` and `down`.

use std::{path::Path, time::Duration};

use serde::Serialize;
use windlass_control::http::Shutdown;
use windlass_model::{
    ErrorCode,
    api::PlatformStatus,
    network::{Network, NetworkState},
};

use super::Session;
use crate::{
    args::DownArgs,
    client::Client,
    context::is_announced,
    environment::{Outcome, problem},
    progress, render,
};

/// How often the end of the platform is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// The platform and its networks.
#[derive(Debug, Serialize)]
struct Report {
    platform: PlatformStatus,
    networks: Vec<Network>,
}

pub(super) async fn status(session: &Session) -> Outcome<()> {
    let report = Report {
        platform: session.client.status().await?,
        networks: session.client.networks().await?,
    };
    session.output.result(&report, || text(&report));
    Ok(())
}

fn text(Report { platform, networks }: &Report) -> String {
    let gateway = match (&platform.gateway_url, platform.gateway_pid) {
        (Some(url), Some(pid)) => format!("{url} (pid {pid})"),
        (Some(url), None) => format!("{url} (not running)"),
        (None, _) => "none yet".to_owned(),
    };
    format!(
        "platform        {} (pid {}, version {})\ngateway         {gateway}\n\
         data directory  {}\nnetworks        {}\nrunning nodes   {}\n\n{}",
        platform.url,
        platform.pid,
        platform.version,
        platform.data_dir,
        platform.networks,
        platform.running_nodes,
        render::networks(networks),
    )
}

pub(super) async fn login(session: &Session) -> Outcome<()> {
    let link = session.client.login_link().await?;
    session.output.result(&link, || link.url.clone());
    session.output.note("the link works once, for ten minutes");
    Ok(())
}

/// What a `down` ended.
#[derive(Debug, Serialize)]
struct Ended {
    stopped_networks: Vec<String>,
    platform_pid: u32,
    networks_kept: bool,
}

pub(super) async fn down(session: &Session, args: &DownArgs) -> Outcome<()> {
    let platform = session.client.status().await?;
    let mut stopped = Vec::new();
    let timeout = Duration::from_secs(args.timeout);
    if !args.keep_networks {
        for organization in session.client.organizations().await? {
            let client = session.client.acting_in(organization.name.as_str());
            stopped.append(&mut stop_all(session, &client, timeout).await?);
        }
    }
    session.client.shut_down(&Shutdown { gateway: !args.keep_networks }).await?;
    let gone = async {
        let data_dir = Path::new(&platform.data_dir);
        // It answers no more before the gateway has ended.
        while session.client.is_reachable().await || is_announced(data_dir, platform.pid) {
            tokio::time::sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(timeout, gone).await.is_err() {
        return Err(problem(
            ErrorCode::OperationTimeout,
            format!("the platform (pid {}) has not ended yet", platform.pid),
            "look at its log; SIGKILL ends it, and the next `windlass up` adopts what runs",
        ));
    }
    let ended = Ended {
        stopped_networks: stopped,
        platform_pid: platform.pid,
        networks_kept: args.keep_networks,
    };
    session.output.result(&ended, || {
        if ended.networks_kept {
            return "the platform has stopped; networks and endpoints go on".to_owned();
        }
        match ended.stopped_networks.len() {
            1 => "1 network and the platform have stopped".to_owned(),
            count => format!("{count} networks and the platform have stopped"),
        }
    });
    Ok(())
}

/// Stops the networks of an organization. Those that are being created are waited for: their creates
/// are not taken back.
async fn stop_all(session: &Session, client: &Client, timeout: Duration) -> Outcome<Vec<String>> {
    let mut begun = Vec::new();
    let mut creating = Vec::new();
    for network in client.networks().await? {
        match network.state {
            NetworkState::Sleeping | NetworkState::Stopped | NetworkState::Gone => {}
            NetworkState::Destroying => {
                if let Some(operation) = network.operation {
                    begun.push((network.name.to_string(), operation));
                }
            }
            NetworkState::Declared | NetworkState::Creating => creating.push(network),
            NetworkState::Usable | NetworkState::Stopping | NetworkState::Starting => {
                let accepted = client.stop(network.id.as_str()).await?;
                if let Some(operation) = accepted.operation {
                    begun.push((network.name.to_string(), operation.id));
                }
            }
        }
    }
    for network in creating {
        if let Some(create) = network.operation {
            session.output.note(&format!("waiting for the create of `{}`", network.name));
            progress::follow(client, &create, timeout, session.output).await?;
        }
        let accepted = client.stop(network.id.as_str()).await?;
        if let Some(operation) = accepted.operation {
            begun.push((network.name.to_string(), operation.id));
        }
    }
    let mut stopped = Vec::new();
    for (name, operation) in begun {
        session.output.note(&format!("stopping `{name}`"));
        progress::succeeded(progress::follow(client, &operation, timeout, session.output).await?)?;
        stopped.push(name);
    }
    Ok(stopped)
}
