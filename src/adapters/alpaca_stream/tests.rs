//! The streams against servers on loopback that speak, fall silent, refuse and go away.

use std::num::NonZeroUsize;

use conclave_domain::alpaca::stream::{
    BarKind, Channels, DataMessage, DataRequest, TradingMessage, TradingRequest,
};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::*;

type Socket = WebSocketStream<TcpStream>;

const SECRET: &str = "hush-marked-9b2e51";
/// What a test waits at most for something that must come.
const SOON: Duration = Duration::from_secs(20);

fn keys() -> Keys {
    Keys::new("PK-marked-4d1c77", SECRET).unwrap()
}

async fn listen() -> (TcpListener, StreamSettings) {
    listen_with(Duration::from_secs(10)).await
}

async fn listen_with(idle: Duration) -> (TcpListener, StreamSettings) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/stream", listener.local_addr().unwrap());
    (listener, StreamSettings::new("alpaca.stream_url", &url, &keys(), idle).unwrap())
}

async fn accept(listener: &TcpListener) -> Socket {
    let (socket, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    accept_async(socket).await.unwrap()
}

async fn heard(socket: &mut Socket) -> Bytes {
    timeout(SOON, socket.next()).await.unwrap().unwrap().unwrap().into_data()
}

/// Says a message as the paper address does: in a binary frame.
async fn say(socket: &mut Socket, text: String) {
    socket.send(Message::binary(text.into_bytes())).await.unwrap();
}

/// Lets a client of the stream of orders in.
async fn let_in(listener: &TcpListener) -> Socket {
    let mut socket = accept(listener).await;
    let asked = TradingRequest::read(&heard(&mut socket).await).unwrap();
    let TradingRequest::Authenticate(login) = asked else { panic!("{asked:?}") };
    assert_eq!(login.secret, SECRET);
    say(&mut socket, TradingMessage::Authorization { authorized: true }.write().unwrap()).await;
    let asked = TradingRequest::read(&heard(&mut socket).await).unwrap();
    let streams = vec!["trade_updates".to_owned()];
    assert_eq!(asked, TradingRequest::Listen { streams: streams.clone() });
    say(&mut socket, TradingMessage::Listening { streams }.write().unwrap()).await;
    socket
}

fn fill(nth: u32) -> String {
    json!({"stream": "trade_updates", "data": {"event": "fill", "execution_id": format!("e-{nth}"),
        "price": "10", "qty": "1", "order": {"id": "venue-1", "client_order_id": "cv-1",
        "symbol": "AAPL", "type": "market", "side": "buy", "time_in_force": "day",
        "status": "filled", "filled_qty": "1", "qty": "1"}}})
    .to_string()
}

async fn next(news: &mut mpsc::Receiver<OrderNews>) -> OrderNews {
    timeout(SOON, news.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn orders_are_followed_over_a_lost_connection_and_each_says_when_it_is_ready() {
    let (listener, settings) = listen().await;
    let (out, mut news) = mpsc::channel(8);
    let mut follower = JoinSet::new();
    follower.spawn(follow_orders(settings, out));
    let mut socket = let_in(&listener).await;
    assert_eq!(next(&mut news).await, OrderNews::Connected { nth: 1 });
    say(&mut socket, fill(1)).await;
    let told = next(&mut news).await;
    assert!(matches!(&told, OrderNews::Update(it) if it.execution_id.as_deref() == Some("e-1")));
    say(&mut socket, "{\"stream\":\"trade_updates\",\"data\":{\"event\":\"fill\"}}".to_owned())
        .await;
    assert!(matches!(next(&mut news).await, OrderNews::Unreadable { .. }), "told, not dropped");
    drop(socket);
    assert!(matches!(next(&mut news).await, OrderNews::Lost { .. }));
    let mut socket = let_in(&listener).await;
    assert_eq!(next(&mut news).await, OrderNews::Connected { nth: 2 });
    say(&mut socket, fill(2)).await;
    assert!(matches!(next(&mut news).await, OrderNews::Update(_)));
    drop(news);
    let end = timeout(SOON, follower.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(end, StreamEnd::NobodyListens);
}

#[tokio::test]
async fn keys_that_are_not_taken_are_for_a_person_and_stay_secret() {
    let (listener, settings) = listen().await;
    assert!(!format!("{settings:?}").contains(SECRET));
    let (out, mut news) = mpsc::channel(8);
    let mut follower = JoinSet::new();
    follower.spawn(follow_orders(settings, out));
    let mut socket = accept(&listener).await;
    heard(&mut socket).await;
    say(&mut socket, TradingMessage::Authorization { authorized: false }.write().unwrap()).await;
    let OrderNews::Lost { why } = next(&mut news).await else { panic!("it is not lost") };
    assert!(why.contains("not taken") && !why.contains(SECRET), "{why}");
    let end = timeout(SOON, follower.join_next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(end, StreamEnd::Operator { .. }), "{end:?}");
}

#[tokio::test]
async fn a_stream_that_answers_no_ping_is_lost_and_one_that_does_is_not() {
    let idle = Duration::from_millis(300);
    let (listener, settings) = listen_with(idle).await;
    let (out, mut news) = mpsc::channel(8);
    let mut follower = JoinSet::new();
    follower.spawn(follow_orders(settings, out));
    let mut socket = let_in(&listener).await;
    assert_eq!(next(&mut news).await, OrderNews::Connected { nth: 1 });
    // While it is read from, the library answers pings.
    assert!(timeout(idle * 4, async { while socket.next().await.is_some() {} }).await.is_err());
    assert!(news.try_recv().is_err(), "it is alive");
    // Now it reads nothing, and so answers nothing.
    let OrderNews::Lost { why } = next(&mut news).await else { panic!("it is not lost") };
    assert!(why.contains("silent"), "{why}");
}

fn bars(symbols: &[&str]) -> Channels {
    let bars = symbols.iter().map(|&symbol| symbol.to_owned()).collect();
    Channels { bars, ..Channels::default() }
}

fn bar(symbol: &str, minute: u32) -> DataMessage {
    let text = format!(
        r#"[{{"T":"b","S":"{symbol}","t":"2022-01-03T14:{minute}:00Z","o":1,"h":2,"l":1,"c":2,"v":9}}]"#
    );
    DataMessage::read(text.as_bytes()).unwrap().remove(0)
}

/// Greets a client of market data, up to its keys.
async fn greet(listener: &TcpListener) -> Socket {
    let mut socket = accept(listener).await;
    let hello = DataMessage::Success { msg: "connected".to_owned() };
    say(&mut socket, DataMessage::write(&[hello]).unwrap()).await;
    let asked = DataRequest::read(&heard(&mut socket).await).unwrap();
    assert!(matches!(&asked, DataRequest::Auth(login) if login.secret == SECRET));
    socket
}

#[tokio::test]
async fn market_data_are_subscribed_to_again_on_every_connection() {
    let (listener, settings) = listen().await;
    let (inbox, mut told) = Inbox::new(NonZeroUsize::new(8).unwrap());
    let mut follower = JoinSet::new();
    follower.spawn(follow_data(settings, bars(&["AAPL"]), inbox));
    for nth in 1..=2 {
        let mut socket = greet(&listener).await;
        let welcome = DataMessage::Success { msg: "authenticated".to_owned() };
        say(&mut socket, DataMessage::write(&[welcome]).unwrap()).await;
        let asked = DataRequest::read(&heard(&mut socket).await).unwrap();
        assert_eq!(asked, DataRequest::Subscribe(bars(&["AAPL"])));
        let answer = [DataMessage::Subscription(bars(&["AAPL"])), bar("AAPL", 30)];
        say(&mut socket, DataMessage::write(&answer[..1]).unwrap()).await;
        assert_eq!(timeout(SOON, told.next()).await.unwrap(), Some(Heard::Connected { nth }));
        say(&mut socket, DataMessage::write(&answer[1..]).unwrap()).await;
        let message = timeout(SOON, told.next()).await.unwrap();
        assert_eq!(message, Some(Heard::Message(bar("AAPL", 30))));
        let slow = DataMessage::Error { code: 407, msg: "slow client".to_owned() };
        say(&mut socket, DataMessage::write(&[slow]).unwrap()).await;
        let lost = timeout(SOON, told.next()).await.unwrap().unwrap();
        assert!(matches!(&lost, Heard::Lost { why } if why.contains("slow_client")), "{lost:?}");
    }
    drop(told);
    let end = timeout(SOON, follower.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(end, StreamEnd::NobodyListens);
}

#[tokio::test]
async fn a_subscription_that_the_account_has_not_is_for_a_person() {
    let (listener, settings) = listen().await;
    let (inbox, mut told) = Inbox::new(NonZeroUsize::new(8).unwrap());
    let mut follower = JoinSet::new();
    follower.spawn(follow_data(settings, bars(&["AAPL"]), inbox));
    let mut socket = greet(&listener).await;
    let no = DataMessage::Error { code: 409, msg: "insufficient subscription".to_owned() };
    say(&mut socket, DataMessage::write(&[no]).unwrap()).await;
    assert!(matches!(told.next().await, Some(Heard::Lost { .. })));
    let end = timeout(SOON, follower.join_next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(&end, StreamEnd::Operator { why } if why.contains("insufficient")), "{end:?}");
    assert_eq!(told.next().await, None, "nothing comes any more");
}

#[tokio::test]
async fn a_slow_listener_is_told_what_did_not_fit() {
    let (inbox, mut told) = Inbox::new(NonZeroUsize::new(2).unwrap());
    let quote = br#"[{"T":"q","S":"C","t":"2022-01-03T14:30:00Z","bp":1,"bs":1,"ap":2,"as":1}]"#;
    inbox.put(Heard::Message(DataMessage::read(quote).unwrap().remove(0)));
    for (symbol, minute) in [("A", 30), ("B", 30), ("A", 31), ("A", 32)] {
        inbox.put(Heard::Message(bar(symbol, minute)));
    }
    assert_eq!(told.next().await, Some(Heard::Gap { symbols: vec!["A".to_owned()] }));
    for (symbol, minute) in [("B", 30), ("A", 32)] {
        let Some(Heard::Message(DataMessage::Bar { symbol: name, kind, bar: found })) =
            told.next().await
        else {
            panic!("a bar of {symbol} is missing")
        };
        assert_eq!((name.as_str(), kind), (symbol, BarKind::Minute));
        assert!(found.at.to_string().contains(&format!("14:{minute}")), "{}", found.at);
    }
    drop(inbox);
    assert_eq!(told.next().await, None);
}

#[test]
fn what_was_lost_decides_how_long_it_rests() {
    let mut back_off = BackOff::new("ws://127.0.0.1:1");
    let pause = |next: Next| match next {
        Next::Again(pause) => Some(pause),
        Next::End(_) => None,
    };
    let refused = |code| Lost::Refused { trouble: StreamTrouble::of(code), msg: String::new() };
    let short = Duration::from_secs(1);
    assert!(pause(back_off.after(&refused(406), short)).unwrap() >= OTHER_LETS_GO);
    assert!(pause(back_off.after(&refused(402), short)).is_none());
    assert!(pause(back_off.after(&Lost::Unheard, short)).is_none());
    for _ in 0..40 {
        let pause = pause(back_off.after(&Lost::Closed, short)).unwrap();
        assert!(pause <= conclave_domain::llm::backoff::PAUSE_MAX);
    }
    let _ = back_off.after(&Lost::Closed, GOOD_AFTER);
    assert_eq!(back_off.failures, 1, "a good connection is forgiven");
}

#[test]
fn keys_go_to_no_stream_that_is_not_theirs() {
    let open = |id: &str, url: &str| {
        let keys = Keys::new(id, SECRET).unwrap();
        StreamSettings::new("alpaca.stream_url", url, &keys, SOON).is_ok()
    };
    for (id, url, taken) in [
        ("PK1", "wss://paper-api.alpaca.markets/stream", true),
        ("AK1", "wss://api.alpaca.markets/stream", true),
        ("AK1", "wss://stream.data.alpaca.markets/v2/iex", true),
        ("PK1", "wss://stream.data.alpaca.markets/v2/iex", true),
        ("PK1", "ws://127.0.0.1:9/stream", true),
        ("AK1", "ws://127.0.0.1:9/stream", false),
        ("PK1", "wss://api.alpaca.markets/stream", false),
        ("AK1", "wss://paper-api.alpaca.markets/stream", false),
        ("PK1", "ws://paper-api.alpaca.markets/stream", false),
        ("PK1", "https://paper-api.alpaca.markets/stream", false),
        ("PK1", "wsx://127.0.0.1/", false),
    ] {
        assert_eq!(open(id, url), taken, "{id} {url}");
    }
    let base = "wss://stream.data.alpaca.markets/";
    assert_eq!(DataStream::of_feed("sip").address(base), "wss://stream.data.alpaca.markets/v2/sip");
}
