//! What a command has while it runs: a platform, a lease there, and a network under it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use windlass_model::{
    ErrorCode, LeaseId, NetworkId, Problem,
    network::{Network, OperationState},
    receipt::ReleaseReceipt,
};
use windlass_substrate::lease::Hold;

use super::{
    Wanted,
    private::{Private, failed},
};
use crate::{
    args::{Global, RunArgs},
    client::Client,
    context::{self, Platform},
    environment::{self, Outcome, problem},
    files,
    output::{Format, Output},
    progress,
};

/// How long a destroy may take before it is left to the platform.
const DESTROY: Duration = Duration::from_mins(1);

/// The organization that every platform begins with.
const DEFAULT_ORGANIZATION: &str = "default";

/// A platform, a lease that this process holds, and what lives under it.
#[derive(Debug)]
pub(super) struct Tenancy {
    place: Place,
    lease: LeaseId,
    hold: Hold,
    organization: String,
    /// Once it is declared.
    network: Option<NetworkId>,
}

/// Where the network is.
#[derive(Debug)]
enum Place {
    /// On a platform that ran already.
    Shared { client: Client, data_dir: PathBuf },
    /// On one that was started for it; it has a client once it answers.
    Private { private: Box<Private>, client: Option<Client> },
}

impl Tenancy {
    /// Takes a lease on the platform that runs, or starts one. Dropped, it has left nothing that does
    /// not end by itself.
    pub(super) async fn begin(args: &RunArgs, global: &Global) -> Outcome<Self> {
        if !args.private
            && let Some(platform) = find(global)?
        {
            let is_named = global.url.is_some() || global.context.is_some();
            let client = Client::new(platform, &global.organization)?;
            match client.status().await {
                Ok(status) => {
                    return Self::shared(client, status.data_dir.into(), &global.organization);
                }
                Err(problem) if problem.code == ErrorCode::PlatformNotRunning && !is_named => {}
                Err(problem) => return Err(problem),
            }
        }
        Self::private()
    }

    fn shared(client: Client, data_dir: PathBuf, organization: &str) -> Outcome<Self> {
        check_local(&client, &data_dir)?;
        let lease = LeaseId::from_entropy(environment::entropy()?);
        let folder = data_dir.join("leases");
        let hold = files::private_folder(&folder)
            .and_then(|()| Hold::make(&folder.join(lease.as_str())))
            .map_err(|error| failed("make a lease in", &folder, &error))?;
        let place = Place::Shared { client, data_dir };
        Ok(Self { place, lease, hold, organization: organization.to_owned(), network: None })
    }

    fn private() -> Outcome<Self> {
        let (private, lease, hold) = Private::start()?;
        let place = Place::Private { private: Box::new(private), client: None };
        // The only one that there is.
        Ok(Self {
            place,
            lease,
            hold,
            organization: DEFAULT_ORGANIZATION.to_owned(),
            network: None,
        })
    }

    /// The organization that the network is of.
    pub(super) fn organization(&self) -> &str {
        &self.organization
    }

    /// Where the platform keeps its data.
    pub(super) fn data_dir(&self) -> &Path {
        match &self.place {
            Place::Shared { data_dir, .. } => data_dir,
            Place::Private { private, .. } => private.data_dir(),
        }
    }

    /// Brings the network up. It may be dropped: what is declared by then is released as usual.
    pub(super) async fn bring_up(&mut self, wanted: &Wanted, output: Output) -> Outcome<Network> {
        let declared = match self.declare(wanted).await {
            // Somebody has the well-known chain id there; on a platform of its own nobody has.
            Err(problem)
                if problem.code == ErrorCode::ChainIdTaken
                    && wanted.spec.is_none()
                    && matches!(self.place, Place::Shared { .. }) =>
            {
                let shared = std::mem::replace(self, Self::private()?);
                // What is left of it there is swept there.
                drop(shared.hold.end());
                self.declare(wanted).await
            }
            declared => declared,
        };
        let accepted = declared.map_err(|problem| match &wanted.spec {
            Some(spec) => spec.locate(problem),
            None => problem,
        })?;
        // Only a person on a terminal is shown how it comes up: the rest is the command's.
        let output = if output.is_watched() { output } else { Output::new(Format::Json) };
        let client = self.client().ok_or_else(lost)?;
        if let Some(operation) = &accepted.operation {
            let ended = progress::follow(client, &operation.id, wanted.timeout, output).await?;
            progress::succeeded(ended)?;
        }
        client.network(accepted.network.id.as_str()).await
    }

