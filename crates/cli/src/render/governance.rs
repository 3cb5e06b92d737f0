//! What a network's members decide, as people read it.

use windlass_model::{
    governance::{
        BallotOutcome, NetworkMember, NetworkObserver, NetworkParameters, NetworkValidator,
        PermittedAccount, Proposal, ProposalState,
    },
    spec::Fees,
};

use super::{Table, append, clock_time, word};

/// The members of a network.
pub(crate) fn members(members: &[NetworkMember]) -> String {
    let head =
        ["ID", "ORGANIZATION", "STATE", "KEY", "VALIDATORS", "OBSERVERS", "ACCOUNT", "ENDPOINT"];
    let mut table = Table::new(&head);
    for member in members {
        let validators: Vec<&str> =
            member.validators.iter().map(|validator| validator.name.as_str()).collect();
        table.row([
            member.id.to_string(),
            member.organization.clone(),
            word(&member.state),
            if member.key_held { "here" } else { "elsewhere" }.to_owned(),
            or_dash(validators.join(",")),
            member.observers.len().to_string(),
            member.account.clone(),
            member.endpoint.clone(),
        ]);
    }
    table.text()
}

/// The validators of a network.
pub(crate) fn validators(validators: &[NetworkValidator]) -> String {
    let head = ["ID", "NAME", "MEMBER", "STATE", "VOTES", "NODE", "NODE KEY", "CONSENSUS KEY"];
    let mut table = Table::new(&head);
    for one in validators {
        table.row([
            one.id.to_string(),
            one.name.clone(),
            one.member.organization.clone(),
            word(&one.state),
            votes(one),
            or_dash(one.node_name.clone().unwrap_or_default()),
            one.node_key.clone(),
            one.consensus_key.clone(),
        ]);
    }
    let mut text = table.text();
    for one in validators {
        if let Some(why) = &one.silent {
            append(&mut text, format_args!("\n{}: {why}", one.name));
        }
    }
    text
}

/// Whether it votes in this epoch, and in the next one where that is another answer.
fn votes(validator: &NetworkValidator) -> String {
    // What it says itself tells more than that others miss it.
    if validator.silent.is_some() {
        return "SILENT".to_owned();
    }
    if let Some(missing) = &validator.missing {
        return format!("MISSING since {}", clock_time(missing.since_ms));
    }
    let votes = match (validator.voting, validator.active) {
        (Some(true) | None, true) => "yes",
        (Some(false), true) => "from the next epoch",
        (Some(true), false) => "until the epoch ends",
        (Some(false) | None, false) => "no",
    };
    votes.to_owned()
}

/// The observers of a network.
pub(crate) fn observers(observers: &[NetworkObserver]) -> String {
    if observers.is_empty() {
        return "no observers".to_owned();
    }
    let mut table = Table::new(&["MEMBER", "ACTIVE", "NODE KEY", "ENDPOINT"]);
    for one in observers {
        table.row([
            one.member.organization.clone(),
            if one.active { "yes" } else { "no" }.to_owned(),
            one.node_key.clone(),
            one.endpoint.clone(),
        ]);
    }
    table.text()
}

/// The parameters of a network.
pub(crate) fn parameters(found: &NetworkParameters) -> String {
    let fees = match &found.fees {
        Fees::Free {} => "free".to_owned(),
        Fees::Eip1559 { floor_wei } => format!("EIP-1559, at least {floor_wei} wei"),
    };
    let needs: Vec<String> = found.permissioned.iter().map(word).collect();
    let mut text = format!(
        "gas limit        {}\nfees             {fees}\nblock interval   {} ms\n\
         proposals live   {}\nto approve       more than {} % of the active members for members \
         and validators,\n                 more than {} % for parameters\n\
         permissions      needed to {}; {} accounts have some\nrules            version {}",
        found.gas_limit,
        found.min_block_interval_ms,
        span(u64::from(found.proposal_lifetime_s) * 1_000),
        found.thresholds.membership,
        found.thresholds.parameters,
        if needs.is_empty() { "do nothing".to_owned() } else { needs.join(" and to ") },
        found.permitted_accounts,
        found.rules_version,
    );
    if let Some(next) = found.next_rules {
        append(&mut text, format_args!(", {} from block {} on", next.version, next.height));
    }
    text
}

/// Accounts with permissions.
pub(crate) fn permissions(accounts: &[PermittedAccount]) -> String {
    if accounts.is_empty() {
        return "no account was given a permission".to_owned();
    }
    let mut table = Table::new(&["ACCOUNT", "MAY"]);
    for one in accounts {
        let may: Vec<String> = one.permissions.iter().map(word).collect();
        table.row([one.account.clone(), may.join(", ")]);
    }
    table.text()
}

/// A list of proposals.
pub(crate) fn proposals(network: &str, proposals: &[Proposal], now_ms: u64) -> String {
    if proposals.is_empty() {
        return format!("no proposals; `windlass network propose {network} --help` shows how");
    }
    let mut table = Table::new(&["ID", "BY", "STATE", "FOR", "AGAINST", "NEEDED", "ENDS", "WHAT"]);
    for one in proposals {
        let what: Vec<&str> = one.actions.iter().map(|action| action.words.as_str()).collect();
        table.row([
            one.id.to_string(),
            one.proposer.organization.clone(),
            state(one.state).to_owned(),
            one.tally.votes_for.to_string(),
            one.tally.votes_against.to_string(),
            one.tally.needed_for.to_string(),
            ends(one, now_ms),
            what.join("; "),
        ]);
    }
    table.text()
}

