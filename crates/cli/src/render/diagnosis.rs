//! What the doctor found, and the conditions of a network.

use windlass_model::condition::{Check, Condition, Diagnosis};

use super::{Table, append, clock_time, duration, word};

/// The answer, what is wrong, and what was asked to find out.
pub(crate) fn diagnosis(diagnosis: &Diagnosis) -> String {
    let mut text = format!("{}\n", diagnosis.summary);
    for finding in &diagnosis.findings {
        text.push('\n');
        text.push_str(&condition(finding, diagnosis.at_ms));
    }
    text.push_str("\nchecked\n");
    let mut table = Table::new(&["CHECK", "RESULT", "TOOK", "SEEN"]);
    for Check { name, outcome, detail, took_ms } in &diagnosis.checks {
        let detail = detail.lines().next().unwrap_or_default().to_owned();
        table.row([name.clone(), word(outcome), duration(*took_ms), detail]);
    }
    text.push_str(&table.text());
    text.push('\n');
    let mut table = Table::new(&["CONDITION", "STATUS", "REASON", "SINCE", "WHAT"]);
    for one in &diagnosis.conditions {
        let ago = duration(diagnosis.at_ms.saturating_sub(one.since_ms));
        table.row([word(&one.kind), word(&one.status), word(&one.cause), ago, said(one)]);
    }
    text.push_str(&table.text());
    text
}

/// The message, and what was measured.
fn said(condition: &Condition) -> String {
    match &*condition.evidence {
        [one] if !condition.is_wrong() => format!("{} ({one})", condition.message),
        _ => condition.message.clone(),
    }
}

fn condition(condition: &Condition, now_ms: u64) -> String {
    let mut text = format!(
        "{}: {} ({} {})\n  {}\n",
        word(&condition.gravity),
        word(&condition.kind),
        word(&condition.status),
        word(&condition.cause),
        condition.message,
    );
    let ago = duration(now_ms.saturating_sub(condition.since_ms));
    let since = clock_time(condition.since_ms);
    append(&mut text, format_args!("  since     {since}, {ago} ago\n"));
    if let Some(fault) = &condition.fault {
        let nodes = condition.nodes.join(", ");
        let of = if nodes.is_empty() { String::new() } else { format!(": {nodes}") };
        append(&mut text, format_args!("  fault     {}{of}\n", word(fault)));
    }
    for seen in &condition.evidence {
        append(&mut text, format_args!("  seen      {seen}\n"));
    }
    if let Some(remedy) = &condition.remedy {
        append(&mut text, format_args!("  remedy    {remedy}\n"));
    }
    if let Some(command) = &condition.command {
        append(&mut text, format_args!("  command   {command}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use windlass_model::condition::{
        Cause, CheckOutcome, ConditionKind, ConditionStatus, Fault, Gravity,
    };

    use super::*;

    #[test]
    fn a_finding_says_since_when_whose_fault_and_what_to_do() {
        let finding = Condition {
            kind: ConditionKind::NodesRunning,
            status: ConditionStatus::False,
            cause: Cause::Killed,
            message: "validator-2 ended with signal 9: killed".to_owned(),
            remedy: Some("it is started again by itself".to_owned()),
            command: Some("windlass network logs trade --node validator-2".to_owned()),
            gravity: Gravity::Warning,
            fault: Some(Fault::Operator),
            nodes: vec!["validator-2".to_owned()],
            evidence: vec!["validator-2: ended 1 times in a row".to_owned()],
            since_ms: 60_000,
        };
        let check = Check {
            name: "validator-2".to_owned(),
            outcome: CheckOutcome::Failed,
            detail: "it has no process".to_owned(),
            took_ms: 0,
        };
        let all = Diagnosis {
            network: "trade".parse().expect("a name"),
            at_ms: 72_500,
            gravity: Gravity::Warning,
            summary: "`trade` goes on, and one thing is wrong with it".to_owned(),
            findings: vec![finding.clone()],
            conditions: vec![finding],
            checks: vec![check],
        };
        let expect = "\
`trade` goes on, and one thing is wrong with it

warning: NodesRunning (false Killed)
  validator-2 ended with signal 9: killed
  since     00:01:00 UTC, 12.50 s ago
  fault     operator: validator-2
  seen      validator-2: ended 1 times in a row
  remedy    it is started again by itself
  command   windlass network logs trade --node validator-2

checked
CHECK        RESULT  TOOK  SEEN
validator-2  failed  0 ms  it has no process

CONDITION     STATUS  REASON  SINCE    WHAT
NodesRunning  false   Killed  12.50 s  validator-2 ended with signal 9: killed
";
        assert_eq!(diagnosis(&all), expect);
    }
}
