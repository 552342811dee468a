//! One suite for every store, and the writer above it.

use std::sync::mpsc::channel;

use conclave_actors::runtime::ports::Done;
use conclave_actors::testkit::memory_store::MemoryStore;
use conclave_domain::brief::trading::TradingState;
use conclave_domain::context::{BookKind, Lasting, Part, PartKey, Update};
use conclave_domain::fixed::Money;
use conclave_domain::record::{Digest, Head};
use conclave_domain::time::Time;
use tempfile::TempDir;

use super::*;
use crate::adapters::context_redb::RedbStore;
use crate::adapters::context_sled::SledStore;

/// Opens a store again and again in the same place.
type Open<'a> = &'a dyn Fn() -> Arc<dyn Store>;

/// Runs a test against every store there is.
fn with_each(test: impl Fn(&str, Open<'_>)) {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::default());
    test("memory", &|| Arc::clone(&memory));
    let dir = TempDir::new().unwrap();
    test("sled", &|| Arc::new(SledStore::open(&dir.path().join("sled")).unwrap()));
    test("redb", &|| Arc::new(RedbStore::open(&dir.path().join("redb")).unwrap()));
}

fn entry(key: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (key.as_bytes().to_vec(), value.as_bytes().to_vec())
}

#[test]
fn every_store_keeps_its_trees_apart_and_in_order() {
    with_each(|name, open| {
        let store = open();
        assert_eq!(store.get("a", b"1").unwrap(), None, "{name}");
        assert_eq!(store.scan("a", b"").unwrap(), [], "{name}");
        let entries =
            [entry("b/2", "two"), entry("b/1", "one"), entry("c", "x"), entry("b/2", "2")];
        store.put("a", &entries).unwrap();
        store.put("other", &[entry("b/1", "elsewhere")]).unwrap();
        let found = store.scan("a", b"b/").unwrap();
        assert_eq!(found, [entry("b/1", "one"), entry("b/2", "2")], "{name}");
        store.delete("a", &[b"b/1".to_vec(), b"none".to_vec()]).unwrap();
        assert_eq!(store.get("a", b"b/1").unwrap(), None, "{name}");
        assert_eq!(store.get("other", b"b/1").unwrap(), Some(b"elsewhere".to_vec()), "{name}");
        store.delete("unseen", &[b"none".to_vec()]).unwrap();
        assert_eq!(store.scan("a", b"").unwrap().len(), 2, "{name}");
    });
}

/// C-1: what was flushed is there after the store was opened again.
#[test]
fn every_store_keeps_what_was_flushed_and_is_closed_for_good() {
    with_each(|name, open| {
        let store = open();
        store.put("a", &[entry("key", "value")]).unwrap();
        store.flush().unwrap();
        drop(store);
        let store = open();
        assert_eq!(store.get("a", b"key").unwrap(), Some(b"value".to_vec()), "{name}");
        store.close().unwrap();
        assert_eq!(store.put("a", &[]), Err(StoreError::Closed), "{name}");
        assert_eq!(store.get("a", b"key"), Err(StoreError::Closed), "{name}");
        assert_eq!(store.flush(), Err(StoreError::Closed), "{name}");
    });
}

fn commit(writer: &StoreWriter, parts: Vec<Part>, anchor: Option<Anchor>) {
    let (answer, waiting) = channel();
    let done = Done::new(move |result| drop(answer.send(result)));
    writer.submit(Commit { parts, anchor, done });
    waiting.recv().unwrap().unwrap();
}

/// C-1: a context comes back from every disk as it was acknowledged, part by part.
#[test]
fn a_context_comes_back_as_it_was() {
    let dir = TempDir::new().unwrap();
    let opens: [(&str, Open<'_>); 2] = [
        ("sled", &|| Arc::new(SledStore::open(&dir.path().join("sled")).unwrap())),
        ("redb", &|| Arc::new(RedbStore::open(&dir.path().join("redb")).unwrap())),
    ];
    for (name, open) in opens {
        let mut context = Context::default();
        let cash = Money::from_units(1_000).unwrap();
        let document = |json: Option<&str>| Update::Document {
            name: "budgets".into(),
            json: json.map(Into::into),
            lasting: Lasting::AtOnce,
        };
        let state = TradingState::Halted;
        let updates = [
            Update::BookOpened { book: BookKind::Real, cash },
            Update::StateSet { state, reason: "a test".into(), at: Time::from_ms(5) },
            document(Some("[1]")),
        ];
        for update in updates {
            context.apply(update, Some(7)).unwrap();
        }
        let head = Head { count: 7, hash: Digest::of(b"7") };
        let anchor = Anchor { decisions: head, observations: head, record_hash: head.hash };
        let store = open();
        assert_eq!(load(store.as_ref()).unwrap(), Loaded::default(), "{name}");
        let writer = StoreWriter::start(store).unwrap();
        let parts = context.keys().map(|key| context.part(&key)).collect();
        commit(&writer, parts, Some(anchor));
        drop(writer);

        let store = open();
        let loaded = load(store.as_ref()).unwrap();
        assert_eq!(loaded.anchor, Some(anchor), "{name}");
        for key in context.keys() {
            assert_eq!(loaded.context.part(&key), context.part(&key), "{name} {key}");
        }
        context.apply(document(None), None).unwrap();
        let writer = StoreWriter::start(store).unwrap();
        commit(&writer, vec![context.part(&PartKey::Document("budgets".into()))], None);
        drop(writer);
        assert!(load(open().as_ref()).unwrap().context.documents.is_empty(), "{name}");
    }
}
