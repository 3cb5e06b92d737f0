//! `windlass network extend`, `windlass quota` and `windlass usage`.

use std::collections::BTreeMap;

use windlass_model::{
    ErrorCode,
    budget::{Extension, HourOfUse, Metered, OrganizationBudget, Quota},
};
use windlass_substrate::clock::now_ms;

use super::{Session, network::changed};
use crate::{
    args::{ExtendArgs, Limit, QuotaArgs, QuotaVerb, UsageArgs},
    environment::{Outcome, problem},
    render::{self, Table},
};

/// Puts a network's end off.
pub(super) async fn extend(session: &Session, args: &ExtendArgs) -> Outcome<()> {
    let extension = match (args.by, args.until) {
        (Some(by_s), _) => Extension::ByS(by_s),
        (None, Some(until_ms)) => Extension::UntilMs(until_ms),
        (None, None) => Extension::Forever(args.forever),
    };
    let accepted = session.client.extend(&args.network, &extension).await?;
    let extended = |accepted: &windlass_model::api::Accepted| {
        let ends = match &accepted.network.end {
            Some(end) => format!("ends at {}", render::moment(end.at_ms)),
            None => "has no end".to_owned(),
        };
        match &accepted.operation {
            Some(_) => format!("{}; it {ends}", changed(accepted, "brought back")),
            None => format!("network `{}` {ends}", accepted.network.name),
        }
    };
    session.conclude(accepted, &args.wait, extended).await
}

pub(super) async fn quota(session: &Session, verb: &QuotaVerb) -> Outcome<()> {
    let budget = match verb {
        QuotaVerb::Show => session.client.budget().await?,
        QuotaVerb::Set(args) => {
            let before = session.client.budget().await?;
            session.client.set_quota(&limited(before.quota, args)?).await?
        }
    };
    session.warn(&budget.warnings);
    session.output.result(&budget, || table(&budget));
    Ok(())
}

/// The quota with what the command line says.
fn limited(quota: Quota, args: &QuotaArgs) -> Outcome<Quota> {
    let wide = |said: Option<Limit>, is: Option<u64>| said.map_or(is, |Limit(limit)| limit);
    let small = |name: &str, said: Option<Limit>, is: Option<u32>| -> Outcome<Option<u32>> {
        let limit = wide(said, is.map(u64::from)).map(u32::try_from).transpose();
        limit.map_err(|_error| {
            problem(
                ErrorCode::InvalidRequest,
                format!("--{name} is more than there can be"),
                "give a smaller number, or none for no limit",
            )
        })
    };
    Ok(Quota {
        networks: small("networks", args.networks, quota.networks)?,
        nodes: small("nodes", args.nodes, quota.nodes)?,
        memory_mib: wide(args.memory, quota.memory_mib),
        disk_mib: wide(args.disk, quota.disk_mib),
        longest_ttl_s: small("longest-ttl", args.longest_ttl, quota.longest_ttl_s)?,
        requests_per_s: small("requests", args.requests, quota.requests_per_s)?,
    })
}

fn table(OrganizationBudget { quota, used, .. }: &OrganizationBudget) -> String {
    let limit = |limit: Option<u64>| limit.map_or_else(|| "none".to_owned(), |it| it.to_string());
    let mut table = Table::new(&["WHAT", "USED", "LIMIT"]);
    for (what, used, of) in [
        ("networks", u64::from(used.networks), quota.networks.map(u64::from)),
        ("nodes", u64::from(used.nodes), quota.nodes.map(u64::from)),
        ("memory of what runs, MiB", used.memory_mib, quota.memory_mib),
        ("disk, MiB", used.disk_mib, quota.disk_mib),
    ] {
        table.row([what.to_owned(), used.to_string(), limit(of)]);
    }
    let longest = quota.longest_ttl_s.map(u64::from);
    table.row(["longest life, seconds".to_owned(), String::new(), limit(longest)]);
    let requests = used.requests_this_hour.to_string();
    table.row(["requests this hour".to_owned(), requests, String::new()]);
    let rate = quota.requests_per_s.map(u64::from);
    table.row(["requests a second".to_owned(), String::new(), limit(rate)]);
    table.text()
}

/// What was used, summed up by network.
pub(super) async fn usage(session: &Session, args: &UsageArgs) -> Outcome<()> {
    let from_ms = now_ms().saturating_sub(args.since.saturating_mul(1_000));
    let mut hours = session.client.usage(from_ms).await?;
    if let Some(wanted) = &args.network {
        hours.retain(|hour| hour.name.as_str() == wanted || hour.network.as_str() == wanted);
    }
    session.output.result(&hours, || summed(&hours));
    Ok(())
}

fn summed(hours: &[HourOfUse]) -> String {
    if hours.is_empty() {
        return "nothing was used; what is used is written down once a minute".to_owned();
    }
    let mut networks: BTreeMap<_, (Metered, u64)> = BTreeMap::new();
    for hour in hours {
        let (sum, count) = networks.entry((&hour.name, &hour.network)).or_default();
        *sum += hour.used;
        *count += 1;
    }
    let hours_of = |amount_s: u64| format!("{}.{:02}", amount_s / 3_600, amount_s % 3_600 / 36);
    let mut table =
        Table::new(&["NETWORK", "ID", "HOURS", "CPU", "MEMORY, MIB H", "DISK, MIB H", "REQUESTS"]);
    for ((name, network), (sum, count)) in networks {
        table.row([
            name.to_string(),
            network.to_string(),
            count.to_string(),
            render::duration(sum.cpu_ms),
            hours_of(sum.memory_mib_s),
            hours_of(sum.disk_mib_s),
            sum.requests.to_string(),
        ]);
    }
    table.text()
}
