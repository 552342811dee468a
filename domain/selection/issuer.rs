//! Who issued a symbol, out of its name: two classes of one company's shares are twins.

/// Words from which on a name tells of the paper, not of who issued it.
const PAPER: [&str; 19] = [
    "class",
    "cl",
    "series",
    "common",
    "capital",
    "ordinary",
    "preferred",
    "depositary",
    "adr",
    "ads",
    "american",
    "registry",
    "new",
    "shares",
    "stock",
    "units",
    "unit",
    "warrant",
    "warrants",
];
/// Words that say what kind of company it is; they are written in many ways.
const FORM: [&str; 14] = [
    "inc",
    "incorporated",
    "corp",
    "corporation",
    "co",
    "company",
    "ltd",
    "limited",
    "plc",
    "sa",
    "nv",
    "ag",
    "se",
    "the",
];

/// The issuer in a form that is equal for all papers of one: lower case, without punctuation, form of
/// company and kind of paper. A name of nothing but such words stays whole.
pub fn issuer(name: &str) -> String {
    let cleaned: String = name
        .chars()
        .filter(|c| *c != '.' && *c != '\'')
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .flat_map(char::to_lowercase)
        .collect();
    let words: Vec<&str> = cleaned.split_whitespace().collect();
    let papers = |(at, word): (usize, &&str)| at > 0 && PAPER.contains(word);
    let end = words.iter().enumerate().position(papers).unwrap_or(words.len());
    let kept: Vec<&str> =
        words[..end].iter().filter(|word| !FORM.contains(word)).copied().collect();
    if kept.is_empty() { words.join(" ") } else { kept.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn papers_of_one_issuer_are_twins_and_others_are_not() {
        for (one, other) in [
            ("Alphabet Inc. Class A Common Stock", "Alphabet Inc. Class C Capital Stock"),
            ("Berkshire Hathaway Inc. Class B", "BERKSHIRE HATHAWAY INC Class A"),
            ("Microsoft Corp.", "Microsoft Corporation Common Stock"),
            ("The Coca-Cola Company", "Coca-Cola Co"),
            ("News Corporation - Class A", "News Corp. Class B"),
            ("Fox Corp. Cl. B", "Fox Corporation"),
        ] {
            assert_eq!(issuer(one), issuer(other), "{one} and {other}");
        }
        for (one, other) in [
            ("American Airlines Group Inc.", "American Express Company"),
            ("Common Fund Inc", "Capital Fund Inc"),
            ("Class Co", "Series Co"),
            ("Synthetic technology 1", "Synthetic technology 2"),
            ("Bitcoin / US Dollar", "Ethereum / US Dollar"),
            ("Co.", "Inc."),
        ] {
            assert_ne!(issuer(one), issuer(other), "{one} and {other}");
        }
    }

    #[test]
    fn any_text_has_an_issuer() {
        assert_eq!(issuer(""), "");
        assert_eq!(issuer("Inc."), "inc");
        assert_eq!(issuer("  ÄPFEL  &  Birnen AG "), "äpfel birnen");
    }
}
