//! The keys of a network's endpoint: who may reach it, for what, and how often.
//!
//! A key is a name and a secret; the secret stands in the URL that a client uses. What a key may do is
//! its scope, how often is its rate. The secret is shown once, when it is made; the key called
//! [`DEFAULT`] is the exception, whose URL is the network's `endpoint` and is shown with it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Name,
    error::{ErrorCode, Location, Problem},
};

/// The key that a network begins with.
pub const DEFAULT: &str = "default";

/// What a key allows. The node holds it, in single calls, batches and over `WebSocket`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum KeyScope {
    /// Everything but sending transactions.
    #[default]
    Read,
    /// Sending transactions too.
    Send,
}

impl KeyScope {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Send => "send",
        }
    }
}

/// A key of a network's endpoint, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointKey {
    /// Its name, unique in the network.
    pub name: Name,
    /// What it allows.
    pub scope: KeyScope,
    /// Calls a second; 0 is without limit.
    pub rate: u32,
    /// How many calls may come at once, of those that were not used before; 0 without limit.
    pub burst: u32,
    /// When it was made, Unix milliseconds.
    pub created_at_ms: u64,
    /// When it last got a new secret, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rotated_at_ms: Option<u64>,
    /// Until when the secret before it works too, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub former_until_ms: Option<u64>,
}

/// A key to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// Its name, unique in the network.
    pub name: Name,
    /// What it is to allow; `read` unless said.
    #[serde(default)]
    pub scope: KeyScope,
    /// Calls a second, up to 1000000; 0 is without limit, and so it is unless said.
    #[serde(default)]
    #[schema(maximum = 1_000_000)]
    pub rate: u32,
    /// How many calls may come at once, up to 1000000; as many as the rate unless said.
    #[serde(default)]
    #[schema(maximum = 1_000_000)]
    pub burst: u32,
}

/// How a key gets a new secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRotation {
    /// For how many seconds the secret before works on, up to 2592000 (30 days). With 0 it ends at once,
    /// and what is being served with it is cut. At most 8 secrets of a key work at once: of more, the
    /// oldest ends.
    #[serde(default)]
    #[schema(maximum = 2_592_000)]
    pub overlap_s: u32,
}

/// A key that was made or has a new secret. The secret is not shown again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewEndpointKey {
    /// The key.
    pub key: EndpointKey,
    /// Its secret, as it stands in the URL.
    pub secret: String,
    /// The URL with the secret; absent as long as the gateway has no address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
    /// What the user should know, such as that the gateway does not answer at the moment.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
}

impl std::fmt::Debug for NewEndpointKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewEndpointKey").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A key that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevokedKey {
    /// The key as it was.
    pub key: EndpointKey,
    /// What the user should know, such as that the gateway does not answer at the moment.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
}

impl KeyRequest {
    /// The most calls a second, and at once.
    pub const MOST_CALLS: u32 = 1_000_000;

    /// The burst that it comes to; `invalid_request` for a number out of range.
    pub fn check(&self) -> Result<u32, Box<Problem>> {
        for (field, number) in [("rate", self.rate), ("burst", self.burst)] {
            if number > Self::MOST_CALLS {
                return Err(out_of_range(field, number.into(), Self::MOST_CALLS));
            }
        }
        if self.rate == 0 && self.burst > 0 {
            let problem = Problem::new(
                ErrorCode::InvalidRequest,
                "a burst without a rate limits nothing",
                "give `rate` too: how many calls a second are allowed on the whole",
            );
            return Err(Box::new(problem.at(at("burst"))));
        }
        Ok(if self.burst == 0 { self.rate } else { self.burst })
    }
}

impl KeyRotation {
    /// The longest overlap, in seconds.
    pub const LONGEST_OVERLAP_S: u32 = 30 * 24 * 60 * 60;

    /// `invalid_request` for an overlap out of range.
    pub fn check(self) -> Result<(), Box<Problem>> {
        if self.overlap_s > Self::LONGEST_OVERLAP_S {
            let longest = Self::LONGEST_OVERLAP_S;
            return Err(out_of_range("overlap_s", self.overlap_s.into(), longest));
        }
        Ok(())
    }
}

fn out_of_range(field: &'static str, number: u64, most: u32) -> Box<Problem> {
    let problem = Problem::new(
        ErrorCode::InvalidRequest,
        format!("`{field}` is {number}; at most {most} is allowed"),
        format!("give `{field}` a value from 0 to {most}"),
    );
    Box::new(problem.at(at(field)))
}

fn at(field: &str) -> Location {
    Location { field: Some(field.to_owned()), ..Location::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_in_range_and_a_burst_is_as_large_as_the_rate_unless_said() {
        let request = |rate, burst| KeyRequest {
            name: "ci".parse().expect("a name"),
            scope: KeyScope::Read,
            rate,
            burst,
        };
        assert_eq!(request(0, 0).check(), Ok(0));
        assert_eq!(request(50, 0).check(), Ok(50));
        assert_eq!(request(50, 200).check(), Ok(200));
        for (rate, burst, field) in
            [(0, 5, "burst"), (1_000_001, 0, "rate"), (1, 1_000_001, "burst")]
        {
            let problem = request(rate, burst).check().expect_err("out of range");
            let location = problem.location.expect("it names the field");
            assert_eq!(
                (problem.code, location.field.as_deref()),
                (ErrorCode::InvalidRequest, Some(field))
            );
        }
        assert!(KeyRotation { overlap_s: KeyRotation::LONGEST_OVERLAP_S }.check().is_ok());
        assert!(KeyRotation { overlap_s: KeyRotation::LONGEST_OVERLAP_S + 1 }.check().is_err());
    }

    #[test]
    fn a_key_is_for_reading_unless_said() {
        let request: KeyRequest = serde_json::from_str(r#"{"name":"ci"}"#).expect("a request");
        assert_eq!((request.scope, request.rate), (KeyScope::Read, 0));
        assert!(serde_json::from_str::<KeyRequest>(r#"{"name":"ci","scope":"admin"}"#).is_err());
    }
}
