//! The four agents on what the pipeline makes: a selection that is sound passes all of them, and what a
//! later step breaks is seen by whoever it concerns.

use conclave_domain::brief::selection::{Constraints, SelectionBrief, SelectionStep};
use conclave_domain::brief::trading::TrackRecord;
use conclave_domain::limits::Limits;
use conclave_domain::market::synth::labelled::{Nature, labelled};
use conclave_domain::selection::Scored;
use conclave_domain::selection::score::default_weights;
use conclave_domain::time::Time;

use super::compatibility_auditor::CompatibilityAuditor;
use super::portfolio_coherence::PortfolioCoherence;
use super::symbol_scorer::SymbolScorer;
use super::weight_optimizer::WeightOptimizer;
use crate::runtime::agent::Agent;
use crate::runtime::answer::Ballot;

/// Twelve shares of two natures, and the first of them once more under another name.
fn scored() -> Scored {
    let nature = |index: usize| match index % 2 {
        0 => Nature::Reverting { half_life: 12.0 },
        _ => Nature::Fractional { hurst: 0.3 },
    };
    let mut listed: Vec<_> =
        (0..12).map(|index| labelled(nature(index), 800, 5, index).unwrap()).collect();
    let (mut twin, mut bars) = listed[0].clone();
    twin.symbol = "TWIN".parse().unwrap();
    bars.symbol = twin.symbol.clone();
    listed.push((twin, bars));
    let last = listed.iter().filter_map(|(_, series)| series.bars.last());
    let as_of: Time = last.map(|bar| bar.close_time).max().unwrap();
    Scored::of(&listed, as_of, &Constraints::default(), default_weights()).unwrap()
}

/// How the four vote by their rules, in the order of the team.
fn votes(brief: &SelectionBrief) -> [Ballot; 4] {
    let limits = Limits::default();
    [
        SymbolScorer::rules(brief, &limits).vote,
        WeightOptimizer::rules(brief, &limits).vote,
        CompatibilityAuditor::rules(brief, &limits).vote,
        PortfolioCoherence::rules(brief, &limits).vote,
    ]
}

#[test]
fn a_sound_selection_of_the_pipeline_passes_all_four() {
    let scored = scored();
    let record = TrackRecord::default();
    for count in [1, 2, 3, 6] {
        let diverse = scored.diverse(count);
        assert_eq!(diverse.list.len(), count);
        scored.selected(diverse.list.clone()).unwrap();
        for step in [SelectionStep::Check, SelectionStep::Vote] {
            let brief = scored.brief(step, &diverse, &diverse.list, record);
            assert_eq!(votes(&brief), [Ballot::For; 4], "{count} at {step:?}");
        }
    }
}

/// U-1: what a later step brings in is seen by the agents, and refused by the last look.
#[test]
fn a_twin_that_a_later_step_brings_in_is_seen_and_refused() {
    let scored = scored();
    let diverse = scored.diverse(6);
    let ranked = scored.ranked();
    let is_twin = |symbol: &str| symbol == "TWIN" || symbol == "TECT0";
    let both: Vec<_> = ranked.iter().filter(|known| is_twin(known.symbol.as_str())).collect();
    assert_eq!(both.len(), 2);
    let mut list = diverse.list.clone();
    list.retain(|symbol| !is_twin(symbol.as_str()));
    list.truncate(4);
    list.extend(both.iter().map(|known| known.symbol.clone()));
    scored.selected(list.clone()).unwrap_err();
    let brief = scored.brief(SelectionStep::Vote, &diverse, &list, TrackRecord::default());
    let [_, _, auditor, coherence] = votes(&brief);
    assert_eq!([auditor, coherence], [Ballot::Against; 2]);
}
