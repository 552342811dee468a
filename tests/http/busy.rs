//! What takes long is done for a few at a time, in front of a desk that reads for as long as a test wants.

use std::sync::Arc;

use conclave::http::Shared;
use conclave::http::auth::Token;
use conclave::http::desk::{Answer, Command, Desk, Text, View};
use conclave::http::rate::Rate;
use conclave_domain::mode::Person;
use serde_json::json;
use tokio::sync::Semaphore;

use super::{SECRET, against, send, stays};

/// Reads its log only where it is let; everything else it knows at once.
struct Reading {
    begun: Semaphore,
    may_end: Semaphore,
}

impl Desk for Reading {
    fn view(&self, view: View) -> Answer<'_> {
        Box::pin(async move {
            if let View::Audit(_) | View::Round(_) | View::Rounds = view {
                self.begun.add_permits(1);
                self.may_end.acquire().await.expect("an open gate").forget();
            }
            Ok(json!({"schema": "test/1", "records": [], "rounds": []}))
        })
    }

    fn command(&self, _: Person, _: Command) -> Answer<'_> {
        Box::pin(async { Ok(json!({"schema": "test/1"})) })
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn metrics(&self) -> Text<'_> {
        Box::pin(async { String::new() })
    }
}

/// Goal: the log is searched for two at a time, however many ask and however they ask, and whoever hangs up
/// frees nothing before his search has ended. Method: two that read until they may end, of whom one is left
/// by its client.
#[tokio::test]
async fn two_search_the_log_and_the_third_is_told_so() {
    let desk = Arc::new(Reading { begun: Semaphore::new(0), may_end: Semaphore::new(0) });
    let guard = (Token::new(SECRET).expect("long enough"), false);
    let shared = Shared::new(desk.clone(), Arc::default(), guard, Rate::default());
    against(shared, async |to| {
        let search = "GET /api/v1/audit?agent=x HTTP/1.1\r\nhost: localhost\r\n\r\n";
        let left = stays(to, search).await;
        let waits = send(to, "GET /api/v1/rounds/IBM-1", &[], "");
        let others = async {
            desk.begun.acquire_many(2).await.expect("an open gate").forget();
            drop(left);
            for path in ["/api/v1/audit", "/audit?code=x", "/api/v1/rounds", "/api/v1/rounds/x"] {
                let reply = send(to, &format!("GET {path}"), &[], "").await;
                let code = reply.json()["code"].clone();
                assert_eq!((reply.status, code.as_str()), (429, Some("busy")), "{path}");
                assert!(reply.head.contains("retry-after: 1"), "{}", reply.head);
            }
            assert_eq!(send(to, "GET /api/v1/status", &[], "").await.status, 200);
            desk.may_end.add_permits(2);
        };
        let (found, ()) = tokio::join!(waits, others);
        assert_eq!(found.status, 200, "{}", found.body);
        desk.may_end.add_permits(100);
        while send(to, "GET /api/v1/audit", &[], "").await.status != 200 {}
    })
    .await;
}
