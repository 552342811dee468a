//! The exchange on a port: its routes, and the clock that drives it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, delete, get, post};
use axum::serve::ListenerExt as _;
use conclave_domain::exchange::faults::Place;
use conclave_domain::time::Time;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::feed::{CRYPTO, Endpoint, InUse};
use super::floor::Floor;
use super::guard::{Gate, Late, Meter, guard};
use super::{accounts, actions, data, feed, news, orders, sandbox, stream};

/// How fast the exchange's clock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many times as fast as the wall's.
    Times(u32),
    /// From price to price as fast as it can.
    Max,
    /// Only when it is asked to.
    Step,
}

/// What is served, and how.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The floor.
    pub floor: Arc<Floor>,
    /// Its clock.
    pub pace: Pace,
    /// Requests a minute of one account to each side; without a limit when there is none.
    pub rate: Option<u32>,
}

/// How often a running clock is set.
const TICK: Duration = Duration::from_millis(10);

/// Serves until `stop` resolves.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    setup: Setup,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let listener = listener.tap_io(|connection| {
        // Small answers must not wait for more of them.
        let _ = connection.set_nodelay(true);
    });
    let served = axum::serve(listener, router(&setup));
    tokio::select! {
        ended = served.into_future() => ended,
        () = drive(&setup.floor, setup.pace) => Ok(()),
        () = stop => Ok(()),
    }
}

/// Lets the exchange's time pass; never ends.
async fn drive(floor: &Floor, pace: Pace) {
    match pace {
        Pace::Step => std::future::pending().await,
        Pace::Times(times) => {
            let (begun, from) = (Instant::now(), floor.now());
            loop {
                tokio::time::sleep(TICK).await;
                let passed = begun.elapsed().as_millis().saturating_mul(u128::from(times));
                let passed = i64::try_from(passed).unwrap_or(i64::MAX);
                floor.advance(Time::from_ms(from.ms().saturating_add(passed)));
            }
        }
        Pace::Max => loop {
            match floor.next_price_at() {
                Some(at) => floor.advance(at),
                None => tokio::time::sleep(TICK).await,
            }
            tokio::task::yield_now().await;
        },
    }
}

/// All routes of an exchange.
pub(super) fn router(setup: &Setup) -> Router {
    let floor = &setup.floor;
    let gate = |rate: Option<u32>, place: Place| Gate {
        floor: Arc::clone(floor),
        meter: Arc::new(Meter::new(rate, floor.keys().len())),
        place,
        late: Late::default(),
    };
    let trading = trading().layer(from_fn_with_state(gate(setup.rate, Place::Trading), guard));
    let data = market().layer(from_fn_with_state(gate(setup.rate, Place::Data), guard));
    // The clock's own faults strike where the clock is shown, not here.
    let sandbox = control().layer(from_fn_with_state(gate(None, Place::Clock), guard));
    let streams = Router::new().route("/stream", any(stream::open));
    let shared = trading.merge(data).merge(sandbox).merge(streams);
    feeds(floor).merge(shared.with_state(Arc::clone(floor))).fallback(accounts::nothing)
}

type Routes = Router<Arc<Floor>>;

fn trading() -> Routes {
    let many = get(orders::many).post(orders::place).delete(orders::cancel_all);
    let one = get(orders::one).patch(orders::amend).delete(orders::cancel);
    Router::new()
        .route("/v2/orders", many)
        .route("/v2/orders/{id}", one)
        .route("/v2/orders:by_client_order_id", get(orders::by_name))
        .route("/v2/positions", get(orders::positions).delete(orders::close_all))
        .route("/v2/positions/{symbol}", get(orders::one_position).delete(orders::close))
        .route("/v2/account", get(accounts::account))
        .route(
            "/v2/account/configurations",
            get(accounts::configuration).patch(accounts::configure),
        )
        .route("/v2/account/activities", get(accounts::activities))
        .route("/v2/account/activities/{kind}", get(accounts::activities_of_kind))
        .route("/v2/account/portfolio/history", get(accounts::history))
        .route("/v2/clock", get(accounts::clock))
        .route("/v2/calendar", get(accounts::calendar))
        .route("/v2/assets", get(accounts::assets))
        .route("/v2/assets/{symbol}", get(accounts::asset))
}

fn market() -> Routes {
    Router::new()
        .route("/v2/stocks/bars", get(data::bars))
        .route("/v2/stocks/{symbol}/bars", get(data::bars_of))
        .route("/v2/stocks/bars/latest", get(data::latest_bars))
        .route("/v2/stocks/quotes/latest", get(data::latest_quotes))
        .route("/v2/stocks/trades/latest", get(data::latest_trades))
        .route("/v2/stocks/snapshots", get(data::snapshots))
        .route("/v1beta3/crypto/us/bars", get(data::bars))
        .route("/v1beta3/crypto/us/latest/bars", get(data::latest_bars))
        .route("/v1beta3/crypto/us/latest/quotes", get(data::latest_quotes))
        .route("/v1beta3/crypto/us/latest/trades", get(data::latest_trades))
        .route("/v1beta1/news", get(news::news))
        .route("/v1/corporate-actions", get(actions::actions))
}

fn control() -> Routes {
    Router::new()
        .route("/sandbox", get(sandbox::show))
        .route("/sandbox/step", post(sandbox::step))
        .route("/sandbox/halt", post(sandbox::halt))
        .route("/sandbox/faults", post(sandbox::plan))
        .route("/sandbox/faults", delete(sandbox::heal))
}

fn feeds(floor: &Arc<Floor>) -> Router {
    let in_use: InUse = Arc::new(Mutex::new(BTreeSet::new()));
    let paths = [
        ("/v2/iex", "iex"),
        ("/v2/sip", "sip"),
        ("/v2/test", "test"),
        ("/v1beta3/crypto/us", CRYPTO),
    ];
    paths.into_iter().fold(Router::new(), |routes, (path, name)| {
        let endpoint = Endpoint { floor: Arc::clone(floor), in_use: Arc::clone(&in_use), name };
        routes.merge(Router::new().route(path, any(feed::open)).with_state(endpoint))
    })
}
