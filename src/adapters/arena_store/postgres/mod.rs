//! A season's public record in Postgres, Supabase's included: docs/adr/0023-arena-stores.md.
//!
//! Every statement is sent unprepared and in text, so that poolers which share connections pass it on, and
//! decimals arrive with the digits that they left with.

mod connect;
mod error;
mod migrate;
mod rows;
mod tls;

use std::collections::BTreeMap;

use conclave_domain::arena::public::SeasonDocument;
use conclave_domain::record::Digest;
use serde::Deserialize;
use tokio_postgres::types::Type;

pub use connect::{CA_ENV, Database, URL_ENV};
pub use error::StoreError;

use super::files::{FilesError, SeasonFiles, Told};
use rows::Rows;

/// Ticks of one transaction.
const TICKS_MAX: usize = 64;
/// Text of one transaction, bytes, beyond which no other tick is added to it.
const BYTES_MAX: usize = 4 << 20;

/// What an export has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Ticks that were written.
    pub written: u32,
    /// Ticks that were there already, and the same.
    pub there: u32,
}

impl Database {
    /// Writes what is missing of a season under `id`, a transaction for some ticks at a time: whoever is
    /// stopped in between goes on behind the last one, and doing it twice is doing it once. The files are
    /// given back for whoever waits for more.
    ///
    /// After an error nothing is left half done, and the connection is to be closed.
    ///
    /// # Errors
    /// When the store cannot be written, holds another season as `id`, or the files are no season's.
    pub async fn export(
        &self,
        mut files: SeasonFiles,
        id: &str,
    ) -> Result<(SeasonFiles, Exported), StoreError> {
        self.begin(&files.document, id).await?;
        let mut exported = Exported::default();
        loop {
            let (back, chunk) = read(files).await?;
            files = back;
            let Some(first) = chunk.first() else { break };
            self.batch("BEGIN").await?;
            self.ask("SELECT pg_advisory_xact_lock(hashtext($1))::text", &[(&id, Type::TEXT)])
                .await?;
            let there = self.digests(id, first.line.tick).await?;
            let mut rows = Rows::default();
            for told in &chunk {
                match there.get(&told.line.tick) {
                    Some(digest) if *digest == told.digest() => exported.there += 1,
                    Some(_) => {
                        return Err(StoreError::Other { id: id.to_owned(), tick: told.line.tick });
                    }
                    None => {
                        rows.add(told)?;
                        exported.written += 1;
                    }
                }
            }
            for (sql, columns) in rows.statements() {
                self.insert(sql, id, columns).await?;
            }
            self.batch("COMMIT").await?;
        }
        self.put_board(&files, id).await?;
        Ok((files, exported))
    }

    /// The season and who takes part; a season that is there already must be this one.
    async fn begin(&self, document: &SeasonDocument, id: &str) -> Result<(), StoreError> {
        let spec = &document.spec;
        let text = serde_json::to_string(document).map_err(StoreError::json)?;
        let hash = spec.hash().to_string();
        let (from, ticks) = (document.from.to_string(), document.ticks.to_string());
        let market = spec.market.to_string();
        let values: [&str; 9] = [
            id,
            &spec.season,
            &market,
            &hash,
            &document.data,
            &from,
            &ticks,
            &document.version,
            &text,
        ];
        let values = values.each_ref().map(|value| (value as _, Type::TEXT));
        let known = "SELECT spec_hash = $2 AND data_hash = $3 AND first_tick = $4::timestamptz \
                     AND ticks = $5::integer FROM conclave.seasons WHERE id = $1";
        let same = [0, 3, 4, 5, 6].map(|at: usize| values[at].clone());
        if let Some(row) = self.ask(known, &same).await?.first() {
            let is_same: bool = row.try_get(0).map_err(StoreError::of)?;
            return if is_same { Ok(()) } else { Err(StoreError::Another(id.to_owned())) };
        }
        self.batch("BEGIN").await?;
        let season = "INSERT INTO conclave.seasons (id, name, market, spec_hash, data_hash, \
                      first_tick, ticks, version, document) VALUES ($1, $2, $3, $4, $5, \
                      $6::timestamptz, $7::integer, $8, $9::json) ON CONFLICT (id) DO NOTHING";
        self.ask(season, &values).await?;
        let rows = Rows::of_contestants(spec).map_err(StoreError::json)?;
        for (sql, columns) in rows.statements() {
            self.insert(format!("{sql} ON CONFLICT DO NOTHING"), id, columns).await?;
        }
        self.batch("COMMIT").await
    }

