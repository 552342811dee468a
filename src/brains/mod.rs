//! The brains of the agents, as the configuration wants them: rules, models, or a tape of what models
//! have said before.
//!
//! Everything that asks a provider is put together here and nowhere else.

mod connect;
pub mod contestants;
mod rungs;

pub use connect::REST_MAX;

use std::path::Path;
use std::sync::Arc;

use conclave_actors::models::tape::Recorder;
use conclave_actors::models::tape::recorded::{RecordedByTape, ReplayThenLive};
use conclave_actors::models::tape::shelf::Shelf;
use conclave_actors::models::{BrainError, Gateway, ModelBrain, Models};
use conclave_actors::runtime::agent::Entry;
use conclave_actors::runtime::brain::{Brain, RulesBrain};
use conclave_domain::role::AgentName;
use serde::Serialize;

use crate::adapters::tape_files::{self, TapeFiles};
use crate::cli::error::{CliError, ExitCode};
use crate::config::{AgentSettings, Config};

/// The word of an agent that a model thinks for.
pub const MODEL: &str = "model";
/// The word of an agent that thinks by its own rules.
pub const RULES: &str = "rules";
/// The tape in a run's directory.
pub const TAPE_FILE: &str = "tape.jsonl";

/// Where the answers of model brains come from.
#[derive(Clone, Debug)]
pub enum Minds {
    /// Nobody thinks by a model.
    Rules,
    /// From the providers.
    Live(Models),
    /// From a tape: no network, no money, no waiting.
    Recorded(Arc<Shelf>),
    /// From a tape as far as it goes, then from the providers.
    Both(Arc<Shelf>, Models),
}

impl Minds {
    /// Connects to the providers, if any agent of the configuration thinks by a model. Inside a runtime.
    ///
    /// # Errors
    /// When a key, a price or an address is missing or wrong (3), or a server does not answer (9).
    pub async fn live(config: &Config) -> Result<Self, CliError> {
        if !wants_models(config) {
            return Ok(Self::Rules);
        }
        Ok(Self::Live(connect::models(config).await?))
    }

    /// Answers out of a tape as far as it goes, before anybody is asked.
    ///
    /// # Errors
    /// As [`Minds::recorded`].
    pub fn behind(self, tape: &Path) -> Result<Self, CliError> {
        match (self, Self::recorded(tape)?) {
            (Self::Live(models), Self::Recorded(taped)) => Ok(Self::Both(taped, models)),
            (other, _) => Ok(other),
        }
    }

    /// Writes down what the providers say from here on, unless the configuration does not want it.
    ///
    /// # Errors
    /// When the tape cannot be opened or written.
    pub fn record(&mut self, tape: &Path, config: &Config) -> Result<(), CliError> {
        if let Self::Live(models) | Self::Both(_, models) = self
            && config.models.tape == "record"
        {
            models.tape = Some(recorder(tape)?);
        }
        Ok(())
    }

    /// The tape that answers are given out of, where there is one.
    pub const fn shelf(&self) -> Option<&Arc<Shelf>> {
        match self {
            Self::Recorded(taped) | Self::Both(taped, _) => Some(taped),
            Self::Rules | Self::Live(_) => None,
        }
    }

    /// What stands between the agents and the providers, where any is asked.
    pub const fn gateway(&self) -> Option<&Arc<Gateway>> {
        match self {
            Self::Live(models) | Self::Both(_, models) => Some(&models.gateway),
            Self::Rules | Self::Recorded(_) => None,
        }
    }

    /// Reads a tape.
    ///
    /// # Errors
    /// When it cannot be read (5), or is no tape (8).
    pub fn recorded(tape: &Path) -> Result<Self, CliError> {
        let read = tape_files::read(tape).map_err(|error| {
            CliError::new(ExitCode::Data, format!("{} cannot be played", tape.display()))
                .caused_by(error)
        })?;
        if let Some(cut) = read.cut {
            tracing::warn!(tape = %tape.display(), cut, "the tape ends within a line");
        }
        Ok(Self::Recorded(read.tape.share()))
    }

    /// The brain of one agent.
    ///
    /// # Errors
    /// When the configuration does not give its tier a model, or no price is known for it (3).
    pub fn brain<B>(&self, entry: Entry<B>, config: &Config) -> Result<Arc<dyn Brain<B>>, CliError>
    where
        B: Serialize + std::fmt::Debug + Send + Sync + 'static,
    {
        let name = entry.role.name;
        let is_model = brain_of(name, config) == MODEL;
        // Whoever never asked a model then has thought by its rules.
        let was_one = !matches!(self, Self::Recorded(taped) if !taped.knows(name));
        if !(is_model && was_one) {
            return Ok(Arc::new(RulesBrain));
        }
        let (limits, rungs) =
            (&config.limits, rungs::of(&entry.role, config, &connect::prices(config)?)?);
        let wrong = |error: BrainError| {
            let text = format!("the model of `{name}` cannot be asked");
            CliError::new(ExitCode::Config, text).caused_by(error)
        };
        Ok(match self {
            Self::Rules => Arc::new(RulesBrain),
            Self::Live(models) => {
                Arc::new(ModelBrain::new(entry, limits, rungs, models).map_err(wrong)?)
            }
            Self::Recorded(taped) => {
                let taped = Arc::clone(taped);
                Arc::new(RecordedByTape::new(entry, limits, rungs, taped).map_err(wrong)?)
            }
            Self::Both(taped, models) => {
                let taped = Arc::clone(taped);
                let recorded = RecordedByTape::new(entry, limits, rungs.clone(), taped);
                let live = ModelBrain::new(entry, limits, rungs, models).map_err(wrong)?;
                Arc::new(ReplayThenLive::new(recorded.map_err(wrong)?, live))
            }
        })
    }
}

/// The word for whoever thinks for an agent, or reads the news.
fn brain_of(name: AgentName, config: &Config) -> &str {
    let agent = config.agents.get(name).map(|agent| agent.brain.as_str());
    agent.unwrap_or(&config.models.news_reader)
}

/// Whether any agent that is switched on thinks by a model, or one reads the news.
fn wants_models(config: &Config) -> bool {
    let asks = |agent: &AgentSettings| agent.enabled && agent.brain == MODEL;
    config.models.news_reader == MODEL || config.agents.values().any(asks)
}

fn recorder(path: &Path) -> Result<Arc<Recorder>, CliError> {
    let (files, ordinals) = TapeFiles::open(path).map_err(|error| {
        let text = format!("the tape {} cannot be written", path.display());
        CliError::new(ExitCode::Failure, text).caused_by(error)
    })?;
    Ok(Recorder::new(files, ordinals))
}
