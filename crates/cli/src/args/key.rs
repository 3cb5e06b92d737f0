//! The verbs of an endpoint's keys.

use clap::{Args, Subcommand, ValueEnum};
use windlass_model::{Name, key::KeyScope};

use super::network::{NamedArgs, whole_number};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyVerb {
    /// List the keys of a network's endpoint
    Ls(NamedArgs),
    /// Make a key, and print its URL once
    ///
    /// Only the secret's hash is kept: what is printed here is not shown again.
    Create(KeyCreateArgs),
    /// Give a key another secret, and print its URL once
    ///
    /// The secret before it ends at once, and what is being served with it is cut, or it works on for
    /// the overlap. The key called `default` is the one whose URL `windlass network show` prints.
    Rotate(KeyRotateArgs),
    /// Revoke a key at once
    ///
    /// What is being served with it is cut, an open WebSocket too, and the next request is refused.
    Revoke(KeyRevokeArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scope {
    /// Everything but sending transactions
    Read,
    /// Sending transactions too
    Send,
}

impl From<Scope> for KeyScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Send => Self::Send,
        }
    }
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass network key create trade dashboard
  windlass network key create trade ci --scope send --rate 50 --burst 200
  windlass network key create trade ci --scope send --json | jq -r .url")]
pub(crate) struct KeyCreateArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// The key's name
    pub(crate) name: Name,
    /// What it allows
    #[arg(long, value_enum, default_value_t = Scope::Read)]
    pub(crate) scope: Scope,
    /// Calls a second, of a batch every one; 0 is without limit
    #[arg(
        long,
        default_value_t = 0,
        value_name = "N",
        value_parser = whole_number,
        allow_negative_numbers = true
    )]
    pub(crate) rate: u32,
    /// Calls at once [default: as many as a second]
    #[arg(
        long,
        default_value_t = 0,
        hide_default_value = true,
        value_name = "N",
        value_parser = whole_number,
        allow_negative_numbers = true
    )]
    pub(crate) burst: u32,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass network key rotate trade ci                  the URL before works no more
  windlass network key rotate trade ci --overlap 3600   it works on for an hour")]
pub(crate) struct KeyRotateArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// The key's name
    pub(crate) name: String,
    /// For how long the secret before works on, up to 2592000 (30 days)
    #[arg(
        long,
        default_value_t = 0,
        value_name = "SECONDS",
        value_parser = whole_number,
        allow_negative_numbers = true
    )]
    pub(crate) overlap: u32,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass network key revoke trade ci      asks first
  windlass network key revoke trade ci -y")]
pub(crate) struct KeyRevokeArgs {
    /// The network's name or id
    pub(crate) network: String,
    /// The key's name
    pub(crate) name: String,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}
