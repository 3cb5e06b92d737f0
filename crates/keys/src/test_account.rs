//! Accounts whose keys are handed out: for tests, which need them in an environment variable.
//!
//! They are the one exception to the rule that no private key leaves this crate. Nothing of value may
//! ever lie on them.

use std::fmt;

use zeroize::Zeroizing;

use crate::{
    KeyError, Purpose, Secp256k1Signer as _,
    software::{Secret, SoftwareSecp256k1, generate},
};

/// An account for tests, with the private key that it is handed out with.
pub struct TestAccount {
    address: [u8; 20],
    secret: Secret,
}

impl TestAccount {
    /// Makes one from fresh randomness. It is written nowhere.
    pub fn fresh() -> Result<Self, KeyError> {
        Self::of(generate(Purpose::Account)?)
    }

    /// The account of a key that everybody knows.
    pub fn of_known_key(key: [u8; 32]) -> Result<Self, KeyError> {
        Self::of(Secret::new(key))
    }

    fn of(secret: Secret) -> Result<Self, KeyError> {
        let signer = SoftwareSecp256k1::new(secret.clone()).ok_or(KeyError::Signing)?;
        Ok(Self { address: signer.address(), secret })
    }

    /// Its address: `0x` and 40 hex digits in lower case.
    pub fn address(&self) -> String {
        format!("0x{}", hex::encode(self.address))
    }

    /// Its private key: `0x` and 64 hex digits.
    pub fn private_key(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("0x{}", hex::encode(*self.secret)))
    }
}

impl fmt::Debug for TestAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestAccount").field("address", &self.address()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use windlass_model::spec::template::WELL_KNOWN_ACCOUNTS;

    use super::*;

    #[test]
    fn the_keys_of_well_known_accounts_are_theirs() {
        for known in WELL_KNOWN_ACCOUNTS {
            let mut key = [0; 32];
            let digits = known.private_key.strip_prefix("0x").unwrap();
            hex::decode_to_slice(digits, &mut key).unwrap();
            let account = TestAccount::of_known_key(key).unwrap();
            assert_eq!(account.address(), known.address.to_lowercase());
            assert_eq!(*account.private_key(), known.private_key);
        }
    }

    #[test]
    fn fresh_accounts_differ_and_keep_their_keys_to_themselves() {
        let (one, two) = (TestAccount::fresh().unwrap(), TestAccount::fresh().unwrap());
        assert_ne!(one.address(), two.address());
        assert!(!format!("{one:?}").contains(&one.private_key()[2..]));
    }
}
