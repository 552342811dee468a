//! The reader without a model: a small dictionary, and the structure of the text.
//!
//! It knows the words that headlines use and nothing of what they mean together, so it says little:
//! its relevance is highest only for what is about one symbol and more than its price.

use super::door::{Item, Source};
use super::lookalikes::plain_word;
use super::reading::{EventKind, Reading, Relevance, Sentiment};

/// Words of good news with their weight.
const GOOD: &[(&str, i64)] = &[
    ("rises", 1),
    ("rise", 1),
    ("rose", 1),
    ("gains", 1),
    ("gain", 1),
    ("gained", 1),
    ("climbs", 1),
    ("jumps", 1),
    ("jumped", 1),
    ("surges", 2),
    ("surge", 2),
    ("soars", 2),
    ("soared", 2),
    ("rally", 1),
    ("rallies", 1),
    ("beats", 2),
    ("beat", 2),
    ("tops", 1),
    ("exceeds", 1),
    ("exceeded", 1),
    ("upgrade", 2),
    ("upgrades", 2),
    ("upgraded", 2),
    ("outperform", 2),
    ("record", 1),
    ("strong", 1),
    ("stronger", 1),
    ("strength", 1),
    ("growth", 1),
    ("grows", 1),
    ("profit", 1),
    ("profitable", 1),
    ("better", 1),
    ("raises", 1),
    ("raised", 1),
    ("approval", 1),
    ("wins", 1),
    ("won", 1),
    ("award", 1),
    ("awarded", 1),
    ("buyback", 1),
    ("expands", 1),
    ("partnership", 1),
    ("recovers", 1),
    ("recovery", 1),
    ("breakthrough", 2),
    ("boosts", 1),
];

/// Words of bad news with their weight.
const BAD: &[(&str, i64)] = &[
    ("falls", 1),
    ("fall", 1),
    ("fell", 1),
    ("drops", 1),
    ("drop", 1),
    ("dropped", 1),
    ("declines", 1),
    ("decline", 1),
    ("slips", 1),
    ("sinks", 1),
    ("slides", 1),
    ("plunges", 2),
    ("plunge", 2),
    ("plunged", 2),
    ("tumbles", 2),
    ("crash", 2),
    ("crashes", 2),
    ("slump", 2),
    ("slumps", 2),
    ("misses", 2),
    ("missed", 2),
    ("miss", 2),
    ("downgrade", 2),
    ("downgrades", 2),
    ("downgraded", 2),
    ("underperform", 2),
    ("weak", 1),
    ("weaker", 1),
    ("weakness", 1),
    ("loss", 1),
    ("losses", 1),
    ("loses", 1),
    ("lawsuit", 1),
    ("sued", 1),
    ("sues", 1),
    ("probe", 1),
    ("investigation", 1),
    ("fraud", 2),
    ("bankruptcy", 2),
    ("default", 2),
    ("recall", 1),
    ("recalls", 1),
    ("cuts", 1),
    ("cut", 1),
    ("layoffs", 1),
    ("warns", 2),
    ("warning", 1),
    ("softer", 1),
    ("halted", 1),
    ("halts", 1),
    ("delays", 1),
    ("delay", 1),
    ("delayed", 1),
    ("resigns", 1),
    ("breach", 1),
    ("fined", 1),
    ("tired", 1),
    ("worse", 1),
    ("disappoints", 1),
    ("shortfall", 2),
    ("restates", 2),
    ("delisted", 2),
];

/// What turns the word after it round.
const NOT: &[&str] =
    &["not", "no", "never", "without", "fails", "failed", "isnt", "wont", "denies"];

/// The kinds of events by their words, the weightiest kind first.
const EVENTS: &[(EventKind, &[&str])] = &[
    (
        EventKind::Merger,
        &[
            "merger",
            "merges",
            "takeover",
            "acquires",
            "acquire",
            "acquisition",
            "buyout",
            "bid",
            "spinoff",
            "divests",
        ],
    ),
    (
        EventKind::Legal,
        &[
            "lawsuit",
            "sued",
            "sues",
            "probe",
            "investigation",
            "fraud",
            "court",
            "settles",
            "settlement",
            "fined",
            "regulator",
            "regulators",
            "antitrust",
            "breach",
        ],
    ),
    (EventKind::Guidance, &["guidance", "outlook", "forecast", "forecasts", "warns", "expects"]),
    (
        EventKind::Earnings,
        &[
            "earnings",
            "quarter",
            "quarterly",
            "results",
            "profit",
            "revenue",
            "eps",
            "sales",
            "beats",
            "misses",
        ],
    ),
    (
        EventKind::Management,
        &["ceo", "cfo", "chairman", "resigns", "appoints", "successor", "board"],
    ),
    (EventKind::Capital, &["dividend", "buyback", "offering", "bond", "debt", "split", "issuance"]),
    (
        EventKind::Product,
        &[
            "launch", "launches", "unveils", "recall", "recalls", "product", "approval",
            "contract", "patent", "orders",
        ],
    ),
    (
        EventKind::Analyst,
        &[
            "analyst",
            "analysts",
            "upgrade",
            "upgrades",
            "downgrade",
            "downgrades",
            "rating",
            "target",
            "outperform",
            "underperform",
        ],
    ),
    (
        EventKind::Macro,
        &[
            "fed",
            "ecb",
            "inflation",
            "rates",
            "gdp",
            "tariffs",
            "unemployment",
            "economy",
            "recession",
        ],
    ),
    (
        EventKind::Price,
        &[
            "shares", "stock", "rises", "falls", "rose", "fell", "closed", "rally", "dealers",
            "looks",
        ],
    ),
];

