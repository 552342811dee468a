//! Layers of configuration: defaults, file, environment, flags; the later wins, key by key.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use toml::Value;

use super::ConfigError;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The defaults in the binary.
    Default,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A flag on the command line.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}

/// The prefix of environment variables that set a key.
pub const ENV_PREFIX: &str = "CONCLAVE__";

/// Raw values by dotted key, each with its source.
pub type Layer = BTreeMap<String, (Value, Source)>;

/// Reads TOML text into a layer of dotted keys.
///
/// # Errors
/// When the text is no TOML; the message names the line.
pub(super) fn from_toml(text: &str, source: &Source) -> Result<Layer, ConfigError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ConfigError {
        key: "(whole file)".to_owned(),
        value: error.message().to_owned(),
        bound: "valid TOML".to_owned(),
        origin: match error.span() {
            Some(span) => format!("{source}, line {}", line_of(text, span.start)),
            None => source.to_string(),
        },
    })?;
    let mut layer = Layer::new();
    flatten("", table, source, &mut layer);
    Ok(layer)
}

/// The largest file that is read, bytes: every key with its comment takes a fortieth of it.
const FILE_MAX: u64 = 1 << 20;

/// Reads a file into a layer.
///
/// # Errors
/// When the file cannot be read, is too large, or is no TOML.
pub(super) fn from_file(path: &Path) -> Result<Layer, ConfigError> {
    let source = Source::File(path.to_owned());
    let refused = |value: String, bound: String| ConfigError {
        key: "(whole file)".to_owned(),
        value,
        bound,
        origin: source.to_string(),
    };
    let mut text = String::new();
    let read =
        crate::files::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_string(&mut text));
    let bytes =
        read.map_err(|error| refused(error.to_string(), "a readable UTF-8 file".to_owned()))?;
    if bytes as u64 > FILE_MAX {
        return Err(refused("larger".to_owned(), format!("at most {FILE_MAX} bytes")));
    }
    from_toml(&text, &source)
}

/// Reads `CONCLAVE__SECTION__KEY` variables into a layer. `kind_of` tells how a key's text is read.
pub(super) fn from_env(
    variables: impl Iterator<Item = (String, String)>,
    value_of_text: impl Fn(&str, &str) -> Value,
) -> Layer {
    let mut layer = Layer::new();
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(ENV_PREFIX) else { continue };
        let key = rest.to_lowercase().replace("__", ".");
        let value = value_of_text(&key, &text);
        layer.insert(key, (value, Source::Env(name)));
    }
    layer
}

fn flatten(prefix: &str, table: toml::Table, source: &Source, layer: &mut Layer) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => flatten(&key, inner, source, layer),
            value => {
                layer.insert(key, (value, source.clone()));
            }
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}
