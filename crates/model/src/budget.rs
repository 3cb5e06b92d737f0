//! What networks may use and what they have used: their time, an organization's quota, the meter.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ErrorCode, Name, NetworkId, OrganizationId, Problem, error::Location, route::RateLimit,
};

/// A network that was stopped because its time is over is kept for at most so long, in milliseconds.
const LONGEST_GRACE_MS: u64 = 24 * 3_600_000;
/// And for at least so long.
const SHORTEST_GRACE_MS: u64 = 60_000;
/// An end is told of at most so long before, in milliseconds.
const LONGEST_NOTICE_MS: u64 = 24 * 3_600_000;

/// How many requests a second an organization has unless said: far more than clients of a few networks send,
/// and about half of what one gateway answers, so that no organization alone keeps the others from theirs.
const REQUESTS_PER_S: u32 = 10_000;

/// When a network's time is over, and what comes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct End {
    /// How far it is.
    pub stage: EndStage,
    /// From when on it is told of, Unix milliseconds.
    pub soon_at_ms: u64,
    /// When the network is stopped, Unix milliseconds.
    pub at_ms: u64,
    /// When it is destroyed, unless it is extended before, Unix milliseconds.
    pub destroyed_at_ms: u64,
    /// Whether it ran or slept when it was stopped for its end: extending it brings it back.
    #[serde(default)]
    pub resumes: bool,
}

/// How far a network's end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndStage {
    /// There is time.
    Ahead,
    /// It is near.
    Soon,
    /// Its time is over: it is stopped, and kept for the grace.
    Over,
}

impl End {
    /// An end that was set at a time: told of when a quarter of the time is left, a day before at most;
    /// with a grace as long as the time itself, a day at most and a minute at least.
    pub fn new(now_ms: u64, at_ms: u64) -> Self {
        let life_ms = at_ms.saturating_sub(now_ms);
        Self {
            stage: EndStage::Ahead,
            soon_at_ms: at_ms.saturating_sub((life_ms / 4).min(LONGEST_NOTICE_MS)),
            at_ms,
            destroyed_at_ms: at_ms.saturating_add(grace_ms(life_ms)),
            resumes: false,
        }
    }

    /// How long the network is kept when its time is over, in milliseconds.
    pub fn grace_ms(&self) -> u64 {
        self.destroyed_at_ms.saturating_sub(self.at_ms)
    }

    /// When something is to be done about it next, Unix milliseconds.
    pub fn due_at_ms(&self) -> u64 {
        match self.stage {
            EndStage::Ahead => self.soon_at_ms,
            EndStage::Soon => self.at_ms,
            EndStage::Over => self.destroyed_at_ms,
        }
    }
}

fn grace_ms(life_ms: u64) -> u64 {
    life_ms.clamp(SHORTEST_GRACE_MS, LONGEST_GRACE_MS)
}

/// Until when a network is to live; one of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Extension {
    /// So many seconds longer than now planned; from now on if its time is over.
    ByS(u64),
    /// Until this time, Unix milliseconds. Not earlier than now planned.
    UntilMs(u64),
    /// Without an end: `true`.
    Forever(bool),
}

/// What an organization may have at once on an installation; what is absent is not limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Networks, in whatever state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<u32>,
    /// Nodes of all networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// Memory that the nodes need whose networks run, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// What all nodes have on disk, in MiB: above it nothing new is declared or started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_mib: Option<u64>,
    /// The longest time to live of a network in seconds: it is also what one gets that asks for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_ttl_s: Option<u32>,
    /// How many calls a second all its endpoints together take, and as many at once; at least 1. Of a batch,
    /// every entry is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub requests_per_s: Option<u32>,
}

impl Quota {
    /// No limit at all.
    pub const UNLIMITED: Self = Self {
        networks: None,
        nodes: None,
        memory_mib: None,
        disk_mib: None,
        longest_ttl_s: None,
        requests_per_s: None,
    };

    /// What the gateway holds an organization to; none is without limit.
    pub fn rate(&self) -> Option<RateLimit> {
        // Nobody is kept from a second's worth at once, as with a key whose burst is not said.
        self.requests_per_s.map(|rate| RateLimit { per_second: rate, burst: rate })
    }

    /// Refuses what is no quota.
    pub fn check(&self) -> Result<(), Box<Problem>> {
        if self.requests_per_s != Some(0) {
            return Ok(());
        }
        let location = Location { field: Some("requests_per_s".to_owned()), ..Location::default() };
        let problem = Problem::new(
            ErrorCode::InvalidRequest,
            "`requests_per_s` is 0, with which no network could be shown to work",
            "give 1 at least, or none for no limit; `windlass network stop` ends what a network answers",
        );
        Err(Box::new(problem.at(location)))
    }
}

