//! `windlass verify`: offline, and on nobody's word.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use serde_json::{Value, json};
use windlass_chain::{export::EXPORT_FORMAT, genesis::Genesis};
use windlass_model::{ErrorCode, Problem};
use windlass_proof::{
    Checkpoint, EVIDENCE_FORMAT, EvidenceProof, Fact, FileError, MAX_DOCUMENT_BYTES, Proof,
    ProofError, TransactionFact, TrustAnchor, Verified, verify, verify_evidence,
};

use super::{evidence, recovery};
use crate::{
    args::VerifyArgs,
    environment::{Outcome, problem},
    output::Output,
    render,
};

pub(crate) fn run(args: &VerifyArgs, output: Output) -> Outcome<()> {
    if is_export(&args.file) {
        return export(args, output);
    }
    let anchor = anchor(args)?;
    let bytes = read(&args.file)?;
    let proof = match Proof::from_json(&bytes) {
        Ok(proof) => proof,
        Err(FileError::Format { format, .. }) if format == EVIDENCE_FORMAT => {
            return misconduct(args, &bytes, &anchor, output);
        }
        Err(error) => return Err(no_proof(&args.file, &error)),
    };
    let verified = verify(&proof, &anchor).map_err(|error| refused(&args.file, &error))?;
    write_checkpoint(args, &verified.checkpoint)?;
    output.result(&told(&verified), || text(&verified));
    Ok(())
}

/// Evidence that a validator voted twice.
fn misconduct(
    args: &VerifyArgs,
    bytes: &[u8],
    anchor: &TrustAnchor,
    output: Output,
) -> Outcome<()> {
    let proof = EvidenceProof::from_json(bytes).map_err(|error| no_proof(&args.file, &error))?;
    let verified = verify_evidence(&proof, anchor).map_err(|error| refused(&args.file, &error))?;
    write_checkpoint(args, &verified.checkpoint)?;
    output.result(&evidence::told(&verified), || evidence::text(&verified));
    Ok(())
}

fn no_proof(file: &Path, error: &FileError) -> Box<Problem> {
    problem(
        ErrorCode::ProofInvalid,
        format!("{} is no proof: {}", file.display(), causes(error)),
        "get it with `windlass proof`; docs/protocol/proofs.md has the format",
    )
}

fn refused(file: &Path, error: &ProofError) -> Box<Problem> {
    problem(
        ErrorCode::ProofInvalid,
        format!("{} does not hold: {}", file.display(), causes(error)),
        "do not rely on what it says; if the network has changed its validators, see that the \
         genesis document or the checkpoint is this network's",
    )
}

fn write_checkpoint(args: &VerifyArgs, checkpoint: &Checkpoint) -> Outcome<()> {
    let Some(path) = &args.checkpoint_out else { return Ok(()) };
    fs::write(path, checkpoint.to_json() + "\n").map_err(|error| {
        problem(
            ErrorCode::InvalidRequest,
            format!("cannot write {}: {error}", path.display()),
            "name a file in a folder that you may write to",
        )
    })
}

/// Whether a file begins as an export does.
fn is_export(path: &Path) -> bool {
    let start = format!("{{\"format\":\"{EXPORT_FORMAT}\"");
    let mut found = vec![0; start.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut found));
    read.is_ok() && found == start.as_bytes()
}

/// An export has its own genesis document: it has to be the one that is trusted.
fn export(args: &VerifyArgs, output: Output) -> Outcome<()> {
    let Some(path) = &args.genesis else {
        return Err(problem(
            ErrorCode::InvalidRequest,
            "an export is verified from its genesis on, not from a checkpoint",
            "give --genesis",
        ));
    };
    let genesis = Genesis::parse(&read(path)?).map_err(|error| {
        problem(
            ErrorCode::InvalidRequest,
            format!("{} is no genesis document: {}", path.display(), causes(&error)),
            "get it with `windlass network genesis` from somebody you trust",
        )
    })?;
    let exported = recovery::verified(&args.file)?;
    let (found, expected) = (exported.verified.genesis, genesis.hash());
    if found != expected {
        return Err(problem(
            ErrorCode::ExportInvalid,
            format!("the export is of the network with genesis {found}, not {expected}"),
            "see that the genesis document is this network's",
        ));
    }
    output.result(&recovery::told(&exported), || recovery::text(&exported));
    Ok(())
}

