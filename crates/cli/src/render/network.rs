//! Networks, operations, evidence and receipts as people read them.

use windlass_model::{
    budget::{End, EndStage},
    condition::{Cause, Condition, ConditionKind, ConditionStatus, findings},
    network::{
        BlockRef, Evidence, Network, NetworkState, Node, NodeRole, Operation, Reason, StepTiming,
    },
    receipt::ReleaseReceipt,
};

use super::{STEP_WIDTH, Table, append, clock_time, duration, mebibytes, moment, word};

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn height(tip: Option<&BlockRef>) -> String {
    or_dash(tip.map(|tip| tip.number.to_string()))
}

/// Whether it does what it is for, as far as the platform knows: since when not, or when it answered last.
fn usable(network: &Network) -> Option<String> {
    let usable = network.conditions.iter().find(|one| one.kind == ConditionKind::Usable)?;
    let since = clock_time(usable.since_ms);
    let answered = network.answered_at_ms.map(clock_time);
    Some(match (usable.status, answered) {
        (ConditionStatus::True, Some(answered)) => format!("yes, answered at {answered}"),
        (ConditionStatus::True, None) => "yes".to_owned(),
        (ConditionStatus::False, _) => format!("no, since {since}"),
        (ConditionStatus::Unknown, Some(answered)) => {
            format!("unknown: the last answer came at {answered}")
        }
        (ConditionStatus::Unknown, None) => format!("unknown, since {since}"),
    })
}

/// What is wrong, a line each.
fn wrong(network: &Network) -> String {
    let mut text = String::new();
    for one in findings(&network.conditions) {
        let fault = one
            .fault
            .as_ref()
            .map_or_else(String::new, |fault| format!(", a fault of the {}", word(fault)));
        let (kind, cause, since) = (word(&one.kind), word(&one.cause), clock_time(one.since_ms));
        append(&mut text, format_args!("not so      {kind}: {cause} since {since}{fault}\n"));
    }
    if !text.is_empty() {
        append(&mut text, format_args!("see         windlass network doctor {}\n", network.name));
    }
    text
}

/// Its health; since when it is not known, if it should be.
fn health(network: &Network) -> String {
    let heard = |one: &&Condition| one.cause == Cause::NotHeard;
    let usable = network.conditions.iter().find(|one| one.kind == ConditionKind::Usable);
    match usable.filter(heard) {
        Some(usable) => format!("unknown since {}", clock_time(usable.since_ms)),
        None => word(&network.health),
    }
}

fn reason(reason: &Reason) -> String {
    format!("why         {} ({})\nremedy      {}\n", reason.message, reason.code, reason.remedy)
}

/// How many validators vote, as far as the nodes say; otherwise how many were declared.
fn validators(network: &Network) -> u32 {
    network.voting_validators.unwrap_or_else(|| network.spec.validators())
}

/// A list of networks.
pub(crate) fn networks(networks: &[Network]) -> String {
    if networks.is_empty() {
        return "no networks; `windlass network create trade --validators 4` makes one".to_owned();
    }
    let mut table = Table::new(&["NAME", "STATE", "HEALTH", "VALIDATORS", "HEIGHT", "CHAIN ID"]);
    for network in networks {
        table.row([
            network.name.to_string(),
            word(&network.state),
            health(network),
            validators(network).to_string(),
            height(network.tip.as_ref()),
            network.spec.chain_id.to_string(),
        ]);
    }
    table.text()
}

