//! Why a key can't be had or can't sign.

use std::io;
use std::path::PathBuf;

use windlass_model::KeyId;

use crate::Purpose;

/// Why a key can't be had or can't sign.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No key of this id is in the vault.
    #[error("there is no key {0} in the vault")]
    NotFound(KeyId),
    /// The key exists and is for something else.
    #[error("the purpose of key {id} is {is}, not {wanted}")]
    OtherPurpose {
        /// The key.
        id: KeyId,
        /// What it is for.
        is: Purpose,
        /// What it was asked for.
        wanted: String,
    },
    /// A file or directory lets others in.
    #[error("{} has mode {mode:04o}, which lets other users in", path.display())]
    TooOpen {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file or directory belongs to somebody else.
    #[error("{} belongs to user {owner}, not to this one", path.display())]
    NotOurs {
        /// The file or directory.
        path: PathBuf,
        /// The user id of its owner.
        owner: u32,
    },
    /// What should be a directory or a regular file is something else.
    #[error("{} is not a {wanted}", path.display())]
    WrongKind {
        /// The path.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
    },
    /// The key file doesn't hold what it should. The text never quotes the file.
    #[error("the key file {} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key file was written by a later version.
    #[error("the key file {} has format version {version}, newer than this program", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// The file system refused.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness(#[source] io::Error),
    /// Whoever holds the keys did not answer in time. What was asked may still come to its end.
    #[error("the key holder did not answer `{verb}` within {waited_ms} ms")]
    Late {
        /// What it was asked to do.
        verb: &'static str,
        /// How long it was waited for.
        waited_ms: u64,
    },
    /// The signer refused or failed to sign.
    #[error("the key could not sign")]
    Signing,
}

impl KeyError {
    /// The stable code that documentation and programs refer to.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "key_not_found",
            Self::OtherPurpose { .. } => "key_other_purpose",
            Self::TooOpen { .. } => "key_too_open",
            Self::NotOurs { .. } => "key_not_ours",
            Self::WrongKind { .. } => "key_wrong_kind",
            Self::Damaged { .. } => "key_damaged",
            Self::NewerFormat { .. } => "key_newer_format",
            Self::Io { .. } => "key_io",
            Self::Randomness(_) => "key_randomness",
            Self::Late { .. } => "key_late",
            Self::Signing => "key_signing",
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NotFound(_) => {
                "restore the key's directory from a backup of the vault".to_owned()
            }
            Self::OtherPurpose { .. } => {
                "use another key id: a key keeps its purpose for its whole life".to_owned()
            }
            Self::TooOpen { path, .. } => {
                format!("if nobody else has read it, run: chmod go-rwx {}", path.display())
            }
            Self::NotOurs { path, .. } => {
                format!("run as the owner of {}, or name another directory", path.display())
            }
            Self::WrongKind { path, .. } => format!("move {} out of the way", path.display()),
            Self::Damaged { path, .. } => format!(
                "restore {} from a backup; without one, the key is lost and its validator has to \
                 be replaced by one with a new key",
                path.display()
            ),
            Self::NewerFormat { .. } => {
                "run the version of windlass that wrote it, or a later one".to_owned()
            }
            Self::Io { .. } => "check the disk's free space and the directory's owner".to_owned(),
            Self::Randomness(_) => "check that this machine offers getrandom(2)".to_owned(),
            Self::Late { .. } => {
                "it is tried again by itself; a hung disk holds keys like this (`dmesg`)".to_owned()
            }
            Self::Signing => "try again; if it stays, the key holder's own log says why".to_owned(),
        }
    }
}
