//! The test accounts that a command is given: their balance in block 0, and their keys.

use windlass_keys::TestAccount;
use windlass_model::{
    ErrorCode,
    spec::{
        Manifest, Template,
        template::{TestAccounts, WELL_KNOWN_MNEMONIC, WellKnownAccount, fund},
    },
};

use crate::environment::{Outcome, problem};

/// Accounts whose keys the command is handed.
#[derive(Debug)]
pub(super) struct Accounts {
    accounts: Vec<TestAccount>,
    /// What they are derived from, if everybody knows it.
    mnemonic: Option<&'static str>,
}

impl Accounts {
    /// Those of a template.
    pub(super) fn of(template: Template) -> Outcome<Self> {
        let (accounts, mnemonic): (Result<Vec<_>, _>, _) = match template.accounts() {
            TestAccounts::WellKnown(known) => {
                (known.iter().map(well_known).collect(), Some(WELL_KNOWN_MNEMONIC))
            }
            TestAccounts::Fresh(count) => {
                ((0..count).map(|_| TestAccount::fresh()).collect(), None)
            }
        };
        let accounts = accounts.map_err(|error| {
            problem(
                ErrorCode::Internal,
                format!("no test accounts can be made: {error}"),
                "try again; if it stays so, the machine's getrandom call is broken",
            )
        })?;
        Ok(Self { accounts, mnemonic })
    }

    /// Gives them a balance; one that the spec gives stays.
    pub(super) fn fund(&self, manifest: &mut Manifest) {
        let addresses = self.accounts.iter().map(|account| account.address().parse());
        fund(manifest, addresses.map(|address| address.expect("an address has this form")));
    }

    /// What the command is told of them.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let keys: Vec<_> = self.accounts.iter().map(|one| one.private_key().to_string()).collect();
        let addresses: Vec<_> = self.accounts.iter().map(TestAccount::address).collect();
        let mut variables = vec![
            ("WINDLASS_PRIVATE_KEY", keys.first().cloned().unwrap_or_default()),
            ("WINDLASS_PRIVATE_KEYS", keys.join(",")),
            ("WINDLASS_ACCOUNTS", addresses.join(",")),
        ];
        variables.extend(self.mnemonic.map(|words| ("WINDLASS_MNEMONIC", words.to_owned())));
        variables
    }
}

fn well_known(known: &WellKnownAccount) -> Result<TestAccount, windlass_keys::KeyError> {
    let mut key = [0; 32];
    let digits = known.private_key.trim_start_matches("0x");
    hex::decode_to_slice(digits, &mut key).expect("the template's keys are 64 hex digits");
    TestAccount::of_known_key(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(accounts: &Accounts, name: &str) -> Option<String> {
        accounts.variables().into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    #[test]
    fn dev_has_the_accounts_that_tools_know() {
        let accounts = Accounts::of(Template::Dev).unwrap();
        let keys = variable(&accounts, "WINDLASS_PRIVATE_KEYS").unwrap();
        assert_eq!(keys.split(',').count(), 10);
        let first = variable(&accounts, "WINDLASS_PRIVATE_KEY").unwrap();
        assert!(keys.starts_with(&first) && first.starts_with("0xac0974be"), "{first}");
        let addresses = variable(&accounts, "WINDLASS_ACCOUNTS").unwrap();
        assert!(addresses.starts_with("0xf39fd6e5"), "{addresses}");
        assert!(variable(&accounts, "WINDLASS_MNEMONIC").is_some());
    }

    #[test]
    fn accounts_have_a_balance_and_the_spec_counts() {
        let accounts = Accounts::of(Template::Test).unwrap();
        assert!(variable(&accounts, "WINDLASS_MNEMONIC").is_none());
        let mut manifest = Manifest::default();
        accounts.fund(&mut manifest);
        let mut alloc = manifest.alloc.clone().unwrap();
        assert_eq!(alloc.len(), 10);
        let first = alloc.first_entry().unwrap().key().clone();
        alloc.get_mut(&first).unwrap().nonce = 7;
        manifest.alloc = Some(alloc.clone());
        accounts.fund(&mut manifest);
        assert_eq!(manifest.alloc, Some(alloc));
    }
}
