//! The recovery file, and what members sign.

use std::collections::BTreeSet;

use alloy_consensus::crypto::secp256k1::recover_signer;
use alloy_primitives::{Address, B256, Bytes, Signature};
use alloy_sol_types::{Eip712Domain, SolStruct, eip712_domain, sol};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::RecoveryError;
use crate::genesis::Predecessor;

/// What the field `format` says.
pub const RECOVERY_FORMAT: &str = "windlass-recovery";
/// The version of the format that this program knows.
pub const RECOVERY_VERSION: u64 = 1;

/// The name of the domain in which members sign (EIP-712).
const DOMAIN_NAME: &str = "Windlass recovery";
const DOMAIN_VERSION: &str = "1";

sol! {
    struct NetworkRecovery {
        bytes32 genesis;
        uint64 number;
        bytes32 block;
        bytes32 stateRoot;
        bytes32 export;
        bytes32 successor;
    }
}

/// What members agree on, and who of them did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    format: String,
    version: u64,
    /// The chain id, which both networks have.
    pub chain_id: u64,
    /// The network that stands still, its last block and the export of its state.
    pub predecessor: Predecessor,
    /// The hash of block 0 of the network that follows.
    pub successor: B256,
    /// Who agrees.
    pub signatures: Vec<Approval>,
}

/// A member's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The member's account.
    pub account: Address,
    /// r, s and v (27 or 28), by that account's key over [`Recovery::digest`].
    pub signature: Bytes,
}

impl Recovery {
    /// A file that nobody has signed yet.
    pub fn new(chain_id: u64, predecessor: Predecessor, successor: B256) -> Self {
        let format = RECOVERY_FORMAT.to_owned();
        let signatures = Vec::new();
        Self { format, version: RECOVERY_VERSION, chain_id, predecessor, successor, signatures }
    }

    /// Reads a file.
    pub fn from_json(bytes: &[u8]) -> Result<Self, RecoveryError> {
        let file: Self = serde_json::from_slice(bytes)
            .map_err(|error| RecoveryError::File(error.to_string()))?;
        if file.format != RECOVERY_FORMAT || file.version != RECOVERY_VERSION {
            let (format, version) = (file.format, file.version);
            let reason = format!("it says to be {format:?} version {version}");
            return Err(RecoveryError::File(reason));
        }
        Ok(file)
    }

    /// Writes a file: indented, each field in a line of its own.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self)
            .expect("strings, numbers and lists are written without failing");
        text.push('\n');
        text
    }

    /// What members sign: the hash of the typed data of EIP-712.
    pub fn digest(&self) -> B256 {
        self.typed().eip712_signing_hash(&self.domain())
    }

    /// The same for wallets: what `eth_signTypedData_v4` takes.
    pub fn typed_data(&self) -> Value {
        let field = |name: &str, kind: &str| json!({ "name": name, "type": kind });
        let Predecessor { genesis, number, hash, state_root, export } = self.predecessor;
        json!({
            "types": {
                "EIP712Domain": [
                    field("name", "string"),
                    field("version", "string"),
                    field("chainId", "uint256"),
                ],
                "NetworkRecovery": [
                    field("genesis", "bytes32"),
                    field("number", "uint64"),
                    field("block", "bytes32"),
                    field("stateRoot", "bytes32"),
                    field("export", "bytes32"),
                    field("successor", "bytes32"),
                ],
            },
            "primaryType": "NetworkRecovery",
            "domain": {
                "name": DOMAIN_NAME,
                "version": DOMAIN_VERSION,
                "chainId": self.chain_id,
            },
            "message": {
                "genesis": genesis,
                "number": number,
                "block": hash,
                "stateRoot": state_root,
                "export": export,
                "successor": self.successor,
            },
        })
    }

    /// Whom a signature on this file is of.
    pub fn signer(&self, signature: &[u8]) -> Option<Address> {
        let signature = Signature::try_from(signature).ok()?;
        recover_signer(&signature, self.digest()).ok()
    }

    /// Adds a signature, once.
    pub fn sign(&mut self, account: Address, signature: Bytes) {
        if self.signatures.iter().all(|known| known.account != account) {
            self.signatures.push(Approval { account, signature });
        }
    }

    /// The accounts that signed; refuses a signature that does not hold, and one that is there twice.
    pub fn signers(&self) -> Result<BTreeSet<Address>, RecoveryError> {
        let mut signers = BTreeSet::new();
        for Approval { account, signature } in &self.signatures {
            let account = *account;
            let signer = self.signer(signature);
            if signer != Some(account) {
                return Err(RecoveryError::Signature { account, signer });
            }
            if !signers.insert(account) {
                return Err(RecoveryError::Twice(account));
            }
        }
        Ok(signers)
    }

    fn typed(&self) -> NetworkRecovery {
        let Predecessor { genesis, number, hash, state_root, export } = self.predecessor;
        NetworkRecovery {
            genesis,
            number,
            block: hash,
            stateRoot: state_root,
            export,
            successor: self.successor,
        }
    }

    fn domain(&self) -> Eip712Domain {
        eip712_domain! { name: DOMAIN_NAME, version: DOMAIN_VERSION, chain_id: self.chain_id, }
    }
}
