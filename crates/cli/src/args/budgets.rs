//! The verbs of budgets: how long networks live, what organizations may have and have used.

use clap::{ArgGroup, Args, Subcommand};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::WaitArgs;

#[derive(Clone, Debug, Args)]
#[command(
    group = ArgGroup::new("end").required(true),
    after_help = "\
Examples:
  windlass network extend trade --by 7d
  windlass network extend trade --until 2030-01-31T18:00:00Z
  windlass network extend trade --forever"
)]
pub(crate) struct ExtendArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// So much longer than planned, such as 90s, 30m, 2h or 7d; from now on if its time is over
    #[arg(long, group = "end", value_name = "TIME", value_parser = seconds)]
    pub(crate) by: Option<u64>,
    /// Until this time of RFC 3339
    #[arg(long, group = "end", value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<u64>,
    /// Without an end
    #[arg(long, group = "end")]
    pub(crate) forever: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QuotaVerb {
    /// Show what the organization may have, and what of it is used
    Show,
    /// Say what the organization may have; what is not named stays as it is
    ///
    /// What it has above that it keeps; only what grows is held against it.
    Set(QuotaArgs),
}

#[derive(Clone, Debug, Args)]
#[command(
    group = ArgGroup::new("limits").required(true).multiple(true),
    after_help = "\
Examples:
  windlass quota set --networks 20 --nodes 80
  windlass quota set --disk none --longest-ttl 7d
  windlass quota set --requests 500
  windlass --organization acme quota set --memory 4096"
)]
pub(crate) struct QuotaArgs {
    /// How many networks; none is no limit
    #[arg(long, group = "limits", value_name = "N|none", value_parser = limit)]
    pub(crate) networks: Option<Limit>,
    /// How many nodes in all
    #[arg(long, group = "limits", value_name = "N|none", value_parser = limit)]
    pub(crate) nodes: Option<Limit>,
    /// How much memory the nodes may need whose networks run, in MiB
    #[arg(long, group = "limits", value_name = "MIB|none", value_parser = limit)]
    pub(crate) memory: Option<Limit>,
    /// How much all nodes may have on disk, in MiB
    #[arg(long, group = "limits", value_name = "MIB|none", value_parser = limit)]
    pub(crate) disk: Option<Limit>,
    /// The longest time to live of a network, which is also what one gets that asks for none
    #[arg(long, group = "limits", value_name = "TIME|none", value_parser = longest)]
    pub(crate) longest_ttl: Option<Limit>,
    /// How many calls a second all endpoints together take, and as many at once; of a batch, every entry is
    /// one
    #[arg(long, group = "limits", value_name = "N|none", value_parser = limit)]
    pub(crate) requests: Option<Limit>,
}

/// A limit, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Option<u64>);

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass usage
  windlass usage --since 30d --network trade
  windlass usage --json | jq '[.[].cpu_ms] | add'")]
pub(crate) struct UsageArgs {
    /// How far back, such as 2h or 7d; at most 92d
    #[arg(long, default_value = "24h", value_name = "TIME", value_parser = seconds)]
    pub(crate) since: u64,
    /// Only this network, by name or id
    #[arg(long, value_name = "NETWORK")]
    pub(crate) network: Option<String>,
}

/// A time with its unit, in seconds.
pub(super) fn seconds(text: &str) -> Result<u64, &'static str> {
    const WRONG: &str = "a time with its unit is needed, such as 90s, 30m, 2h or 7d";
    let (digits, factor) = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)]
        .into_iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))
        .ok_or(WRONG)?;
    let number: u64 = digits.parse().or(Err(WRONG))?;
    number.checked_mul(factor).ok_or(WRONG)
}

fn moment(text: &str) -> Result<u64, &'static str> {
    let wrong = "a time of RFC 3339 is needed, such as 2030-01-31T18:00:00Z";
    let at = OffsetDateTime::parse(text, &Rfc3339).or(Err(wrong))?;
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).or(Err(wrong))
}

fn limit(text: &str) -> Result<Limit, &'static str> {
    if text == "none" {
        return Ok(Limit(None));
    }
    text.parse().map(|number| Limit(Some(number))).or(Err("a whole number is needed, or none"))
}

fn longest(text: &str) -> Result<Limit, &'static str> {
    if text == "none" { Ok(Limit(None)) } else { seconds(text).map(|number| Limit(Some(number))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("30m"), Ok(1_800));
        assert_eq!(seconds("2h"), Ok(7_200));
        assert_eq!(seconds("7d"), Ok(604_800));
        for wrong in
            ["", "7", "d", "-1d", "1w", "1.5h", "99999999999999999999d", "9999999999999999999d"]
        {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert_eq!(moment("1970-01-01T00:00:01.5Z"), Ok(1_500));
        for wrong in ["tomorrow", "2030-01-31", "1969-12-31T00:00:00Z"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
        assert_eq!((limit("none"), limit("0")), (Ok(Limit(None)), Ok(Limit(Some(0)))));
        assert_eq!(longest("1h"), Ok(Limit(Some(3_600))));
        assert!(limit("-1").is_err() && longest("1").is_err());
    }
}
