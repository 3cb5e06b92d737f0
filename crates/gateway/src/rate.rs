//! What calls have to pass before a network is asked: the rate of their key, and then that of the
//! organization, which all of its networks share.
//!
//! What the key's rate refuses takes nothing of the organization's, and the other way round.

use std::{collections::HashMap, sync::Arc, time::Duration};

use windlass_model::{
    Name, OrganizationId,
    route::{RateLimit, RouteTable},
};

use crate::{
    key::Key,
    limit::{Meter, TooEarly},
    table::RefusedTable,
};

/// What is left of each organization's rate.
#[derive(Debug, Default)]
pub(crate) struct Organizations(HashMap<OrganizationId, Arc<Meter>>);

impl Organizations {
    /// The meters of those that have a route and a limit. One whose limit is the same goes on.
    pub(crate) fn next(source: &RouteTable, before: &Self) -> Result<Self, RefusedTable> {
        let mut all = HashMap::new();
        for organization in source.routes.iter().filter_map(|route| route.organization_id.as_ref())
        {
            let Some(limit) = source.limits.get(organization) else { continue };
            if limit.per_second == 0 || limit.burst == 0 {
                return Err(RefusedTable::Limit { organization: organization.clone() });
            }
            let kept = before.of(Some(organization)).filter(|meter| meter.limit() == *limit);
            all.entry(organization.clone())
                .or_insert_with(|| kept.unwrap_or_else(|| Arc::new(Meter::new(*limit))));
        }
        Ok(Self(all))
    }

    /// The meter of an organization that has a limit.
    pub(crate) fn of(&self, organization: Option<&OrganizationId>) -> Option<Arc<Meter>> {
        self.0.get(organization?).map(Arc::clone)
    }
}

/// The rates that hold for a request; at least one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates<'a> {
    key: &'a Key,
    organization: Option<&'a Meter>,
}

/// Whose rate it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// That of the key with this name.
    Key(Name),
    /// That of the organization.
    Organization,
}

/// Calls that were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) whose: Whose,
    pub(crate) limit: RateLimit,
    pub(crate) calls: u32,
    pub(crate) early: TooEarly,
}

impl<'a> Rates<'a> {
    /// None where nothing limits.
    pub(crate) fn of(key: &'a Key, organization: Option<&'a Meter>) -> Option<Self> {
        (key.meter.is_some() || organization.is_some()).then_some(Self { key, organization })
    }

    /// Takes so many calls of both, or of none.
    pub(crate) fn take(&self, calls: u32, since_start: Duration) -> Result<(), Refusal> {
        let of_key = self.key.meter.as_deref();
        if let Some(meter) = of_key {
            let whose = || Whose::Key(self.key.name.clone());
            take(meter, whose, calls, since_start)?;
        }
        let Some(meter) = self.organization else { return Ok(()) };
        take(meter, || Whose::Organization, calls, since_start).inspect_err(|_refusal| {
            if let Some(of_key) = of_key {
                of_key.give_back(calls);
            }
        })
    }
}

fn take(
    meter: &Meter,
    whose: impl Fn() -> Whose,
    calls: u32,
    since_start: Duration,
) -> Result<(), Refusal> {
    let refused = |early| Refusal { whose: whose(), limit: meter.limit(), calls, early };
    meter.take(calls, since_start).map_err(refused)
}

#[cfg(test)]
mod tests {
    use windlass_model::{
        key::KeyScope,
        route::{Route, RouteState},
    };

    use super::*;

    const ONE: &str = "org-0000000000000001";
    const TWO: &str = "org-0000000000000002";
    const NOW: Duration = Duration::ZERO;

    fn organization(text: &str) -> OrganizationId {
        text.parse().unwrap()
    }

    fn limit(burst: u32) -> RateLimit {
        RateLimit { per_second: 1, burst }
    }