/// One network with its nodes.
pub(crate) fn network(network: &Network) -> String {
    let mut text = format!(
        "name        {}\nid          {}\nstate       {}\nhealth      {}\nkind        {}\n\
         chain id    {}\nvalidators  {}, {} may fail\n",
        network.name,
        network.id,
        word(&network.state),
        word(&network.health),
        word(&network.spec.kind),
        network.spec.chain_id,
        validators(network),
        validators(network).saturating_sub(1) / 3,
    );
    if let Some(usable) = usable(network) {
        append(&mut text, format_args!("usable      {usable}\n"));
    }
    if let Some(hash) = &network.genesis_hash {
        append(&mut text, format_args!("genesis     {hash}\n"));
    }
    if let Some(recovered) = &network.recovered {
        append(
            &mut text,
            format_args!(
                "recovered   at Unix time {}, with the state of {} after block {}; {} of {} members \
                 signed\n",
                recovered.at_ms / 1_000,
                recovered.predecessor,
                recovered.block.number,
                recovered.signed_by.len(),
                recovered.members,
            ),
        );
    }
    if let Some(tip) = &network.tip {
        append(&mut text, format_args!("tip         {} {}\n", tip.number, tip.hash));
    }
    where_it_is(network, &mut text);
    if let Some(lease) = &network.lease {
        append(
            &mut text,
            format_args!("lease       {lease}; it is destroyed when nobody holds it\n"),
        );
    }
    if let Some(end) = &network.end {
        append(&mut text, format_args!("ends        {}\n", ending(end)));
    }
    if let Some(bytes) = network.disk_bytes {
        append(&mut text, format_args!("disk        {}\n", mebibytes(bytes)));
    }
    if let Some(operation) = &network.operation {
        append(&mut text, format_args!("operation   {operation}\n"));
    }
    if let Some(why) = &network.reason {
        text.push_str(&reason(why));
    }
    text.push_str(&wrong(network));
    text.push('\n');
    text.push_str(&nodes(&network.nodes));
    text
}

/// Where clients reach it.
fn where_it_is(network: &Network, text: &mut String) {
    if let Some(endpoint) = &network.endpoint {
        append(text, format_args!("endpoint    {endpoint}\n"));
    } else if network.evidence.is_some() {
        append(
            text,
            format_args!(
                "endpoint    none to show: the gateway does not run yet, or the key `default` was revoked; \
                 `windlass network key create {} default --scope send` makes one\n",
                network.name
            ),
        );
    }
    if let Some(local) = &network.local_endpoint {
        append(text, format_args!("local       {local}, without a key, on this machine\n"));
    } else if network.spec.local_port > 0 && network.state == NetworkState::Usable {
        append(
            text,
            format_args!(
                "local       not at port {} while another program listens there (`ss -ltnp`)\n",
                network.spec.local_port
            ),
        );
    }
}

/// When its time is over, and what comes of it.
fn ending(end: &End) -> String {
    let gone = moment(end.destroyed_at_ms);
    match end.stage {
        EndStage::Ahead => moment(end.at_ms),
        EndStage::Soon => format!(
            "{}, soon: it is stopped then, and destroyed at {gone} unless it is extended",
            moment(end.at_ms)
        ),
        EndStage::Over => {
            format!("{}, over: it is destroyed at {gone} unless it is extended", moment(end.at_ms))
        }
    }
}

fn nodes(nodes: &[Node]) -> String {
    let head = ["NODE", "ROLE", "STATE", "PID", "HEIGHT", "PEERS", "MEMORY", "RESTARTS", "WHY"];
    let mut table = Table::new(&head);
    for node in nodes {
        table.row([
            node.name.clone(),
            word(&node.role),
            word(&node.state),
            or_dash(node.pid.map(|pid| pid.to_string())),
            height(node.tip.as_ref()),
            or_dash(node.connected_validators.map(|count| peers(node, count).to_string())),
            or_dash(node.resident_bytes.map(mebibytes)),
            node.restarts.to_string(),
            // What a process wrote last follows the first line; `logs` has it too.
            node.reason
                .as_ref()
                .and_then(|reason| reason.message.lines().next())
                .unwrap_or_default()
                .to_owned(),
        ]);
    }
    let mut text = table.text();
    for node in nodes {
        if let Some(Reason { code, remedy, .. }) = &node.reason {
            append(&mut text, format_args!("\n{}: {code}\n  {remedy}\n", node.name));
        }
    }
    text
}

/// The validators that a node is connected with, which counts itself if it is one.
fn peers(node: &Node, connected: u32) -> u32 {
    match node.role {
        NodeRole::Validator => connected.saturating_sub(1),
        NodeRole::Suspended | NodeRole::Observer | NodeRole::Unnamed => connected,
    }
}

/// A list of nodes, with what each is to the members.
pub(crate) fn nodes_of(nodes: &[Node]) -> String {
    let head = ["NODE", "MEMBER", "ROLE", "STATE", "VOTES", "BLOCK", "WHY NOT"];
    let mut table = Table::new(&head);
    for node in nodes {
        table.row([
            node.name.clone(),
            node.member.to_string(),
            role(node.role).to_owned(),
            word(&node.state),
            or_dash(node.voting.map(|votes| if votes { "yes" } else { "no" }.to_owned())),
            progress(node),
            why_not(node),
        ]);
    }
    table.text()
}

