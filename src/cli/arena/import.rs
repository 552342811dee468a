//! `arena import`: a book from elsewhere, checked and written down as a contestant's.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use conclave_domain::arena::ledger::{ImportedBook, Replayed, Source};
use serde_json::json;

use super::show;
use super::verify::{BookArgs, Checked};
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Format, write_json};
use crate::report::put_all;

/// The longest name of a contestant.
const NAME_MAX: usize = 32;

/// `arena import`
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Checks as `arena verify` does and writes DIR/NAME.json: every line with its cash and holdings, every \
    trade and what a rule has against it, the value at the end of each day, the hashes of all files, and the \
    verdict. A book that does not hold is not written, unless --lenient; its verdict then says so. \
    Exit codes: 0 written, 5 there is no such file or model, 8 the book does not hold, or is none."
)]
pub struct ImportArgs {
    /// What is imported.
    #[command(flatten)]
    pub book: BookArgs,
    /// The directory to write to, which is made if need be.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The contestant's name, a-z, 0-9 and `-`, 32 at most; made from the model's or the file's when not
    /// given.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: Option<String>,
}

fn name(text: &str) -> Result<String, String> {
    let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(is_legal);
    let wanted = || format!("1 to {NAME_MAX} of a-z, 0-9 and `-` are wanted");
    is_name.then(|| text.to_owned()).ok_or_else(wanted)
}

/// A name out of somebody else's: what is no letter or digit becomes `-`.
fn slug(text: &str) -> String {
    let bytes = text.bytes().map(|byte| byte.to_ascii_lowercase());
    let slug: String = bytes
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte) } else { '-' })
        .take(NAME_MAX)
        .collect();
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "book".to_owned() } else { slug.to_owned() }
}

/// Checks the books, writes them and says where they are.
///
/// # Errors
/// [`ExitCode::Data`] when a book does not hold and nothing was written,
/// [`ExitCode::Usage`] when two books would have one name, [`ExitCode::Failure`] when nothing can be
/// written.
pub(super) fn run(args: &ImportArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let Checked { books, prices, path, sources } = args.book.check()?;
    if !args.book.lenient {
        let verdicts: Vec<_> = books.iter().map(|book| &book.verdict).collect();
        show::held(&verdicts, &path)?;
    }
    let sources: Vec<Source> =
        sources.into_iter().map(|(hash, path)| Source { file: file_name(&path), hash }).collect();
    let mut named: BTreeMap<String, ImportedBook> = BTreeMap::new();
    for book in books {
        let name = args.name.clone().unwrap_or_else(|| made_of(&book, &path));
        let sources = sources.clone();
        let book = if args.book.positions.is_some() {
            ImportedBook::marked(name.clone(), sources, book, &prices)
        } else {
            ImportedBook::realised(name.clone(), sources, book)
        };
        if named.insert(name.clone(), book).is_some() {
            let text =
                format!("two books would be called {name}: pick one by --model, and a --name");
            return Err(CliError::new(ExitCode::Usage, text));
        }
    }
    let mut files = Vec::with_capacity(named.len());
    for (name, book) in &named {
        let mut text = serde_json::to_string(book).map_err(|error| {
            CliError::new(ExitCode::Failure, "the book cannot be written as json").caused_by(error)
        })?;
        text.push('\n');
        files.push((format!("{name}.json"), text));
    }
    let paths = put_all(&args.out, files).map_err(|error| {
        CliError::new(ExitCode::Failure, "nothing was imported").caused_by(error)
    })?;
    for (book, path) in named.values().zip(&paths) {
        let holds = book.verdict.holds;
        if format == Format::Text {
            let word = if holds { "holds" } else { "does not hold" };
            writeln!(out, "{} → {}: the book {word}", book.name, path.display())?;
        } else {
            let path = path.display().to_string();
            let line = json!({"schema": "arena-import/1", "name": book.name, "path": path, "holds": holds});
            write_json(&line, Format::Jsonl, out)?;
        }
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn made_of(book: &Replayed, path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    slug(book.verdict.model.as_deref().unwrap_or(&stem))
}
