//! A method's positional parameters, with Geth's words for what is wrong with them.

use alloy_primitives::{Address, B256, Bytes};
use jsonrpsee::types::Params;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::RpcError;
use super::hex_param::{AddressParam, BytesParam, HashParam, IndexParam};

/// The parameters of one call.
#[derive(Debug, Default)]
pub(super) struct Args {
    values: Vec<Box<RawValue>>,
    attempt: Attempt,
    reach: Option<Reach>,
}

/// Whether a request may have been taken by another node before, which gave no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It is new, as far as anybody knows.
    #[default]
    First,
    /// It may.
    Repeated,
}

/// What a client's key allows. Whoever is at the socket itself, as the platform is, has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Everything but changing something.
    Reading,
    /// Sending transactions too.
    Sending,
}

impl Args {
    /// Reads the parameters; a method takes `most` of them.
    pub(super) fn parse(params: &Params<'_>, most: usize) -> Result<Self, RpcError> {
        let values: Option<Vec<Box<RawValue>>> = match params.as_str() {
            None => None,
            Some(text) => serde_json::from_str(text)
                .map_err(|_other| RpcError::InvalidParams("non-array args".to_owned()))?,
        };
        let values = values.unwrap_or_default();
        if values.len() > most {
            let text = format!("too many arguments, want at most {most}");
            return Err(RpcError::InvalidParams(text));
        }
        Ok(Self { values, attempt: Attempt::First, reach: None })
    }

    /// The same, of such an attempt, by somebody of such a reach.
    pub(super) fn of(self, attempt: Attempt, reach: Option<Reach>) -> Self {
        Self { attempt, reach, ..self }
    }

    /// What the client's key allows, if a client asks.
    pub(super) fn reach(&self) -> Option<Reach> {
        self.reach
    }

    /// Whether the request may have been taken before.
    pub(super) fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// A parameter that has to be there.
    pub(super) fn required<T: DeserializeOwned>(&self, index: usize) -> Result<T, RpcError> {
        self.optional(index)?.ok_or_else(|| {
            RpcError::InvalidParams(format!("missing value for required argument {index}"))
        })
    }

    /// A hash that has to be there.
    pub(super) fn hash(&self, index: usize) -> Result<B256, RpcError> {
        self.required(index).map(|HashParam(hash)| hash)
    }

    /// An address that has to be there.
    pub(super) fn address(&self, index: usize) -> Result<Address, RpcError> {
        self.required(index).map(|AddressParam(address)| address)
    }

    /// Bytes that have to be there.
    pub(super) fn bytes(&self, index: usize) -> Result<Bytes, RpcError> {
        self.required(index).map(|BytesParam(bytes)| bytes)
    }

    /// A place in a list that has to be there.
    pub(super) fn place(&self, index: usize) -> Result<u64, RpcError> {
        self.required(index).map(|IndexParam(place)| place)
    }

    /// A parameter that may be absent or null.
    pub(super) fn optional<T: DeserializeOwned>(
        &self,
        index: usize,
    ) -> Result<Option<T>, RpcError> {
        let Some(value) = self.values.get(index) else { return Ok(None) };
        serde_json::from_str(value.get()).map_err(|error| invalid(index, &error.to_string()))
    }
}

/// What is wrong with a parameter, without where in it a parser of ours found that.
pub(super) fn invalid(index: usize, reason: &str) -> RpcError {
    let reason = reason.rsplit_once(" at line ").map_or(reason, |(reason, _)| reason);
    RpcError::InvalidParams(format!("invalid argument {index}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_parameters_is_said_as_geth_says_it() {
        let check = |text: Option<&str>| {
            let read = Args::parse(&Params::new(text), 1)
                .and_then(|args| args.required::<Address>(0).map(|_| ()));
            read.err().map(|error| error.to_string())
        };
        let address = r#"["0x0000000000000000000000000000000000000001"]"#;
        assert_eq!(check(Some(address)), None);
        for (text, expect) in [
            (None, "missing value for required argument 0"),
            (Some("null"), "missing value for required argument 0"),
            (Some("[]"), "missing value for required argument 0"),
            (Some("[null]"), "missing value for required argument 0"),
            (Some("{}"), "non-array args"),
            (Some("[1,2]"), "too many arguments, want at most 1"),
        ] {
            assert_eq!(check(text).as_deref(), Some(expect), "{text:?}");
        }
        for wrong in ["[1]", "[-1]", "[{}]", r#"["0x"]"#, r#"["0x01"]"#, "[true]", "[[]]"] {
            assert!(check(Some(wrong)).unwrap().starts_with("invalid argument 0: "), "{wrong}");
        }
    }
}
