//! The price table: the rows that ship with the binary, and those of a file of one's own.

use std::io::Read as _;
use std::path::Path;

use conclave_domain::llm::price::PriceError;
use conclave_domain::llm::{PriceFile, PriceTable};

/// The rows that ship with the binary.
pub const PRICES_TOML: &str = include_str!("../../config/prices.toml");

/// The largest file that is read, bytes: a row takes about a hundred.
const FILE_MAX: u64 = 1 << 20;

/// Why there is no price table.
#[derive(Debug, thiserror::Error)]
#[error("the price table {place} cannot be used")]
pub struct PricesError {
    /// Which: a path, or `in the binary`.
    place: String,
    #[source]
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("it cannot be read")]
    Unreadable(#[from] std::io::Error),
    #[error("it is larger than {FILE_MAX} bytes")]
    TooLarge,
    #[error("it is not of the form of config/prices.toml")]
    Form(#[from] toml::de::Error),
    #[error(transparent)]
    Rows(#[from] PriceError),
}

/// The prices that ship with the binary, with the rows of a file in the place of its own where one is
/// named.
///
/// # Errors
/// When the file cannot be read, or holds no price table.
pub fn table(file: Option<&Path>) -> Result<PriceTable, PricesError> {
    let shipped = parsed(PRICES_TOML)
        .map_err(|why| PricesError { place: "in the binary".to_owned(), why })?;
    let Some(path) = file else { return Ok(shipped) };
    let own = read(path).map_err(|why| PricesError { place: path.display().to_string(), why })?;
    Ok(shipped.with(own))
}

fn read(path: &Path) -> Result<PriceTable, Why> {
    let mut text = String::new();
    let bytes = std::fs::File::open(path)?.take(FILE_MAX + 1).read_to_string(&mut text)?;
    if bytes as u64 > FILE_MAX { Err(Why::TooLarge) } else { parsed(&text) }
}

fn parsed(text: &str) -> Result<PriceTable, Why> {
    let file: PriceFile = toml::from_str(text)?;
    Ok(PriceTable::of(file)?)
}

#[cfg(test)]
mod tests {
    use conclave_domain::fixed::Money;
    use conclave_domain::llm::Usage;

    use super::*;

    /// Tokens: plain input, read from a cache, written for five minutes, for an hour, output.
    type Tokens = [u64; 5];

    const M: u64 = 1_000_000;

    /// What each model costs for a million tokens of each kind, and for calls of usual sizes, worked out
    /// by hand from INTEGRATIONS A1 and A2.
    const GOLDEN: &[(&str, Tokens, &str)] = &[
        ("claude-opus-5-5", [M, 0, 0, 0, 0], "4"),
        ("claude-opus-5-5", [0, M, 0, 0, 0], "0.2"),
        ("claude-opus-5-5", [0, 0, M, 0, 0], "5"),
        ("claude-opus-5-5", [0, 0, 0, M, 0], "8"),
        ("claude-opus-5-5", [0, 0, 0, 0, M], "20"),
        ("claude-opus-5-5", [1_234, 5_678, 0, 900, 321], "0.0196916"),
        ("claude-sonnet-5-5", [M, M, M, M, M], "18.6"),
        ("claude-sonnet-5-5", [2_500, 0, 0, 0, 400], "0.009"),
        ("claude-haiku-5-5", [100_000, 0, 0, 0, M], "0.51"),
        ("claude-haiku-5-5", [50_000, 50_000, 0, 0, 0], "0.0055"),
        ("claude-haiku-5-5", [0, 0, 100_000, 0, 0], "0.0125"),
        ("claude-haiku-5-5", [0, 0, 0, 100_000, 0], "0.02"),
        ("claude-haiku-5-5", [100_001, 0, 0, 0, M], "2.5500005"),
        ("claude-haiku-5-5", [M, M, M, 0, M], "3.675"),
        ("claude-haiku-5-5", [0, 0, 0, M, 0], "1"),
        ("claude-haiku-5-5", [1, 0, 0, 0, 1], "0.0000006"),
        ("claude-fable-5-2", [M, M, M, 0, M], "58.2"),
        ("claude-fable-5-1", [M, M, M, 0, M], "72.75"),
        ("claude-opus-4-8", [M, M, M, M, M], "46.75"),
        ("claude-sonnet-4-6", [M, M, M, 0, M], "22.05"),
        ("claude-haiku-4-5", [M, M, M, 0, M], "7.35"),
        ("anthropic/claude-sonnet-5.5", [M, 0, 0, 0, M], "12"),
        ("openai/gpt-6.1-terra", [200_000, 72_000, 0, 0, 100_000], "0.7036"),
        ("openai/gpt-6.1-terra", [M, 0, 0, 0, M], "7"),
        ("openai/gpt-6.1-sol", [100_000, 0, 0, 0, 100_000], "1.2"),
        ("openai/gpt-6-luna", [100_000, 0, 0, 0, M], "0.51"),
        ("openai/gpt-5", [M, 0, 0, 0, M], "11.25"),
        ("google/gemini-2.5-pro", [200_000, 0, 0, 0, 100_000], "1.25"),
        ("google/gemini-2.5-pro", [200_001, 0, 0, 0, 100_000], "2.0000025"),
        ("google/gemini-3.8-flash", [M, 0, 0, 0, M], "4.5"),
        ("google/gemini-3.1-pro-preview", [M, 0, 0, 0, M], "14"),
        ("deepseek/deepseek-chat-v3.1", [M, 0, 0, 0, M], "1.27"),
        ("deepseek/deepseek-v3.2", [M, 0, 0, 0, M], "0.64"),
        ("qwen/qwen3-max", [M, 0, 0, 0, M], "7.2"),
        ("qwen/qwen3.8-max-0902", [M, 0, 0, 0, M], "8"),
    ];

    #[test]
    fn the_shipped_prices_are_those_of_the_contract_to_the_last_digit() {
        let table = table(None).unwrap();
        for &(model, [input, cache_read, cache_write_5m, cache_write_1h, output], cost) in GOLDEN {
            let usage = Usage { input, cache_read, cache_write_5m, cache_write_1h, output };
            let price = table.price(model).unwrap_or_else(|| panic!("{model} has no price"));
            let expected: Money = cost.parse().unwrap();
            assert_eq!(price.cost(&usage).unwrap(), expected, "{model} {usage:?}");
            let origin = table.origin(model).unwrap();
            assert!(origin.date.starts_with("2026-") && !origin.source.is_empty());
        }
        assert!(table.price("claude-opus-9").is_none());
        // A usual consultation: 12 KB of prompt, 4,096 tokens at most.
        let worst = |model: &str| table.price(model).unwrap().worst(12_000, 4_096).unwrap();
        let expected = ["0.11552", "0.05776", "0.002888"].map(|text| text.parse().unwrap());
        assert_eq!(
            ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"].map(worst),
            expected
        );
    }

    #[test]
    fn a_file_of_ones_own_replaces_rows_and_a_broken_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.toml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        let head = "date = \"2026-11-21\"\nsource = \"my contract\"\n";
        write(&format!(
            "{head}[[model]]\nnames = [\"claude-haiku-5-5\", \"tiny\"]\ntiers = [{{ in = \"1\", out = \"2\" }}]\n"
        ));
        let mine = table(Some(&path)).unwrap();
        let usage = Usage { input: M, ..Usage::default() };
        for (model, cost) in [("claude-haiku-5-5", "1"), ("tiny", "1"), ("claude-opus-5-5", "4")] {
            let expected: Money = cost.parse().unwrap();
            assert_eq!(mine.price(model).unwrap().cost(&usage).unwrap(), expected, "{model}");
        }
        assert_eq!(mine.origin("tiny").unwrap().source, "my contract");
        for broken in [
            "",
            "[[[",
            &format!("{head}[[model]]\nnames = [\"x\"]\ntiers = [{{ in = \"1\" }}]\n"),
            &format!("{head}[[model]]\nnames = [\"x\"]\ntiers = [{{ in = 1.5, out = \"1\" }}]\n"),
            &format!(
                "{head}[[model]]\nnames = [\"x\"]\ntiers = [{{ in = \"NaN\", out = \"1\" }}]\n"
            ),
            &format!(
                "{head}[[model]]\nnames = [\"x\"]\ntiers = [{{ in = \"-1\", out = \"1\" }}]\n"
            ),
            &format!("{head}[[model]]\nnames = [\"x\"]\nprice = 1\ntiers = []\n"),
        ] {
            write(broken);
            let error = table(Some(&path)).unwrap_err();
            assert!(error.to_string().contains("mine.toml"), "{error}");
        }
        write(&" ".repeat((1 << 20) + 1));
        assert!(matches!(table(Some(&path)).unwrap_err().why, Why::TooLarge));
        assert!(table(Some(&dir.path().join("none.toml"))).is_err());
    }
}
