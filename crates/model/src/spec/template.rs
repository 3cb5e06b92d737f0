//! Templates: what a network for a common use looks like, as data.
//!
//! A template fills a [`Manifest`] in; what the user says beside it counts. Its test accounts are for
//! whoever runs tests: their keys are handed out, so that they are good for nothing else.

use std::{collections::BTreeMap, fmt, str::FromStr};

use super::{AccountAddress, Allocation, Manifest, Member, NetworkKind};

/// What a template's test accounts hold in block 0, in wei: 10,000 ether.
pub const TEST_BALANCE_WEI: &str = "10000000000000000000000";
/// The mnemonic that [`WELL_KNOWN_ACCOUNTS`] are derived from, at `m/44'/60'/0'/0/i`.
pub const WELL_KNOWN_MNEMONIC: &str = "test test test test test test test test test test test junk";
/// How many accounts a network is given that has fresh ones.
pub const FRESH_ACCOUNTS: usize = 10;
/// Where tools for local development look for a node unless told otherwise.
const LOCAL_PORT: u16 = 8_545;

/// A network for a common use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// One validator, chain id 31337 and the well-known test accounts: what local development tools
    /// are configured for.
    Dev,
    /// One validator, a chain id of its own and fresh test accounts.
    Test,
    /// Four validators that go on when one fails, as in production.
    Private,
    /// Four organizations with a validator each, which decide together.
    Consortium,
}

/// Which accounts have a balance in block 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestAccounts {
    /// These, which everybody knows.
    WellKnown(&'static [WellKnownAccount]),
    /// So many new ones.
    Fresh(usize),
}

/// An account whose private key everybody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WellKnownAccount {
    /// Its address.
    pub address: &'static str,
    /// Its private key: `0x` and 64 hex digits.
    pub private_key: &'static str,
}

/// Why a text is not a template's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no template `{0}`: there are dev, test, private and consortium")]
pub struct UnknownTemplate(String);

impl Template {
    /// Every template.
    pub const ALL: &'static [Self] = &[Self::Dev, Self::Test, Self::Private, Self::Consortium];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Test => "test",
            Self::Private => "private",
            Self::Consortium => "consortium",
        }
    }

    /// What it is for, in a line.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Dev => {
                "one validator at port 8545, chain id 31337 and the ten accounts that Hardhat and Anvil begin with"
            }
            Self::Test => "one validator with a chain id of its own",
            Self::Private => "four validators of one organization, which go on when one fails",
            Self::Consortium => "four organizations with a validator each, which decide together",
        }
    }

    /// The spec that it begins with, where its users bring keys of their own: accounts whose keys everybody
    /// knows have their balance.
    pub fn declared(self) -> Manifest {
        let mut manifest = self.manifest();
        if let TestAccounts::WellKnown(known) = self.accounts() {
            let addresses = known.iter().map(|one| one.address.parse());
            fund(&mut manifest, addresses.map(|address| address.expect("its checksum is right")));
        }
        manifest
    }

    /// The spec that it begins with.
    pub fn manifest(self) -> Manifest {
        let private = Manifest { kind: Some(NetworkKind::Private), ..Manifest::default() };
        match self {
            Self::Dev => Manifest {
                chain_id: Some(31_337),
                validators: Some(1),
                min_block_interval_ms: Some(0),
                local_port: Some(LOCAL_PORT),
                ..private
            },
            Self::Test => Manifest { validators: Some(1), ..private },
            Self::Private => Manifest { validators: Some(4), ..private },
            Self::Consortium => {
                let member = |name: &str| Member {
                    organization: name.parse().expect("it is a name"),
                    validators: 1,
                    account: None,
                };
                let members = ["alpha", "beta", "gamma", "delta"].map(member).into();
                let kind = Some(NetworkKind::Consortium);
                Manifest { kind, members: Some(members), ..Manifest::default() }
            }
        }
    }

    /// The accounts that have a balance where its users are given keys.
    pub fn accounts(self) -> TestAccounts {
        match self {
            Self::Dev => TestAccounts::WellKnown(&WELL_KNOWN_ACCOUNTS),
            Self::Test | Self::Private | Self::Consortium => TestAccounts::Fresh(FRESH_ACCOUNTS),
        }
    }
}

/// Gives test accounts their balance; one that the spec gives stays.
pub fn fund(manifest: &mut Manifest, accounts: impl Iterator<Item = AccountAddress>) {
    let alloc = manifest.alloc.get_or_insert_default();
    for account in accounts {
        alloc.entry(account).or_insert_with(|| Allocation {
            balance: TEST_BALANCE_WEI.parse().expect("an amount has this form"),
            nonce: 0,
            code: None,
            storage: BTreeMap::new(),
        });
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Template {
    type Err = UnknownTemplate;

    fn from_str(text: &str) -> Result<Self, UnknownTemplate> {
        let found = Self::ALL.iter().find(|template| template.as_str() == text);
        found.copied().ok_or_else(|| UnknownTemplate(text.to_owned()))
    }
}

/// The ten accounts that Hardhat and Anvil begin with.
pub const WELL_KNOWN_ACCOUNTS: [WellKnownAccount; 10] = [
    WellKnownAccount {
        address: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        private_key: "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    },
    WellKnownAccount {
        address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        private_key: "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    },
    WellKnownAccount {
        address: "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        private_key: "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    },
    WellKnownAccount {
        address: "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
        private_key: "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    },
    WellKnownAccount {
        address: "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
        private_key: "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    },
    WellKnownAccount {
        address: "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
        private_key: "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    },
    WellKnownAccount {
        address: "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
        private_key: "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    },
    WellKnownAccount {
        address: "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
        private_key: "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    },
    WellKnownAccount {
        address: "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
        private_key: "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    },
    WellKnownAccount {
        address: "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
        private_key: "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Defaults, Quantity};

    #[test]
    fn every_template_is_a_valid_spec() {
        for template in Template::ALL {
            assert_eq!(template.as_str().parse(), Ok(*template));
            let organization = "default".parse().expect("a valid name");
            let spec = template.declared().resolve(&Defaults { chain_id: 7, organization });
            let spec = spec.unwrap_or_else(|problem| panic!("{template}: {problem}"));
            assert_eq!(spec.chain_id == 31_337, *template == Template::Dev);
        }
        assert!("devs".parse::<Template>().is_err());
    }

    #[test]
    fn well_known_accounts_are_different_and_have_their_checksums() {
        let parsed = WELL_KNOWN_ACCOUNTS.iter().map(|one| one.address.parse::<AccountAddress>());
        let addresses: std::collections::BTreeSet<_> =
            parsed.map(|address| address.expect("its checksum is right")).collect();
        assert_eq!(addresses.len(), 10);
        assert!(TEST_BALANCE_WEI.parse::<Quantity>().is_ok());
    }
}