    /// Networks of these organizations, and limits.
    fn table(networks: &[&str], limits: &[(&str, u32)]) -> RouteTable {
        let route = |(index, owner): (usize, &&str)| Route {
            network_id: format!("net-000000000000000{index}").parse().unwrap(),
            organization_id: Some(organization(owner)),
            keys: Vec::new(),
            upstreams: Vec::new(),
            cors_origins: Vec::new(),
            state: RouteState::Up,
            idle_after_ms: 0,
            local_port: None,
        };
        let limits = limits.iter().map(|(owner, burst)| (organization(owner), limit(*burst)));
        RouteTable {
            generation: 1,
            routes: networks.iter().enumerate().map(route).collect(),
            limits: limits.collect(),
        }
    }

    fn next(networks: &[&str], limits: &[(&str, u32)], before: &Organizations) -> Organizations {
        Organizations::next(&table(networks, limits), before).unwrap()
    }

    fn meter(all: &Organizations, owner: &str) -> Arc<Meter> {
        all.of(Some(&organization(owner))).unwrap()
    }

    fn key(burst: Option<u32>) -> Key {
        let meter = burst.map(|burst| Arc::new(Meter::new(limit(burst))));
        Key { name: "ci".parse().unwrap(), scope: KeyScope::Send, meter }
    }

    #[test]
    fn a_meter_goes_on_with_its_limit_and_begins_anew_with_another() {
        let none = Organizations::default();
        let first = next(&[ONE, TWO, ONE], &[(ONE, 3), (TWO, 3)], &none);
        assert!(!Arc::ptr_eq(&meter(&first, ONE), &meter(&first, TWO)), "each has its own");
        let same = next(&[TWO, ONE], &[(ONE, 3), (TWO, 3)], &first);
        assert!(Arc::ptr_eq(&meter(&first, ONE), &meter(&same, ONE)));
        let other = next(&[TWO, ONE], &[(ONE, 4), (TWO, 3)], &same);
        assert!(!Arc::ptr_eq(&meter(&same, ONE), &meter(&other, ONE)));
        assert_eq!(meter(&other, ONE).limit(), limit(4));
        assert!(Arc::ptr_eq(&meter(&same, TWO), &meter(&other, TWO)), "it is not concerned");
        let lifted = next(&[TWO, ONE], &[(TWO, 3)], &other);
        assert!(lifted.of(Some(&organization(ONE))).is_none());
        let without = next(&[ONE], &[(ONE, 4), (TWO, 3)], &lifted);
        assert!(without.of(Some(&organization(TWO))).is_none(), "it has no network");
        assert!(without.of(None).is_none());
        assert!(Organizations::next(&table(&[ONE], &[(ONE, 0)]), &without).is_err());
    }

    #[test]
    fn what_one_rate_refuses_takes_nothing_of_the_other() {
        let organization = Meter::new(limit(5));
        let (small, large) = (key(Some(2)), key(Some(8)));
        let rates = Rates::of(&small, Some(&organization)).unwrap();
        let refused = rates.take(3, NOW).unwrap_err();
        assert_eq!((refused.whose, refused.calls), (Whose::Key("ci".parse().unwrap()), 3));
        assert_eq!(rates.take(2, NOW), Ok(()));
        let of_key = rates.take(1, NOW).unwrap_err();
        assert_eq!(of_key.early, TooEarly::For(Duration::from_secs(1)));

        let rates = Rates::of(&large, Some(&organization)).unwrap();
        let refused = rates.take(4, NOW).unwrap_err();
        assert_eq!((refused.whose, refused.limit), (Whose::Organization, limit(5)));
        assert_eq!(refused.early, TooEarly::For(Duration::from_secs(1)), "three are left");
        assert_eq!(rates.take(3, NOW), Ok(()));
        let fresh = key(Some(8));
        let of_fresh = Rates::of(&fresh, Some(&organization)).unwrap();
        assert_eq!(of_fresh.take(6, NOW).unwrap_err().early, TooEarly::AtOnce);
        let alone = Rates::of(&large, None).unwrap();
        assert_eq!(alone.take(5, NOW), Ok(()), "the key has what was refused");
        assert_eq!(alone.take(1, NOW).unwrap_err().whose, Whose::Key("ci".parse().unwrap()));
        assert!(Rates::of(&key(None), None).is_none());
    }
}
