//! Planted agents in whole councils: one knows how every trade ends, one does the opposite of what it
//! knows, one tosses a coin. And what agents are told of themselves, with and without a later bar.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use conclave_actors::runtime::brain::{Ask, Brain, RulesBrain, Thinking, Thought};
use conclave_domain::brief::trading::{TrackRecord, TradingBrief};
use conclave_domain::fixed::Money;
use conclave_domain::order::DecisionId;
use conclave_domain::ratio::Ratio;
use conclave_domain::record::{Line, Stream};
use conclave_domain::role::AgentName;
use conclave_domain::scorecard::{Card, Finding, Outcomes, RunFacts, Without, card, outcomes};
use conclave_domain::time::Time;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;

use super::*;
use crate::adapters::audit_files::lines;
use crate::run::args::RunArgs;
use crate::run::prepare::prepare;
use crate::run::scorecard::{self, facts};

/// Days of a world. In one year, with nine to thirty trades, a card of five agents leaves a third of even
/// these sizers open.
const BARS: usize = 520;
const SIZER: AgentName = "position_sizer";

/// What a planted sizer says of a decision: half as much again, half, or as it is.
type Says = Arc<dyn Fn(&DecisionId) -> f64 + Send + Sync>;

/// A sizer with a mind of its own.
struct Planted(Says);

impl std::fmt::Debug for Planted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Planted")
    }
}

impl Brain<TradingBrief> for Planted {
    fn name(&self) -> &'static str {
        RULES
    }

    fn think(&self, ask: Ask<TradingBrief>) -> Thinking {
        let size = (self.0)(&ask.decision);
        // It moves sizes and no verdict, so that its trades are those of the run without it.
        let raw = json!({
            "reasoning": "planted", "size_multiplier": size, "confidence": 0.9, "vote": "for",
        });
        Box::pin(std::future::ready(Ok(Thought::free(raw))))
    }
}

/// From 0 to 1, by a name: the same number whenever it is asked for.
fn uniform(name: &str) -> f64 {
    let hash = blake3::hash(name.as_bytes());
    let [one, two, three, four, ..] = *hash.as_bytes();
    f64::from(u32::from_be_bytes([one, two, three, four])) / f64::from(u32::MAX)
}

/// A market of three shares whose prices walk at random, so that no strategy has an edge in it.
fn market(dir: &Path, seed: u64, bars: usize) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for (nth, name) in ["AAA", "BBB", "CCC"].iter().enumerate() {
        let mut text = "timestamp,open,high,low,close,volume\n".to_owned();
        let (mut day, mut former) = (jiff::civil::date(2013, 1, 7), 100.0_f64);
        for bar in 0..bars {
            while day.weekday().to_monday_one_offset() > 5 {
                day = day.tomorrow().unwrap();
            }
            let close = former * (1.0 + 0.05 * (uniform(&format!("{seed} {nth} {bar}")) - 0.5));
            let (high, low) = (former.max(close) * 1.002, former.min(close) * 0.998);
            writeln!(text, "{day},{former:.4},{high:.4},{low:.4},{close:.4},1000000").unwrap();
            former = close;
            day = day.tomorrow().unwrap();
        }
        let path = dir.join(format!("{name}.csv"));
        fs::write(&path, text).unwrap();
        files.push(path);
    }
    files
}

/// A run over these bars, ready to be played in a directory of its own.
fn prepared(dir: &Path, files: &[std::path::PathBuf], track: Option<&Path>) -> Prepared {
    // Costs would make every smaller size a gain, and a toss of a coin is to be worth nothing.
    let config = dir.join("c.toml");
    let text = "[costs]\nfee_per_trade = \"0\"\nslippage_bp = 0.0\n";
    fs::write(&config, text).unwrap();
    let track = track.map(Path::to_owned);
    let args = RunArgs { data: files.to_vec(), track, no_http: true, ..RunArgs::default() };
    prepare(&args, Some(&config)).unwrap()
}

