//! A checkpoint read by safetensors' own library for Python, and the networks computed anew by `NumPy`.
//!
//! Only with `PEERS=1`; without it the test says that it is skipped.

use std::process::Command;

use conclave_trainer::checkpoint::{About, Checkpoint};
use conclave_trainer::env::cart_pole::CartPole;
use conclave_trainer::ppo::{Ppo, PpoConfig};
use serde_json::{Value, json};

use super::models::{folder, missing, root};

const ROWS: u8 = 50;

/// What Python says of the checkpoint and of these rows.
fn read_by_python(path: &std::path::Path, rows: &[f32]) -> Value {
    let mut command = Command::new(folder().join("venv/bin/python"));
    command.arg(root().join("tests/peers/weights.py")).arg(path).arg(json!(rows).to_string());
    let output = command.output().expect("python starts");
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{failed}");
    serde_json::from_slice(&output.stdout).expect("a document")
}

#[test]
fn python_reads_a_checkpoint_and_comes_to_the_same_logits_and_values() {
    if let Some(why) = missing("safetensors") {
        println!("skipped: {why}");
        return;
    }
    let mut ppo = Ppo::new(PpoConfig::default(), CartPole::new(8, 1), 1).expect("a run");
    for _ in 0..20 {
        ppo.iterate().expect("an iteration");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("last.safetensors");
    let actions = vec!["LEFT".to_owned(), "RIGHT".to_owned()];
    Checkpoint::of(&ppo, About { actions, ..About::default() }).write(&path).expect("written");
    let rows: Vec<f32> = (0..4 * ROWS).map(|at| (f32::from(at) * 0.37).sin() * 2.0).collect();
    let said = read_by_python(&path, &rows);
    assert_eq!(said["words"]["format"], 1);
    assert_eq!(said["words"]["actions"], json!(["LEFT", "RIGHT"]));
    assert_eq!(said["words"]["counters"]["iterations"], 20);
    let net = ppo.actor_critic();
    let mut room = net.room(ROWS.into());
    let logits = net.logits(&rows, ROWS.into(), &mut room).to_vec();
    let values = net.values(&rows, ROWS.into(), &mut room).to_vec();
    for (name, ours) in [("logits", logits), ("values", values)] {
        let theirs = said[name].as_array().expect("numbers");
        assert_eq!(theirs.len(), ours.len(), "{name}");
        for (one, other) in ours.iter().zip(theirs) {
            let off = (f64::from(*one) - other.as_f64().expect("a number")).abs();
            assert!(off <= 1e-6 * (1.0 + f64::from(one.abs())), "{name}: {one} and {other}");
        }
        assert!(ours.iter().any(|value| value.abs() > 0.01), "{name} say something");
    }
}
