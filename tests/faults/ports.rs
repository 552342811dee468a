//! Ports, the broker and the feed fail in the middle of a run.

use std::collections::BTreeSet;

use serde_json::json;

use crate::rig::World;

/// Goal: whatever a port does, the run comes to its end, its log verifies, and nothing is booked
/// twice (O-2). Method: one fault of each kind that a run can live with, and the log is read.
#[test]
fn a_run_lives_with_faults_of_its_ports_and_writes_them_down() {
    let world = World::new();
    let faults = [
        "audit.full@9",
        "store.full@1",
        "clock.forward@2",
        "broker.duplicate_fill@2",
        "broker.timeout@4",
        "feed.stall@3",
        "feed.repeat@40",
        "feed.older@90",
    ];
    let mut args = vec!["--out", "faulty", "--mode", "autonomous"];
    for fault in faults {
        args.extend(["--fault", fault]);
    }
    world.run(&args).succeeds();
    world.verify("faulty");
    let injected = world.steps("faulty", "fault.injected");
    let told: BTreeSet<String> = injected
        .iter()
        .filter_map(|record| record["body"].get("text")?.as_str().map(str::to_owned))
        .collect();
    for fault in faults.iter().filter(|fault| !fault.starts_with("broker.")) {
        assert!(told.contains(*fault), "{fault} is not written down: {told:?}");
    }
    let of_broker =
        |fault: &str| injected.iter().any(|record| record["body"]["item"]["fault"] == fault);
    assert!(of_broker("duplicate_fill") && of_broker("timeout"), "{injected:?}");
    let booked = world.steps("faulty", "book.updated").into_iter();
    let fills: Vec<_> = booked.filter(|record| record["body"]["happened"] == "filled").collect();
    let ids: BTreeSet<String> = fills
        .iter()
        .map(|record| {
            let fill = &record["body"]["fill"];
            json!([fill["client_order_id"], fill["nth"]]).to_string()
        })
        .collect();
    assert!(fills.len() > 5, "{} fills", fills.len());
    assert_eq!(ids.len(), fills.len(), "each fill was booked once");
}

#[test]
fn a_fault_that_no_run_can_have_is_refused_with_the_reason() {
    let world = World::new();
    for fault in ["audit.kill@3", "process.crash@3", "nobody=panic@1", "risk_guardian=full@1"] {
        world.run(&["--out", "refused", "--fault", fault]).refuses(2, "fault");
    }
}
