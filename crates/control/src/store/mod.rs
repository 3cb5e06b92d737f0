//! The only SQL of the platform: an `SQLite` database in the data directory.
//!
//! - One writer, with `BEGIN IMMEDIATE`; readers beside it (WAL). `synchronous = FULL`: what was
//!   answered survives a power cut.
//! - One transaction a mutation: rows, audit row, outbox entries. A [`Change`] that isn't committed
//!   is undone.
//! - A record is saved against the resource version that it was loaded with; if somebody was
//!   faster, nothing is written and the answer is [`StoreError::Stale`].
//! - Every query names the organization, but for the installation's own rows and the two that
//!   reconcilers begin from ([`Store::network_ids`], [`Store::known`]).
//!
//! Deliberately absent: what nodes report (a write a block), and any decision.

mod accounts;
mod ballots;
mod budgets;
pub(crate) mod error;
mod events;
pub(crate) mod keys;
mod networks;
mod operations;
pub(crate) mod rows;
mod saves;
mod schema;
mod values;

use std::{
    ops::{Deref, DerefMut},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use sqlx::{
    Sqlite, SqliteConnection, SqlitePool,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::watch;

pub(crate) use crate::store::{
    accounts::SessionRow,
    budgets::Running,
    error::StoreError,
    events::OutboxEntry,
    networks::Find,
    operations::{AuditEntry, Remembered},
};
use crate::world::{Points, Working, pass};

/// How long a statement waits for another writer, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The database.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    /// The number of commits that wrote to the outbox; whoever waits for a change watches it.
    moved: Arc<watch::Sender<u64>>,
    points: Arc<dyn Points>,
}

/// A transaction that writes. Dropped without a commit it has changed nothing.
#[derive(Debug)]
pub(crate) struct Change {
    connection: Connection,
    announced: bool,
    moved: Arc<watch::Sender<u64>>,
    points: Arc<dyn Points>,
}

/// A connection that is in use.
#[derive(Debug)]
pub(crate) struct Connection {
    connection: PoolConnection<Sqlite>,
    _working: Working,
}

impl Deref for Connection {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

impl Store {
    /// Opens the database, makes it if it is absent, and brings its schema up to date.
    pub(crate) async fn open(path: &Path, points: Arc<dyn Points>) -> Result<Self, StoreError> {
        private_file(path)?;
        let _working = points.working();
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let failed = |source| StoreError::Open { path: path.to_owned(), source };
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .after_release(|connection, _| Box::pin(roll_back(connection)))
            .connect_with(options.clone())
            .await
            .map_err(failed)?;
        let mut connection = writer.acquire().await.map_err(failed)?;
        schema::migrate(&mut connection).await?;
        drop(connection);
        let readers = SqlitePoolOptions::new()
            .max_connections(points.readers())
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.create_if_missing(false))
            .await
            .map_err(failed)?;
        let (moved, _) = watch::channel(0);
        Ok(Self { writer, readers, moved: Arc::new(moved), points })
    }

    /// Begins a transaction that writes; waits for the one before.
    pub(crate) async fn begin(&self) -> Result<Change, StoreError> {
        let failed = StoreError::statement("begin a transaction");
        let working = self.points.working();
        let connection = self.writer.acquire().await.map_err(&failed)?;
        let mut connection = Connection { connection, _working: working };
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.map_err(&failed)?;
        Ok(Change {
            connection,
            announced: false,
            moved: Arc::clone(&self.moved),
            points: Arc::clone(&self.points),
        })
    }

    /// Closes the database: what its log held is in its file then. To be called when nobody uses it
    /// any more; a program that ends without it loses nothing.
    pub(crate) async fn close(&self) {
        let _working = self.points.working();
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A connection to read with.
    async fn read(&self) -> Result<Connection, StoreError> {
        let working = self.points.working();
        let connection = self.readers.acquire().await;
        let connection = connection.map_err(StoreError::statement("begin to read"))?;
        Ok(Connection { connection, _working: working })
    }

    /// Wakes whoever waits for a change of any object.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }
}

impl Change {
    /// Makes it so. `name` is the point's name in a crash enumeration.
    pub(crate) async fn commit(mut self, name: &'static str) -> Result<(), StoreError> {
        pass(&*self.points, "before commit", name).await;
        let failed = StoreError::statement("commit");
        sqlx::query("COMMIT").execute(self.connection()).await.map_err(failed)?;
        if self.announced {
            self.moved.send_modify(|count| *count += 1);
        }
        pass(&*self.points, "after commit", name).await;
        Ok(())
    }

    fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// Undoes what was not committed, before anybody else gets the connection. `SQLite` may have done it
/// already: a commit that finds the disk full is rolled back, or stays open, as it sees fit. (sqlx
/// counts transactions itself, and after such a commit counts wrong for good.)
async fn roll_back(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    match sqlx::query("ROLLBACK").execute(connection).await {
        Ok(_) => Ok(true),
        // There was nothing to undo.
        Err(sqlx::Error::Database(error)) if error.message().contains("no transaction") => Ok(true),
        // The connection is closed, and with it the transaction.
        Err(error) => {
            tracing::warn!(%error, "a transaction was not rolled back");
            Ok(false)
        }
    }
}

/// Makes the file, readable by its owner only; `SQLite` gives its companions the same mode.
fn private_file(path: &Path) -> Result<(), StoreError> {
    let failed = |action| move |source| StoreError::File { action, path: path.to_owned(), source };
    if path.exists() {
        let mode = std::fs::Permissions::from_mode(0o600);
        return std::fs::set_permissions(path, mode).map_err(failed("make private"));
    }
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(failed("create"))
}

#[cfg(test)]
mod tests;