fn role(role: NodeRole) -> &'static str {
    match role {
        NodeRole::Validator => "validator",
        NodeRole::Suspended => "validator, suspended",
        NodeRole::Observer => "observer",
        NodeRole::Unnamed => "not named",
    }
}

/// Its newest block; while it catches up, of which.
fn progress(node: &Node) -> String {
    let Some(tip) = &node.tip else { return "-".to_owned() };
    let left = node.sync_left_s.map_or_else(String::new, |seconds| {
        format!(", {} left", duration(seconds.saturating_mul(1_000)))
    });
    match (node.state_per_mille, node.syncing, node.highest) {
        (Some(taken), _, _) => format!("taking the state: {}.{} %{left}", taken / 10, taken % 10),
        (None, Some(true), Some(highest)) => {
            format!("syncing: block {} of {highest}{left}", tip.number)
        }
        (None, _, _) if node.earlier_blocks.is_some() => {
            let earlier = node.earlier_blocks.unwrap_or(0);
            format!("{}, fetching {earlier} earlier blocks{left}", tip.number)
        }
        (None, _, _) => tip.number.to_string(),
    }
}

fn why_not(node: &Node) -> String {
    let said = node.reason.as_ref().and_then(|reason| reason.message.lines().next());
    let why = said.map(str::to_owned).or_else(|| node.not_voting.clone());
    match node.role {
        NodeRole::Unnamed => why.unwrap_or_else(|| match node.voting {
            Some(true) => "no member names it any more: it votes until the epoch ends".to_owned(),
            Some(false) | None => {
                "no member has named it: propose it, or remove it if it was voted out".to_owned()
            }
        }),
        NodeRole::Validator | NodeRole::Suspended | NodeRole::Observer => why.unwrap_or_default(),
    }
}

/// What came of adding nodes, and how it goes on.
pub(crate) fn added(operation: &Operation, nodes: &[Node]) -> String {
    let mut text = nodes_about(operation, nodes);
    if let Some(next) = &operation.next {
        append(&mut text, format_args!("\nto have the members vote them in:\n  {next}\n"));
    }
    text
}

/// The nodes that an operation is about.
fn nodes_about(operation: &Operation, nodes: &[Node]) -> String {
    let own = nodes.iter().filter(|node| operation.nodes.contains(&node.name));
    nodes_of(&own.cloned().collect::<Vec<_>>())
}

/// Why a network may be called usable, and how long each step to it took.
pub(crate) fn evidence(name: &str, evidence: &Evidence, total_ms: Option<u64>) -> String {
    let mut text = proof(name, evidence);
    text.push('\n');
    for StepTiming { step, milliseconds } in &evidence.steps {
        append(&mut text, format_args!("{step:<STEP_WIDTH$}  {milliseconds:>6} ms\n"));
    }
    let sum = evidence.steps.iter().map(|step| step.milliseconds).sum();
    let total = total_ms.unwrap_or(sum);
    append(&mut text, format_args!("{:<STEP_WIDTH$}  {total:>6} ms\n", "total"));
    text
}

fn proof(name: &str, evidence: &Evidence) -> String {
    let mut text = format!(
        "network `{name}` is usable\n\nchain id          {}\ngenesis hash      {}\n",
        evidence.chain_id, evidence.genesis_hash
    );
    append(
        &mut text,
        format_args!(
            "test transaction  {}\n  in final block  {} {}\nendpoint          {}\n  answered block  {}\n\n",
            evidence.test_transaction,
            evidence.test_block.number,
            evidence.test_block.hash,
            evidence.endpoint,
            evidence.endpoint_block,
        ),
    );
    let mut table = Table::new(&["VALIDATOR", "FIRST FINAL BLOCK", "HASH"]);
    for node in &evidence.nodes {
        table.row([
            node.node.clone(),
            node.first_block.number.to_string(),
            node.first_block.hash.clone(),
        ]);
    }
    text.push_str(&table.text());
    text
}

