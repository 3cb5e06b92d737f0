//! What can go wrong between a spec and a network.

/// Why an engine cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The genesis document that the spec leads to is not valid.
    #[error("the spec leads to a genesis that is not valid")]
    Genesis(#[source] windlass_chain::genesis::GenesisError),
    /// A value of the spec is not one that the chain knows.
    #[error("`{field}` is not a value of the chain: {value}")]
    Value {
        /// The spec's field.
        field: &'static str,
        /// The value.
        value: String,
    },
    /// Nobody can have this key.
    #[error("{0} is no Ed25519 public key: it has 32 bytes, and is no point of the curve")]
    Key(String),
    /// A node's configuration cannot be written.
    #[error("the node's configuration cannot be written as TOML")]
    Configuration(#[source] toml::ser::Error),
    /// An export does not hold.
    #[error("the export does not hold")]
    Export(#[source] windlass_chain::export::ExportError),
    /// A recovery file is none, or does not fit.
    #[error("the recovery file does not hold")]
    Recovery(#[source] windlass_chain::recovery::RecoveryError),
    /// A node answered something that the engine cannot read.
    #[error("the node's answer to {method} cannot be read: {reason}")]
    Answer {
        /// The method that was asked.
        method: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
}