    /// The digests of the ticks that are there, from one on.
    async fn digests(&self, id: &str, from: u32) -> Result<BTreeMap<u32, Digest>, StoreError> {
        let sql = "SELECT number::text, digest FROM conclave.ticks \
                   WHERE season = $1 AND number >= $2::integer ORDER BY number LIMIT 4096";
        let from = from.to_string();
        let rows = self.ask(sql, &[(&id, Type::TEXT), (&from, Type::TEXT)]).await?;
        let mut digests = BTreeMap::new();
        for row in rows {
            let number: String = row.try_get(0).map_err(StoreError::of)?;
            let digest: String = row.try_get(1).map_err(StoreError::of)?;
            // What is no number or no hash was not written by us: such a tick is another.
            let digest = digest.parse().unwrap_or_else(|_| Digest::of(digest.as_bytes()));
            if let Ok(number) = number.parse() {
                digests.insert(number, digest);
            }
        }
        Ok(digests)
    }

    /// The board as the files have it, unless the store has a later one.
    async fn put_board(&self, files: &SeasonFiles, id: &str) -> Result<(), StoreError> {
        #[derive(Deserialize)]
        struct Head {
            tick: Option<conclave_domain::arena::words::TickId>,
        }
        let Some(text) = files.board()? else { return Ok(()) };
        let head: Head = serde_json::from_str(&text).map_err(StoreError::json)?;
        let Some(tick) = head.tick else { return Ok(()) };
        let number = tick.number.to_string();
        let sql = "INSERT INTO conclave.board (season, tick, document) \
                   VALUES ($1, $2::integer, $3::json) ON CONFLICT (season) DO UPDATE \
                   SET tick = EXCLUDED.tick, document = EXCLUDED.document, updated_at = now() \
                   WHERE conclave.board.tick <= EXCLUDED.tick \
                   AND conclave.board.document::text <> EXCLUDED.document::text";
        self.ask(sql, &[(&id, Type::TEXT), (&number, Type::TEXT), (&text, Type::TEXT)]).await?;
        Ok(())
    }

    /// The board of a season, or of the one whose board came last.
    ///
    /// # Errors
    /// When the store cannot be read or holds no such season.
    pub async fn board(&self, season: Option<&str>) -> Result<String, StoreError> {
        let sql = "SELECT document::text FROM conclave.board \
                   WHERE $1::text IS NULL OR season = $1 ORDER BY updated_at DESC, season LIMIT 1";
        let rows = self.ask(sql, &[(&season, Type::TEXT)]).await?;
        let Some(row) = rows.first() else {
            return Err(StoreError::NoSeason(season.map(str::to_owned)));
        };
        row.try_get(0).map_err(StoreError::of)
    }
}

/// Some ticks, read where reading holds nobody up.
async fn read(mut files: SeasonFiles) -> Result<(SeasonFiles, Vec<Told>), StoreError> {
    let reading = tokio::task::spawn_blocking(move || {
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while chunk.len() < TICKS_MAX && bytes < BYTES_MAX {
            let Some(told) = files.next_tick()? else { break };
            bytes += told.text.len() + told.chats.iter().map(String::len).sum::<usize>();
            chunk.push(told);
        }
        Ok::<_, FilesError>((files, chunk))
    });
    reading.await.map_err(|_| StoreError::Stopped)?.map_err(StoreError::Files)
}