    async fn declare(&mut self, wanted: &Wanted) -> Outcome<windlass_model::api::Accepted> {
        if let Place::Private { private, client } = &mut self.place
            && client.is_none()
        {
            *client = Some(Client::new(private.answers().await?, &self.organization)?);
        }
        let client = self.client().ok_or_else(lost)?;
        let accepted = client.create_leased(&wanted.manifest, &self.lease).await?;
        self.network = Some(accepted.network.id.clone());
        Ok(accepted)
    }

    fn client(&self) -> Option<&Client> {
        match &self.place {
            Place::Shared { client, .. } => Some(client),
            Place::Private { client, .. } => client.as_ref(),
        }
    }

    /// Leaves nothing. It may be dropped: the rest goes by itself then, because the lease is over.
    pub(super) async fn release(self) -> Outcome<Option<ReleaseReceipt>> {
        let released = match (self.client(), &self.network) {
            (Some(client), Some(network)) => destroy(client, network).await.map(Some),
            (None, _) | (_, None) => Ok(None),
        };
        let ended = self.hold.end();
        match self.place {
            Place::Shared { data_dir, .. } => {
                ended.map_err(|error| failed("remove a lease in", &data_dir, &error))?;
                released.map_err(|problem| left(&problem, &data_dir))
            }
            // Whatever came of the destroy, the end of the platform has the last word on it.
            Place::Private { private, .. } => {
                private.ended().await?;
                Ok(released.ok().flatten())
            }
        }
    }
}

/// The platform that the command line names, or that runs where it usually does.
fn find(global: &Global) -> Outcome<Option<Platform>> {
    match context::find(global) {
        Ok(platform) => Ok(Some(platform)),
        Err(problem) if problem.code == ErrorCode::PlatformNotRunning => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// A lease is a file of the platform's data directory: the platform must be on this machine, and the
/// user's own.
fn check_local(client: &Client, data_dir: &Path) -> Outcome<()> {
    let here = context::in_directory(data_dir);
    if here.is_ok_and(|platform| platform.url == client.url()) {
        return Ok(());
    }
    Err(problem(
        ErrorCode::InvalidRequest,
        format!("the platform at {} is not on this machine, or not yours", client.url()),
        "`windlass run` needs one whose data directory it can write; --private starts one",
    ))
}

async fn destroy(client: &Client, network: &NetworkId) -> Outcome<ReleaseReceipt> {
    let accepted = client.destroy(network.as_str()).await?;
    let operation = accepted.operation.ok_or_else(lost)?;
    let silent = Output::new(Format::Json);
    let ended = progress::follow(client, &operation.id, DESTROY, silent).await?;
    match (ended.state, ended.receipt) {
        (OperationState::Succeeded, Some(receipt)) => Ok(receipt),
        (_, _) => Err(lost()),
    }
}

fn lost() -> Box<Problem> {
    problem(
        ErrorCode::Internal,
        "the platform's answers do not fit together",
        "this is a defect of Windlass: please report it",
    )
}

/// The platform did not say that nothing is left: it goes by itself.
fn left(why: &Problem, data_dir: &Path) -> Box<Problem> {
    problem(
        why.code,
        format!("the network was not seen to be gone: {}", why.detail),
        format!(
            "its processes end by themselves; the platform on {} destroys the rest, or the next one \
             that is started there",
            data_dir.display()
        ),
    )
}
