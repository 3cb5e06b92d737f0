//! The keys that a node's configuration names, from the vault.
//!
//! While a key is replaced the configuration names the old one and the new one. When the network goes
//! by the new one the old one is destroyed, and the configuration of a node that runs goes on naming
//! it: so a key may be absent where there is another one of its kind.

use std::sync::Arc;

use alloy_primitives::B256;
use commonware_cryptography::Signer as _;
use windlass_keys::{
    KeyError,
    vault::{Vault, VotesIn},
};
use windlass_model::KeyId;

use super::NodeError;
use crate::consensus::{exchange::key_bytes, marker::VotingKey, signer::HandleSigner};

/// The identities that a node can have.
pub(super) fn signers(
    vault: &Vault,
    id: &str,
    next: Option<&str>,
) -> Result<Vec<HandleSigner>, NodeError> {
    present([Some(id), next].into_iter().flatten().map(|id| signer(vault, id)))
}

/// The keys that a node can vote with.
pub(super) fn voting_keys(
    vault: &Vault,
    ids: &[String],
    votes_in: VotesIn,
) -> Result<Vec<VotingKey>, NodeError> {
    present(ids.iter().map(|id| voting_key(vault, id, votes_in)))
}

/// The voting key that the status shows until the node votes with another one.
pub(super) fn first_key(keys: &[VotingKey]) -> B256 {
    keys.first().map_or(B256::ZERO, |key| key_bytes(&key.signer.public_key()))
}

/// Those that the vault has, if it has one.
fn present<T>(keys: impl Iterator<Item = Result<T, NodeError>>) -> Result<Vec<T>, NodeError> {
    let (mut found, mut absent) = (Vec::new(), None);
    for key in keys {
        match key {
            Ok(key) => found.push(key),
            Err(NodeError::Key { id, source: source @ KeyError::NotFound(_) }) => {
                tracing::info!(id, "the configuration names a key that the vault does not have");
                absent.get_or_insert(NodeError::Key { id, source });
            }
            Err(other) => return Err(other),
        }
    }
    match absent {
        Some(absent) if found.is_empty() => Err(absent),
        Some(_) | None => Ok(found),
    }
}

fn key_id(id: &str) -> Result<KeyId, NodeError> {
    id.parse().map_err(|_invalid| NodeError::KeyId(id.to_owned()))
}

fn signer(vault: &Vault, id: &str) -> Result<HandleSigner, NodeError> {
    let handle = vault
        .ed25519(&key_id(id)?)
        .map_err(|source| NodeError::Key { id: id.to_owned(), source })?;
    HandleSigner::new(handle).ok_or_else(|| NodeError::NoKey(id.to_owned()))
}

fn voting_key(vault: &Vault, id: &str, votes_in: VotesIn) -> Result<VotingKey, NodeError> {
    let marker = vault
        .voting_record(&key_id(id)?, votes_in)
        .map_err(|source| NodeError::Key { id: id.to_owned(), source })?;
    Ok(VotingKey { signer: signer(vault, id)?, marker: Arc::new(marker) })
}
