//! Why the record is not in Postgres, with what to do about it.

use std::path::PathBuf;

use tokio_postgres::error::SqlState;

use super::{CA_ENV, URL_ENV};
use crate::adapters::arena_store::files::FilesError;

/// Why the store cannot be read or written. No text of it holds anything of the address.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The environment names no database.
    #[error(
        "{URL_ENV} is not set: it holds the database's address, postgres://USER:PASSWORD@HOST:PORT/NAME"
    )]
    NoUrl,
    /// The address is none.
    #[error(
        "{URL_ENV} is no address of a database, such as postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=require"
    )]
    Url,
    /// The certificates cannot be read.
    #[error("{CA_ENV}: {} holds no certificate that can be read", path.display())]
    Ca {
        /// Where they should be.
        path: PathBuf,
    },
    /// Nobody answers at the address, or not with a certificate that is trusted.
    #[error(
        "postgres cannot be reached: look at the address in {URL_ENV}, the network, and {CA_ENV} where its certificate is not a public one"
    )]
    Unreachable(#[source] tokio_postgres::Error),
    /// It does not know who asks.
    #[error("postgres does not take the user, the password or the database in {URL_ENV}")]
    Login(#[source] tokio_postgres::Error),
    /// It knows who asks, and does not let them.
    #[error(
        "the role may not do this: an export wants conclave_writer, a board conclave_reader, the first export a role that may create a schema (ops/postgres/roles.sql)"
    )]
    Denied(#[source] tokio_postgres::Error),
    /// It took too long.
    #[error("postgres has not answered within {0} s")]
    Slow(u64),
    /// Something else went wrong in it.
    #[error("postgres refused")]
    Refused(#[source] tokio_postgres::Error),
    /// The tables are of a later version.
    #[error(
        "the tables are of version {found}, and this version of conclave knows {known}: take a newer one"
    )]
    Newer {
        /// Theirs.
        found: i32,
        /// Ours.
        known: i32,
    },
    /// A migration that was applied is not the one that ships.
    #[error("migration {0} was applied with another text: these tables are not ours to go on with")]
    Altered(i32),
    /// There are no tables, or older ones.
    #[error("the tables are of version {found} of {known}: an export brings them up")]
    Older {
        /// Theirs; 0 for none at all.
        found: i32,
        /// Ours.
        known: i32,
    },
    /// There is no board of such a season.
    #[error("{}", no_season(.0.as_deref()))]
    NoSeason(Option<String>),
    /// The id is another season's.
    #[error("another season is kept as {0}: give this one a name of its own by --as")]
    Another(String),
    /// The season there has another tick.
    #[error(
        "the season that is kept as {id} differs at tick {tick}: give this one a name of its own by --as"
    )]
    Other {
        /// As what it is kept.
        id: String,
        /// The tick.
        tick: u32,
    },
    /// The season's own files are none.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A document cannot be read or written.
    #[error("the season's files hold what no season writes")]
    Json(#[source] serde_json::Error),
    /// The reading of the files was stopped.
    #[error("the reading of the season's files was stopped")]
    Stopped,
}

fn no_season(id: Option<&str>) -> String {
    id.map_or_else(
        || "no board of any season is there".to_owned(),
        |id| format!("no board of the season {id} is there"),
    )
}

impl StoreError {
    pub(super) const fn json(error: serde_json::Error) -> Self {
        Self::Json(error)
    }

    /// What the database's own error comes to.
    pub(super) fn of(error: tokio_postgres::Error) -> Self {
        let Some(code) = error.code() else { return Self::Unreachable(error) };
        let login = [
            SqlState::INVALID_PASSWORD,
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            SqlState::INVALID_CATALOG_NAME,
        ];
        let denied = [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::READ_ONLY_SQL_TRANSACTION];
        if login.contains(code) {
            Self::Login(error)
        } else if denied.contains(code) {
            Self::Denied(error)
        } else {
            Self::Refused(error)
        }
    }

    /// Whether the same may go well a little later.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Slow(_) | Self::Refused(_))
    }
}
