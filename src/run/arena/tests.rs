//! Two processes that go on with one season.

use conclave_domain::market::symbol::Symbol;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::adapters::audit_files;
use crate::config::arena::ModelChoice;
use crate::run::select::{Source, Synthetic};

fn season() -> Prepared {
    let market = Synthetic { symbols: 2, coins: 0, bars: 300, seed: 1, labelled: false };
    let texts = Texts { news: None, statements: None, traps: false };
    let span = Span { from: None, until: None, last: 3 };
    let symbols: [Symbol; 0] = [];
    let spec = (None, &ModelChoice::default());
    prepare((&Source::Synthetic(market), "synthetic".to_owned()), &texts, &symbols, span, spec)
        .unwrap()
}

fn records(dir: &Path) -> Vec<String> {
    let mut seen = Vec::new();
    audit_files::replay(dir, 0, |line| seen.push(line.body.to_owned())).unwrap();
    seen
}

/// Goal: a season that another process has gone on with since its log was read is left as it is: what was
/// read says nothing any more, and its ticks would be played twice. Method: both read before either plays.
#[test]
fn a_season_that_another_process_went_on_with_in_between_is_left_alone() {
    let (dir, config) = (tempfile::tempdir().unwrap(), Config::default());
    let dir = dir.path().join("season");
    let prepared = season();
    let read = || ready(&prepared, &config, Notify::default(), Some(&dir)).unwrap();
    let place = Place {
        dir: dir.clone(),
        resume: true,
        record: Record::Directory,
        notify: Notify::default(),
        metrics: PrometheusBuilder::new().build_recorder().handle(),
    };
    let (first, second) = (read(), read());
    let board = play(&config, &Place { resume: false, ..place.clone() }, first).unwrap().board;
    let written = records(&dir);
    assert!(written.len() > 3, "{written:?}");
    let refused = play(&config, &place, second).unwrap_err();
    assert_eq!(refused.code, ExitCode::Data, "{refused}");
    assert!(refused.to_string().contains("another process"), "{refused}");
    assert_eq!(records(&dir), written, "something was written");
    // Whoever reads it now is told the same board.
    assert_eq!(play(&config, &place, read()).unwrap().board, board);
    assert_eq!(records(&dir), written);
}
