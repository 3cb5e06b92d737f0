//! The network whose state another one begins with.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::json::Field;
use super::parse::hash;
use super::{Genesis, GenesisError, at_least, wrong};

/// The network whose state this one begins with, and where that one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predecessor {
    /// The hash of its block 0.
    pub genesis: B256,
    /// The number of the block after which the state was exported.
    pub number: u64,
    /// The hash of that block.
    pub hash: B256,
    /// The root of that state.
    pub state_root: B256,
    /// SHA-256 of the export.
    pub export: B256,
}

impl Predecessor {
    pub(super) fn parse(field: Field) -> Result<Self, GenesisError> {
        let mut object = field.object()?;
        let predecessor = Self {
            genesis: hash(&object.required("genesis")?)?,
            number: object.required("number")?.number()?,
            hash: hash(&object.required("hash")?)?,
            state_root: hash(&object.required("state_root")?)?,
            export: hash(&object.required("export")?)?,
        };
        object.finish()?;
        Ok(predecessor)
    }

    pub(super) fn encode(&self) -> Value {
        json!({
            "genesis": format!("{:#x}", self.genesis),
            "number": self.number,
            "hash": format!("{:#x}", self.hash),
            "state_root": format!("{:#x}", self.state_root),
            "export": format!("{:#x}", self.export),
        })
    }

    /// What the types can't hold of a document with a predecessor. Its members and parameters are
    /// those of a state, which the contract took when they came into it.
    pub(super) fn validate(&self, genesis: &Genesis) -> Result<(), GenesisError> {
        at_least("predecessor.number", self.number, 1)?;
        if !genesis.alloc.is_empty() {
            return Err(wrong("alloc", "must be empty: the state is the predecessor's"));
        }
        let permissions = &genesis.permissions;
        if permissions.send.is_some() || permissions.deploy.is_some() {
            return Err(wrong("permissions", "must be empty: they are in the predecessor's state"));
        }
        if genesis.validators().next().is_none() {
            return Err(wrong("members", "there must be at least one validator"));
        }
        Ok(())
    }
}
