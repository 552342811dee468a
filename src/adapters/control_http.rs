//! The client side of a running process: finds it by its store, speaks to its HTTP API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::error::{CliError, ExitCode};

/// The file in a store that says where its process listens.
pub const STATION_FILE: &str = "station.json";
/// The file in a store that holds the token; mode 0600.
pub const TOKEN_FILE: &str = "token";
/// The file in a store whose presence halts every entry, whatever the process is doing.
pub const HALT_FILE: &str = "HALT";
/// The file beside the runs that names the latest one.
pub const LATEST_FILE: &str = "latest";

/// Where a process listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Station {
    /// `http://127.0.0.1:8740`.
    pub url: String,
    /// The process's id.
    pub pid: u32,
}

/// A running process.
#[derive(Debug)]
pub struct Control {
    station: Station,
    token: String,
    client: reqwest::Client,
    patience: Duration,
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to be connected on this machine.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// The store that a verb is about: the one given, else the latest run below `runs`.
///
/// # Errors
/// When none was given and nothing has run here.
pub fn store_dir(given: Option<&Path>) -> Result<PathBuf, CliError> {
    if let Some(dir) = given {
        return Ok(dir.to_owned());
    }
    let latest = Path::new("runs").join(LATEST_FILE);
    let name = std::fs::read_to_string(&latest).map_err(|_| {
        let text =
            "nothing has run here: start `conclave run`, or name a run's directory with --store";
        CliError::new(ExitCode::NotRunning, text)
    })?;
    Ok(Path::new("runs").join(name.trim()))
}

impl Control {
    /// Finds the process of a store.
    ///
    /// # Errors
    /// When the store has no process.
    pub fn find(dir: &Path) -> Result<Self, CliError> {
        Self::find_within(dir, PATIENCE)
    }

    /// Finds the process of a store, whose answers may take no longer than `patience`.
    ///
    /// # Errors
    /// As [`Control::find`].
    pub fn find_within(dir: &Path, patience: Duration) -> Result<Self, CliError> {
        let missing = || {
            let text = format!(
                "no process serves {}: start it with `conclave run --stay`, or name its directory with --store",
                dir.display()
            );
            CliError::new(ExitCode::NotRunning, text)
        };
        let text = std::fs::read_to_string(dir.join(STATION_FILE)).map_err(|_| missing())?;
        let station: Station = serde_json::from_str(&text).map_err(|_| missing())?;
        let token = std::fs::read_to_string(dir.join(TOKEN_FILE)).unwrap_or_default();
        // The client wants a TLS provider even for loopback; a second install is refused, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(patience)
            .connect_timeout(CONNECT_PATIENCE.min(patience))
            .no_proxy()
            .build()
            .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
        Ok(Self { station, token: token.trim().to_owned(), client, patience })
    }

    /// The text of `/metrics`.
    ///
    /// # Errors
    /// When nobody answers, or it was refused.
    pub async fn metrics(&self) -> Result<String, CliError> {
        let url = format!("{}/metrics", self.station.url);
        let sent = self.client.get(url).bearer_auth(&self.token).send().await;
        let sent = sent.and_then(reqwest::Response::error_for_status);
        let response = sent.map_err(|error| self.silence(&error))?;
        response.text().await.map_err(|error| self.silence(&error))
    }

    /// Reads a view, such as `status` or `rounds/ID`.
    ///
    /// # Errors
    /// When nobody answers, or the view was refused.
    pub async fn get(&self, view: &str) -> Result<Value, CliError> {
        let url = format!("{}/api/v1/{view}", self.station.url);
        self.answer(self.client.get(url).bearer_auth(&self.token)).await
    }

    /// Gives a command, such as `halt`.
    ///
    /// # Errors
    /// When nobody answers, or the command was refused.
    pub async fn post(&self, command: &str, body: &Value) -> Result<Value, CliError> {
        let url = format!("{}/api/v1/{command}", self.station.url);
        self.answer(self.client.post(url).bearer_auth(&self.token).json(body)).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value, CliError> {
        let response = request.send().await.map_err(|error| self.silence(&error))?;
        let status = response.status();
        let value: Value = response.json().await.unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        let text = value.pointer("/message").and_then(Value::as_str).unwrap_or("it said no more");
        let code = match status.as_u16() {
            404 => ExitCode::NotFound,
            422 => ExitCode::Usage,
            401 | 409 => ExitCode::Denied,
            _ => ExitCode::Failure,
        };
        Err(CliError::new(code, text))
    }

    /// What it means that there was no answer.
    fn silence(&self, error: &reqwest::Error) -> CliError {
        let pid = self.station.pid;
        if error.is_timeout() && !error.is_connect() {
            let limit = self.patience.as_secs_f64();
            let text = format!("process {pid} did not answer within {limit} s");
            CliError::new(ExitCode::Timeout, text)
        } else {
            CliError::new(
                ExitCode::NotRunning,
                format!("no process answers any more (it was {pid})"),
            )
        }
    }
}
