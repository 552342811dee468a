//! Both streams over a socket, as a client of another library hears them.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;
use crate::exchange::{pack, serve};

/// A desk that is served on a port for as long as this lives.
struct Served {
    desk: Desk,
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl Served {
    async fn of(faults: &str) -> Self {
        let desk = Desk::of(None, faults, None);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let setup = Setup { floor: Arc::clone(&desk.floor), pace: Pace::Step, rate: None };
        let mut server = JoinSet::new();
        server.spawn(async move {
            serve(listener, setup, std::future::pending()).await.unwrap();
        });
        Self { desk, address, _server: server }
    }

    async fn connect(&self, path: &str, is_packed: bool) -> Client {
        let url = format!("ws://{}{path}", self.address);
        let mut request = url.into_client_request().unwrap();
        if is_packed {
            let kind = "application/msgpack".parse().unwrap();
            request.headers_mut().insert("content-type", kind);
        }
        let (socket, _) = connect_async(request).await.unwrap();
        Client { socket, is_packed }
    }

    /// A client of the trading stream that listens.
    async fn listener(&self) -> Client {
        let mut client = self.connect("/stream", false).await;
        let keys = json!({"key_id": "PKFIRST", "secret_key": "one"});
        client.say(json!({"action": "authenticate", "data": keys})).await;
        assert_eq!(client.hear().await["data"]["status"], "authorized");
        client.say(json!({"action": "listen", "data": {"streams": ["trade_updates"]}})).await;
        assert_eq!(client.hear().await["data"]["streams"], json!(["trade_updates"]));
        client
    }

    /// A client of a data stream that is known.
    async fn reader(&self, is_packed: bool) -> Client {
        let mut client = self.connect("/v2/iex", is_packed).await;
        assert_eq!(client.hear().await, json!([{"T": "success", "msg": "connected"}]));
        client.say(json!({"action": "auth", "key": "PKFIRST", "secret": "one"})).await;
        client
    }
}

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    is_packed: bool,
}

impl Client {
    async fn say(&mut self, message: Value) {
        let message = if self.is_packed {
            let mut bytes = Vec::new();
            pack::write(&message, &mut bytes);
            Message::Binary(bytes.into())
        } else {
            Message::Text(message.to_string().into())
        };
        self.socket.send(message).await.unwrap();
    }

    /// The next message; null once the connection has been closed.
    async fn hear(&mut self) -> Value {
        loop {
            return match self.socket.next().await {
                Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Binary(bytes))) if self.is_packed => {
                    pack::read(&bytes).unwrap_or_else(|| json!("a message of the market"))
                }
                Some(Ok(Message::Binary(bytes))) => serde_json::from_slice(&bytes).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                _ => Value::Null,
            };
        }
    }

    /// The event and the execution of the next update.
    async fn event(&mut self) -> (Value, Value) {
        let heard = self.hear().await;
        (heard["data"]["event"].clone(), heard["data"]["execution_id"].clone())
    }
}

#[tokio::test]
async fn the_trading_stream_tells_an_accounts_orders_to_whoever_it_is() {
    let served = Served::of("").await;
    let mut stranger = served.connect("/stream", false).await;
    stranger.say(json!({"action": "listen", "data": {"streams": ["trade_updates"]}})).await;
    assert_eq!(stranger.hear().await["data"]["status"], "unauthorized");
    let keys = json!({"key_id": "PKFIRST", "secret_key": "two"});
    stranger.say(json!({"action": "authenticate", "data": keys})).await;
    assert_eq!(stranger.hear().await["data"]["status"], "unauthorized");
    let mut client = served.listener().await;
    served.desk.until(OPEN).await;
    let (_, taken) = served.desk.order(market("buy", "10")).await;
    assert_eq!(client.event().await, (json!("new"), Value::Null));
    let fill = client.hear().await;
    assert_eq!(fill["stream"], "trade_updates");
    assert_eq!((&fill["data"]["order"]["id"], &fill["data"]["qty"]), (&taken["id"], &json!("10")));
    assert_eq!(fill["data"]["position_qty"], "10");
}

