//! The door of other arenas' books: what is read is bounded, what is not is named, and whatever comes of
//! it every trade has one fate.

use conclave_domain::arena::foreign::merged::Prices;
use conclave_domain::arena::foreign::positions::read_positions;
use conclave_domain::arena::foreign::trades::read_trades;
use conclave_domain::arena::foreign::{Skipped, UNREAD_MAX};
use conclave_domain::arena::ledger::{
    FINDINGS_MAX, ImportedBook, Mode, Replayed, Terms, Verdict, replay, round_trips,
};
use conclave_domain::arena::market::{MarketKind, MarketRules};
use conclave_domain::fixed::Bp;

use super::REFUSAL_MAX;

/// V-1: every trade of a book from elsewhere has one fate.
pub(crate) fn arena(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut prices = Prices::default();
    prices.add("theirs", text);
    listed(&prices.skipped[0].1);
    prices.add("ours", include_str!("../fixtures/arena/merged.jsonl"));
    let book = read_positions(text);
    listed(&book.skipped);
    let trades = read_trades(text);
    if let Err(why) = &trades {
        assert!(why.len() < REFUSAL_MAX, "{}", why.len());
    }
    for mode in [Mode::Strict, Mode::Lenient] {
        let terms = Terms { mode, fee: Bp::whole(3) };
        for kind in MarketKind::ALL {
            let rules = MarketRules::foreign(kind, terms.fee);
            match replay(&book, &prices, &rules, &terms) {
                Ok(replayed) => {
                    judged(&replayed);
                    let _ = ImportedBook::marked("book".to_owned(), Vec::new(), replayed, &prices);
                }
                Err(fault) => assert!(fault.to_string().len() < REFUSAL_MAX),
            }
        }
        let Ok(trades) = &trades else { continue };
        listed(&trades.skipped);
        let start = MarketKind::Crypto.start_cash();
        for known in [None, Some(&prices)] {
            for replayed in round_trips(trades, known, MarketKind::Crypto, &terms, start) {
                judged(&replayed);
                let _ = ImportedBook::realised("book".to_owned(), Vec::new(), replayed);
            }
        }
    }
}

fn listed(skipped: &Skipped) {
    assert!(skipped.listed.len() <= UNREAD_MAX && skipped.listed.len() <= skipped.total);
    assert!(skipped.listed.iter().all(|place| place.why.len() < 1_000 && place.line > 0));
}

fn judged(replayed: &Replayed) {
    let verdict: &Verdict = &replayed.verdict;
    let fates = verdict.reconciled + verdict.orphaned + verdict.unreconciled;
    assert_eq!(verdict.trades, fates, "{verdict:?}");
    assert!(verdict.refused.values().sum::<usize>() <= verdict.trades);
    assert!(verdict.findings.len() <= FINDINGS_MAX.min(verdict.findings_total));
    assert!(!verdict.holds || fates == verdict.reconciled);
}
