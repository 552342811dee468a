//! How the providers of a process have fared: what a run says of them at its end.

use std::collections::{BTreeMap, BTreeSet};

use conclave_domain::llm::{Trouble, Usage};
use serde::Serialize;

/// Tokens that an agent's questions have taken, as the providers have billed them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// Of prompts, whole.
    pub prompt: u64,
    /// Of those, what was read from a cache.
    pub cached: u64,
    /// Of answers, those of thinking included.
    pub output: u64,
}

impl Tokens {
    /// Adds what one call has used.
    pub fn add(&mut self, usage: Usage) {
        self.plus(&Self { prompt: usage.prompt(), cached: usage.cache_read, output: usage.output });
    }

    /// Adds others.
    pub(super) fn plus(&mut self, other: &Self) {
        self.prompt = self.prompt.saturating_add(other.prompt);
        self.cached = self.cached.saturating_add(other.cached);
        self.output = self.output.saturating_add(other.output);
    }
}

/// How one provider has fared since the process began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderStanding {
    /// Its name in the configuration.
    pub provider: String,
    /// Requests that it has answered.
    pub answered: u64,
    /// Requests that brought no answer; those that were cancelled are in neither figure.
    pub failed: u64,
    /// Why it is not asked any more, where only an operator can help.
    pub stopped: Option<Trouble>,
    /// Models that it does not have any more.
    pub gone: BTreeSet<String>,
    /// Bills that were not those of the price table, by model.
    pub drifted: BTreeMap<String, u64>,
}

impl ProviderStanding {
    /// What a reader of the run must know, each with what to do about it.
    pub fn notes(&self) -> Vec<String> {
        let Self { provider, stopped, gone, drifted, .. } = self;
        let mut notes = Vec::new();
        match stopped {
            None => {}
            Some(Trouble::SpendLimit) => notes.push(format!(
                "the provider {provider} was stopped: its money or its spending limit is used up; \
                 add credit or raise the limit there, then go on with the run by --resume"
            )),
            Some(because) => notes.push(format!(
                "the provider {provider} was stopped ({}): it does not take the key; mend the key in \
                 the environment or its rights there, then go on with the run by --resume",
                because.name()
            )),
        }
        notes.extend(gone.iter().map(|model| {
            format!(
                "the provider {provider} has no model `{model}` any more: cheaper ones or rules \
                 answered in its place; name one that exists in [providers.{provider}]"
            )
        }));
        notes.extend(drifted.iter().map(|(model, bills)| {
            format!(
                "{bills} bills of {provider} for `{model}` were not those of the price table: what \
                 was billed is booked; bring the table up to date by `models.prices`"
            )
        }));
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_is_well_has_no_note_and_each_trouble_says_what_to_do() {
        let well = ProviderStanding { provider: "one".into(), answered: 9, ..Default::default() };
        assert!(well.notes().is_empty());
        for (trouble, remedy) in
            [(Trouble::Auth, "mend the key"), (Trouble::SpendLimit, "add credit")]
        {
            let stopped = ProviderStanding { stopped: Some(trouble), ..well.clone() };
            let notes = stopped.notes();
            assert!(notes.len() == 1 && notes[0].contains(remedy), "{notes:?}");
        }
        let gone = BTreeSet::from(["m-1".to_owned()]);
        let drifted = BTreeMap::from([("m-2".to_owned(), 3)]);
        let notes = ProviderStanding { gone, drifted, ..well }.notes();
        assert!(notes[0].contains("`m-1`") && notes[0].contains("[providers.one]"), "{notes:?}");
        assert!(notes[1].starts_with("3 bills of one for `m-2`"), "{notes:?}");
    }
}
