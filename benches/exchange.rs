//! How many orders the local exchange takes a second, over HTTP on loopback and without it.
//!
//! Method: eight accounts, each with a client of its own that asks one thing after the other; market
//! orders that fill at once, a purchase and a sale in turn. Alternating slices of a second, medians.
//! Bounds: 5,000 orders a second over HTTP; the share of a bare request (`GET /v2/clock`) is shown.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time and is its own supervisor")]

#[path = "support/allocator.rs"]
mod allocator;

use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave::data;
use conclave::exchange::floor::Floor;
use conclave::exchange::keys::KeyPair;
use conclave::exchange::{Pace, Setup, serve};
use conclave_domain::exchange::faults::Plan;
use conclave_domain::exchange::ticket::{Amount, Class, Kind, Ticket, Tif};
use conclave_domain::exchange::venue::Listing;
use conclave_domain::exchange::{Exchange, Terms};
use conclave_domain::fixed::Qty;
use conclave_domain::order::Side;
use tokio::task::JoinSet;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const CLIENTS: usize = 8;
const SLICES: usize = 5;
const SLICE: Duration = Duration::from_secs(1);

fn exchange() -> Result<Exchange, Failure> {
    let listings = data::embedded_raw()?.into_iter().map(|series| {
        let name = series.symbol.to_string();
        Listing::new(series, name, &[], &[])
    });
    let terms = Terms { volume_share: None, ..Terms::default() };
    let mut exchange = Exchange::new(terms, listings.collect(), "2000-06-16T08:00:00Z".parse()?);
    exchange.advance("2000-06-16T13:30:00Z".parse()?);
    Ok(exchange)
}

fn main() -> Result<(), Failure> {
    // Nothing is encrypted here, but reqwest asks for a provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    println!("engine alone    {:>9.0} orders/s", alone()?);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (mut orders, mut bare) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        let keys = (0..CLIENTS).map(|_| KeyPair::fresh()).collect::<Result<Vec<_>, _>>()?;
        let floor = Floor::new(exchange()?, keys.clone(), Plan::default(), None);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let setup = Setup { floor: Arc::new(floor), pace: Pace::Step, rate: None };
        let mut server = JoinSet::new();
        server.spawn(async move { serve(listener, setup, std::future::pending()).await });
        for _ in 0..SLICES {
            orders.push(slice(&url, &keys, true).await?);
            bare.push(slice(&url, &keys, false).await?);
        }
        Ok::<_, Failure>(())
    })?;
    let (orders, bare) = (median(orders), median(bare));
    println!("over HTTP       {orders:>9.0} orders/s (bound: 5000)");
    println!("bare requests   {bare:>9.0} requests/s, of which an order is {:.2}", orders / bare);
    Ok(())
}

/// Orders a second without HTTP, its happenings taken away as a server takes them.
fn alone() -> Result<f64, Failure> {
    let mut exchange = exchange()?;
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < SLICE {
        for side in [Side::Buy, Side::Sell] {
            let ticket = Ticket {
                symbol: "AAPL".parse()?,
                side,
                amount: Amount::Qty(Qty::from_units(1)?),
                kind: Kind::Market,
                tif: Tif::Day,
                class: Class::Simple,
                extended_hours: false,
                client_order_id: None,
            };
            exchange.submit(0, &ticket)?;
            drop(exchange.happenings());
            count += 1;
        }
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

/// Requests a second of all clients together.
async fn slice(url: &str, keys: &[KeyPair], places: bool) -> Result<f64, Failure> {
    let mut clients = JoinSet::new();
    let begun = Instant::now();
    for pair in keys {
        let (url, pair) = (url.to_owned(), pair.clone());
        clients.spawn(async move {
            let client = reqwest::Client::builder().tcp_nodelay(true).no_proxy().build()?;
            let mut count = 0_u32;
            // A purchase that was not sold would turn the next slice around.
            while begun.elapsed() < SLICE || !count.is_multiple_of(2) {
                let side = if count.is_multiple_of(2) { "buy" } else { "sell" };
                let request = if places {
                    client.post(format!("{url}/v2/orders")).json(&serde_json::json!({
                        "symbol": "AAPL", "qty": "1", "side": side, "type": "market",
                        "time_in_force": "day",
                    }))
                } else {
                    client.get(format!("{url}/v2/clock"))
                };
                let request = request.header("APCA-API-KEY-ID", pair.id());
                let answer = request.header("APCA-API-SECRET-KEY", pair.reveal()).send().await?;
                answer.error_for_status()?.bytes().await?;
                count += 1;
            }
            Ok::<_, Failure>(count)
        });
    }
    let mut count = 0;
    for done in clients.join_all().await {
        count += done?;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