/// One proposal.
pub(crate) fn proposal(one: &Proposal, now_ms: u64) -> String {
    let mut text = format!(
        "proposal    {} by {}\nstate       {}\nvotes       {}\n{:<12}{}\n",
        one.id,
        one.proposer.organization,
        state(one.state),
        one.tally.arithmetic,
        if end(one) > now_ms { "ends" } else { "ended" },
        ends(one, now_ms),
    );
    if !one.reason.is_empty() {
        append(&mut text, format_args!("reason      {}\n", one.reason));
    }
    if one.force {
        text.push_str("force       the members accept that a quorum may be missing\n");
    }
    if let Some(failure) = &one.failure {
        append(&mut text, format_args!("failure     {} ({})\n", failure.message, failure.code));
        append(&mut text, format_args!("remedy      {}\n", failure.hint));
    }
    text.push('\n');
    for action in &one.actions {
        append(&mut text, format_args!("  {}\n", action.words));
    }
    text.push('\n');
    let mut table = Table::new(&["MEMBER", "VOTE", "CAST"]);
    for vote in &one.votes {
        table.row([
            vote.member.organization.clone(),
            word(&vote.vote),
            format!("{} ago", span(now_ms.saturating_sub(vote.cast_at_ms))),
        ]);
    }
    text.push_str(&table.text());
    text
}

/// What came of a proposal or a vote.
pub(crate) fn ballot(outcome: &BallotOutcome, now_ms: u64) -> String {
    let mut text = format!(
        "transaction {}\n  in final block  {} {}\n\n",
        outcome.transaction, outcome.block.number, outcome.block.hash
    );
    text.push_str(&proposal(&outcome.proposal, now_ms));
    for effect in &outcome.effects {
        append(&mut text, format_args!("\nchanged: {}\n  {}\n", effect.words, effect.when));
    }
    text
}

fn state(state: ProposalState) -> &'static str {
    match state {
        ProposalState::InProgress => "in progress",
        ProposalState::Approved => "approved",
        ProposalState::Rejected => "rejected",
        ProposalState::Expired => "expired",
        ProposalState::ActionFailed => "action failed",
    }
}

/// When a proposal comes to its end, or did: Unix milliseconds.
fn end(one: &Proposal) -> u64 {
    one.settled_at_ms.unwrap_or(one.expires_at_ms)
}

/// How long that is to come, or ago.
fn ends(one: &Proposal, now_ms: u64) -> String {
    let at_ms = end(one);
    if at_ms > now_ms {
        return format!("in {}", span(at_ms - now_ms));
    }
    format!("{} ago", span(now_ms - at_ms))
}

/// A time in its two largest units.
fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use windlass_model::{
        ErrorCode,
        governance::{Failure, MemberName, MemberVote, ProposedAction, Tally, Voice},
    };

    use super::*;

    fn example() -> Proposal {
        let member = |id, name: &str| MemberName { id, organization: name.to_owned() };
        Proposal {
            id: 3,
            proposer: member(1, "acme"),
            actions: vec![ProposedAction { words: "suspend it".to_owned(), action: None }],
            reason: "it is slow".to_owned(),
            force: false,
            state: ProposalState::ActionFailed,
            votes: vec![MemberVote {
                member: member(2, "beta"),
                vote: Voice::Yes,
                cast_at_ms: 3_000,
            }],
            tally: Tally::new((2, 0), 3, 50),
            failure: Some(Failure {
                code: ErrorCode::ActionFailed,
                error: "X".to_owned(),
                message: "it is suspended already".to_owned(),
                hint: "later".to_owned(),
            }),
            created_at_ms: 1_000,
            expires_at_ms: 90_000,
            settled_at_ms: Some(3_000),
        }
    }

    #[test]
    fn a_proposal_is_told_whole() {
        let text = proposal(&example(), 64_000);
        for part in [
            "proposal    3 by acme\nstate       action failed\n",
            "votes       2 for and 0 against, of 3 members; more than 50 % is 2 for",
            "ended       1 min 1 s ago\nreason      it is slow\n",
            "failure     it is suspended already (action_failed)\nremedy      later\n",
            "  suspend it\n",
            "beta    yes   1 min 1 s ago\n",
        ] {
            assert!(text.contains(part), "{part}\n---\n{text}");
        }
        let listed = proposals("trade", &[example()], 64_000);
        assert!(listed.contains("3   acme  action failed  2    0        2"), "{listed}");
        assert!(proposals("trade", &[], 0).contains("propose trade"));
    }

    #[test]
    fn times_have_two_units() {
        for (milliseconds, expect) in [
            (900, "0 s"),
            (61_000, "1 min 1 s"),
            (3_660_000, "1 h 1 min"),
            (604_800_000, "7 d 0 h"),
        ] {
            assert_eq!(span(milliseconds), expect);
        }
    }
}
