//! Who issued a symbol, out of its name: two classes of one company's shares are twins.

/// Words that tell of a paper, never of who issued it.
const PAPER: [&str; 13] = [
    "class",
    "cl",
    "series",
    "ordinary",
    "preferred",
    "depositary",
    "adr",
    "ads",
    "shares",
    "stock",
    "units",
    "warrant",
    "warrants",
];
/// Words that tell of a paper before one of [`PAPER`] or behind the form of a company, and are a part of
/// a company's name everywhere else.
const EITHER: [&str; 6] = ["american", "capital", "common", "new", "registry", "unit"];
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
    let end = (1..words.len()).find(|at| is_paper(&words, *at)).unwrap_or(words.len());
    let kept: Vec<&str> =
        words[..end].iter().filter(|word| !FORM.contains(word)).copied().collect();
    if kept.is_empty() { words.join(" ") } else { kept.join(" ") }
}

/// Whether what stands from here on tells of the paper: behind the form of a company at its first word for
/// one, elsewhere only where all of it does.
fn is_paper(words: &[&str], at: usize) -> bool {
    let (before, rest) = (words[at - 1], &words[at..]);
    let is_either = |word: &str| EITHER.contains(&word);
    if FORM.contains(&before) && before != "the" && (PAPER.contains(&rest[0]) || is_either(rest[0]))
    {
        return true;
    }
    // `A`, `B` and the like stand behind `class` and `series`.
    let is_of_it =
        |word: &&str| PAPER.contains(word) || is_either(word) || word.chars().count() == 1;
    let is_first = |word: &&str| PAPER.contains(word);
    let begins = is_first(&rest[0]) || (is_either(rest[0]) && rest.get(1).is_some_and(is_first));
    begins && rest.iter().all(is_of_it)
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
            ("Acme Trust Units", "Acme Trust Common Stock"),
            (
                "Alibaba Group Holding Limited American Depositary Shares each eight",
                "Alibaba Group Holding Ltd",
            ),
            ("Under Armour Class A", "Under Armour Inc. New Class C Common Stock"),
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
            ("First Capital Inc", "First American Financial Corp"),
            ("First Capital", "First American"),
            ("First New York Corp", "First Common Trust"),
            ("Apex Series Fund Inc", "Apex Class Fund Inc"),
            ("Great American Bancorp Inc. Common Stock", "Great Capital Bancorp Inc. Common Stock"),
            ("The American Company", "The New Company"),
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