#[tokio::test]
async fn a_gap_in_the_trading_stream_cuts_it_and_nothing_is_told_again() {
    let served = Served::of("stream.twice@2\nstream.gap@3:3s").await;
    let mut client = served.listener().await;
    served.desk.until(OPEN).await;
    served.desk.order(market("buy", "1")).await;
    assert_eq!(client.event().await.0, "new");
    let (first, again) = (client.event().await, client.event().await);
    assert_eq!((&first.0, &first), (&json!("fill"), &again), "the same execution twice");
    served.desk.order(market("buy", "2")).await;
    assert_eq!(client.hear().await, Value::Null, "cut off");
    let mut shut = served.connect("/stream", false).await;
    let auth = json!({"action": "auth", "key": "PKFIRST", "secret": "one"});
    shut.say(auth).await;
    assert_eq!(shut.hear().await["data"]["status"], "authorized");
    assert_eq!(shut.hear().await, Value::Null, "nobody is let in meanwhile");
    let known = served.desk.get("/v2/account/activities/FILL").await;
    assert_eq!(known.as_array().unwrap().len(), 2, "by request it can be known");
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    let mut client = served.listener().await;
    served.desk.order(market("buy", "3")).await;
    client.event().await;
    let fill = client.hear().await;
    assert_eq!(fill["data"]["qty"], "3", "what happened in the gap is not told");
}

#[tokio::test]
async fn the_data_stream_greets_checks_and_sends_what_was_asked_for() {
    let served = Served::of("").await;
    let mut client = served.connect("/v2/iex", false).await;
    assert_eq!(client.hear().await[0]["msg"], "connected");
    client.say(json!({"action": "subscribe", "bars": ["AAPL"]})).await;
    assert_eq!(client.hear().await[0]["code"], 401);
    client.socket.send(Message::Text("{".into())).await.unwrap();
    assert_eq!(client.hear().await[0]["code"], 400);
    client.say(json!({"action": "auth", "key": "PKFIRST", "secret": "two"})).await;
    assert_eq!(client.hear().await[0]["code"], 402);
    assert_eq!(client.hear().await, Value::Null);
    let mut client = served.reader(false).await;
    assert_eq!(client.hear().await[0]["msg"], "authenticated");
    let mut second = served.reader(false).await;
    assert_eq!(second.hear().await[0]["code"], 406, "one connection for each endpoint");
    client.say(json!({"action": "subscribe", "bars": ["AAPL"], "trades": ["MSFT"]})).await;
    let known = client.hear().await;
    assert_eq!((&known[0]["bars"], &known[0]["trades"]), (&json!(["AAPL"]), &json!(["MSFT"])));
    client.say(json!({"action": "subscribe", "bars": "AAPL"})).await;
    assert_eq!(client.hear().await[0]["code"], 400);
    served.desk.until("2000-06-16T20:00:00Z").await;
    let (mut trades, mut bar) = (0, Value::Null);
    while bar.is_null() {
        let heard = client.hear().await;
        match heard[0]["T"].as_str() {
            Some("t") => trades += 1,
            _ => bar = heard[0].clone(),
        }
    }
    assert_eq!((&bar["T"], &bar["S"]), (&json!("b"), &json!("AAPL")));
    assert!(trades >= 3, "{trades} trades of MSFT");
    let shown = served.desk.get("/v2/stocks/bars/latest?symbols=AAPL").await;
    assert_eq!(shown["bars"]["AAPL"]["c"], bar["c"]);
}

#[tokio::test]
async fn a_seat_is_free_again_once_its_client_has_gone_and_packed_clients_are_understood() {
    let served = Served::of("").await;
    let mut client = served.reader(true).await;
    assert_eq!(client.hear().await[0]["msg"], "authenticated");
    client.say(json!({"action": "subscribe", "quotes": ["*"]})).await;
    assert_eq!(client.hear().await[0]["quotes"], json!(["*"]));
    served.desk.until(OPEN).await;
    assert_eq!(client.hear().await, "a message of the market");
    client.socket.close(None).await.unwrap();
    for _ in 0..500 {
        let mut next = served.reader(false).await;
        if next.hear().await[0]["msg"] == "authenticated" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the seat was not given back");
}

/// Goal: a running clock moves the market by itself, many times as fast as the wall's.
#[tokio::test]
async fn a_running_clock_plays_the_market_by_itself() {
    let desk = Desk::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let setup = Setup { floor: Arc::clone(&desk.floor), pace: Pace::Times(100_000), rate: None };
    desk.order(market("buy", "10")).await;
    let stop = async {
        while desk.get("/v2/positions").await == json!([]) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    serve(listener, setup, stop).await.unwrap();
    assert!(OPEN.parse::<conclave_domain::time::Time>().unwrap() <= desk.floor.now());
}