fn anchor(args: &VerifyArgs) -> Outcome<TrustAnchor> {
    let wrong = |path: &Path, what: &str, error: &dyn std::error::Error| {
        problem(
            ErrorCode::InvalidRequest,
            format!("{} is no {what}: {}", path.display(), causes(error)),
            "get the genesis document with `windlass network genesis` from somebody you trust, or \
             a checkpoint with `windlass verify --checkpoint-out`",
        )
    };
    match (&args.genesis, &args.checkpoint) {
        (Some(path), _) => TrustAnchor::from_genesis(&read(path)?)
            .map_err(|error| wrong(path, "genesis document", &error)),
        (None, Some(path)) => {
            let checkpoint = Checkpoint::from_json(&read(path)?)
                .map_err(|error| wrong(path, "checkpoint", &error))?;
            TrustAnchor::from_checkpoint(checkpoint)
                .map_err(|error| wrong(path, "checkpoint", &error))
        }
        (None, None) => Err(problem(
            ErrorCode::InvalidRequest,
            "there is nothing to verify against",
            "give `--genesis FILE`, the network's genesis document, or `--checkpoint FILE`; get either \
             from somebody you trust",
        )),
    }
}

/// A file's bytes, or those of stdin for `-`; no more than any of the files may have.
pub(super) fn read(path: &Path) -> Outcome<Vec<u8>> {
    let most = u64::try_from(MAX_DOCUMENT_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        problem(
            ErrorCode::InvalidRequest,
            format!("cannot read {}: {error}", path.display()),
            "name a file that is there and may be read",
        )
    })?;
    Ok(bytes)
}

pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        render::append(&mut text, format_args!(": {next}"));
        cause = next.source();
    }
    text
}

/// What is proven, for programs.
fn told(verified: &Verified) -> Value {
    let mut value = json!({
        "genesis_hash": verified.genesis,
        "block": {
            "number": verified.block.number,
            "hash": verified.block.hash,
            "timestamp_ms": verified.block.timestamp_ms,
            "epoch": verified.block.epoch,
        },
        "certificate": {
            "block_number": verified.finality.number,
            "epoch": verified.finality.certified.epoch,
            "signed_by": verified.finality.certified.signers,
            "validators": verified.finality.certified.seats,
            "validators_shown_from_epoch": verified.finality.committee_epoch,
        },
    });
    let (kind, fact) = match &verified.fact {
        Fact::Transaction(fact) => ("transaction", transaction(fact)),
        Fact::Log(fact) => (
            "log",
            json!({
                "position": fact.position,
                "address": fact.log.address,
                "topics": fact.log.topics(),
                "data": fact.log.data.data,
                "transaction": transaction(&fact.transaction),
            }),
        ),
        Fact::Account(fact) => (
            "account",
            json!({
                "address": fact.address,
                "exists": fact.account.is_some(),
                "nonce": fact.account.map(|account| account.nonce),
                "balance": fact.account.map(|account| account.balance.to_string()),
                "code_hash": fact.account.map(|account| account.code_hash),
                "storage_root": fact.account.map(|account| account.storage_root),
                "slots": fact.slots.iter()
                    .map(|slot| json!({ "slot": slot.slot, "value": slot.value }))
                    .collect::<Vec<_>>(),
            }),
        ),
    };
    value[kind] = fact;
    value
}

fn transaction(fact: &TransactionFact) -> Value {
    json!({
        "hash": fact.hash,
        "index": fact.index,
        "from": fact.sender,
        "succeeded": fact.receipt.is_success(),
        "logs": fact.receipt.logs().len(),
        "transaction": fact.transaction,
    })
}

/// What is proven, for people.
fn text(verified: &Verified) -> String {
    let mut text = match &verified.fact {
        Fact::Transaction(fact) => {
            let did = if fact.receipt.is_success() { "succeeded" } else { "failed" };
            let logs = fact.receipt.logs().len();
            format!("transaction {} of {} {did}, with {logs} logs\n", fact.hash, fact.sender)
        }
        Fact::Log(fact) => {
            let mut text = format!(
                "log {} of transaction {}, by contract {}\n",
                fact.position, fact.transaction.hash, fact.log.address
            );
            for topic in fact.log.topics() {
                render::append(&mut text, format_args!("  topic {topic}\n"));
            }
            render::append(&mut text, format_args!("  data  {}\n", fact.log.data.data));
            text
        }
        Fact::Account(fact) => {
            let mut text = match fact.account {
                Some(account) => format!(
                    "account {}: balance {} wei, nonce {}\n",
                    fact.address, account.balance, account.nonce
                ),
                None => format!("account {}: there is none\n", fact.address),
            };
            for slot in &fact.slots {
                let line = format_args!("  slot {} is {:#066x}\n", slot.slot, slot.value);
                render::append(&mut text, line);
            }
            text
        }
    };
    let (block, finality) = (&verified.block, &verified.finality);
    let certified = &finality.certified;
    render::append(
        &mut text,
        format_args!(
            "in block {} ({}), at Unix time {}.{:03}\nfinal: {} of the {} validators of epoch {} \
             signed block {}\nnetwork {}",
            block.number,
            block.hash,
            block.timestamp_ms / 1_000,
            block.timestamp_ms % 1_000,
            certified.signers.len(),
            certified.seats,
            certified.epoch,
            finality.number,
            verified.genesis,
        ),
    );
    text
}
