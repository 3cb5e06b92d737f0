//! `windlass network node …`.

use windlass_model::{
    api::Accepted,
    network::{NodesRequest, OperationState},
};

use super::{Session, network::changed};
use crate::{
    args::{NodeAddArgs, NodeReplaceArgs, NodeRmArgs, NodeVerb},
    environment::Outcome,
    output, render,
};

pub(super) async fn run(session: &Session, verb: NodeVerb) -> Outcome<()> {
    match verb {
        NodeVerb::Ls(named) => {
            let nodes = session.client.nodes(&named.network).await?;
            session.output.result(&nodes, || render::nodes_of(&nodes));
            Ok(())
        }
        NodeVerb::Add(args) => add(session, args).await,
        NodeVerb::Replace(args) => replace(session, args).await,
        NodeVerb::Rm(args) => remove(session, args).await,
    }
}

async fn add(session: &Session, args: NodeAddArgs) -> Outcome<()> {
    let request = NodesRequest { member: args.member, count: args.count };
    let accepted = session.client.add_nodes(&args.network, &request).await?;
    session.conclude(accepted, &args.wait, told).await
}

fn told(accepted: &Accepted) -> String {
    match &accepted.operation {
        Some(operation) if operation.state == OperationState::Succeeded => {
            render::added(operation, &accepted.network.nodes)
        }
        Some(_) | None => changed(accepted, "has the nodes"),
    }
}

async fn replace(session: &Session, args: NodeReplaceArgs) -> Outcome<()> {
    let NodeReplaceArgs { network, node, .. } = &args;
    if !args.yes {
        let question = format!(
            "remove everything that {node} of the network `{network}` has on its disk, and have it begin \
             anew?"
        );
        let refused = ("nothing was replaced", "answer y to replace it");
        let unasked = "what is on its disk does not come back, and there is no terminal to ask on";
        let again =
            format!("say that you mean it: windlass network node replace {network} {node} -y");
        output::consent(&question, refused, (unasked, &again))?;
    }
    let accepted = session.client.replace_node(network, node).await?;
    session
        .conclude(accepted, &args.wait, |accepted| match &accepted.operation {
            Some(operation) if operation.state == OperationState::Succeeded => {
                render::replaced(operation, &accepted.network.nodes)
            }
            Some(_) | None => changed(accepted, "has the node anew"),
        })
        .await
}

async fn remove(session: &Session, args: NodeRmArgs) -> Outcome<()> {
    if !args.yes {
        let question = format!(
            "remove {} of the network `{}` with its keys and its copy of the chain?",
            args.node, args.network
        );
        let refused = ("nothing was removed", "answer y to remove it");
        let unasked = "a removal cannot be undone, and there is no terminal to ask on";
        let again = format!(
            "say that you mean it: windlass network node rm {} {} -y",
            args.network, args.node
        );
        output::consent(&question, refused, (unasked, &again))?;
    }
    let accepted = session.client.remove_node(&args.network, &args.node).await?;
    session
        .conclude(accepted, &args.wait, |accepted| changed(accepted, "has the node no more"))
        .await
}
