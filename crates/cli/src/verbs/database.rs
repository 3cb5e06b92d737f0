//! `windlass node db …`: a stopped node's ledger, looked at from outside.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use windlass_chain::{
    Chain,
    check::{Checked, Kind, Progress, census, check},
    genesis::Genesis,
    store::{RedbStore, StoreError},
};
use windlass_model::{ErrorCode, Problem};

use super::verify::causes;
use crate::{
    args::{DatabaseArgs, DatabaseVerb, PruneArgs},
    environment::{Outcome, problem},
    output::Output,
    render::Table,
};

pub(crate) fn run(verb: &DatabaseVerb, output: Output) -> Outcome<()> {
    match verb {
        DatabaseVerb::Verify(args) => verify(args, output),
        DatabaseVerb::Stats(args) => stats(args, output),
        DatabaseVerb::Prune(args) => prune(args, output),
    }
}

fn verify(args: &DatabaseArgs, output: Output) -> Outcome<()> {
    let file = ledger_of(&args.dir)?;
    let store = open(&file)?;
    let found = check(&store, &mut |progress| tell(progress, output))
        .map_err(|error| refused(&file, &error))?;
    output.result(&as_json(&file, &found), || as_text(&file, &found));
    if found.faults.is_empty() {
        return Ok(());
    }
    Err(damaged(&file, &format!("{} things are wrong", found.faults.len())))
}

fn stats(args: &DatabaseArgs, output: Output) -> Outcome<()> {
    let file = ledger_of(&args.dir)?;
    let store = open(&file)?;
    let kinds = census(&store, &mut |progress| tell(progress, output))
        .map_err(|error| refused(&file, &error))?;
    let bytes = size(&file)?;
    let each = |kind: &Kind| {
        json!({ "kind": kind.name, "records": kind.records, "key_bytes": kind.key_bytes,
                "value_bytes": kind.value_bytes })
    };
    let told = json!({ "file": file, "file_bytes": bytes,
                       "kinds": kinds.iter().map(each).collect::<Vec<_>>() });
    output.result(&told, || table(&kinds, bytes));
    Ok(())
}

fn prune(args: &PruneArgs, output: Output) -> Outcome<()> {
    let file = ledger_of(&args.database.dir)?;
    let document = args.database.dir.join("files").join("genesis.json");
    let bytes = fs::read(&document).map_err(|error| unreadable(&document, &error))?;
    let genesis = Genesis::parse(&bytes).map_err(|error| unreadable(&document, &error))?;
    let before = size(&file)?;
    let chain = Chain::open(open(&file)?, &genesis).map_err(|error| refused(&file, &error))?;
    let removed = chain.prune_states(args.keep).map_err(|error| refused(&file, &error))?;
    let oldest = chain.oldest_state().map_err(|error| refused(&file, &error))?;
    drop(chain);
    output.note("the file is made smaller");
    RedbStore::compact(&file).map_err(|error| refused(&file, &error))?;
    let after = size(&file)?;
    let told = json!({ "file": file, "states_removed": removed, "oldest_state": oldest,
                       "bytes_before": before, "bytes_after": after });
    output.result(&told, || {
        format!(
            "{}: the states of {removed} blocks removed, the oldest is that of block {oldest}\n\
             {} before, {} now",
            file.display(),
            kibibytes(before),
            kibibytes(after)
        )
    });
    Ok(())
}

/// Where a node's ledger is.
fn ledger_of(directory: &Path) -> Outcome<PathBuf> {
    let file = directory.join("data").join("ledger.redb");
    if file.is_file() {
        return Ok(file);
    }
    Err(problem(
        ErrorCode::InvalidRequest,
        format!("there is no ledger at {}", file.display()),
        "name a node's directory: they are in the platform's data directory, under `workloads`",
    ))
}

fn open(file: &Path) -> Outcome<RedbStore> {
    RedbStore::open(file).map_err(|error| refused(file, &error))
}

fn size(file: &Path) -> Outcome<u64> {
    fs::metadata(file).map(|metadata| metadata.len()).map_err(|error| unreadable(file, &error))
}

fn refused(file: &Path, error: &(dyn Error + 'static)) -> Box<Problem> {
    if StoreError::is_damage(error) {
        return damaged(file, &causes(error));
    }
    let detail = format!("{}: {}", file.display(), causes(error));
    let hint =
        "stop the network first (`windlass network stop`): a running node has its ledger open";
    problem(ErrorCode::InvalidRequest, detail, hint)
}

fn damaged(file: &Path, what: &str) -> Box<Problem> {
    let data = file.parent().unwrap_or(file).display();
    problem(
        ErrorCode::LedgerDamaged,
        format!("{}: {what}", file.display()),
        format!(
            "move {data} elsewhere, and start the network: the node fetches the chain from its peers"
        ),
    )
}

fn unreadable(file: &Path, error: &dyn Error) -> Box<Problem> {
    let detail = format!("cannot read {}: {}", file.display(), causes(error));
    problem(ErrorCode::InvalidRequest, detail, "see that the node's directory is whole")
}

fn tell(progress: Progress, output: Output) {
    if output.is_watched() {
        output.note(&match progress {
            Progress::Records(count) => format!("{count} records read"),
            Progress::Block(number) => format!("block {number}"),
            Progress::Accounts(count) => format!("{count} accounts"),
        });
    }
}

fn as_json(file: &Path, found: &Checked) -> Value {
    json!({
        "file": file,
        "tip": { "number": found.tip.number, "hash": found.tip.hash },
        "first_block": found.first_block,
        "blocks": found.blocks,
        "transactions": found.transactions,
        "accounts": found.accounts,
        "slots": found.slots,
        "nodes": found.nodes,
        "faults": found.faults,
    })
}

fn as_text(file: &Path, found: &Checked) -> String {
    let Checked { tip, first_block, blocks, transactions, accounts, slots, nodes, faults } = found;
    let mut text = format!(
        "{}\nblocks    {blocks}, from {first_block} to {} {}, with {transactions} transactions\n\
         state     {accounts} accounts, {slots} slots, {nodes} nodes of tries\n",
        file.display(),
        tip.number,
        tip.hash
    );
    if faults.is_empty() {
        text.push_str("all of it is as it was written\n");
    }
    for fault in faults {
        text.push_str("wrong     ");
        text.push_str(fault);
        text.push('\n');
    }
    text
}

fn kibibytes(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1 << 10))
}

fn table(kinds: &[Kind], bytes: u64) -> String {
    let mut table = Table::new(&["KIND", "RECORDS", "KEYS", "VALUES"]);
    for kind in kinds {
        table.row([
            kind.name.to_owned(),
            kind.records.to_string(),
            kibibytes(kind.key_bytes),
            kibibytes(kind.value_bytes),
        ]);
    }
    format!("{}\nthe file has {}\n", table.text(), kibibytes(bytes))
}
