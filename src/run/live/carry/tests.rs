//! Orders on their way to an exchange that runs in this process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::broker::Pass;
use conclave_actors::runtime::fence::Fence;
use conclave_domain::alpaca::rules::AssetFlags;
use conclave_domain::away::{Report, Said};
use conclave_domain::clearance::Validity;
use conclave_domain::code::Code;
use conclave_domain::exchange::faults::Plan;
use conclave_domain::exchange::venue::Listing;
use conclave_domain::exchange::{Exchange, Terms};
use conclave_domain::order::{
    ClientOrderId, DecisionId, ExitReason, OrderIntent, OrderKind, Purpose, Side, TimeInForce,
};
use conclave_domain::time::Time;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Porter;
use crate::adapters::alpaca_http::{Alpaca, Keys};
use crate::config::AlpacaSettings;
use crate::data;
use crate::exchange::floor::Floor;
use crate::exchange::keys::KeyPair;
use crate::exchange::{Pace, Setup, serve};
use crate::run::clock::ReplayClock;

/// An exchange of the embedded bars within a session, and a porter who knows AAPL by `asset`.
struct Way {
    floor: Arc<Floor>,
    porter: Porter,
    clock: Arc<ReplayClock>,
    _server: JoinSet<std::io::Result<()>>,
}

impl Way {
    async fn new(asset: AssetFlags) -> Self {
        let now: Time = "2000-06-16T15:00:00Z".parse().unwrap();
        let listings = data::embedded_raw().unwrap().into_iter().map(|series| {
            let name = series.symbol.to_string();
            Listing::new(series, name, &[], &[])
        });
        let mut exchange = Exchange::new(Terms::default(), listings.collect(), now);
        exchange.advance(now);
        let pair = KeyPair::given("PKMARKED", "hush").unwrap();
        let floor = Arc::new(Floor::new(exchange, vec![pair], Plan::default(), None));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let setup = Setup { floor: Arc::clone(&floor), pace: Pace::Step, rate: None };
        let mut server = JoinSet::new();
        server.spawn(serve(listener, setup, std::future::pending()));
        let settings = AlpacaSettings {
            trading_url: url.clone(),
            data_url: url,
            requests_per_minute: 100_000,
            ..AlpacaSettings::default()
        };
        let alpaca = Alpaca::new(settings, &Keys::new("PKMARKED", "hush").unwrap()).unwrap();
        let clock = Arc::new(ReplayClock::default());
        clock.set(now);
        let assets = BTreeMap::from([("AAPL".parse().unwrap(), asset)]);
        let porter = Porter {
            alpaca: Arc::new(alpaca),
            assets: Arc::new(assets),
            clock: clock.clone(),
            doubt: Arc::default(),
        };
        Self { floor, porter, clock, _server: server }
    }

    async fn submit(&self, intent: &OrderIntent) -> Vec<Said> {
        let fence = Fence::without_flag();
        let _open = fence.guard();
        let expires_at = self.porter.clock.trading() + Duration::from_mins(1);
        let validity = Validity { epoch: fence.epoch("AAPL"), expires_at };
        let reports = self.porter.submit(intent, &Pass::new(fence, Some(validity))).await;
        assert!(reports.iter().all(|it: &Report| it.order == intent.client_order_id));
        reports.into_iter().map(|report| report.said).collect()
    }

    /// Orders that have arrived.
    fn arrived(&self) -> usize {
        self.floor.with(|exchange| exchange.accounts()[0].orders().len())
    }
}

fn intent(name: &str, side: Side, purpose: Purpose, qty: &str) -> OrderIntent {
    let (symbol, at) = ("AAPL".parse().unwrap(), "2000-06-16T15:00:00Z".parse().unwrap());
    let decision = DecisionId::new(&symbol, at, name);
    OrderIntent {
        client_order_id: ClientOrderId::derive(&decision, side, 0),
        decision,
        symbol,
        side,
        qty: qty.parse().unwrap(),
        kind: OrderKind::Market,
        time_in_force: TimeInForce::Day,
        extended_hours: false,
        purpose,
        at,
        reference: "100".parse().unwrap(),
        exits: None,
    }
}

const EXIT: Purpose = Purpose::Exit { reason: ExitReason::Person };

#[tokio::test]
async fn an_entry_that_the_broker_would_refuse_is_refused_here_and_never_sent() {
    let asset = AssetFlags { shortable: false, fractionable: false, ..AssetFlags::SHARE };
    let way = Way::new(asset).await;
    for (name, side, qty, text) in [
        ("short", Side::Sell, "1", "asset AAPL cannot be sold short"),
        ("part", Side::Buy, "0.5", "asset AAPL is not fractionable"),
    ] {
        let said = way.submit(&intent(name, side, Purpose::Entry, qty)).await;
        let denied = Said::Denied { code: Code::OrderRules, text: text.to_owned() };
        assert_eq!(said, [denied]);
    }
    assert_eq!(way.arrived(), 0, "nothing was sent");
    let said = way.submit(&intent("whole", Side::Buy, Purpose::Entry, "1")).await;
    assert!(matches!(said.first(), Some(Said::Accepted { .. })), "{said:?}");
    assert_eq!(way.arrived(), 1);
}

/// O-4: what we read in the rules keeps no exit back: an asset that was barred in the morning may be
/// traded again by now.
#[tokio::test]
async fn an_exit_is_sent_whatever_was_known_of_the_asset() {
    let open = Way::new(AssetFlags::SHARE).await;
    open.submit(&intent("in", Side::Buy, Purpose::Entry, "2")).await;
    let barred = AssetFlags { tradable: false, ..AssetFlags::SHARE };
    let assets = Arc::new(BTreeMap::from([("AAPL".parse().unwrap(), barred)]));
    let way = Way { porter: Porter { assets, ..open.porter.clone() }, ..open };
    let said = way.submit(&intent("more", Side::Buy, Purpose::Entry, "1")).await;
    assert!(matches!(said[..], [Said::Denied { code: Code::OrderRules, .. }]), "{said:?}");
    let said = way.submit(&intent("out", Side::Sell, EXIT, "2")).await;
    assert!(matches!(said.first(), Some(Said::Accepted { .. })), "{said:?}");
    assert_eq!(way.arrived(), 2, "the entry and the exit");
}

/// O-4: an exit may wait for the next opening, an entry may not; nor may one for the first.
#[tokio::test]
async fn an_entry_in_a_share_leaves_within_the_session_and_an_exit_at_any_time() {
    let way = Way::new(AssetFlags::SHARE).await;
    way.submit(&intent("in", Side::Buy, Purpose::Entry, "2")).await;
    for (nth, (time, leaves)) in [
        ("2000-06-16T19:59:59Z", true),
        // The last bar closes, and the session with it; a Saturday; the minute before an opening.
        ("2000-06-16T20:00:00Z", false),
        ("2000-06-17T15:00:00Z", false),
        ("2000-06-19T13:29:59Z", false),
        ("2000-06-19T13:30:00Z", true),
    ]
    .into_iter()
    .enumerate()
    {
        way.clock.set(time.parse().unwrap());
        let said = way.submit(&intent(&format!("more{nth}"), Side::Buy, Purpose::Entry, "1")).await;
        let is_denied = matches!(said[..], [Said::Denied { code: Code::OrderSession, .. }]);
        assert_eq!(!is_denied, leaves, "{time}: {said:?}");
    }
    way.clock.set("2000-06-17T15:00:00Z".parse().unwrap());
    let said = way.submit(&intent("out", Side::Sell, EXIT, "1")).await;
    assert!(matches!(said.first(), Some(Said::Accepted { .. })), "{said:?}");
}
