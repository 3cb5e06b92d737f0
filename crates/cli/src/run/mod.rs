//! `windlass run`: a network that lives as long as a command.
//!
//! What is made for the command lives under a lease that this process holds, and nothing else keeps it
//! alive: the platform destroys the network when the lease is over, nodes end by themselves even if the
//! platform is dead, and a platform that was started for the command ends with everything it has. An
//! orderly end only waits for what would happen anyway.
//!
//! - [`accounts`]: the test accounts that the command is given.
//! - [`tenancy`]: the platform, the lease and the network.
//! - [`private`]: platforms that are started for one command, and their directories.
//! - [`mod@sweep`]: what is left of such platforms when everything was killed at once.
//! - [`command`]: the command itself, and signals.

mod accounts;
mod command;
pub(crate) mod private;
mod sweep;
mod tenancy;

use std::{process::ExitCode, time::Duration};

use serde::Serialize;
use windlass_model::{ErrorCode, Name, network::Network, receipt::ReleaseReceipt, spec::Manifest};

pub(crate) use self::sweep::sweep;
use self::{accounts::Accounts, command::Signals, tenancy::Tenancy};
use crate::{
    args::{Global, RunArgs},
    environment::{self, Outcome, problem},
    output::{Format, Output},
    render,
    spec::Spec,
};

/// A signal that has been sent is here by then.
const SIGNALLED: Duration = Duration::from_millis(50);
/// So much of a spec's name stands in the name of the network.
const NAME_CHARS: usize = 30;

/// What is told at the end to a program.
#[derive(Debug, Serialize)]
struct Ended<'a> {
    exit_code: u8,
    receipt: Option<&'a ReleaseReceipt>,
}

/// The network that is to be, and who may use it.
#[derive(Debug)]
struct Wanted {
    manifest: Manifest,
    accounts: Accounts,
    spec: Option<Spec>,
    timeout: Duration,
}

/// Runs a command with a network; the answer is the command's exit code.
pub(crate) fn run(args: &RunArgs, global: &Global, output: Output) -> Outcome<ExitCode> {
    let wanted = wanted(args, output)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        problem(ErrorCode::Internal, format!("cannot wait for the network: {error}"), "try again")
    })?;
    runtime.block_on(Box::pin(live(args, global, wanted, output))).map(ExitCode::from)
}

fn wanted(args: &RunArgs, output: Output) -> Outcome<Wanted> {
    let spec = args.file.as_deref().map(Spec::load).transpose()?;
    let template = args.template.unwrap_or(windlass_model::spec::Template::Test);
    let mut manifest = match &spec {
        Some(spec) => spec.manifest.clone(),
        // Only the command is to be given its URL, and a port that everybody knows is for what stays.
        None => Manifest { local_port: None, ..template.manifest() },
    };
    for note in spec.iter().flat_map(|spec| &spec.notes) {
        output.warning(note);
    }
    manifest.validators = args.validators.or(manifest.validators);
    // It goes with its command, which is soon enough: no request of a test is to wait for a wake.
    manifest.sleep_after_s.get_or_insert(0);
    let accounts = Accounts::of(template)?;
    accounts.fund(&mut manifest);
    manifest.name = Some(name(manifest.name.as_ref())?);
    Ok(Wanted { manifest, accounts, spec, timeout: Duration::from_secs(args.timeout) })
}

/// A name that no other run has: several may share a platform.
fn name(wanted: Option<&Name>) -> Outcome<Name> {
    let wanted = wanted.map_or("run", Name::as_str);
    let kept: String = wanted.chars().take(NAME_CHARS).collect();
    let tail = hex::encode(environment::entropy::<4>()?);
    Ok(format!("{}-{tail}", kept.trim_end_matches('-')).parse().expect("it has the form of a name"))
}

async fn live(args: &RunArgs, global: &Global, wanted: Wanted, output: Output) -> Outcome<u8> {
    let mut signals = Signals::listen()?;
    let begun = tokio::select! {
        begun = Tenancy::begin(args, global) => begun?,
        // Cancel safety: what was begun lives under a lease that ends here.
        signal = signals.next() => return Ok(command::code_of(signal)),
    };
    let mut tenancy = begun;
    let network = tokio::select! {
        network = tenancy.bring_up(&wanted, output) => network,
        // Cancel safety: the tenancy knows as much of the network as it has to be released.
        signal = signals.next() => {
            release(tenancy, &mut signals, (command::code_of(signal), output)).await;
            return Ok(command::code_of(signal));
        }
    };
    let ended = match network {
        Ok(network) => {
            let environment = surroundings(&tenancy, &network, &wanted.accounts);
            command::run(&args.command, &environment, &mut signals, output).await
        }
        // What ended the platform before it had a session of its own may be a signal to the whole group.
        Err(problem) => match tokio::time::timeout(SIGNALLED, signals.next()).await {
            Ok(signal) => Ok(command::code_of(signal)),
            Err(_none) => Err(problem),
        },
    };
    let code = match &ended {
        Ok(code) => *code,
        Err(problem) => problem.code.exit().code(),
    };
    release(tenancy, &mut signals, (code, output)).await;
    ended
}

/// Waits until nothing is left, or somebody insists on not waiting.
async fn release(tenancy: Tenancy, signals: &mut Signals, (exit_code, output): (u8, Output)) {
    let insisted = async {
        signals.next().await;
        signals.next().await;
    };
    let released = tokio::select! {
        released = tenancy.release() => released,
        // Cancel safety: it goes on without being waited for.
        () = insisted => return,
    };
    match released {
        Ok(receipt) if output.format() == Format::Json => {
            output.aside(&Ended { exit_code, receipt: receipt.as_ref() }, String::new);
        }
        Ok(_) => {}
        Err(problem) => output.problem(&problem),
    }
}

/// What the command finds in its environment.
fn surroundings(
    tenancy: &Tenancy,
    network: &Network,
    accounts: &Accounts,
) -> Vec<(String, String)> {
    let endpoint = network.endpoint.clone().unwrap_or_default();
    let mut variables = vec![
        ("WINDLASS_RPC_URL", endpoint.clone()),
        ("ETH_RPC_URL", endpoint),
        ("WINDLASS_CHAIN_ID", network.spec.chain_id.to_string()),
        ("WINDLASS_NETWORK", network.name.to_string()),
        ("WINDLASS_ORGANIZATION", tenancy.organization().to_owned()),
        ("WINDLASS_DATA_DIR", tenancy.data_dir().display().to_string()),
    ];
    variables.extend(accounts.variables());
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A receipt of what nobody waited for.
fn tell(receipt: &ReleaseReceipt, output: Output) {
    output.aside(&serde_json::json!({ "swept": receipt }), || {
        format!("left by an earlier `windlass run`:\n{}", render::receipt(receipt, &[]))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_new_each_time_and_valid() {
        let check = |wanted: Option<&str>, begin: &str| {
            let wanted = wanted.map(|wanted| wanted.parse().expect("a valid name"));
            let (one, two) = (name(wanted.as_ref()).unwrap(), name(wanted.as_ref()).unwrap());
            assert!(one.as_str().starts_with(begin), "{one}");
            assert_ne!(one, two);
        };
        check(None, "run-");
        check(Some("trade"), "trade-");
        check(Some("a-name-of-forty-characters-that-is-long"), "a-name-of-forty-characters-tha");
    }
}
