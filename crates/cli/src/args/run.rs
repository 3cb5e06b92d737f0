//! The arguments of `windlass run`.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;
use windlass_model::spec::Template;

use super::network::whole_number;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  windlass run -- npx hardhat test
  windlass run --template dev -- sh -c 'forge test --fork-url $ETH_RPC_URL'
  windlass run --validators 4 -- sh -c 'cast block-number --rpc-url $ETH_RPC_URL'

Environment of the command:
  WINDLASS_RPC_URL, ETH_RPC_URL   the network's endpoint
  WINDLASS_CHAIN_ID               its chain id
  WINDLASS_PRIVATE_KEY            the key of the first test account
  WINDLASS_PRIVATE_KEYS           the keys of all ten, with commas between them
  WINDLASS_ACCOUNTS               their addresses
  WINDLASS_MNEMONIC               what they are derived from, with --template dev
  WINDLASS_NETWORK, WINDLASS_DATA_DIR   for windlass itself, such as network logs

Exit codes are the command's: 128 and the signal's number if a signal ended it, 127 if there is no
such command, 126 if it cannot be started. If the network does not come up, the code is the error's.")]
pub(crate) struct RunArgs {
    /// How many validators [default: as the template says]
    #[arg(
        long,
        value_name = "N",
        value_parser = whole_number,
        allow_negative_numbers = true
    )]
    pub(crate) validators: Option<u32>,
    /// What the network is like: `test`, one validator with fresh keys; `dev`, one with chain id 31337
    /// and the accounts that Hardhat and Anvil have; `private`, four validators; `consortium`, four
    /// members with one each [default: test]
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) template: Option<Template>,
    /// A spec in TOML, or in JSON if the file ends in .json; - is stdin
    #[arg(short, long, value_name = "SPEC", conflicts_with_all = ["template", "validators"])]
    pub(crate) file: Option<PathBuf>,
    /// Start a platform of its own even if one runs
    #[arg(long)]
    pub(crate) private: bool,
    /// How long the network may take to become usable, in seconds
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub(crate) timeout: u64,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}
