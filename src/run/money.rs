//! What money a run is about, and what it takes that it is real.
//!
//! Real money takes three words in three places: the configuration, the environment and the command
//! line; and the address and keys of the live account. Whoever says some of it is told what is missing,
//! before anything is asked of anybody. Nothing here asks or opens anything but the record of paper days.

use std::path::Path;

use conclave_domain::mode::Mode;
use serde_json::{Value, json};

use super::args::OpenMarketArgs;
use crate::adapters::alpaca_http::Venue;
use crate::adapters::clock::now;
use crate::adapters::lock::{self, MoneyKind};
use crate::adapters::paper_days::{self, PaperDay};
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;

/// The variable of the environment that permits real money.
pub(crate) const LIVE_ENV: &str = "CONCLAVE_LIVE_MONEY";
/// What it must say.
pub(crate) const LIVE_WORDS: &str = "yes-i-mean-it";
/// The word in `run.money`.
const LIVE: &str = "live";

/// The money that a configuration names.
pub(super) fn of(config: &Config) -> MoneyKind {
    if config.run.money == LIVE { MoneyKind::Live } else { MoneyKind::Paper }
}

/// The directory of a run below all runs: those in real money keep to themselves.
pub(super) fn below(money: MoneyKind, id: &str) -> String {
    match money {
        MoneyKind::Paper => id.to_owned(),
        MoneyKind::Live => format!("{LIVE}/{id}"),
    }
}

/// What was said about money, and where.
#[derive(Clone, Copy, Debug)]
struct Said<'a> {
    configuration: MoneyKind,
    environment: Option<&'a str>,
    flag: bool,
    /// Whether it is an open market that is traded.
    is_open: bool,
}

/// Which money is meant. The environment alone means nothing: it permits, and does not ask.
fn decide(said: Said<'_>) -> Result<MoneyKind, String> {
    let is_configured = said.configuration == MoneyKind::Live;
    if !is_configured && !said.flag {
        return Ok(MoneyKind::Paper);
    }
    let is_permitted = said.environment == Some(LIVE_WORDS);
    let words = [
        (is_configured, "`run.money = \"live\"` in the configuration".to_owned()),
        (is_permitted, format!("`{LIVE_ENV}={LIVE_WORDS}` in the environment")),
        (said.flag, "`--live` on the command line".to_owned()),
    ];
    let missing = words.into_iter().filter(|(is_said, _)| !is_said).map(|(_, word)| word);
    let missing: Vec<String> = missing.collect();
    if !missing.is_empty() {
        return Err(format!(
            "real money takes three words in three places, and missing are: {}",
            missing.join(", ")
        ));
    }
    if !said.is_open {
        let text = "run.money is live, but only `run --broker alpaca` trades: bars of the past take \
                    simulated money";
        return Err(text.to_owned());
    }
    Ok(MoneyKind::Live)
}

/// Whether an address is one of this money; `url` is the address.
///
/// # Errors
/// When it is not, with what would be.
pub(super) fn agree(money: MoneyKind, venue: Venue, url: &str) -> Result<(), String> {
    match (money, venue) {
        (MoneyKind::Paper, Venue::Paper | Venue::Here) | (MoneyKind::Live, Venue::Live) => Ok(()),
        (MoneyKind::Paper, Venue::Live) => Err(format!(
            "alpaca.trading_url is {url}, where real money is: it takes `run.money = \"live\"` in the \
             configuration, `{LIVE_ENV}={LIVE_WORDS}` in the environment and `--live`; nothing was asked"
        )),
        (MoneyKind::Live, _) => Err(format!(
            "real money was said in all three places, and alpaca.trading_url is {url} ({}): it and \
             alpaca.stream_url must be those of the live account; nothing was asked",
            venue.name()
        )),
        (MoneyKind::Paper, Venue::Data | Venue::Elsewhere) => Err(format!(
            "alpaca.trading_url is {url} ({}): orders go to Alpaca or to this machine; nothing was asked",
            venue.name()
        )),
    }
}

/// On which terms a run is begun or gone on with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// The paper day that speaks for real money; nothing is looked for where none is at stake.
    pub(super) day: Option<PaperDay>,
    /// Why it begins without one.
    pub(super) reason: Option<String>,
}