fn play(dir: &Path, prepared: &Prepared) -> RunReport {
    fs::create_dir(dir).unwrap();
    prepared.recipe.as_ref().unwrap().write(dir).unwrap();
    let stage = Stage {
        dir,
        prepared: prepared.clone(),
        chunk: prepared.chunk(),
        lift: None,
        with: None,
        acts: Vec::new(),
        expiries: Expiries::new(),
        early: BTreeSet::new(),
        is_cut: false,
        is_quiet: true,
        metrics: metrics(),
    };
    session::play(&stage, Ending::Data, false).unwrap().unwrap()
}

fn metrics() -> PrometheusHandle {
    PrometheusBuilder::new().build_recorder().handle()
}

/// A world by seed, the run in it without the sizer, and how its trades ended.
struct World {
    dir: tempfile::TempDir,
    prepared: Prepared,
    without: Without,
}

impl World {
    fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = market(dir.path(), seed, BARS);
        let prepared = prepared(dir.path(), &files, None);
        let mut muted = prepared.clone();
        muted.agents.remove(SIZER);
        let report = play(&dir.path().join("muted"), &muted);
        let without = Without {
            muted: BTreeSet::from([SIZER]),
            curve: scored::curve(&report),
            outcomes: outcomes(&report.trades).unwrap(),
            frozen: BTreeSet::new(),
        };
        Self { dir, prepared, without }
    }

    /// The run with a planted sizer, as the scorecard sees it.
    fn with(&self, name: &str, says: Says) -> RunFacts {
        let mut prepared = self.prepared.clone();
        prepared.agents.get_mut(SIZER).unwrap().brain = Arc::new(Planted(says));
        let dir = self.dir.path().join(name);
        let report = play(&dir, &prepared);
        let counted = Consulted::read(&log_dir(&dir)).unwrap().unwrap();
        let facts = facts::read(&log_dir(&dir)).unwrap();
        let scored = scored::scored(facts, &counted, None, report, None).unwrap();
        RunFacts { without: vec![self.without.clone()], ..scored.facts }
    }

    fn knowing(&self, better: f64, worse: f64) -> Says {
        let ends: Outcomes = self.without.outcomes.clone();
        Arc::new(move |decision| match ends.get(decision) {
            Some(ended) if ended.won() => better,
            Some(_) => worse,
            None => 1.0,
        })
    }

    fn tossing(seed: u64) -> Says {
        Arc::new(
            move |decision| {
                if uniform(&format!("{seed} {decision}")) < 0.5 { 1.5 } else { 0.5 }
            },
        )
    }
}

fn finding(card: &Card) -> Finding {
    let line = card.lines.iter().find(|line| line.agent == SIZER).unwrap();
    line.worth.as_ref().unwrap().finding
}

/// A card of the whole team, as the command makes it: the sizer is judged by a fifth of the card's error.
/// The others' own repetitions are not played; the sizer's stands for each of them.
fn judged(runs: &[RunFacts]) -> Finding {
    let mut runs = runs.to_vec();
    for run in &mut runs {
        let sizer = run.without[0].clone();
        let others = scorecard::roster().into_iter().filter(|role| role.name != SIZER);
        run.without.extend(
            others.map(|role| Without { muted: BTreeSet::from([role.name]), ..sizer.clone() }),
        );
    }
    let card = card(&scorecard::roster(), &runs, 1).unwrap();
    assert_eq!(card.comparisons, 5);
    finding(&card)
}

