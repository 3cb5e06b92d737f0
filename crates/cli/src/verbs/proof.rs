//! `windlass proof …` and `windlass network genesis`: what a network's nodes prove, as files.

use std::{fs, path::Path};

use serde_json::{Value, json};
use windlass_model::ErrorCode;
use windlass_proof::{Checkpoint, Proof};

use super::Session;
use crate::{
    args::{GenesisArgs, ProofVerb},
    environment::{Outcome, problem},
    output,
};

/// The JSON-RPC code of a transaction that is not there, or has no such log.
const SERVER_ERROR: i64 = -32_000;

pub(super) async fn run(session: &Session, verb: ProofVerb) -> Outcome<()> {
    let (network, method, mut params, args) = match verb {
        ProofVerb::Tx(tx) => {
            (tx.network, "windlass_proveTransaction", vec![json!(tx.hash)], tx.proof)
        }
        ProofVerb::Log(log) => {
            let params = vec![json!(log.hash), json!(log.position)];
            (log.network, "windlass_proveLog", params, log.proof)
        }
        ProofVerb::Account(account) => {
            let params = vec![json!(account.address), json!(account.slots)];
            (account.network, "windlass_proveAccount", params, account.proof)
        }
    };
    let since = match args.since.as_deref() {
        Some(path) => Some(checkpoint(session, path, &network).await?),
        None => None,
    };
    params.push(json!(since.map_or(0, |checkpoint| checkpoint.epoch)));
    let answer = ask(session, &network, method, params).await?;
    let proof: Proof = serde_json::from_value(answer).map_err(|error| {
        problem(
            ErrorCode::Internal,
            format!("what the node answered is no proof: {error}"),
            "use a `windlass` of the network's version",
        )
    })?;
    hand_over(session, &proof.to_json(), args.output.as_deref(), "the proof")
}

pub(super) async fn genesis(session: &Session, args: GenesisArgs) -> Outcome<()> {
    let document = ask(session, &args.network, "windlass_genesis", Vec::new()).await?;
    let text = serde_json::to_string_pretty(&document)
        .map_err(|error| problem(ErrorCode::Internal, error.to_string(), "try again"))?;
    hand_over(session, &text, args.output.as_deref(), "the genesis document")
}

/// Asks the network's nodes, at its endpoint.
pub(super) async fn ask(
    session: &Session,
    network: &str,
    method: &str,
    params: Vec<Value>,
) -> Outcome<Value> {
    let network = session.client.network(network).await?;
    let Some(endpoint) = &network.endpoint else {
        return Err(problem(
            ErrorCode::NetworkBusy,
            format!("network `{}` has no endpoint to ask at", network.name),
            format!(
                "wait until it is usable, and see that it has the key `default`: windlass network key ls {}",
                network.name
            ),
        ));
    };
    let answer = session.client.ask(endpoint, method, params).await?;
    let Some(error) = answer.get("error") else {
        return Ok(answer.get("result").cloned().unwrap_or_default());
    };
    let message = error["message"].as_str().unwrap_or("no reason").to_owned();
    let hint = "name a transaction or an account of this network; `eth_getTransactionReceipt` shows \
                whether a transaction is in a block";
    let code = match error["code"].as_i64() {
        Some(SERVER_ERROR) => ErrorCode::NotProvable,
        Some(_) | None => ErrorCode::InvalidRequest,
    };
    Err(problem(code, message, hint))
}

/// Reads a checkpoint, which has to be this network's.
async fn checkpoint(session: &Session, path: &Path, network: &str) -> Outcome<Checkpoint> {
    let bytes = super::verify::read(path)?;
    let checkpoint = Checkpoint::from_json(&bytes).map_err(|error| {
        problem(
            ErrorCode::InvalidRequest,
            format!("{} is no checkpoint: {error}", path.display()),
            "give a file that `windlass verify --checkpoint-out` wrote",
        )
    })?;
    let network = session.client.network(network).await?;
    let found = format!("{:#x}", checkpoint.genesis);
    match network.genesis_hash {
        Some(genesis) if genesis != found => Err(problem(
            ErrorCode::InvalidRequest,
            format!(
                "{} is of the network with genesis {found}, and `{}` has {genesis}",
                path.display(),
                network.name
            ),
            "give a checkpoint of this network; one from before a recovery is of another",
        )),
        Some(_) | None => Ok(checkpoint),
    }
}

/// Prints a file's text, or writes it where it was asked for.
pub(super) fn hand_over(
    session: &Session,
    text: &str,
    output: Option<&Path>,
    what: &str,
) -> Outcome<()> {
    match output {
        None => output::line(text),
        Some(path) => {
            fs::write(path, format!("{text}\n")).map_err(|error| {
                problem(
                    ErrorCode::InvalidRequest,
                    format!("cannot write {}: {error}", path.display()),
                    "name a file in a folder that you may write to",
                )
            })?;
            session
                .output
                .result(&json!({ "file": path }), || format!("{what} is in {}", path.display()));
        }
    }
    Ok(())
}
