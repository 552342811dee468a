//! A run on the disk: tensors that Python reads too, and what they belong to.
//!
//! A checkpoint is written beside its place, synced, read back, and only then renamed: a process that is
//! killed at any moment leaves the former one or the new one. What is wrong with a file is said with its
//! name, and a file that belongs to other features, actions or networks is refused.

mod error;
mod format;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use error::{CheckpointError, Problem};
use format::{File as Contents, Numbers, Stored, decode, encode};

use crate::layout::{Layout, Shape};
use crate::ppo::{Counters, Ppo, PpoConfig, State};
use crate::vec_env::VecEnv;

/// The format that this build writes and reads.
const FORMAT: u32 = 1;
/// The largest file that is read.
const LARGEST: u64 = 1 << 30;
const MEANS: &str = "adam.m";
const SQUARES: &str = "adam.v";
const ENV: &str = "env.state";

/// A run at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// How PPO was run.
    pub config: PpoConfig,
    /// The shape of the networks.
    pub shape: Shape,
    /// Everything that decides how the run goes on.
    pub state: State,
    /// What the numbers belong to.
    pub about: About,
}

/// What a checkpoint's numbers belong to, in the words of whoever trains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// The columns of an observation, in order.
    pub features: Vec<String>,
    /// The actions, in the order of their indices.
    pub actions: Vec<String>,
    /// Hash of the data that was trained on.
    pub data_hash: String,
    /// Hash of the whole configuration of the run.
    pub config_hash: String,
    /// Whatever else belongs to the run.
    pub extra: serde_json::Value,
    /// Further tensors by name, such as `norm.mean` and `norm.std`.
    pub tensors: BTreeMap<String, Vec<f32>>,
}

/// What stands in `__metadata__` as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    format: u32,
    config: PpoConfig,
    shape: Shape,
    layout_hash: String,
    counters: Counters,
    features: Vec<String>,
    actions: Vec<String>,
    data_hash: String,
    config_hash: String,
    extra: serde_json::Value,
}

impl Checkpoint {
    /// A run as it is now.
    pub fn of<E: VecEnv>(ppo: &Ppo<E>, about: About) -> Self {
        let shape = ppo.actor_critic().layout().shape().clone();
        Self { config: ppo.config().clone(), shape, state: ppo.state(), about }
    }

    /// Writes it, so that a reader finds the whole of it or the whole of what was there before.
    ///
    /// # Errors
    /// [`CheckpointError`] where it cannot be made or the disk refuses; what was there before is still
    /// there then.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let bytes = self.encode().map_err(|problem| problem.at(path))?;
        let mut name = path.as_os_str().to_owned();
        name.push(".tmp");
        let beside = Path::new(&name);
        let written = put(&bytes, beside, path);
        if written.is_err() {
            // It is written anew by the next checkpoint in any case.
            let _ = fs::remove_file(beside);
        }
        written.map_err(|problem| problem.at(path))
    }

    /// Reads one back.
    ///
    /// # Errors
    /// [`CheckpointError`] says what is wrong with the file.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let read = || -> Result<Self, Problem> {
            let disk = |source| Problem::Disk { doing: "reading", source };
            let file = File::open(path).map_err(disk)?;
            let mut bytes = Vec::new();
            file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(disk)?;
            if bytes.len() as u64 > LARGEST {
                return Err(Problem::TooLarge(bytes.len() as u64));
            }
            Self::decode(&bytes)
        };
        read().map_err(|problem| problem.at(path))
    }

    /// Whether it belongs to these features and actions, in this order.
    ///
    /// # Errors
    /// [`Problem::Mismatch`] with both, where it does not.
    pub fn expect(&self, features: &[String], actions: &[String]) -> Result<(), Problem> {
        let pairs = [
            ("features", &*self.about.features, features),
            ("actions", &self.about.actions, actions),
        ];
        for (what, found, wanted) in pairs {
            if found != wanted {
                let (found, wanted) = (found.join(" "), wanted.join(" "));
                return Err(Problem::Mismatch { what, found, wanted });
            }
        }
        Ok(())
    }

    /// The bytes of the file; the same run at the same moment gives the same bytes.
    ///
    /// # Errors
    /// [`Problem`] where a number is not finite or the state is not that of these networks.
    pub fn encode(&self) -> Result<Vec<u8>, Problem> {
        let layout = layout(&self.shape)?;
        let (state, about) = (&self.state, &self.about);
        let words = Words {
            format: FORMAT,
            config: self.config.clone(),
            shape: self.shape.clone(),
            layout_hash: layout.hash(),
            counters: state.counters.clone(),
            features: about.features.clone(),
            actions: about.actions.clone(),
            data_hash: about.data_hash.clone(),
            config_hash: about.config_hash.clone(),
            extra: about.extra.clone(),
        };
        let text =
            serde_json::to_string(&words).map_err(|error| Problem::Header(error.to_string()))?;
        let mut tensors: BTreeMap<String, Stored> = BTreeMap::new();
        for (name, numbers) in &about.tensors {
            tensors.insert(name.clone(), Stored::flat(numbers.clone()));
        }
        for tensor in layout.tensors() {
            let part = state.parameters.get(tensor.offset..tensor.offset + tensor.len());
            let part = part.ok_or_else(|| Problem::tensor(&tensor.name, "it has no parameters"))?;
            let numbers = Numbers::Floats(part.to_vec());
            tensors.insert(tensor.name.clone(), Stored { shape: tensor.shape.clone(), numbers });
        }
        tensors.insert(MEANS.to_owned(), Stored::flat(state.adam_means.clone()));
        tensors.insert(SQUARES.to_owned(), Stored::flat(state.adam_squares.clone()));
        for (name, stored) in &tensors {
            finite(name, stored)?;
        }
        tensors.insert(ENV.to_owned(), Stored::bytes(state.env.clone()));
        encode(&Contents { text, tensors })
    }

    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        let Contents { text, mut tensors } = decode(bytes)?;
        let words = words(&text)?;
        let layout = layout(&words.shape)?;
        if words.layout_hash != layout.hash() {
            let (found, wanted) = (words.layout_hash, layout.hash());
            return Err(Problem::Mismatch { what: "layouts", found, wanted });
        }
        for (name, stored) in &tensors {
            finite(name, stored)?;
        }
        let mut parameters = Vec::new();
        for tensor in layout.tensors() {
            parameters.extend(floats(&mut tensors, &tensor.name, &tensor.shape)?);
        }
        let flat = [parameters.len()];
        let adam_means = floats(&mut tensors, MEANS, &flat)?;
        let adam_squares = floats(&mut tensors, SQUARES, &flat)?;
        let env = tensors.remove(ENV).map(|stored| stored.numbers);
        let Some(Numbers::Bytes(env)) = env else {
            return Err(Problem::tensor(ENV, "it is missing"));
        };
        let others = tensors.into_iter().filter_map(|(name, stored)| match stored.numbers {
            Numbers::Floats(numbers) => Some((name, numbers)),
            Numbers::Bytes(_) => None,
        });
        let about = About {
            features: words.features,
            actions: words.actions,
            data_hash: words.data_hash,
            config_hash: words.config_hash,
            extra: words.extra,
            tensors: others.collect(),
        };
        let counters = words.counters;
        let state = State { parameters, adam_means, adam_squares, env, counters };
        Ok(Self { config: words.config, shape: words.shape, state, about })
    }
}

