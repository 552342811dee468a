//! Tests of the report: what it shows of a list, and that hostile texts stay texts.

use conclave_domain::brief::selection::Constraints;
use conclave_domain::market::synth::labelled::{Nature, labelled};
use conclave_domain::selection::score::default_weights;

use super::*;
use crate::run::select::{Listed, Universe, rank};

/// The report of a list of up to four out of so many.
fn report(symbols: usize) -> SelectionReport {
    listed(symbols, 4)
}

fn listed(symbols: usize, count: usize) -> SelectionReport {
    let mut universe = Universe::default();
    for index in 0..symbols {
        let (mut asset, series) =
            labelled(Nature::Reverting { half_life: 10.0 }, 700, 1, index).unwrap();
        if index == 0 {
            "<script>alert(1)</script>".clone_into(&mut asset.sector);
        }
        universe.listed.push(Listed { asset, series });
    }
    let as_of = universe.end().unwrap();
    let scored = rank(&universe, as_of, &Constraints::default(), default_weights(), 1).unwrap();
    let diverse = scored.diverse(count);
    let selected = scored.selected(diverse.list.clone()).unwrap();
    SelectionReport::of(&scored, &diverse, selected, count, None)
}

/// Goal: a long list has a map that can be read, and says of how many it is.
#[test]
fn the_map_of_a_long_list_shows_the_first_thirty_and_says_so() {
    let report = listed(36, 35);
    assert_eq!(report.selected.symbols().len(), 35);
    let map = heat::map(&report).unwrap().unwrap();
    assert_eq!(map.matches("<rect").count(), 30 * 29 / 2);
    assert!(!map.contains('?'), "every pair of the list is known, in either order");
    let html = page::html(&report).unwrap();
    assert!(html.contains("The first 30 of 35 symbols; selection.json has every pair."));
}

#[test]
fn the_page_shows_list_map_and_reasons_and_escapes_every_text() {
    let report = report(8);
    assert_eq!(report.selected.symbols().len(), 4);
    let html = page::html(&report).unwrap();
    assert!(!html.contains("<script>"), "a text of the table became markup");
    for symbol in report.selected.symbols() {
        assert!(html.contains(&format!("<b>{symbol}</b>")), "{symbol}");
    }
    assert!(html.contains("the list of 4 was full"));
    let map = heat::map(&report).unwrap().unwrap();
    // One cell for each pair of the eight.
    assert_eq!(map.matches("<rect").count(), 28, "{map}");
}

#[test]
fn a_pair_that_nobody_measured_is_shown_as_unknown_and_one_symbol_has_no_map() {
    let mut report = report(8);
    report.correlations.clear();
    assert_eq!(heat::map(&report).unwrap().unwrap().matches('?').count(), 28);
    assert_eq!(heat::map(&self::report(1)).unwrap(), None);
}
