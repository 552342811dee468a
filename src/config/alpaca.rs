//! `[alpaca]`: where Alpaca is, and how it is asked.

use std::time::Duration;

use serde::Serialize;

use super::Config;
use super::keys::{Key, duration, integer, key, word};
use super::value::{Kind, Setting};

const SECOND: u64 = 1_000;

/// Where Alpaca is, and how it is asked. Keys are in the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlpacaSettings {
    /// The address before `/v2`, of trading.
    pub trading_url: String,
    /// The address before `/v2`, of market data.
    pub data_url: String,
    /// The whole address of the stream of trade updates.
    pub stream_url: String,
    /// The address before `/v2`, of the streams of market data.
    pub data_stream_url: String,
    /// The feed of shares that is subscribed to: `iex` or `sip`.
    pub feed: String,
    /// Requests that leave for each of the two addresses in a minute.
    pub requests_per_minute: u32,
    /// How long one attempt may take, the body of the reply included.
    pub timeout: Duration,
    /// How long a question or an order may take in all.
    pub deadline: Duration,
    /// How often a run compares the account with the broker's without a reason.
    pub reconcile_every: Duration,
}

impl Default for AlpacaSettings {
    fn default() -> Self {
        Self {
            trading_url: "https://paper-api.alpaca.markets".to_owned(),
            data_url: "https://data.alpaca.markets".to_owned(),
            stream_url: "wss://paper-api.alpaca.markets/stream".to_owned(),
            data_stream_url: "wss://stream.data.alpaca.markets".to_owned(),
            feed: "iex".to_owned(),
            requests_per_minute: 200,
            timeout: Duration::from_secs(10),
            deadline: Duration::from_mins(1),
            reconcile_every: Duration::from_mins(30),
        }
    }
}

pub(super) fn keys(all: &mut Vec<Key>) {
    let address = |path: &'static str, place: fn(&mut Config) -> &mut String| {
        key(path, Kind::Text, move |config, setting| {
            if let Setting::Text(text) = setting {
                text.clone_into(place(config));
            }
        })
    };
    all.extend([
        address("alpaca.trading_url", |c| &mut c.alpaca.trading_url),
        address("alpaca.data_url", |c| &mut c.alpaca.data_url),
        address("alpaca.stream_url", |c| &mut c.alpaca.stream_url),
        address("alpaca.data_stream_url", |c| &mut c.alpaca.data_stream_url),
        word("alpaca.feed", &["iex", "sip"], |c, v| v.clone_into(&mut c.alpaca.feed)),
        integer("alpaca.requests_per_minute", 1..=100_000, "requests a minute", |c| {
            &mut c.alpaca.requests_per_minute
        }),
        duration("alpaca.timeout", 100..=60 * SECOND, |c| &mut c.alpaca.timeout),
        duration("alpaca.deadline", SECOND..=600 * SECOND, |c| &mut c.alpaca.deadline),
        duration("alpaca.reconcile_every", SECOND..=86_400 * SECOND, |c| {
            &mut c.alpaca.reconcile_every
        }),
    ]);
}