impl Terms {
    /// Why a run may begin in autonomous mode without an advisory record; `None` where nothing says so.
    pub(super) fn of_mode(&self, money: MoneyKind) -> Option<String> {
        if money == MoneyKind::Paper {
            return Some("started on simulated money".to_owned());
        }
        let day = self.day.as_ref().filter(|day| day.has_acted());
        let on_record = day.map(|it| format!("a paper day is on record: {} ({})", it.day, it.run));
        self.reason.clone().or(on_record)
    }

    /// What the header of a run says of real money: what spoke for it, or that nothing did. Nothing is
    /// said where none is at stake.
    pub(super) fn in_header(&self, money: MoneyKind) -> Option<Value> {
        let Self { day, reason } = self;
        let said = || json!({"kind": money.name(), "paper_day": day, "override_reason": reason});
        (money == MoneyKind::Live).then(said)
    }
}

/// Decides which money it is, and on which terms, before anything is asked of anybody. `dir` is the
/// run's directory where it is named; what `goes_on` keeps its own mode, so that a restart never leaves
/// positions alone.
///
/// # Errors
/// When real money is half said, the directory is of other money, or it may not begin like that.
pub(super) fn settle(
    config: &Config,
    args: &OpenMarketArgs,
    is_open: bool,
    (dir, goes_on): (Option<&Path>, bool),
) -> Result<Terms, CliError> {
    let refused = |text: String| CliError::new(ExitCode::Config, text);
    let environment = std::env::var(LIVE_ENV).ok();
    let said = Said {
        configuration: of(config),
        environment: environment.as_deref(),
        flag: args.live,
        is_open,
    };
    let money = decide(said).map_err(refused)?;
    if let Some(dir) = dir {
        lock::agree(dir, money)
            .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
    }
    if args.paper_day && paper_days::of_user().is_none() {
        let text = "--paper-day has nowhere to be recorded: neither XDG_STATE_HOME nor HOME names a folder";
        return Err(refused(text.to_owned()));
    }
    if money == MoneyKind::Paper {
        return Ok(Terms::default());
    }
    let terms = Terms { day: on_record(), reason: args.override_reason.clone() };
    match begins(&terms, &config.run.mode) {
        Err(text) if !goes_on => Err(CliError::new(ExitCode::Denied, text)),
        Err(text) => {
            tracing::warn!("{text}");
            Ok(terms)
        }
        Ok(warning) => {
            if let Some(warning) = warning {
                tracing::warn!("{warning}");
            }
            Ok(terms)
        }
    }
}

/// The paper day that speaks for real money now, if one does.
pub(crate) fn on_record() -> Option<PaperDay> {
    let path = paper_days::of_user()?;
    let days = paper_days::read(&path).unwrap_or_else(|error| {
        tracing::warn!(%error, path = %path.display(), "the record of paper days cannot be read");
        Vec::new()
    });
    paper_days::newest(&days, now()).cloned()
}

/// Whether real money may begin in a mode; what is to be warned of.
fn begins(terms: &Terms, mode: &str) -> Result<Option<String>, String> {
    let how = "`conclave run --broker alpaca --symbols … --paper-day` makes one";
    let is_autonomous = mode == Mode::Autonomous.name();
    if is_autonomous && terms.of_mode(MoneyKind::Live).is_none() {
        return Err(format!(
            "real money does not begin in autonomous mode: no paper day with orders of the last 30 days \
             is on record; {how}, `--mode supervised` asks you, and --override REASON does without"
        ));
    }
    let warning = format!("no paper day of the last 30 days is on record; {how}");
    Ok(terms.day.is_none().then_some(warning))
}

#[cfg(test)]
mod tests {
    use conclave_domain::time::Time;

    use super::*;

