//! Why the store did not do what it was asked, and what the user is told.

use std::path::PathBuf;

use windlass_model::{ErrorCode, Problem};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The database file can't be opened or made.
    #[error("the database {} cannot be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: sqlx::Error,
    },
    /// The file system refused.
    #[error("could not {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A newer version wrote the database.
    #[error("the database has schema version {found}; this program knows versions up to {known}")]
    Newer {
        /// The database's version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The database belongs to another installation than the caller says.
    #[error("the database belongs to the installation {found}, not to {asked}")]
    OtherInstallation {
        /// Whose it is.
        found: String,
        /// Who asked.
        asked: String,
    },
    /// A statement failed.
    #[error("the store could not {action}")]
    Statement {
        /// What was to be done.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: sqlx::Error,
    },
    /// The audit row could not be written.
    #[error("the audit log cannot be written")]
    Audit(#[source] sqlx::Error),
    /// A stored value can't be read back.
    #[error("the stored {what} cannot be read: {reason}")]
    Damaged {
        /// Which value.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The object has changed since it was read.
    #[error("the object has changed since it was read")]
    Stale,
}

impl StoreError {
    /// For `map_err`: a statement that was to do something failed.
    pub(crate) fn statement(action: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Statement { action, source }
    }

    /// Whether a value that must be unique was there already, and in which column.
    pub(crate) fn taken(&self) -> Option<&str> {
        match self {
            Self::Statement { source: sqlx::Error::Database(error), .. }
                if error.is_unique_violation() =>
            {
                Some(error.message())
            }
            Self::Statement { .. }
            | Self::Open { .. }
            | Self::File { .. }
            | Self::Newer { .. }
            | Self::OtherInstallation { .. }
            | Self::Audit(_)
            | Self::Damaged { .. }
            | Self::Stale => None,
        }
    }
}

/// The causes of an error, joined, without what the error itself says.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some libraries put the cause's words into their own.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

/// A page is not what the database wrote.
fn is_damaged(error: &StoreError) -> bool {
    causes(error).contains("malformed")
}

/// The file is none of the database's.
fn is_another(error: &StoreError) -> bool {
    causes(error).contains("file is not a database")
}

const RESTORE: &str =
    "the database is damaged: stop the platform and restore windlass.db from a backup";

fn is_full(error: &StoreError) -> bool {
    let text = causes(error);
    text.contains("database or disk is full")
        || text.contains("No space left")
        || code(error).is_some_and(|code| code == LOG_INDEX_UNGROWN)
}

/// `SQLITE_IOERR_SHMSIZE`: the index of the write-ahead log finds no space, which `SQLite` calls an
/// I/O error.
const LOG_INDEX_UNGROWN: &str = "4874";

/// The database's own code.
fn code(error: &StoreError) -> Option<String> {
    match error {
        StoreError::Open { source, .. }
        | StoreError::Statement { source, .. }
        | StoreError::Audit(source) => {
            source.as_database_error()?.code().map(std::borrow::Cow::into_owned)
        }
        StoreError::File { .. }
        | StoreError::Newer { .. }
        | StoreError::OtherInstallation { .. }
        | StoreError::Damaged { .. }
        | StoreError::Stale => None,
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        let detail = format!("{error}{}", causes(error));
        let full = is_full(error);
        let damaged = is_damaged(error);
        let (code, hint) = match error {
            // Also where it was the audit row that found no space: this is what has to be mended.
            _ if full => (
                ErrorCode::DiskFull,
                "nothing was changed; free space on the disk of the data directory and try again",
            ),
            StoreError::Audit(_) if damaged => (ErrorCode::AuditUnavailable, RESTORE),
            StoreError::Audit(_) => (
                ErrorCode::AuditUnavailable,
                "nothing was changed; check the disk of the data directory and try again",
            ),
            _ if damaged => (ErrorCode::StoreUnavailable, RESTORE),
            _ if is_another(error) => (
                ErrorCode::DataDirectoryUnusable,
                "windlass.db is not a database: restore it from a backup",
            ),
            StoreError::Newer { .. } => (
                ErrorCode::DataDirectoryNewer,
                "run the version of windlass that wrote it, or a later one, or name another \
                 directory with --data-dir",
            ),
            StoreError::Open { .. } | StoreError::File { .. } => (
                ErrorCode::DataDirectoryUnusable,
                "give the directory to this user, or name another with --data-dir",
            ),
            StoreError::OtherInstallation { .. } => (
                ErrorCode::DataDirectoryUnusable,
                "a data directory is used whole: restore all of its files, or name another",
            ),
            StoreError::Damaged { .. } => (ErrorCode::StoreUnavailable, RESTORE),
            StoreError::Stale => {
                (ErrorCode::VersionConflict, "look at the object as it is now and decide again")
            }
            StoreError::Statement { .. } => (
                ErrorCode::StoreUnavailable,
                "try again; if it stays, check the disk of the data directory and \
                 `sqlite3 windlass.db 'pragma integrity_check'`",
            ),
        };
        Self::new(code, detail, hint)
    }
}

impl From<StoreError> for Box<Problem> {
    fn from(error: StoreError) -> Self {
        Self::new(Problem::from(&error))
    }
}
