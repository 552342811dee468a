//! The tables' versions: numbered SQL that ships with the binary, each applied once, under a lock.

use conclave_domain::record::Digest;
use tokio_postgres::types::Type;

use super::connect::Database;
use super::error::StoreError;

/// A step from one version of the tables to the next.
struct Migration {
    number: i32,
    name: &'static str,
    sql: &'static str,
}

/// All steps, in order, numbered from 1.
const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "seasons",
    sql: include_str!("../../../../ops/postgres/migrations/0001_seasons.sql"),
}];

/// The lock under which nobody else applies one: the letters of `conclave` as a number.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7165064744893085285)::text";

/// Where the applied ones stand.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS conclave.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)";

impl Database {
    /// Brings the tables up to the version that this program knows; nothing where they have it.
    ///
    /// # Errors
    /// When they are of a later version, not ours, or the role may not change them.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        if self.version().await? == known() {
            return Ok(());
        }
        self.batch("BEGIN").await?;
        self.ask(LOCK, &[]).await?;
        let schema = self.ask("SELECT to_regnamespace('conclave')::text", &[]).await?;
        let schema: Option<String> = match schema.first() {
            Some(row) => row.try_get(0).map_err(StoreError::of)?,
            None => None,
        };
        if schema.is_none() {
            self.batch("CREATE SCHEMA conclave").await?;
        }
        self.batch(TABLE).await?;
        // Somebody else may have been here while we waited for the lock.
        let found = self.version().await?;
        for migration in MIGRATIONS.iter().filter(|migration| migration.number > found) {
            self.batch(migration.sql).await?;
            let (number, checksum) = (migration.number.to_string(), checksum(migration));
            let applied = "INSERT INTO conclave.migrations (number, name, checksum) \
                           VALUES ($1::integer, $2, $3)";
            let values = [(&number as _, Type::TEXT), (&migration.name as _, Type::TEXT)];
            let values = [&values[..], &[(&checksum as _, Type::TEXT)]].concat();
            self.ask(applied, &values).await?;
        }
        self.batch("COMMIT").await
    }

    /// Whether the tables are those that this program knows.
    ///
    /// # Errors
    /// When they are not there, or of another version.
    pub async fn expect_tables(&self) -> Result<(), StoreError> {
        let (found, known) = (self.version().await?, known());
        if found == known { Ok(()) } else { Err(StoreError::Older { found, known }) }
    }

    /// The version of the tables, 0 where there are none.
    async fn version(&self) -> Result<i32, StoreError> {
        let there = self.ask("SELECT to_regclass('conclave.migrations')::text", &[]).await?;
        let there: Option<String> = match there.first() {
            Some(row) => row.try_get(0).map_err(StoreError::of)?,
            None => None,
        };
        if there.is_none() {
            return Ok(0);
        }
        let sql = "SELECT number, checksum FROM conclave.migrations ORDER BY number";
        let mut found = 0;
        for row in self.ask(sql, &[]).await? {
            let number: i32 = row.try_get(0).map_err(StoreError::of)?;
            let applied: String = row.try_get(1).map_err(StoreError::of)?;
            let ours = MIGRATIONS.iter().find(|migration| migration.number == number);
            if ours.is_some_and(|ours| checksum(ours) != applied) {
                return Err(StoreError::Altered(number));
            }
            found = found.max(number);
        }
        if found > known() {
            return Err(StoreError::Newer { found, known: known() });
        }
        Ok(found)
    }
}

/// The version that this program knows.
fn known() -> i32 {
    MIGRATIONS.iter().map(|migration| migration.number).max().unwrap_or(0)
}

fn checksum(migration: &Migration) -> String {
    Digest::of(migration.sql.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_from_1_without_a_gap() {
        let numbers: Vec<i32> = MIGRATIONS.iter().map(|migration| migration.number).collect();
        let wanted: Vec<i32> = (1..=known()).collect();
        assert_eq!(numbers, wanted);
        assert!(MIGRATIONS.iter().all(|it| !it.sql.is_empty() && !it.name.is_empty()));
    }
}
