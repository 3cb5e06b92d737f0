//! `windlass network logs`: the logs of one node or of all, merged as they come.

use futures::{Stream, StreamExt, stream};
use serde_json::Value;

use super::Session;
use crate::{
    args::LogsArgs,
    client::lines,
    environment::Outcome,
    output::{Format, Output, line as line_out},
};

pub(super) async fn run(session: &Session, args: &LogsArgs) -> Outcome<()> {
    let nodes: Vec<String> = if let Some(node) = &args.node {
        vec![node.clone()]
    } else {
        let network = session.client.network(&args.network).await?;
        network.nodes.into_iter().map(|node| node.name).collect()
    };
    let tail = args.tail.map_or_else(String::new, |tail| format!("tail={tail}&"));
    let query = format!("{tail}follow={}", args.follow);
    let label = nodes.len() > 1;
    let mut all = Vec::new();
    for node in nodes {
        let chunks = session.client.logs(&args.network, &node, &query).await?;
        let label = label.then_some(node);
        all.push(lines(chunks).map(move |line| (label.clone(), line)).boxed());
    }
    if args.follow {
        tell(session.output, stream::select_all(all)).await
    } else {
        tell(session.output, stream::iter(all).flatten()).await
    }
}

async fn tell(
    output: Output,
    mut lines: impl Stream<Item = (Option<String>, Outcome<String>)> + Unpin,
) -> Outcome<()> {
    while let Some((label, line)) = lines.next().await {
        let line = line?;
        let text = match output.format() {
            Format::Json => line,
            Format::Text => readable(&line).unwrap_or(line),
        };
        match label.filter(|_| output.format() == Format::Text) {
            Some(label) => line_out(&format!("{label}  {text}")),
            None => line_out(&text),
        }
    }
    Ok(())
}

/// A line of a node's log (JSON) as people read it; `None` if it is not one.
fn readable(line: &str) -> Option<String> {
    let Value::Object(record) = serde_json::from_str(line).ok()? else { return None };
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut fields = match record.get("fields") {
        Some(Value::Object(fields)) => fields.clone(),
        Some(_) | None => return None,
    };
    let message = match fields.remove("message") {
        Some(Value::String(message)) => message,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let mut out = format!("{} {:<5} {message}", text("timestamp"), text("level"));
    for (name, value) in fields {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        out.push_str(&[" ", &name, "=", &value].concat());
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_readable() {
        let line = r#"{"timestamp":"T","level":"INFO","fields":{"message":"final","height":7}}"#;
        assert_eq!(readable(line).as_deref(), Some("T INFO  final height=7"));
        assert_eq!(readable("plain"), None);
    }
}
