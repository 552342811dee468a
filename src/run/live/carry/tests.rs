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
use conclave_domain::exchange::faults::{Plan, Planned};
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
        Self::patient(asset, AlpacaSettings::default()).await
    }

    /// With a client that gives up within a second.
    async fn hurried(asset: AssetFlags) -> Self {
        let (timeout, deadline) = (Duration::from_millis(300), Duration::from_secs(1));
        Self::patient(asset, AlpacaSettings { timeout, deadline, ..AlpacaSettings::default() })
            .await
    }

    async fn patient(asset: AssetFlags, settings: AlpacaSettings) -> Self {
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
            ..settings
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

impl Way {
    /// What goes wrong from now on.
    fn plan(&self, faults: &[&str]) {
        self.floor.plan(faults.iter().map(|fault| Planned::read(fault).unwrap()).collect());
    }

    /// Whether somebody was told to look at the account since this was last asked.
    async fn is_worried(&self) -> bool {
        let told = self.porter.doubt.notified();
        tokio::time::timeout(Duration::ZERO, told).await.is_ok()
    }
}

/// O-4: exits are never blocked: one that did not get through has the account looked at, and an entry
/// that did not is only denied.
#[tokio::test]
async fn an_exit_that_does_not_get_through_is_a_reason_to_look_at_the_account() {
    let way = Way::hurried(AssetFlags::SHARE).await;
    for (name, purpose, worries) in [("entry", Purpose::Entry, false), ("exit", EXIT, true)] {
        way.plan(&["orders.429@1x99"]);
        let side = if worries { Side::Sell } else { Side::Buy };
        let said = way.submit(&intent(name, side, purpose, "1")).await;
        let denied = matches!(&said[..], [Said::Denied { code: Code::BrokerUnknown, .. }]);
        assert!(denied, "{said:?}");
        assert_eq!(way.is_worried().await, worries, "{name}");
    }
    assert_eq!(way.arrived(), 0);
}

/// O-2: one intent, at most one live order: what was taken without an answer is adopted, and what never
/// came is known not to be there.
#[tokio::test]
async fn an_order_of_unknown_fate_is_looked_for_by_its_id() {
    let way = Way::hurried(AssetFlags::SHARE).await;
    way.plan(&["orders.timeout@1:30s"]);
    let said = way.submit(&intent("taken", Side::Buy, Purpose::Entry, "1")).await;
    assert!(matches!(&said[..], [Said::Accepted { venue_order_id: Some(_) }, ..]), "{said:?}");
    assert_eq!(way.arrived(), 1);
    way.plan(&["orders.500@1x99"]);
    let said = way.submit(&intent("lost", Side::Buy, Purpose::Entry, "1")).await;
    let is_lost = matches!(&said[..], [Said::Rejected { code: Code::BrokerUnknown, .. }]);
    assert!(is_lost, "{said:?}");
    assert_eq!(way.arrived(), 1);
}

/// A cancellation of what the broker does not know says so, and one that fails leaves the order as it is.
#[tokio::test]
async fn a_cancellation_says_what_became_of_the_order() {
    let way = Way::hurried(AssetFlags::SHARE).await;
    let taken = intent("taken", Side::Buy, Purpose::Entry, "1");
    let resting = OrderIntent { kind: OrderKind::Limit { limit: "1".parse().unwrap() }, ..taken };
    way.submit(&resting).await;
    let id = resting.client_order_id;
    let words = |reports: Vec<Report>| -> Vec<Said> {
        reports.into_iter().map(|report| report.said).collect()
    };
    way.plan(&["cancels.500@1x99"]);
    let said = words(way.porter.cancel(id.clone(), None).await);
    assert_eq!(said, [Said::CancelRejected]);
    assert!(way.is_worried().await);
    way.floor.heal();
    assert_eq!(words(way.porter.cancel(id.clone(), None).await), [], "the stream tells the end");
    assert!(!way.is_worried().await);
    let said = words(way.porter.cancel(id, None).await);
    assert!(matches!(&said[..], [Said::Accepted { .. }, Said::Canceled]), "{said:?}");
    let never = intent("never", Side::Buy, Purpose::Entry, "1").client_order_id;
    let said = words(way.porter.cancel(never, None).await);
    assert!(matches!(&said[..], [Said::Rejected { code: Code::BrokerUnknown, .. }]), "{said:?}");
}
