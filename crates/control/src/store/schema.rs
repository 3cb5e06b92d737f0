//! The database's versions: one embedded script each, applied in order, never changed afterwards.

use sqlx::{Connection as _, Row as _, SqliteConnection};

use crate::store::error::StoreError;

/// The scripts; the version is the position, from 1.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_thin_line.sql"),
    include_str!("../../migrations/0002_requests.sql"),
    include_str!("../../migrations/0003_ballots.sql"),
    include_str!("../../migrations/0004_nodes.sql"),
    include_str!("../../migrations/0005_budgets.sql"),
    include_str!("../../migrations/0006_endpoint_keys.sql"),
];

/// Brings the database to the newest version that this program knows; refuses a newer one and
/// leaves it untouched.
pub(crate) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    migrate_with(connection, MIGRATIONS).await
}

async fn migrate_with(
    connection: &mut SqliteConnection,
    migrations: &[&'static str],
) -> Result<(), StoreError> {
    let failed = StoreError::statement("bring the schema up to date");
    let known = i64::try_from(migrations.len()).expect("a handful of migrations");
    let mut change = connection.begin_with("BEGIN IMMEDIATE").await.map_err(&failed)?;
    sqlx::query("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
        .execute(&mut *change)
        .await
        .map_err(&failed)?;
    let row = sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM schema_version")
        .fetch_one(&mut *change)
        .await
        .map_err(&failed)?;
    let found: i64 = row.try_get("version").map_err(&failed)?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (position, script) in migrations.iter().enumerate() {
        let version = i64::try_from(position).expect("a handful of migrations") + 1;
        if version <= found {
            continue;
        }
        sqlx::raw_sql(*script).execute(&mut *change).await.map_err(&failed)?;
        sqlx::query("INSERT INTO schema_version (version) VALUES ($1)")
            .bind(version)
            .execute(&mut *change)
            .await
            .map_err(&failed)?;
    }
    change.commit().await.map_err(&failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newer_database_is_refused_and_an_older_one_brought_up() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        migrate_with(&mut connection, &MIGRATIONS[..1]).await.unwrap();
        migrate(&mut connection).await.expect("an older one is brought up");
        migrate(&mut connection).await.expect("up to date already");
        let known = i64::try_from(MIGRATIONS.len()).unwrap();
        let mut longer = MIGRATIONS.to_vec();
        longer.push("CREATE TABLE later (id TEXT PRIMARY KEY NOT NULL)");
        migrate_with(&mut connection, &longer).await.unwrap();
        sqlx::query("SELECT id FROM later").fetch_all(&mut connection).await.unwrap();
        let error = migrate(&mut connection).await.expect_err("it is newer now");
        let StoreError::Newer { found, known: ours } = error else { panic!("{error:?}") };
        assert_eq!((found, ours), (known + 1, known));
    }
}