/// The words of a file of a format that this build reads.
fn words(text: &str) -> Result<Words, Problem> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let wrong = |error: serde_json::Error| Problem::Header(error.to_string());
    let version: Version = serde_json::from_str(text).map_err(wrong)?;
    if version.format != FORMAT {
        return Err(Problem::Format(version.format));
    }
    serde_json::from_str(text).map_err(wrong)
}

fn layout(shape: &Shape) -> Result<Layout, Problem> {
    Layout::new(shape).map_err(|error| Problem::Header(error.to_string()))
}

/// A poisoned run is neither written nor read.
fn finite(name: &str, stored: &Stored) -> Result<(), Problem> {
    match &stored.numbers {
        Numbers::Floats(numbers) if !numbers.iter().all(|number| number.is_finite()) => {
            Err(Problem::tensor(name, "it holds a number that is not finite"))
        }
        _ => Ok(()),
    }
}

fn floats(
    tensors: &mut BTreeMap<String, Stored>,
    name: &str,
    shape: &[usize],
) -> Result<Vec<f32>, Problem> {
    let Some(Stored { shape: found, numbers: Numbers::Floats(numbers) }) = tensors.remove(name)
    else {
        return Err(Problem::tensor(name, "it is missing"));
    };
    if found != shape {
        let why = format!("its shape is {found:?}, and {shape:?} is wanted");
        return Err(Problem::tensor(name, why));
    }
    Ok(numbers)
}

/// Puts a copy of one file in the place of another, whole or not at all.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), CheckpointError> {
    let bytes = fs::read(from).map_err(|source| Problem::Disk { doing: "reading", source });
    let bytes = bytes.map_err(|problem| problem.at(from))?;
    let mut beside = to.as_os_str().to_owned();
    beside.push(".tmp");
    put(&bytes, Path::new(&beside), to).map_err(|problem| problem.at(to))
}

/// Writes `beside`, looks whether it is there, and puts it in its place.
fn put(bytes: &[u8], beside: &Path, path: &Path) -> Result<(), Problem> {
    let disk = |doing| move |source| Problem::Disk { doing, source };
    let mut file = File::create(beside).map_err(disk("creating a file"))?;
    file.write_all(bytes).map_err(disk("writing"))?;
    file.sync_all().map_err(disk("syncing"))?;
    drop(file);
    if fs::read(beside).map_err(disk("reading back"))? != bytes {
        return Err(Problem::ReadBack);
    }
    fs::rename(beside, path).map_err(disk("renaming"))?;
    // The new name is on the disk once its folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder =
        File::open(folder.unwrap_or(Path::new("."))).map_err(disk("opening the folder"))?;
    folder.sync_all().map_err(disk("syncing the folder"))
}