/// Goal: through whole councils, logs and repetitions, who helps, who hurts and who tosses a coin are told
/// apart with the right words.
/// Method: 20 seeds of two years of a market without an edge, without costs; the sizer is planted, and
/// judged on a card of the whole team. In the first world the card is made from the run's directory alone,
/// as the command does it.
///
/// K-2: the words are those of the interval.
#[test]
fn planted_sizers_are_told_apart_in_whole_councils_over_twenty_seeds() {
    let (mut wrong, mut misjudged, mut all) = (Vec::new(), 0, BTreeMap::new());
    for seed in 0..20 {
        let world = World::new(seed);
        for (name, says, expected) in [
            ("good", world.knowing(1.5, 0.5), Finding::Helps),
            ("harmful", world.knowing(0.5, 1.5), Finding::Hurts),
            ("coin", World::tossing(seed), Finding::Unclear),
        ] {
            let facts = world.with(name, says);
            if seed == 0 {
                let source = Source::open(&world.dir.path().join(name)).unwrap();
                let scored = source.scored(&metrics()).unwrap();
                assert_eq!((scored.note, &scored.facts.curve), (None, &facts.curve), "{name}");
                let without = source.without(&BTreeSet::from([SIZER]), &metrics()).unwrap();
                assert_eq!(without.curve, world.without.curve, "{name}: muted is not there");
                assert_eq!(without.outcomes, world.without.outcomes, "{name}");
            }
            let found = judged(std::slice::from_ref(&facts));
            if name == "coin" {
                misjudged += u32::from(found != expected);
            } else if found != expected {
                wrong.push((seed, name, facts.outcomes.len(), found));
            }
            all.entry((name, expected)).or_insert_with(Vec::new).push(facts);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(misjudged <= 1, "{misjudged} of 20, where one is what the error promises");
    for ((name, expected), runs) in all {
        assert_eq!(judged(&runs), expected, "{name}, all runs together");
    }
}

/// Goal: what an earlier run's agents did stands in the briefs of the next one, and nothing of it that was
/// not known by then. Method: the same bars twice, the second time with the first run's file of
/// `scorecard --track`, as the command line has it; the log of the first is counted by hand.
///
/// L-1: a run over bars that an earlier one has seen is told of the time before only.
#[test]
fn an_earlier_run_stands_in_the_briefs_of_the_next_cut_at_their_moment() {
    let dir = tempfile::tempdir().unwrap();
    let files = market(dir.path(), 11, 300);
    let first = prepared(dir.path(), &files, None);
    let report = play(&dir.path().join("first"), &first);
    let source = Source::open(&dir.path().join("first")).unwrap();
    let words: Vec<_> = source.scored(&metrics()).unwrap().facts.words().collect();
    assert!(words.iter().filter(|word| word.ended.is_some()).count() > 50);
    let track = dir.path().join("track.json");
    crate::run::track::write(&track, words.clone()).unwrap();

    let heard = Heard::default();
    let mut second = prepared(dir.path(), &files, Some(&track));
    for agent in second.agents.values_mut() {
        agent.brain = Arc::new(Listening(Arc::clone(&heard)));
    }
    let again = play(&dir.path().join("second"), &second);
    assert_eq!(again.trades, report.trades, "rules do not look at their record");
    let heard = heard.lock().unwrap().clone();
    let mut grown = 0;
    for (agent, at, told) in &heard {
        // Twice what was known: once of the earlier run, once of this one, which does the same.
        let before = words.iter().filter(|word| word.agent == *agent && word.at < *at);
        let (asked, agreed) = before.fold((0, 0), |(n, a), it| (n + 1, a + u64::from(it.agreed)));
        assert!(told.consulted >= 2 * asked, "{agent} at {at}: {told:?} of {asked}");
        assert!(told.agreed >= 2 * agreed && told.agreed <= told.consulted, "{agent} at {at}");
        grown += u32::from(asked > 10);
        // This run has asked for the other shares of the same bar, and on appeal, but no more; of
        // positions, which stand in no round, the last of them alone is asked.
        let is_bounded = *agent == "exit_strategist" || told.consulted <= 2 * asked + 6;
        assert!(is_bounded, "{agent} at {at}: {told:?} of {asked} is of later");
    }
    assert!(grown > 50, "{grown}");
    fs::write(&track, "{}").unwrap();
    let error = Source::open(&dir.path().join("second")).unwrap_err();
    assert!(error.to_string().contains("track.json is not the file that the run was begun with"));
}

/// What an agent was told of itself, and when.
type Heard = Arc<Mutex<Vec<(AgentName, Time, TrackRecord)>>>;

/// Rules that note what they are told of themselves.
#[derive(Debug)]
struct Listening(Heard);

impl Brain<TradingBrief> for Listening {
    fn name(&self) -> &'static str {
        RULES
    }

    fn think(&self, ask: Ask<TradingBrief>) -> Thinking {
        let told = (ask.entry.role.name, ask.brief.as_of, ask.brief.track_record);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        RulesBrain.think(ask)
    }
}

/// Goal: the record that stands in a brief is of what was known by then, and it grows.
/// Method: the same run over all bars and over the first half of them; and every rate is held against the
/// trades of the log that were over before the brief.
///
/// L-1: nothing that an agent is told of itself depends on a later bar.
#[test]
fn the_record_in_a_brief_is_cut_at_its_own_moment() {
    let dir = tempfile::tempdir().unwrap();
    let files = market(dir.path(), 7, 400);
    let heard = |name: &str, until: Option<Time>| {
        let heard = Heard::default();
        let mut prepared = prepared(dir.path(), &files, None);
        if let Some(until) = until {
            prepared = prepared.cut(until).unwrap();
        }
        for agent in prepared.agents.values_mut() {
            agent.brain = Arc::new(Listening(Arc::clone(&heard)));
        }
        play(&dir.path().join(name), &prepared);
        let mut heard = heard.lock().unwrap().clone();
        heard.sort_by_key(|(agent, at, told)| (*at, *agent, told.consulted));
        heard
    };
    let until: Time = "2013-10-01T00:00:00Z".parse().unwrap();
    let (whole, half) = (heard("whole", None), heard("half", Some(until)));
    let before: Vec<_> = whole.iter().filter(|(_, at, _)| *at <= until).copied().collect();
    assert!(half.len() > 50 && whole.len() > half.len(), "{} {}", half.len(), whole.len());
    assert_eq!(half, before);

    let mut over: Vec<(Time, bool, BTreeSet<String>)> = Vec::new();
    let mut voters: BTreeMap<DecisionId, BTreeSet<String>> = BTreeMap::new();
    for raw in lines(&log_dir(&dir.path().join("whole")), Stream::Decisions).unwrap() {
        let raw = raw.unwrap();
        let line = Line::read(&raw.text).unwrap();
        let Some(decision) = line.decision.clone() else { continue };
        let body: serde_json::Value = serde_json::from_str(line.body).unwrap();
        if line.step == Step::RoundClosed && body["verdict"] == "act" {
            let seats = body["seats"].as_array().unwrap().iter();
            let voted = seats.filter(|seat| seat["vote"] == "for");
            let names = voted.map(|seat| seat["agent"].as_str().unwrap().to_owned());
            voters.insert(decision, names.collect());
        } else if body["happened"] == "trade_closed" {
            let opened: DecisionId =
                serde_json::from_value(body["trade"]["decision"].clone()).unwrap();
            let pnl: Money = serde_json::from_value(body["trade"]["pnl"].clone()).unwrap();
            let won = pnl > Money::ZERO;
            over.push((line.at, won, voters.get(&opened).cloned().unwrap_or_default()));
        }
    }
    let mut judged = 0;
    for (agent, at, told) in &whole {
        let mine = over.iter().filter(|(ended, _, names)| ended <= at && names.contains(*agent));
        let (settled, won) =
            mine.fold((0_u32, 0_u32), |(n, w), (_, won, _)| (n + 1, w + u32::from(*won)));
        let rate = (settled > 0).then(|| f64::from(won + 5) / f64::from(settled + 10));
        assert_eq!(told.hit_rate.map(Ratio::get), rate, "{agent} at {at}");
        judged += u32::from(rate.is_some());
    }
    assert!(judged > 100, "{judged}");
}
