//! The keys that open a network: which secret is whose, what it allows, and what ends with it.
//!
//! Every secret has a token that everything served with it watches. It is cancelled when the secret is in
//! the table no more, or its time is over: what is being served with it ends then, open `WebSocket`s too.
//! A key's meter goes by the key's name, so that a key with two secrets has one rate.

use std::{sync::Arc, time::SystemTime};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio_util::sync::CancellationToken;
use windlass_model::{
    Name,
    key::KeyScope,
    route::{RateLimit, RouteKey, RouteSecret},
};

use crate::limit::Meter;

/// The keys of one network.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<(Arc<Key>, Vec<Secret>)>);

/// What a key allows.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: Name,
    pub(crate) scope: KeyScope,
    pub(crate) meter: Option<Arc<Meter>>,
}

#[derive(Debug)]
struct Secret {
    hash: [u8; 32],
    /// Unix milliseconds.
    until_ms: Option<u64>,
    cut: CancellationToken,
}

/// What a request with a right key may do.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    pub(crate) key: Arc<Key>,
    /// Cancelled when the secret is good no more.
    pub(crate) cut: CancellationToken,
}

impl Keys {
    /// Parses keys, or says why they can't be; what continues keeps its meter and its token.
    pub(crate) fn next(source: &[RouteKey], before: Option<&Self>) -> Result<Self, &'static str> {
        source.iter().map(|key| next(key, before)).collect::<Result<_, _>>().map(Self)
    }

    /// The key that a secret is of. Takes the same time for every wrong secret of one length.
    pub(crate) fn find(&self, secret: &str) -> Option<Pass> {
        let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let mut found = None;
        for (key, secret) in self.secrets() {
            if bool::from(secret.hash.ct_eq(&hash)) {
                found = Some((key, secret));
            }
        }
        let (key, secret) = found.filter(|(_, secret)| !secret.is_over(unix_ms))?;
        Some(Pass { key: Arc::clone(key), cut: secret.cut.clone() })
    }

    /// Ends what is served with secrets that are not among those that come after.
    pub(crate) fn cut_what_is_not_in(&self, next: Option<&Self>) {
        for (_, secret) in self.secrets() {
            let same = |other: &Secret| other.hash == secret.hash;
            let stays = next.is_some_and(|next| next.secrets().any(|(_, other)| same(other)));
            if !stays {
                secret.cut.cancel();
            }
        }
    }

    /// Ends what is served with secrets whose time is over.
    pub(crate) fn cut_what_is_over(&self) {
        for (_, secret) in self.secrets().filter(|(_, secret)| secret.is_over(unix_ms)) {
            secret.cut.cancel();
        }
    }

    fn secrets(&self) -> impl Iterator<Item = (&Arc<Key>, &Secret)> {
        self.0.iter().flat_map(|(key, secrets)| secrets.iter().map(move |secret| (key, secret)))
    }
}

/// One key of the next table.
fn next(source: &RouteKey, before: Option<&Keys>) -> Result<(Arc<Key>, Vec<Secret>), &'static str> {
    let RouteKey { name, scope, limit, secrets } = source;
    if limit.is_some_and(|RateLimit { per_second, burst }| per_second == 0 || burst == 0) {
        return Err("a key's limit is zero");
    }
    let keys = before.into_iter().flat_map(|before| &before.0);
    let earlier = keys.map(|(key, _)| key).find(|key| key.name == *name);
    let kept = earlier.and_then(|earlier| earlier.meter.as_ref());
    let kept = kept.filter(|meter| Some(meter.limit()) == *limit).map(Arc::clone);
    let meter = kept.or_else(|| limit.map(|limit| Arc::new(Meter::new(limit))));
    let secret = |one: &RouteSecret| {
        let hash = hex::decode(&one.hash).ok().and_then(|hash| hash.try_into().ok());
        let hash: [u8; 32] = hash.ok_or("a key's hash is not 64 hexadecimal digits")?;
        let known = before.into_iter().flat_map(Keys::secrets).map(|(_, secret)| secret);
        let mut known = known.filter(|secret| !secret.cut.is_cancelled());
        let known = known.find(|secret| secret.hash == hash);
        let cut = known.map(|secret| secret.cut.clone()).unwrap_or_default();
        Ok(Secret { hash, until_ms: one.until_ms, cut })
    };
    let secrets = secrets.iter().map(secret).collect::<Result<_, &'static str>>()?;
    Ok((Arc::new(Key { name: name.clone(), scope: *scope, meter }), secrets))
}

impl Secret {
    /// Whether its time is over; the clock is only read where it has one.
    fn is_over(&self, now_ms: impl Fn() -> u64) -> bool {
        self.until_ms.is_some_and(|until_ms| now_ms() >= until_ms)
    }
}

/// The time by which the control plane says until when a secret is good.
#[expect(clippy::disallowed_methods, reason = "the gateway's only reading of the machine's time")]
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::hash_key;

    fn key(name: &str, secrets: &[(&str, Option<u64>)], limit: Option<RateLimit>) -> RouteKey {
        let secret = |(secret, until_ms): &(&str, Option<u64>)| RouteSecret {
            hash: hash_key(secret),
            until_ms: *until_ms,
        };
        RouteKey {
            name: name.parse().unwrap(),
            scope: KeyScope::Send,
            limit,
            secrets: secrets.iter().map(secret).collect(),
        }
    }

    #[test]
    fn a_secret_that_is_gone_cuts_what_it_served_and_one_that_stays_does_not() {
        let before = Keys::next(&[key("a", &[("one", None), ("two", None)], None)], None).unwrap();
        let (one, two) = (before.find("one").unwrap(), before.find("two").unwrap());
        let after =
            Keys::next(&[key("a", &[("two", Some(u64::MAX))], None)], Some(&before)).unwrap();
        before.cut_what_is_not_in(Some(&after));
        assert!(one.cut.is_cancelled());
        assert!(!two.cut.is_cancelled());
        assert!(after.find("one").is_none());
        after.cut_what_is_not_in(None);
        assert!(two.cut.is_cancelled(), "the same token goes on with the secret");
    }

    #[test]
    fn a_secret_whose_time_is_over_opens_nothing() {
        let keys = Keys::next(&[key("a", &[("old", Some(1)), ("new", None)], None)], None).unwrap();
        assert!(keys.find("old").is_none());
        let later = Keys::next(&[key("a", &[("new", Some(1))], None)], Some(&keys)).unwrap();
        let new = keys.find("new").unwrap();
        later.cut_what_is_over();
        assert!(new.cut.is_cancelled());
    }

    #[test]
    fn the_meter_goes_by_the_key_and_begins_anew_with_another_limit() {
        let limit = |burst| Some(RateLimit { per_second: 1, burst });
        let before = Keys::next(&[key("a", &[("one", None)], limit(2))], None).unwrap();
        let both = [("one", Some(u64::MAX)), ("two", None)];
        let after = Keys::next(&[key("a", &both, limit(2))], Some(&before)).unwrap();
        let meter =
            |keys: &Keys, secret: &str| keys.find(secret).unwrap().key.meter.clone().unwrap();
        assert!(Arc::ptr_eq(&meter(&before, "one"), &meter(&after, "two")));
        let other = Keys::next(&[key("a", &both, limit(3))], Some(&after)).unwrap();
        assert!(!Arc::ptr_eq(&meter(&after, "one"), &meter(&other, "one")));
        assert!(Keys::next(&[key("a", &both, limit(0))], None).is_err());
    }
}