/// What a destroy released, or the removal of a node.
pub(crate) fn receipt(receipt: &ReleaseReceipt, nodes: &[String]) -> String {
    let took = receipt.completed_at_ms.saturating_sub(receipt.requested_at_ms);
    let what = match nodes {
        [] => format!("network `{}` ({})", receipt.name, receipt.network),
        nodes => format!("{} of the network `{}`", nodes.join(", "), receipt.name),
    };
    let head = format!(
        "{what} is gone: {} things released and verified in {}",
        receipt.released.len(),
        duration(took)
    );
    released(&head, receipt)
}

/// A node that was replaced, and what its old disk was.
pub(crate) fn replaced(operation: &Operation, nodes: &[Node]) -> String {
    let head = format!(
        "{} of the network `{}` has a new disk and follows",
        operation.nodes.join(", "),
        operation.network_name
    );
    let old = operation.receipt.as_ref();
    let old = old.map_or_else(|| head.clone(), |receipt| released(&head, receipt));
    format!("{old}\n{}", nodes_about(operation, nodes))
}

fn released(head: &str, receipt: &ReleaseReceipt) -> String {
    let mut text = format!("{head}\n\n");
    // Paths are long: the column that a terminal may wrap is the last.
    let mut table = Table::new(&["KIND", "OF", "AFTER", "WHAT, AND WHAT SHOWS THAT IT IS GONE"]);
    for released in &receipt.released {
        table.row([
            word(&released.kind),
            released.owner.clone(),
            duration(released.released_at_ms.saturating_sub(receipt.requested_at_ms)),
            format!("{}: {}", released.name, released.verified),
        ]);
    }
    text.push_str(&table.text());
    text
}

/// A list of operations.
pub(crate) fn operations(operations: &[Operation]) -> String {
    if operations.is_empty() {
        return "no operations".to_owned();
    }
    let mut table = Table::new(&["ID", "KIND", "NETWORK", "STATE", "TOOK", "BY"]);
    for operation in operations {
        table.row([
            operation.id.to_string(),
            word(&operation.kind),
            operation.network_name.to_string(),
            word(&operation.state),
            or_dash(took(operation).map(duration)),
            or_dash(Some(operation.actor.clone()).filter(|actor| !actor.is_empty())),
        ]);
    }
    table.text()
}

/// One operation with its steps.
pub(crate) fn operation(operation: &Operation) -> String {
    let mut text = format!(
        "id          {}\nkind        {}\nnetwork     {}\nstate       {}\n",
        operation.id,
        word(&operation.kind),
        operation.network_name,
        word(&operation.state),
    );
    if !operation.actor.is_empty() {
        append(&mut text, format_args!("by          {}\n", operation.actor));
    }
    if let Some(took) = took(operation) {
        append(&mut text, format_args!("took        {}\n", duration(took)));
    }
    if !operation.nodes.is_empty() {
        append(&mut text, format_args!("nodes       {}\n", operation.nodes.join(", ")));
    }
    if let Some(next) = &operation.next {
        append(&mut text, format_args!("next        {next}\n"));
    }
    if let Some(why) = &operation.reason {
        text.push_str(&reason(why));
    } else if let Some(before) = &operation.delayed_by {
        append(&mut text, format_args!("was waiting {} ({})\n", before.message, before.code));
    }
    text.push('\n');
    let mut table = Table::new(&["STEP", "STATE", "TOOK", "DETAIL"]);
    for step in &operation.steps {
        let took = step.started_at_ms.zip(step.finished_at_ms);
        table.row([
            step.name.clone(),
            word(&step.state),
            or_dash(took.map(|(began, ended)| duration(ended.saturating_sub(began)))),
            step.detail.clone().unwrap_or_default(),
        ]);
    }
    text.push_str(&table.text());
    if let Some(evidence) = &operation.evidence {
        text.push('\n');
        text.push_str(&proof(operation.network_name.as_str(), evidence));
    }
    if let Some(released) = &operation.receipt {
        text.push('\n');
        text.push_str(&receipt(released, &operation.nodes));
    }
    if let Some(outcome) = &operation.ballot {
        append(
            &mut text,
            format_args!(
                "\nproposal {} of {} is {} after the transaction {} in block {}\n",
                outcome.proposal.id,
                outcome.proposal.proposer.organization,
                word(&outcome.proposal.state),
                outcome.transaction,
                outcome.block.number,
            ),
        );
    }
    text
}

fn took(operation: &Operation) -> Option<u64> {
    operation.finished_at_ms.map(|ended| ended.saturating_sub(operation.created_at_ms))
}