    fn said(live: bool, environment: Option<&'static str>, flag: bool) -> Said<'static> {
        let configuration = if live { MoneyKind::Live } else { MoneyKind::Paper };
        Said { configuration, environment, flag, is_open: true }
    }

    /// All eight ways of saying it: one is real money, two are simulated, the others are refused with
    /// exactly what is missing.
    #[test]
    fn real_money_takes_all_three_words_and_names_those_that_are_missing() {
        const WORDS: [&str; 3] = ["run.money", LIVE_ENV, "--live"];
        for (live, environment, flag) in [false, true].into_iter().flat_map(|live| {
            let words = [None, Some(LIVE_WORDS)].into_iter();
            words.flat_map(move |word| [(live, word, false), (live, word, true)])
        }) {
            let decided = decide(said(live, environment, flag));
            let here = [live, environment.is_some(), flag];
            match here {
                [true, true, true] => assert_eq!(decided, Ok(MoneyKind::Live)),
                [false, _, false] => assert_eq!(decided, Ok(MoneyKind::Paper), "{here:?}"),
                _ => {
                    let text = decided.unwrap_err();
                    for (word, is_said) in WORDS.into_iter().zip(here) {
                        assert_eq!(text.contains(word), !is_said, "{here:?}: {text}");
                    }
                }
            }
        }
        for strange in ["", "yes", "1", "true", "YES-I-MEAN-IT", " yes-i-mean-it"] {
            assert!(decide(said(true, Some(strange), true)).unwrap_err().contains(LIVE_ENV));
        }
        let replay = Said { is_open: false, ..said(true, Some(LIVE_WORDS), true) };
        assert!(decide(replay).unwrap_err().contains("--broker alpaca"));
    }

    #[test]
    fn real_money_runs_below_a_directory_of_its_own() {
        assert_eq!(below(MoneyKind::Paper, "20261120T093000-7"), "20261120T093000-7");
        assert_eq!(below(MoneyKind::Live, "20261120T093000-7"), "live/20261120T093000-7");
    }

    #[test]
    fn an_address_takes_its_own_money_and_nothing_else() {
        use Venue::{Data, Elsewhere, Here, Live, Paper};
        for venue in [Paper, Live, Data, Here, Elsewhere] {
            let paper = agree(MoneyKind::Paper, venue, "the address");
            assert_eq!(paper.is_ok(), matches!(venue, Paper | Here), "{venue:?}");
            let live = agree(MoneyKind::Live, venue, "the address");
            assert_eq!(live.is_ok(), venue == Live, "{venue:?}");
            for text in [paper, live].into_iter().filter_map(Result::err) {
                assert!(
                    text.contains("the address") && text.contains("nothing was asked"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn autonomous_real_money_takes_a_paper_day_with_orders_or_a_reason() {
        let day = |mode| {
            let (day, run) = ("2026-11-20".to_owned(), "r-1".to_owned());
            let mut day = PaperDay::new(day, run, PaperDay::VENUE, mode, Time::from_ms(1));
            day.orders = 3;
            Some(day)
        };
        let reason = || Some("moved from another machine".to_owned());
        for (mode, day, reason, may, warns) in [
            ("advisory", None, None, true, true),
            ("supervised", None, None, true, true),
            ("supervised", day(Mode::Advisory), None, true, false),
            ("autonomous", None, None, false, false),
            ("autonomous", day(Mode::Advisory), None, false, false),
            ("autonomous", day(Mode::Supervised), None, true, false),
            ("autonomous", day(Mode::Autonomous), None, true, false),
            ("autonomous", None, reason(), true, true),
        ] {
            let terms = Terms { day, reason };
            let begun = begins(&terms, mode);
            assert_eq!(begun.is_ok(), may, "{mode} {terms:?}");
            assert_eq!(begun.ok().flatten().is_some(), warns, "{mode} {terms:?}");
        }
        let terms = Terms { day: day(Mode::Supervised), reason: reason() };
        assert_eq!(terms.of_mode(MoneyKind::Live), reason(), "what a person says comes first");
        let terms = Terms { reason: None, ..terms };
        assert!(terms.of_mode(MoneyKind::Live).is_some_and(|text| text.contains("2026-11-20")));
        assert_eq!(Terms::default().of_mode(MoneyKind::Live), None);
        let header = terms.in_header(MoneyKind::Live).unwrap();
        assert_eq!((&header["kind"], &header["paper_day"]["run"]), (&"live".into(), &"r-1".into()));
        let header = Terms::default().in_header(MoneyKind::Live).unwrap();
        assert_eq!(header["paper_day"], Value::Null, "a start without one is on record too");
        assert_eq!(Terms::default().in_header(MoneyKind::Paper), None);
    }
}
