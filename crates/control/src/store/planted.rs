//! Defects of a store, as triggers: the model test plants them in a database, and has to find them
//! (`tests/control/model/planted.rs`). Not part of the product; it is here because all SQL is.

use std::path::Path;

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

/// The ports of a network that stops are forgotten.
pub(super) const FORGET_PORTS: &str = "\
    CREATE TRIGGER forget_ports AFTER UPDATE OF intent ON networks WHEN NEW.intent = 'stopped' \
    BEGIN DELETE FROM ports WHERE network_id = NEW.id; END";

/// The rows of a network go before what they name.
pub(super) const ROW_FIRST: &str = "\
    CREATE TRIGGER row_first AFTER UPDATE OF intent ON networks WHEN NEW.intent = 'destroyed' \
    BEGIN \
    DELETE FROM ports WHERE network_id = NEW.id; \
    DELETE FROM keys WHERE network_id = NEW.id; \
    DELETE FROM network_keys WHERE network_id = NEW.id; \
    DELETE FROM nodes WHERE network_id = NEW.id; \
    DELETE FROM networks WHERE id = NEW.id; \
    END";

/// What a request with a key was answered is forgotten.
pub(super) const FORGET_REQUESTS: &str = "\
    CREATE TRIGGER forget_requests AFTER INSERT ON idempotency \
    BEGIN DELETE FROM idempotency WHERE key = NEW.key; END";

/// Plants a defect in a database that nobody has open.
pub(super) fn plant(path: &Path, trigger: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let options = SqliteConnectOptions::new().filename(path);
        let mut database = SqliteConnection::connect_with(&options).await.expect("it opens");
        sqlx::raw_sql(trigger).execute(&mut database).await.expect("it is planted");
        database.close().await.expect("it closes");
    });
}
