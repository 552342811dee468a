//! Written and read, cut off and tampered with.

use std::fs;

use super::*;
use crate::env::cart_pole::CartPole;

fn run() -> Ppo<CartPole> {
    let config = PpoConfig { hidden: vec![8, 8], rollout_steps: 16, ..PpoConfig::default() };
    let mut ppo = Ppo::new(config, CartPole::new(4, 1), 1).unwrap();
    ppo.iterate().unwrap();
    ppo
}

fn about() -> About {
    About {
        features: vec!["position".to_owned(), "angle".to_owned()],
        actions: vec!["LEFT".to_owned(), "RIGHT".to_owned()],
        data_hash: "d".to_owned(),
        config_hash: "c".to_owned(),
        extra: serde_json::json!({"note": [1, 2.5, "π"]}),
        tensors: [("norm.mean".to_owned(), vec![0.5, -0.25])].into(),
    }
}

#[test]
fn what_was_written_is_read_to_the_bit_and_the_run_goes_on_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let mut ppo = run();
    let checkpoint = Checkpoint::of(&ppo, about());
    checkpoint.write(&path).unwrap();
    let read = Checkpoint::read(&path).unwrap();
    assert_eq!(read, checkpoint);
    assert_eq!(read.encode().unwrap(), fs::read(&path).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    ppo.iterate().unwrap();
    let mut resumed = Ppo::new(read.config.clone(), CartPole::new(4, 9), 9).unwrap();
    resumed.restore(&read.state).unwrap();
    resumed.iterate().unwrap();
    assert_eq!(resumed.fingerprint(), ppo.fingerprint());
}

#[test]
fn every_cut_and_every_flipped_bit_is_refused() {
    let bytes = Checkpoint::of(&run(), about()).encode().unwrap();
    assert!(Checkpoint::decode(&bytes).is_ok());
    for length in (0..bytes.len()).step_by(97) {
        assert!(Checkpoint::decode(&bytes[..length]).is_err(), "cut at {length}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(Checkpoint::decode(&longer), Err(Problem::Length { .. })));
    let header = 8 + usize::from(bytes[0]) + 256 * usize::from(bytes[1]);
    for at in (0..bytes.len()).step_by(61) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        // Spaces of the header may become other blanks, which say the same.
        let same = Checkpoint::decode(&damaged);
        assert!(same.is_err() || (at < header && bytes[at] == b' '), "bit {at} flipped");
    }
}

/// A file whose header says this, and whose numbers are eight zero bytes.
fn with_header(header: &str) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

#[test]
fn a_hostile_file_is_refused_with_what_is_wrong_and_without_believing_its_lengths() {
    let tensor = |entry: &str| {
        with_header(&format!(
            r#"{{"__metadata__":{{"conclave":"{{}}","blake3":""}},"x":{{{entry}}}}}"#
        ))
    };
    let refused = |bytes: &[u8]| Checkpoint::decode(bytes).unwrap_err().to_string();
    let cases = [
        (vec![], "it is cut off: 0 bytes of at least 8"),
        (u64::MAX.to_le_bytes().to_vec(), "it would have 18446744073709551615 bytes"),
        (100_u64.to_le_bytes().to_vec(), "it is cut off: 8 bytes of at least 108"),
        (with_header("not json"), "its header cannot be read"),
        (with_header("[[[["), "its header cannot be read"),
        (with_header("{}"), "missing field `__metadata__`"),
        (with_header(r#"{"__metadata__":{}}"#), "__metadata__ has no conclave"),
        (tensor(r#""dtype":"F32","shape":[2],"data_offsets":[0,8]"#), "the hash differs"),
        (tensor(r#""dtype":"F32","shape":[3],"data_offsets":[0,8]"#), "[3] does not fill 8 bytes"),
        (tensor(r#""dtype":"F64","shape":[1],"data_offsets":[0,8]"#), "numbers of type \"F64\""),
        (tensor(r#""dtype":"F32","shape":[1],"data_offsets":[4,8]"#), "it lies from 4 to 8"),
        (tensor(r#""dtype":"F32","shape":[1],"data_offsets":[0,4]"#), "8 bytes of numbers"),
        (
            tensor(r#""dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]"#),
            "does not fill 8 bytes",
        ),
        (
            tensor(r#""dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]"#),
            "8 bytes of numbers where its header speaks of 18446744073709551615",
        ),
    ];
    for (bytes, wanted) in cases {
        let found = refused(&bytes);
        assert!(found.contains(wanted), "{found:?} does not say {wanted:?}");
    }
}

#[test]
fn another_format_and_networks_that_are_not_those_of_the_tensors_are_refused() {
    let checkpoint = Checkpoint::of(&run(), about());
    let text = decode(&checkpoint.encode().unwrap()).unwrap().text;
    let refused = |from: &str, to: &str| {
        let Contents { tensors, .. } = decode(&checkpoint.encode().unwrap()).unwrap();
        assert!(text.contains(from), "{text}");
        let text = text.replace(from, to);
        Checkpoint::decode(&encode(&Contents { text, tensors }).unwrap()).unwrap_err().to_string()
    };
    assert!(refused("\"format\":1", "\"format\":2").contains("format 2"));
    let other = refused("\"observation\":4", "\"observation\":5");
    assert!(other.contains("layouts differ"), "{other}");
    assert!(refused("\"extra\":", "\"surplus\":1,\"extra\":").contains("unknown field"));
}

#[test]
fn other_features_or_actions_are_refused_by_name() {
    let checkpoint = Checkpoint::of(&run(), about());
    let About { features, actions, .. } = about();
    checkpoint.expect(&features, &actions).unwrap();
    let reversed: Vec<String> = features.iter().rev().cloned().collect();
    let refused = checkpoint.expect(&reversed, &actions).unwrap_err().to_string();
    assert_eq!(refused, "features differ: it has position angle, and angle position is wanted");
    assert!(checkpoint.expect(&features, &actions[..1]).is_err());
}

/// N-1: on the disk as well.
#[test]
fn a_poisoned_run_is_not_written_and_the_former_checkpoint_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.safetensors");
    let good = Checkpoint::of(&run(), about());
    good.write(&path).unwrap();
    let mut bad = good.clone();
    bad.state.parameters[3] = f32::NAN;
    let refused = bad.write(&path).unwrap_err().to_string();
    assert!(refused.contains("best.safetensors") && refused.contains("not finite"), "{refused}");
    // What a process that was killed while writing leaves behind.
    fs::write(folder.path().join("best.safetensors.tmp"), b"half").unwrap();
    assert_eq!(Checkpoint::read(&path).unwrap(), good);
    good.write(&path).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let missing = Checkpoint::read(&folder.path().join("none")).unwrap_err().to_string();
    assert!(missing.contains("none") && missing.contains("reading failed"), "{missing}");
}
