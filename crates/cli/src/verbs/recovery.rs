//! `windlass network export`, `recovery …` and `recover`: what members agree on, and what follows.

use std::{
    fs::{self, File},
    io::{BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use futures::StreamExt as _;
use serde_json::{Value, json};
use windlass_chain::{
    export::{self, ExportError, Exported},
    recovery::{self, Judgement, Recovery, RecoveryError},
};
use windlass_model::{ErrorCode, Problem, network::Network, recovery::SignRecovery};

use super::{Session, network::changed};
use crate::{
    args::{
        AddSignatureArgs, ExportArgs, RecoverArgs, RecoveryFiles, RecoveryVerb, SignRecoveryArgs,
    },
    environment::{Outcome, problem},
    files,
    output::{self, Output},
    render,
};

/// How often an export is begun anew because the chain has moved on.
const ATTEMPTS: u32 = 5;
/// The last lines of an export are looked for in so many bytes.
const TAIL_BYTES: u64 = 1 << 16;

/// Carries out what needs no platform; `None` for what needs one.
pub(crate) fn offline(verb: &RecoveryVerb, output: Output) -> Option<Outcome<()>> {
    match verb {
        RecoveryVerb::Propose(args) => Some(propose(&args.export, &args.output, output)),
        RecoveryVerb::Show(files) => Some(show(files, output)),
        RecoveryVerb::Add(args) => Some(add(args, output)),
        RecoveryVerb::Sign(args) if args.print => Some(print(&args.files, output)),
        RecoveryVerb::Sign(_) => None,
    }
}

pub(super) async fn run(session: &Session, verb: RecoveryVerb) -> Outcome<()> {
    if let Some(outcome) = offline(&verb, session.output) {
        return outcome;
    }
    match verb {
        RecoveryVerb::Sign(args) => sign(session, args).await,
        RecoveryVerb::Propose(_) | RecoveryVerb::Show(_) | RecoveryVerb::Add(_) => Ok(()),
    }
}

/// Writes the whole state of a network into a file, and checks it.
pub(super) async fn export(session: &Session, args: ExportArgs) -> Outcome<()> {
    let part = files::beside(&args.output);
    let mut attempt = 0;
    loop {
        attempt += 1;
        match download(session, &args.network, &part).await {
            Ok(()) => break,
            Err(moved) if moved.code == ErrorCode::NetworkBusy && attempt < ATTEMPTS => {
                session.output.note(&format!("{}; once more", moved.detail));
            }
            Err(error) => {
                drop(fs::remove_file(&part));
                return Err(error);
            }
        }
    }
    let kept = verified(&part).and_then(|exported| {
        fs::rename(&part, &args.output).map_err(|error| unwritten(&args.output, &error))?;
        Ok(exported)
    });
    if kept.is_err() {
        drop(fs::remove_file(&part));
    }
    let exported = kept?;
    session.output.result(&told(&exported), || {
        format!("{}\nthe export is in {}", text(&exported), args.output.display())
    });
    Ok(())
}

async fn download(session: &Session, network: &str, part: &Path) -> Outcome<()> {
    let mut pieces = Box::pin(session.client.export(network).await?);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(part)
        .map_err(|error| unwritten(part, &error))?;
    while let Some(piece) = pieces.next().await {
        file.write_all(&piece?).map_err(|error| unwritten(part, &error))?;
    }
    file.sync_all().map_err(|error| unwritten(part, &error))?;
    // An export that is broken off says why in its last line.
    let tail = tail(&mut file).map_err(|error| unwritten(part, &error))?;
    match tail.lines().last().and_then(|line| serde_json::from_str::<Problem>(line).ok()) {
        Some(problem) => Err(Box::new(problem)),
        None => Ok(()),
    }
}

fn tail(file: &mut File) -> std::io::Result<String> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn propose(export: &Path, file: &Path, output: Output) -> Outcome<()> {
    let exported = verified(export)?;
    let recovery = recovery::propose(&exported).map_err(|error| unfit(&error))?;
    let judged = recovery::judge(&exported, &recovery).map_err(|error| unfit(&error))?;
    write(file, &recovery)?;
    output.result(&judgement(&recovery, &judged), || {
        format!(
            "{}\n\n{}\nthe recovery file is in {}; every member signs it:\n  windlass network recovery \
             sign <network> --file {} --export {}",
            text(&exported),
            signatures(&judged),
            file.display(),
            file.display(),
            export.display()
        )
    });
    Ok(())
}

fn show(files: &RecoveryFiles, output: Output) -> Outcome<()> {
    let (exported, recovery, judged) = fitting(files)?;
    output.result(&judgement(&recovery, &judged), || {
        format!("{}\n\n{}", text(&exported), signatures(&judged))
    });
    Ok(())
}

/// Whoever signs it reads JSON, with `--json` or without.
fn print(files: &RecoveryFiles, output: Output) -> Outcome<()> {
    let (exported, recovery, _) = fitting(files)?;
    for line in text(&exported).lines() {
        output.note(line);
    }
    output.note(
        "sign it with the member's account, and add the signature: windlass network recovery add",
    );
    let data = recovery.typed_data();
    output.result(&data, || serde_json::to_string_pretty(&data).unwrap_or_default());
    Ok(())
}

fn add(args: &AddSignatureArgs, output: Output) -> Outcome<()> {
    let (exported, mut recovery, _) = fitting(&args.files)?;
    let digits = args.signature.strip_prefix("0x").unwrap_or(&args.signature);
    let signature = hex::decode(digits).unwrap_or_default();
    let signer = recovery.signer(&signature).ok_or_else(|| {
        problem(
            ErrorCode::RecoveryInvalid,
            "that is no signature",
            "give r, s and v as 0x and 130 hex digits, as `eth_signTypedData_v4` answers",
        )
    })?;
    recovery.sign(signer, signature.into());
    let judged = recovery::judge(&exported, &recovery).map_err(|error| unfit(&error))?;
    // A signature on something else gives some account too.
    let named = args.account.as_deref().is_some_and(|one| one.parse() == Ok(signer));
    if !named && judged.others.contains(&signer) {
        return Err(problem(
            ErrorCode::RecoveryInvalid,
            format!("{signer:#x} signed, and is the account of no active member in the export"),
            "see that this very file was signed; if that is the account of a member that was let in \
             after the export, name it: --account",
        ));
    }
    write(&args.files.file, &recovery)?;
    output.result(&judgement(&recovery, &judged), || signatures(&judged));
    Ok(())
}

async fn sign(session: &Session, args: SignRecoveryArgs) -> Outcome<()> {
    // Nobody signs what was not checked.
    let (exported, recovery, _) = fitting(&args.files)?;
    for line in text(&exported).lines() {
        session.output.note(line);
    }
    let network = args.network.unwrap_or_default();
    let request = SignRecovery { member: args.member, recovery: recovery.to_json() };
    let signed = session.client.sign_recovery(&network, &request).await?;
    let (signature, account) = (signed.signature, Some(signed.account));
    let add = AddSignatureArgs { files: args.files, signature, account };
    self::add(&add, session.output)
}

pub(super) async fn recover(session: &Session, args: RecoverArgs) -> Outcome<()> {
    let (_, recovery, judged) = fitting(&args.files)?;
    if !args.yes {
        let network = session.client.network(&args.network).await?;
        let question = question(&network, &recovery, &judged);
        let refused = ("nothing was recovered", "answer y to recover it");
        let unasked = "there is no terminal to ask on";
        let again =
            "say that you mean it, with -y; what nodes have on disk is set aside, not deleted";
        output::consent(&question, refused, (unasked, again))?;
    }
    let line = serde_json::to_string(&recovery)
        .map_err(|error| problem(ErrorCode::Internal, error.to_string(), "try again"))?;
    let accepted = session.client.recover(&args, line).await?;
    session.conclude(accepted, &args.wait, |accepted| changed(accepted, "began anew")).await
}

/// What is asked before a recovery: with whose consent, and what is given up.
fn question(network: &Network, recovery: &Recovery, judged: &Judgement) -> String {
    let block = recovery.predecessor.number;
    let of_nodes = network.nodes.iter().filter_map(|node| Some((&*node.name, node.tip.as_ref()?)));
    let newest = of_nodes.max_by_key(|(_, tip)| tip.number);
    let lost = newest.filter(|(_, tip)| tip.number > block).map(|(name, tip)| {
        let (first, last) = (block.saturating_add(1), tip.number);
        format!(", and give up blocks {first} to {last}, which `{name}` has")
    });
    let others = match judged.others.len() {
        0 => String::new(),
        1 => " and another account".to_owned(),
        count => format!(" and {count} other accounts"),
    };
    format!(
        "have `{}` begin anew with the state after block {block}, as {} of its {} members{others} \
         signed{}?",
        network.name,
        judged.signed(),
        judged.members.len(),
        lost.unwrap_or_default()
    )
}

/// An export that holds.
pub(super) fn verified(path: &Path) -> Outcome<Exported> {
    let file = File::open(path).map_err(|error| unread(path, &error))?;
    export::verify(BufReader::with_capacity(1 << 20, file)).map_err(|error| {
        problem(
            ErrorCode::ExportInvalid,
            format!("{} does not hold: {}", path.display(), super::verify::causes(&error)),
            match error {
                ExportError::Cut { .. } => "get it again: windlass network export",
                _ => "do not use it; get it again from somebody who has it whole",
            },
        )
    })
}

/// A recovery file that fits an export.
fn fitting(files: &RecoveryFiles) -> Outcome<(Exported, Recovery, Judgement)> {
    let bytes = super::verify::read(&files.file)?;
    let recovery = Recovery::from_json(&bytes).map_err(|error| unfit(&error))?;
    let exported = verified(&files.export)?;
    let judged = recovery::judge(&exported, &recovery).map_err(|error| unfit(&error))?;
    Ok((exported, recovery, judged))
}

fn write(path: &Path, recovery: &Recovery) -> Outcome<()> {
    let text = recovery.to_json();
    files::replace(path, text.as_bytes()).map_err(|error| unwritten(path, &error))
}

fn unfit(error: &RecoveryError) -> Box<Problem> {
    problem(
        ErrorCode::RecoveryInvalid,
        super::verify::causes(error),
        "make the file from the same export that is given here: windlass network recovery propose",
    )
}

fn unread(path: &Path, error: &std::io::Error) -> Box<Problem> {
    problem(
        ErrorCode::InvalidRequest,
        format!("cannot read {}: {error}", path.display()),
        "name a file that is there and may be read",
    )
}

fn unwritten(path: &Path, error: &std::io::Error) -> Box<Problem> {
    problem(
        ErrorCode::InvalidRequest,
        format!("cannot write {}: {error}", path.display()),
        "name a file in a folder that you may write to",
    )
}

/// What an export has, for programs.
pub(super) fn told(exported: &Exported) -> Value {
    let block = &exported.verified.block;
    json!({
        "genesis_hash": exported.verified.genesis,
        "chain_id": exported.genesis.chain_id,
        "block": { "number": block.number, "hash": block.hash, "timestamp_ms": block.timestamp_ms },
        "state_root": block.header.state_root,
        "accounts": exported.accounts,
        "slots": exported.slots,
        "sha256": exported.sha256,
    })
}

/// The same for people.
pub(super) fn text(exported: &Exported) -> String {
    let verified = &exported.verified;
    let certified = &verified.finality.certified;
    format!(
        "the state of network {} after block {} ({}): {} accounts, {} slots\nfinal: {} of the {} \
         validators of epoch {} signed\nSHA-256 {}",
        verified.genesis,
        verified.block.number,
        verified.block.hash,
        exported.accounts,
        exported.slots,
        certified.signers.len(),
        certified.seats,
        certified.epoch,
        exported.sha256,
    )
}

fn judgement(recovery: &Recovery, judged: &Judgement) -> Value {
    let members = judged.members.iter().map(|member| {
        let (organization, account) = (&member.organization, member.account);
        json!({ "organization": organization, "account": account, "signed": member.signed })
    });
    json!({
        "predecessor": recovery.predecessor,
        "successor": judged.successor,
        "digest": recovery.digest(),
        "members": members.collect::<Vec<_>>(),
        "others": judged.others,
        "signed": judged.signed(),
        "needed": judged.needed(),
        "suffices": judged.suffices(),
    })
}

fn signatures(judged: &Judgement) -> String {
    let mut text = format!("the network that follows has the genesis {}\n", judged.successor);
    for member in &judged.members {
        let signed = if member.signed { "signed" } else { "has not signed" };
        let (organization, account) = (&member.organization, member.account);
        render::append(&mut text, format_args!("  {organization} ({account}) {signed}\n"));
    }
    for account in &judged.others {
        render::append(
            &mut text,
            format_args!(
                "  {account} signed, and is no active member in the export: that counts where newer \
                 blocks are given up\n"
            ),
        );
    }
    let (signed, all, needed) = (judged.signed(), judged.members.len(), judged.needed());
    render::append(
        &mut text,
        format_args!("{signed} of {all} active members signed; more than two thirds are {needed}"),
    );
    text
}
