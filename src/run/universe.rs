//! The universe of a run: its symbols as they are known, and who is asked about lists of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use conclave_actors::runtime::brain::RulesBrain;
use conclave_actors::selection::TEAM;
use conclave_actors::selection::run::SelectionAgent;
use conclave_actors::universe::{Terms, UniverseSetup};
use conclave_domain::brief::selection::Constraints;
use conclave_domain::market::asset::{Asset, UNKNOWN_SECTOR};
use conclave_domain::market::series::Series;
use conclave_domain::market::tape::Instrument;
use conclave_domain::role::AgentName;
use conclave_domain::time::Time;

use super::bars;
use super::prepare::Prepared;
use super::recipe::DataSource;
use crate::brains::Minds;
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;
use crate::data;

/// A table of assets that may lie beside files of bars.
const TABLE: &str = "assets.csv";

/// What a run's universe is made of before it starts.
#[derive(Clone, Debug)]
pub(super) struct UniversePlan {
    /// What each symbol is, in the order of the instruments.
    assets: Vec<Asset>,
    /// The enabled agents of the selection team.
    pub(super) agents: BTreeMap<AgentName, SelectionAgent>,
}

impl UniversePlan {
    /// The plan of a run that has a universe; `None` of one in which every symbol may be entered.
    ///
    /// # Errors
    /// When the run has too few symbols for one, or a table of assets cannot be read.
    pub(super) fn of(prepared: &Prepared, source: &DataSource) -> Result<Option<Self>, CliError> {
        let settings = &prepared.config.universe;
        if !settings.enabled {
            return Ok(None);
        }
        let (count, least) = (prepared.instruments.len(), settings.rules.symbols_min);
        if count < least {
            let text = format!(
                "a universe has {least} symbols at least (`universe.symbols_min`) and this run has \
                 {count}: name more symbols, or leave out --universe"
            );
            return Err(CliError::new(ExitCode::Config, text));
        }
        let known = known(source)?;
        let assets = prepared.instruments.iter().map(|instrument| asset(instrument, &known));
        Ok(Some(Self { assets: assets.collect(), agents: team(&prepared.config) }))
    }

    /// Gives everybody their brain.
    ///
    /// # Errors
    /// When a model cannot be asked as the configuration wants.
    pub(super) fn seat(&mut self, minds: &Minds, config: &Config) -> Result<(), CliError> {
        for entry in TEAM {
            if let Some(agent) = self.agents.get_mut(entry.role.name) {
                agent.brain = minds.brain(*entry, config)?;
            }
        }
        Ok(())
    }

    /// What the council starts with, when the bars of `series` up to `until` were played.
    pub(super) fn setup(
        &self,
        config: &Config,
        series: &[Series],
        until: Option<Time>,
    ) -> UniverseSetup {
        let listed = self.assets.iter().filter_map(|asset| {
            let one = series.iter().find(|one| one.symbol == asset.symbol)?;
            let played = |close: Time| until.is_some_and(|until| close <= until);
            let bars = one.bars.iter().filter(|bar| played(bar.close_time)).copied().collect();
            let Series { symbol, class, timeframe, .. } = one;
            let (symbol, class, timeframe) = (symbol.clone(), *class, *timeframe);
            Some((asset.clone(), Series { symbol, class, timeframe, bars }))
        });
        let terms = Terms {
            rules: config.universe.rules.clone(),
            constraints: Constraints::default(),
            listed: listed.collect(),
        };
        UniverseSetup { terms, agents: self.agents.clone() }
    }
}

/// The selection team by rules, as far as it is enabled.
fn team(config: &Config) -> BTreeMap<AgentName, SelectionAgent> {
    let members = TEAM.iter().filter_map(|entry| {
        let settings = config.agents.get(entry.role.name).filter(|it| it.enabled)?;
        let permits = usize::try_from(settings.permits).unwrap_or(usize::MAX);
        Some((entry.role.name, SelectionAgent { brain: Arc::new(RulesBrain), permits }))
    });
    members.collect()
}

/// What the tables of a source say.
fn known(source: &DataSource) -> Result<Vec<Asset>, CliError> {
    match source {
        DataSource::Synth { preset, seed } => Ok(bars::synthetic(preset, *seed)?.assets),
        DataSource::Embedded | DataSource::Alpaca { .. } => Ok(data::embedded_assets()?),
        DataSource::Files { files, .. } => {
            let tables = files.iter().map(|file| file.path.with_file_name(TABLE));
            let tables: std::collections::BTreeSet<_> = tables.filter(|it| it.is_file()).collect();
            let read = |table: &Path| data::read_assets_file(table).map_err(CliError::from);
            let read = tables.iter().map(|table| read(table)).collect::<Result<Vec<_>, _>>()?;
            Ok(read.into_iter().flatten().collect())
        }
    }
}

/// What a symbol is; one that is in no table, or there as something else, is of a sector that nobody knows.
fn asset(instrument: &Instrument, known: &[Asset]) -> Asset {
    let Instrument { symbol, class, .. } = instrument;
    let found = known.iter().find(|asset| asset.symbol == *symbol && asset.class == *class);
    found.cloned().unwrap_or_else(|| Asset {
        symbol: symbol.clone(),
        class: *class,
        sector: UNKNOWN_SECTOR.to_owned(),
        name: String::new(),
    })
}