impl Default for Quota {
    /// What an organization has unless said.
    fn default() -> Self {
        Self {
            networks: Some(200),
            nodes: Some(1_000),
            disk_mib: Some(204_800),
            requests_per_s: Some(REQUESTS_PER_S),
            ..Self::UNLIMITED
        }
    }
}

/// What an organization may have, and what it has now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrganizationBudget {
    /// The organization.
    pub organization: OrganizationId,
    /// What it may have.
    pub quota: Quota,
    /// What it has.
    pub used: Used,
    /// What the user should know about a change of the quota.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What an organization has at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Used {
    /// Networks.
    pub networks: u32,
    /// Nodes.
    pub nodes: u32,
    /// Memory that the nodes need whose networks run, in MiB.
    pub memory_mib: u64,
    /// On disk, as it was measured last, in MiB.
    pub disk_mib: u64,
    /// Requests of this hour of the clock, as they were counted last.
    pub requests_this_hour: u64,
}

/// What a network used within an hour of the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HourOfUse {
    /// The network; it may be gone by now.
    pub network: NetworkId,
    /// Its name.
    pub name: Name,
    /// When the hour began, Unix milliseconds.
    pub hour_ms: u64,
    /// What it used.
    #[serde(flatten)]
    pub used: Metered,
}

/// Amounts that a meter counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Metered {
    /// Processor time of its nodes, in milliseconds.
    pub cpu_ms: u64,
    /// Resident memory over time: MiB times seconds.
    pub memory_mib_s: u64,
    /// What its nodes have on disk over time: MiB times seconds.
    pub disk_mib_s: u64,
    /// Requests to its endpoint.
    pub requests: u64,
}

impl std::ops::AddAssign for Metered {
    fn add_assign(&mut self, other: Self) {
        let Self { cpu_ms, memory_mib_s, disk_mib_s, requests } = other;
        self.cpu_ms = self.cpu_ms.saturating_add(cpu_ms);
        self.memory_mib_s = self.memory_mib_s.saturating_add(memory_mib_s);
        self.disk_mib_s = self.disk_mib_s.saturating_add(disk_mib_s);
        self.requests = self.requests.saturating_add(requests);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_of_before_and_followed_by_a_grace() {
        const HOUR: u64 = 3_600_000;
        let times = |life| {
            let end = End::new(1_000 * HOUR, 1_000 * HOUR + life);
            (end.at_ms - end.soon_at_ms, end.grace_ms())
        };
        assert_eq!(times(60_000), (15_000, 60_000));
        assert_eq!(times(8 * HOUR), (2 * HOUR, 8 * HOUR));
        assert_eq!(times(30 * 24 * HOUR), (24 * HOUR, 24 * HOUR));
        let mut end = End::new(0, 8 * HOUR);
        assert_eq!(end.due_at_ms(), 6 * HOUR);
        end.stage = EndStage::Soon;
        assert_eq!(end.due_at_ms(), 8 * HOUR);
        end.stage = EndStage::Over;
        assert_eq!(end.due_at_ms(), 16 * HOUR);
    }

    #[test]
    fn requests_are_limited_by_the_second_and_never_to_none() {
        let of = |requests_per_s| Quota { requests_per_s, ..Quota::UNLIMITED };
        assert_eq!(of(Some(7)).rate(), Some(RateLimit { per_second: 7, burst: 7 }));
        assert_eq!(of(None).rate(), None);
        assert!(Quota::default().rate().is_some(), "unless said");
        assert_eq!((of(Some(1)).check(), of(None).check()), (Ok(()), Ok(())));
        let refused = of(Some(0)).check().unwrap_err();
        assert_eq!(refused.code, ErrorCode::InvalidRequest);
        // What was written down before there was such a limit.
        let quota: Quota = serde_json::from_str(r#"{"networks": 3}"#).unwrap();
        assert_eq!(quota, Quota { networks: Some(3), ..Quota::UNLIMITED });
    }

    #[test]
    fn an_extension_reads_as_one_of_three() {
        let read = |text: &str| serde_json::from_str::<Extension>(text);
        assert_eq!(read(r#"{"by_s": 60}"#).unwrap(), Extension::ByS(60));
        assert_eq!(read(r#"{"until_ms": 7}"#).unwrap(), Extension::UntilMs(7));
        assert_eq!(read(r#"{"forever": true}"#).unwrap(), Extension::Forever(true));
        for wrong in ["{}", r#"{"by_s": -1}"#, r#"{"by_s": 1, "until_ms": 2}"#, r#"{"by": 1}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
