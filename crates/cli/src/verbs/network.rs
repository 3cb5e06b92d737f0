//! `windlass network …` and `windlass apply`.

use windlass_model::{
    ErrorCode,
    api::{Accepted, ApplyPlan, SpecChange},
    network::OperationState,
    spec::{Manifest, Template},
};

use super::{Session, budgets, evidence, governance, keys, logs, nodes, recovery};
use crate::{
    args::{ApplyArgs, CreateArgs, DestroyArgs, NetworkVerb},
    environment::{Outcome, problem},
    output, render,
    spec::{Spec, begin_from, choose_name},
};

pub(super) async fn run(session: &Session, verb: NetworkVerb) -> Outcome<()> {
    match verb {
        NetworkVerb::Create(create) => self::create(session, create).await,
        NetworkVerb::Ls => {
            let networks = session.client.networks().await?;
            session.output.result(&networks, || render::networks(&networks));
            Ok(())
        }
        NetworkVerb::Show(named) => {
            let network = session.client.network(&named.network).await?;
            session.output.result(&network, || render::network(&network));
            Ok(())
        }
        NetworkVerb::Doctor(_) => Ok(()), // it has exit codes of its own
        NetworkVerb::Consensus(named) => {
            let consensus = session.client.consensus(&named.network).await?;
            session.output.result(&consensus, || render::consensus(&consensus));
            Ok(())
        }
        NetworkVerb::Evidence(args) => evidence::show(session, &args).await,
        NetworkVerb::Logs(args) => logs::run(session, &args).await,
        NetworkVerb::Stop(args) => {
            let accepted = session.client.stop(&args.network).await?;
            session.conclude(accepted, &args.wait, |accepted| changed(accepted, "stopped")).await
        }
        NetworkVerb::Start(args) => {
            let accepted = session.client.start(&args.network).await?;
            session.conclude(accepted, &args.wait, |accepted| changed(accepted, "started")).await
        }
        NetworkVerb::Sleep(args) => {
            let accepted = session.client.sleep(&args.network).await?;
            session.conclude(accepted, &args.wait, |accepted| changed(accepted, "asleep")).await
        }
        NetworkVerb::Wake(args) => {
            let accepted = session.client.wake(&args.network).await?;
            session.conclude(accepted, &args.wait, |accepted| changed(accepted, "awake")).await
        }
        NetworkVerb::Extend(args) => budgets::extend(session, &args).await,
        NetworkVerb::Genesis(args) => super::proof::genesis(session, args).await,
        NetworkVerb::Node(verb) => nodes::run(session, verb).await,
        NetworkVerb::Key(verb) => keys::run(session, verb).await,
        NetworkVerb::Destroy(destroy) => self::destroy(session, destroy).await,
        NetworkVerb::Export(args) => recovery::export(session, args).await,
        NetworkVerb::Recovery(verb) => recovery::run(session, verb).await,
        NetworkVerb::Recover(args) => recovery::recover(session, args).await,
        NetworkVerb::Govern(verb) => governance::run(session, verb).await,
    }
}

async fn create(session: &Session, args: CreateArgs) -> Outcome<()> {
    let spec = args.file.as_deref().map(Spec::load).transpose()?;
    let mut manifest = match &spec {
        Some(spec) => spec.manifest.clone(),
        None => begun(&args)?,
    };
    let notes = match &args.genesis_from {
        Some(file) => begin_from(file, &mut manifest)?,
        None => spec.iter().flat_map(|spec| spec.notes.clone()).collect(),
    };
    session.warn(&notes);
    choose_name(args.name.as_deref(), &mut manifest)?;
    let accepted = session.client.create(&manifest).await;
    let accepted = accepted.map_err(|problem| match &spec {
        Some(spec) => spec.locate(problem),
        None => problem,
    })?;
    session.conclude(accepted, &args.wait, |accepted| changed(accepted, "created")).await
}

/// What the command line says of it.
fn begun(args: &CreateArgs) -> Outcome<Manifest> {
    let mut manifest = args.template.map(Template::declared).unwrap_or_default();
    if let Some(ttl_s) = args.ttl {
        manifest.ttl_s = Some(u32::try_from(ttl_s).map_err(|_error| {
            problem(ErrorCode::InvalidRequest, "--ttl is too long", "ten years are the most")
        })?);
    }
    // So many of the organization's own, whatever the template has.
    if args.validators.is_some() {
        (manifest.validators, manifest.members) = (args.validators, None);
    }
    Ok(manifest)
}

/// Makes a network what a file says.
pub(super) async fn apply(session: &Session, args: ApplyArgs) -> Outcome<()> {
    let spec = Spec::load(&args.file)?;
    session.warn(&spec.notes);
    let mut manifest = spec.manifest.clone();
    let name = choose_name(None, &mut manifest)?;
    if args.dry_run {
        let plan = session.client.plan(name.as_str(), &manifest).await;
        let plan = plan.map_err(|problem| spec.locate(problem))?;
        session.output.result(&plan, || planned(name.as_str(), &plan));
        return Ok(());
    }
    let accepted = session.client.apply(name.as_str(), &manifest).await;
    let accepted = accepted.map_err(|problem| spec.locate(problem))?;
    session.conclude(accepted, &args.wait, |accepted| changed(accepted, "applied")).await
}

async fn destroy(session: &Session, args: DestroyArgs) -> Outcome<()> {
    if !args.yes {
        let network = session.client.network(&args.network).await?;
        let question = format!(
            "destroy the network `{}` with its {} nodes, keys and whole chain?",
            network.name,
            network.nodes.len()
        );
        let refused = ("nothing was destroyed", "answer y to destroy it");
        let unasked = "a destroy cannot be undone, and there is no terminal to ask on";
        let again = format!("say that you mean it: windlass network destroy {} -y", args.network);
        output::consent(&question, refused, (unasked, &again))?;
    }
    let accepted = session.client.destroy(&args.network).await?;
    session.conclude(accepted, &args.wait, |accepted| changed(accepted, "destroyed")).await
}

pub(super) fn changed(accepted: &Accepted, done: &str) -> String {
    let name = &accepted.network.name;
    let Some(operation) = &accepted.operation else {
        return format!("network `{name}` is as it should be; nothing was to be done");
    };
    if operation.state == OperationState::Running {
        return format!(
            "network `{name}`: {} is under way as {}\n`windlass operation wait {}` waits for it",
            render::word(&operation.kind),
            operation.id,
            operation.id
        );
    }
    let took = operation.finished_at_ms.map(|end| end.saturating_sub(operation.created_at_ms));
    match (&operation.evidence, &operation.receipt) {
        (_, Some(receipt)) => render::receipt(receipt, &operation.nodes),
        (Some(evidence), None) => render::evidence(name.as_str(), evidence, took),
        (None, None) => {
            let took =
                took.map_or_else(String::new, |took| format!(" in {}", render::duration(took)));
            format!("network `{name}` {done}{took}")
        }
    }
}

fn planned(name: &str, plan: &ApplyPlan) -> String {
    match plan {
        ApplyPlan::Create => format!("network `{name}` would be created"),
        ApplyPlan::Nothing => format!("network `{name}` is as the spec says"),
        ApplyPlan::Update { changes } => {
            let mut text = format!("network `{name}` would change:\n");
            for SpecChange { field, from, to } in changes {
                render::append(&mut text, format_args!("  {field}: {from} -> {to}\n"));
            }
            text
        }
    }
}
