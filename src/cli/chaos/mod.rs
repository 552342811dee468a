//! `chaos`: proves that the council keeps its word when everything around it fails.
//!
//! `--seeds` simulates whole councils on paused time, one world a seed, and holds what can be seen
//! from outside against the invariants. `--kill` kills runs of this very binary and lets them go on.

mod kill;
mod seeds;

use std::io::Write;
use std::str::FromStr;

use clap::Args;
use conclave_domain::faults::Schedule;

use super::error::CliError;
use super::format::Format;

/// Arguments of `chaos`.
#[derive(Args, Clone, Debug)]
pub struct ChaosArgs {
    /// Seeds of the simulated worlds: the first and the last, both included, or one of them.
    #[arg(long, value_name = "A..B", default_value = "1..200")]
    pub seeds: Seeds,
    /// What goes wrong, instead of what the seed has drawn: AGENT=WHAT@ROUND or PLACE.WHAT@NTH,
    /// separated by commas. What an agent can do: panic, error, kill, hang, shed, slow, drop, twice,
    /// late, garble, nan, huge, forbidden. Places: audit and store (full, flush), safety (full,
    /// flush, read), clock (forward, back), broker (timeout, `duplicate_fill`, `late_fill`, reject),
    /// feed (stall, repeat, older), process (crash, stop), person (halt, reduce, resume, flatten,
    /// advisory, supervised, autonomous).
    #[arg(long, value_name = "TEXT")]
    pub schedule: Option<Schedule>,
    /// Instead: runs of this binary are killed this many times by SIGKILL, and go on after each.
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "schedule"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub kill: Option<u32>,
    /// Seed of the runs that are killed and of the moments at which they are.
    #[arg(long, value_name = "S", default_value_t = 1, requires = "kill", conflicts_with_all = ["seeds", "schedule"])]
    pub seed: u64,
    /// Market of the runs that are killed: calm, default or minutes.
    #[arg(long, value_name = "PRESET", default_value = "default", requires = "kill",
          conflicts_with_all = ["seeds", "schedule"])]
    pub synth: String,
}

/// A range of seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.parse::<u64>().map_err(|_| format!("`{text}` is no seed: write 7 or 1..1000"))
        };
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (first, last) = (number(first)?, number(last.strip_prefix('=').unwrap_or(last))?);
        if first > last {
            return Err(format!("{first}..{last} has no seed in it"));
        }
        Ok(Self { first, last })
    }
}

/// Runs `chaos`.
///
/// # Errors
/// With exit code 1 when an invariant was found to be broken.
pub fn run(args: &ChaosArgs, format: Format, out: &mut (dyn Write + Send)) -> Result<(), CliError> {
    if let Some(kills) = args.kill {
        return kill::run(kills, args.seed, &args.synth, format, out);
    }
    seeds::run(args.seeds, args.schedule.as_ref(), format, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_seeds_holds_both_its_ends() {
        for (text, first, last) in [("7", 7, 7), ("1..1000", 1, 1_000), ("3..=5", 3, 5)] {
            assert_eq!(text.parse(), Ok(Seeds { first, last }), "{text}");
        }
        for text in ["", "..", "5..3", "a..b", "1..", "-1..3"] {
            assert!(text.parse::<Seeds>().is_err(), "{text}");
        }
    }
}
