//! No flag is passed over in silence: a table over every verb and every pair of its flags.

use std::collections::BTreeSet;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, CommandFactory as _};

use super::App;

/// Values of which one is taken by every flag that takes a value.
const VALUES: &[&str] = &[
    "1",
    "2",
    "5",
    "x",
    "AAPL",
    "2013-02-08",
    "2013-02-08T21:00:00Z",
    "200ms",
    "1m",
    "on",
    "momentum",
    "advisory",
    "us",
    "fast=5:50:5,slow=20:200:10",
    "risk_guardian",
    "risk_guardian=hang@1",
    "a=1",
    "1..2",
];

/// A verb as it is written, and each flag of it with a value that it takes.
struct Verb {
    words: Vec<String>,
    flags: Vec<(String, Vec<String>)>,
}

fn refusal(words: &[String], flags: &[&[String]]) -> Option<clap::Error> {
    let words = ["conclave".to_owned()].into_iter().chain(words.iter().cloned());
    let all = words.chain(flags.iter().flat_map(|flag| flag.iter().cloned()));
    App::command().try_get_matches_from(all).err()
}

/// The words that give a flag, with a value that it takes.
fn given(verb: &[String], arg: &Arg) -> Vec<String> {
    let name = format!("--{}", arg.get_long().expect("a long name"));
    if !matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) {
        return vec![name];
    }
    let listed = arg.get_possible_values();
    let listed = listed.iter().map(|value| value.get_name().to_owned());
    let mut values = listed.chain(VALUES.iter().map(|&value| value.to_owned()));
    let is_taken = |value: &String| {
        let kind = refusal(verb, &[&[name.clone(), value.clone()]]).map(|error| error.kind());
        !matches!(kind, Some(ErrorKind::InvalidValue | ErrorKind::ValueValidation))
    };
    let value = values.find(is_taken);
    vec![name.clone(), value.unwrap_or_else(|| panic!("{verb:?} {name}: no value is taken"))]
}

/// Every verb that can be run, by its path.
fn verbs(command: &Command, words: &[String], found: &mut Vec<Verb>) {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        verbs(below, &[words, &[below.get_name().to_owned()]].concat(), found);
    }
    if words.is_empty() || command.is_subcommand_required_set() {
        return;
    }
    let is_own =
        |arg: &&Arg| !arg.is_global_set() && !matches!(arg.get_id().as_str(), "help" | "version");
    let own: Vec<&Arg> = command.get_arguments().filter(is_own).collect();
    let needed = own.iter().filter(|arg| arg.is_positional() && arg.is_required_set());
    let words: Vec<String> = words.iter().cloned().chain(needed.map(|_| "1".to_owned())).collect();
    let flags = own.iter().filter(|arg| arg.get_long().is_some());
    let flag = |arg: &&Arg| (arg.get_id().to_string(), given(&words, arg));
    let flags = flags.map(flag).collect();
    found.push(Verb { words, flags });
}

/// The flags that are named as missing where this one is given, and not where none is.
fn wanted(verb: &[String], flag: &[String]) -> BTreeSet<String> {
    let missing = |flags: &[&[String]]| -> BTreeSet<String> {
        let is_missing = |error: &clap::Error| error.kind() == ErrorKind::MissingRequiredArgument;
        let error = refusal(verb, flags).filter(is_missing);
        let text = error.map(|error| error.to_string()).unwrap_or_default();
        let lines = text.lines().skip(1).take_while(|line| line.starts_with("  "));
        let names = lines.flat_map(|line| line.split([' ', '<', '>', '|', '[', ']', '.']));
        names.filter(|name| name.starts_with("--")).map(str::to_owned).collect()
    };
    &missing(&[flag]) - &missing(&[])
}

/// Goal: a flag that means nothing without another one is refused without it, whatever else is given: clap
/// drops such a demand where the other flag conflicts with a third one that is there. Method: each flag that
/// wants another one, beside each flag that it does not want; a new flag is in the table by itself.
#[test]
fn a_flag_that_wants_another_one_is_never_passed_over() {
    let mut all = Vec::new();
    verbs(&App::command(), &[], &mut all);
    assert!(all.len() > 30 && all.iter().any(|verb| verb.words == ["run"]), "{} verbs", all.len());
    let (mut silent, mut wanting) = (Vec::new(), 0);
    for Verb { words, flags } in &all {
        for (name, flag) in flags {
            let wanted = wanted(words, flag);
            if wanted.is_empty() {
                continue;
            }
            wanting += 1;
            let others = flags.iter().filter(|(_, beside)| !wanted.contains(&beside[0]));
            let others = others.filter(|(other, _)| other != name);
            let gone = others.filter(|(_, beside)| refusal(words, &[flag, beside]).is_none());
            silent.extend(gone.map(|(other, _)| format!("{words:?}: --{name} beside --{other}")));
        }
    }
    assert!(wanting > 20, "{wanting} flags want another one: the table has another form");
    assert!(silent.is_empty(), "passed over:\n{}", silent.join("\n"));
}
