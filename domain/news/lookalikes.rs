//! Letters of other alphabets that look like Latin ones, and digits that stand for letters.
//!
//! Not the whole of Unicode's table: what a reader of English would take for an English letter. A text
//! is folded only to be looked at; what is read is the text as it was.

use crate::market::symbol::Symbol;

/// Lookalikes, each row the Latin letter and what looks like it.
const ROWS: &[(char, &str)] = &[
    ('a', "аαɑӓάạ"),
    ('b', "ьƅЬ"),
    ('c', "сϲⅽ"),
    ('d', "ԁɗ"),
    ('e', "еєҽёέ"),
    ('g', "ɡց"),
    ('h', "һհ"),
    ('i', "іıιїί"),
    ('j', "јϳ"),
    ('k', "кκ"),
    ('l', "ӏⅼ"),
    ('m', "м"),
    ('n', "ոп"),
    ('o', "оοօόö"),
    ('p', "рρ"),
    ('q', "ԛգ"),
    ('r', "гᴦ"),
    ('s', "ѕ"),
    ('t', "тτ"),
    ('u', "υսц"),
    ('v', "νѵ"),
    ('w', "ԝωա"),
    ('x', "хχ"),
    ('y', "уүγ"),
    ('z', "ᴢ"),
    ('A', "АΑ"),
    ('B', "ВΒ"),
    ('C', "СϹ"),
    ('E', "ЕΕ"),
    ('G', "Ԍ"),
    ('H', "НΗ"),
    ('I', "ІΙӀ"),
    ('J', "Ј"),
    ('K', "КΚ"),
    ('M', "МΜ"),
    ('N', "Ν"),
    ('O', "ОΟ"),
    ('P', "РΡ"),
    ('S', "Ѕ"),
    ('T', "ТΤ"),
    ('X', "ХΧ"),
    ('Y', "УΥҮ"),
    ('Z', "Ζ"),
];

/// Digits and marks that stand for letters in words made to slip past a filter.
const LEET: &[(char, char)] = &[
    ('0', 'o'),
    ('1', 'i'),
    ('3', 'e'),
    ('4', 'a'),
    ('5', 's'),
    ('7', 't'),
    ('@', 'a'),
    ('$', 's'),
];

/// The Latin letter that a character looks like; the character itself when there is none.
pub fn fold(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    ROWS.iter().find(|(_, looks)| looks.contains(c)).map_or(c, |(latin, _)| *latin)
}

/// A word with its lookalikes, and the digits between its letters, as letters, in lower case.
pub fn plain_word(word: &str) -> String {
    let has_letter = word.chars().any(char::is_alphabetic);
    let plain = |c: char| {
        let c = fold(c).to_ascii_lowercase();
        let letter = LEET.iter().find(|(digit, _)| *digit == c).map(|(_, letter)| *letter);
        if has_letter { letter.unwrap_or(c) } else { c }
    };
    word.chars().map(plain).collect()
}

/// Whether a word mixes Latin letters with lookalikes, or passes for one of the tickers without being
/// it: no honest text does either.
pub fn is_disguised(word: &str, tickers: &[Symbol]) -> bool {
    let is_fake = |c: char| !c.is_ascii() && fold(c) != c;
    if !word.chars().any(is_fake) {
        return false;
    }
    if word.chars().any(|c| c.is_ascii_alphabetic()) {
        // A word with an umlaut or an accent is a word; one with half another alphabet is none.
        return word.chars().any(|c| is_fake(c) && !is_latin(c));
    }
    let folded: String = word.chars().map(fold).collect();
    tickers.iter().any(|ticker| ticker.as_str() == folded.to_uppercase())
}

/// Whether a character is of the Latin alphabet, accents included.
const fn is_latin(c: char) -> bool {
    matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_lookalike_stands_in_two_rows_or_is_ascii() {
        let all: Vec<char> = ROWS.iter().flat_map(|(_, looks)| looks.chars()).collect();
        let mut once = all.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), all.len());
        assert!(all.iter().all(|c| !c.is_ascii()));
    }

    #[test]
    fn a_disguised_word_is_found_and_an_honest_foreign_one_is_not() {
        let tickers = [Symbol::new("AAPL").unwrap(), Symbol::new("COP").unwrap()];
        for (word, expected) in [
            ("AAPL", false),
            ("\u{410}APL", true),             // a Cyrillic A
            ("\u{421}\u{41e}\u{420}", true),  // COP, all of it Cyrillic
            ("\u{441}\u{43e}\u{43f}", false), // a Cyrillic word that is no ticker
            ("ign\u{43e}re", true),
            ("Z\u{f6}llner", false),
            ("caf\u{e9}", false),
            ("\u{41c}\u{43e}\u{441}\u{43a}\u{432}\u{430}", false),
        ] {
            assert_eq!(is_disguised(word, &tickers), expected, "{word}");
        }
    }

    #[test]
    fn a_folded_word_reads_as_it_looks() {
        assert_eq!(plain_word("1gn0r\u{435}"), "ignore");
        assert_eq!(plain_word("2013"), "2013", "a number stays a number");
        assert_eq!(plain_word("IGNORE"), "ignore");
    }
}