/// Points from which news are very good or very bad.
const VERY: i64 = 4;

/// The tone of a text by its words.
pub fn tone(headline: &str, body: &str) -> Sentiment {
    tone_of(&words(headline), &words(body))
}

fn tone_of(headline: &[String], body: &[String]) -> Sentiment {
    // What the headline says counts twice.
    match 2 * points(headline) + points(body) {
        points if points >= VERY => Sentiment::VeryGood,
        points if points >= 1 => Sentiment::Good,
        points if points <= -VERY => Sentiment::VeryBad,
        points if points <= -1 => Sentiment::Bad,
        _ => Sentiment::Neutral,
    }
}

/// Reads an item by its words.
pub fn read(item: &Item) -> Reading {
    let (headline, body) = (words(item.headline()), words(item.body()));
    let sentiment = tone_of(&headline, &body);
    let event = event(&headline).or_else(|| event(&body)).unwrap_or(EventKind::Other);
    let is_weighty = !matches!(event, EventKind::Price | EventKind::Macro | EventKind::Other);
    let is_alone = item.symbols().len() == 1;
    let relevance =
        1 + i64::from(is_alone) + i64::from(is_weighty) - i64::from(item.source() == Source::Post);
    Reading {
        sentiment,
        relevance: Relevance::of(relevance),
        event,
        injection_suspected: item.signs().is_any(),
    }
}

fn words(text: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '\'';
    let words = text.split(|c| !is_word(c)).filter(|word| !word.is_empty());
    words.map(|word| plain_word(word).replace('\'', "")).collect()
}

/// Good words less bad ones; a word after a negation counts the other way.
fn points(words: &[String]) -> i64 {
    let weight = |table: &[(&str, i64)], word: &str| {
        table.iter().find(|(known, _)| *known == word).map_or(0, |(_, weight)| *weight)
    };
    let mut sum = 0;
    for (at, word) in words.iter().enumerate() {
        let points = weight(GOOD, word) - weight(BAD, word);
        let before = words.get(at.saturating_sub(2)..at).unwrap_or_default();
        let is_turned = before.iter().any(|word| NOT.contains(&word.as_str()));
        sum += if is_turned { -points } else { points };
    }
    sum
}

fn event(words: &[String]) -> Option<EventKind> {
    let named = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    EVENTS.iter().find(|(_, known)| named(known)).map(|(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use super::super::door::tests::item;
    use super::*;

    #[track_caller]
    fn check(headline: &str, body: &str, expected: (i8, EventKind, u8)) {
        let reading = read(&item(headline, body, &["AAPL"]));
        let found = (reading.sentiment.number(), reading.event, reading.relevance.number());
        assert_eq!(found, expected, "{headline}");
        assert!(!reading.injection_suspected, "{headline}");
    }

    #[test]
    fn headlines_are_read_by_their_words() {
        check("Example Corp beats forecasts", "Revenue rose.", (2, EventKind::Guidance, 3));
        check("Example Corp falls 2.0 %", "", (-1, EventKind::Price, 2));
        check("Example Corp does not miss its target", "", (2, EventKind::Analyst, 3));
        check("Example Corp: quarterly report", "Demand in line.", (0, EventKind::Earnings, 3));
        check("Court fines nobody", "", (0, EventKind::Legal, 3));
        check("Nothing to see", "", (0, EventKind::Other, 2));
        check("Shares plunge after fraud probe", "", (-2, EventKind::Legal, 3));
    }

    #[test]
    fn what_names_many_symbols_or_is_a_post_matters_less() {
        let many = item("Shares rise", "", &["AAPL", "IBM"]);
        assert_eq!(read(&many).relevance, Relevance::Low);
        let post = item("AAPL looks strong", "", &["AAPL"]).from(Source::Post);
        assert_eq!(read(&post).relevance, Relevance::Low);
    }

    #[test]
    fn no_word_is_good_and_bad() {
        for (word, _) in GOOD {
            assert!(!BAD.iter().any(|(bad, _)| bad == word), "{word}");
        }
    }
}
