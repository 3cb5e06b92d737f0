//! Names that people give: one rule for networks, organizations and members.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};

/// A DNS label: 1 to 40 of `a-z`, `0-9` and `-`, beginning with a letter, not ending with `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing was given.
    #[error("the name is empty")]
    Empty,
    /// More than [`Name::MAX`] characters.
    #[error("the name has {0} characters, at most {max} are allowed", max = Name::MAX)]
    TooLong(usize),
    /// A character outside `a-z`, `0-9` and `-`.
    #[error("the name has the character {0:?}; only a-z, 0-9 and `-` are allowed")]
    Character(char),
    /// It begins with a digit or `-`, or ends with `-`.
    #[error("the name must begin with a letter and must not end with `-`")]
    Edge,
}

impl Name {
    /// The most characters of a name.
    pub const MAX: usize = 40;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName::Empty);
        }
        let length = text.chars().count();
        if length > Self::MAX {
            return Err(InvalidName::TooLong(length));
        }
        let allowed = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
        if let Some(odd) = text.chars().find(|c| !allowed(c)) {
            return Err(InvalidName::Character(odd));
        }
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) || text.ends_with('-') {
            return Err(InvalidName::Edge);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl utoipa::PartialSchema for Name {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}

impl utoipa::ToSchema for Name {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), InvalidName>) {
        let expected = expected.map(|()| text);
        assert_eq!(text.parse::<Name>().as_ref().map(Name::as_str), expected.as_ref().copied());
    }

    #[test]
    fn names() {
        check("trade", Ok(()));
        check("a", Ok(()));
        check("trade-2", Ok(()));
        check("", Err(InvalidName::Empty));
        check(&"a".repeat(40), Ok(()));
        check(&"a".repeat(41), Err(InvalidName::TooLong(41)));
        check("Trade", Err(InvalidName::Character('T')));
        check("tra de", Err(InvalidName::Character(' ')));
        check("../x", Err(InvalidName::Character('.')));
        check("träde", Err(InvalidName::Character('ä')));
        check("2trade", Err(InvalidName::Edge));
        check("trade-", Err(InvalidName::Edge));
    }
}
