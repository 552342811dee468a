//! The connection: address and certificates from the environment, a limit on every wait.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Row};

use super::error::StoreError;
use super::tls::Tls;
use crate::adapters::model_http::Key;

/// The variable of the environment that holds the address, user and password included.
pub const URL_ENV: &str = "CONCLAVE_ARENA_POSTGRES_URL";
/// The variable that names a PEM file of certificates to trust beside the system's.
pub const CA_ENV: &str = "CONCLAVE_ARENA_POSTGRES_CA";

/// How long the way to the database may take, seconds.
const CONNECT_S: u64 = 10;
/// How long an answer may take, seconds.
const ANSWER_S: u64 = 30;

/// What a statement is given.
pub(super) type Params<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// A database that is connected; closed when it is dropped.
#[derive(Debug)]
pub struct Database {
    client: Client,
    /// Drives the connection; ends with us.
    _driver: JoinSet<()>,
}

impl Database {
    /// Connects to the database that the environment names.
    ///
    /// Beyond this machine it is spoken to by TLS with a certificate that is checked, unless the address
    /// says `sslmode=disable`; on this machine in the clear, unless it says `sslmode=require`.
    ///
    /// # Errors
    /// When there is no address, nobody answers at it, or the login is not taken.
    pub async fn open() -> Result<Self, StoreError> {
        let key = Key::from_env(URL_ENV).map_err(|_| StoreError::Url)?.ok_or(StoreError::NoUrl)?;
        // What the parser says of an address may repeat a part of it.
        let mut config: Config = key.reveal().parse().map_err(|_| StoreError::Url)?;
        config.application_name("conclave").connect_timeout(Duration::from_secs(CONNECT_S));
        if config.get_ssl_mode() == SslMode::Prefer {
            // Debian's server offers a certificate of its own making, which nobody can check; on the way
            // to it there is nobody but this machine.
            let is_near = config.get_hosts().iter().all(is_near);
            config.ssl_mode(if is_near { SslMode::Disable } else { SslMode::Require });
        }
        let tls = Tls::new(std::env::var_os(CA_ENV).map(PathBuf::from).as_deref())?;
        let opened = timeout(Duration::from_secs(CONNECT_S), config.connect(tls)).await;
        let (client, connection) =
            opened.map_err(|_| StoreError::Slow(CONNECT_S))?.map_err(StoreError::of)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // How it ended is what the client's next statement says.
            drop(connection.await);
        });
        Ok(Self { client, _driver: driver })
    }

    /// Statements without parameters.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), StoreError> {
        within(self.client.batch_execute(sql)).await
    }

    /// One statement, unprepared.
    pub(super) async fn ask(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        within(self.client.query_typed(sql, params)).await
    }

    /// Rows of a season in columns of text.
    pub(super) async fn insert(
        &self,
        sql: String,
        season: &str,
        columns: &[Vec<Option<String>>],
    ) -> Result<(), StoreError> {
        let season: &(dyn ToSql + Sync) = &season;
        let mut params: Vec<(&(dyn ToSql + Sync), Type)> = vec![(season, Type::TEXT)];
        params.extend(columns.iter().map(|column| (column as _, Type::TEXT_ARRAY)));
        within(self.client.execute_typed(&sql, &params)).await.map(drop)
    }
}

async fn within<T>(
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreError> {
    let answer = timeout(Duration::from_secs(ANSWER_S), answer).await;
    answer.map_err(|_| StoreError::Slow(ANSWER_S))?.map_err(StoreError::of)
}

/// Whether the way to a host does not leave this machine.
fn is_near(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_near() {
        for (url, near) in [
            ("postgres://a:b@127.0.0.1/x", true),
            ("postgres://a:b@localhost:6000/x", true),
            ("postgres://a:b@[::1]/x", true),
            ("host=/tmp user=a", true),
            ("postgres://a:b@10.0.0.1/x", false),
            ("postgres://a:b@localhost.example/x", false),
            ("postgres://a:b@127.0.0.1,db.example/x", false),
        ] {
            let config: Config = url.parse().unwrap();
            assert_eq!(config.get_hosts().iter().all(is_near), near, "{url}");
        }
    }
}
