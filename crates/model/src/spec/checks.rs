//! What every value of a spec is held against.

use super::{
    Fees, GovernanceTerms, MAX_CHAIN_ID, MAX_EPOCH_LENGTH, MAX_GAS_LIMIT, MAX_TTL_S,
    MAX_VALIDATORS, MIN_GAS_CAP, MIN_GAS_LIMIT, MIN_TTL_S, NetworkKind, NetworkSpec, invalid,
};
use crate::Problem;

/// Refuses a spec in which something is not valid, and tells what and where.
pub(super) fn check(spec: &NetworkSpec) -> Result<(), Box<Problem>> {
    check_ranges(spec)?;
    check_members(spec)?;
    check_fees(spec)?;
    check_local_port(spec)?;
    check_origins(spec)
}

/// What several organizations share is not opened to whoever is on a machine of one of them.
fn check_local_port(spec: &NetworkSpec) -> Result<(), Box<Problem>> {
    if spec.local_port > 0 && spec.kind != NetworkKind::Private {
        return Err(invalid(
            "local_port",
            "`local_port` lets everybody on this machine in without a key, and a consortium's network has none",
            "leave `local_port` out, and use the network's endpoint",
        ));
    }
    Ok(())
}

fn check_ranges(spec: &NetworkSpec) -> Result<(), Box<Problem>> {
    let GovernanceTerms { membership_threshold, parameters_threshold, proposal_lifetime_s } =
        spec.governance;
    let ranges = [
        ("governance.membership_threshold", u64::from(membership_threshold), 50, 99),
        ("governance.parameters_threshold", u64::from(parameters_threshold), 50, 99),
        ("governance.proposal_lifetime_s", u64::from(proposal_lifetime_s), 1, 365 * 86_400),
        ("chain_id", spec.chain_id, 1, MAX_CHAIN_ID),
        ("gas_limit", spec.gas_limit, MIN_GAS_LIMIT, MAX_GAS_LIMIT),
        ("transaction_gas_cap", spec.transaction_gas_cap, MIN_GAS_CAP, spec.gas_limit.max(1 << 24)),
        ("contract_size_limit", u64::from(spec.contract_size_limit), 24_576, 1 << 20),
        ("min_block_interval_ms", spec.min_block_interval_ms, 0, 600_000),
        ("epoch_length", spec.epoch_length, 8, MAX_EPOCH_LENGTH),
        ("node_limits.memory_mib", u64::from(spec.node_limits.memory_mib), 64, 1 << 20),
    ];
    let unlimited = [
        ("ttl_s", u64::from(spec.ttl_s), u64::from(MIN_TTL_S), u64::from(MAX_TTL_S)),
        ("local_port", u64::from(spec.local_port), 1_024, u64::from(u16::MAX)),
    ];
    let unlimited = unlimited.into_iter().filter(|(_, value, ..)| *value > 0);
    for (field, value, least, most) in ranges.into_iter().chain(unlimited) {
        if value < least || value > most {
            return Err(invalid(
                field,
                format!("`{field}` is {value}; it must be from {least} to {most}"),
                format!("give `{field}` a value from {least} to {most}, or leave it out"),
            ));
        }
    }
    Ok(())
}

/// Where a fee is charged somebody must have something to pay it with: wei come from nowhere else.
fn check_fees(spec: &NetworkSpec) -> Result<(), Box<Problem>> {
    let charges = matches!(spec.fees, Fees::Eip1559 { .. });
    if charges && spec.alloc.values().all(|one| one.balance.is_zero()) {
        return Err(invalid(
            "fees",
            "`fees` charges for every transaction, and no account of `alloc` has a balance: nobody could \
             send any, not even a vote",
            "give accounts a `balance` in `alloc`, those of the members too, or leave `fees` out",
        ));
    }
    Ok(())
}

fn check_members(spec: &NetworkSpec) -> Result<(), Box<Problem>> {
    let mut seen = std::collections::BTreeSet::new();
    for member in &spec.members {
        if !seen.insert(&member.organization) {
            return Err(invalid(
                "members",
                format!("the organization `{}` is a member twice", member.organization),
                "give each organization one entry, with all of its validators",
            ));
        }
    }
    if spec.kind == NetworkKind::Private && spec.members.len() > 1 {
        return Err(invalid(
            "members",
            format!("a private network has one member, not {}", spec.members.len()),
            "set kind = \"consortium\", or name one member",
        ));
    }
    let mut accounts = std::collections::BTreeSet::new();
    for account in spec.members.iter().filter_map(|member| member.account.as_ref()) {
        if account.is_zero() || !accounts.insert(account) {
            return Err(invalid(
                "members",
                format!("`{account}` is no account of one member alone"),
                "give each member an account of its own, or leave `account` out",
            ));
        }
    }
    let validators = spec
        .members
        .iter()
        .try_fold(0u32, |sum, member| sum.checked_add(member.validators))
        .unwrap_or(u32::MAX);
    if validators == 0 || validators > MAX_VALIDATORS {
        return Err(invalid(
            "validators",
            format!("the network has {validators} validators; it must have 1 to {MAX_VALIDATORS}"),
            "4 validators go on when one fails, 7 when two fail; 1 is enough for development",
        ));
    }
    Ok(())
}

fn check_origins(spec: &NetworkSpec) -> Result<(), Box<Problem>> {
    for origin in &spec.cors_origins {
        if origin != "*" && !is_origin(origin) {
            return Err(invalid(
                "cors_origins",
                format!("`{origin}` is not a web origin as browsers send it"),
                "an origin is a scheme, a host in lower case and a port that is not the scheme's \
                 own, such as https://app.example.com, or `*` for any",
            ));
        }
    }
    Ok(())
}

/// Whether a browser could send this as a page's origin (RFC 6454): another would never match.
fn is_origin(text: &str) -> bool {
    let (rest, own_port) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, "443"),
        (None, Some(rest)) => (rest, "80"),
        (None, None) => return false,
    };
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, after)) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
            ("v6", if after.is_empty() { None } else { after.strip_prefix(':').or(Some("")) })
        }
        Some(_) => return false,
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let is_host = !host.is_empty()
        && host.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte)
        });
    let fits = port.is_none_or(|port| {
        port != own_port && !port.starts_with('0') && port.parse::<u16>().is_ok()
    });
    is_host && fits
}
