//! Tests of the comparison of two arms, on trainers that learn nothing.

use conclave_actors::testkit::trainer::FakeTrainer;
use conclave_actors::training::TEAM;
use conclave_domain::feasibility::JobPlan;

use super::super::trainers::Resumed;
use super::*;

/// Trainers whose policies are as good as their seed says, and better by `lift` for each lever.
struct Fakes {
    is_hasty: bool,
    lift: f64,
}

impl Trainers for Fakes {
    type Trainer = FakeTrainer;

    fn data_hash(&self) -> String {
        "bars".to_owned()
    }

    fn job(&self) -> JobPlan {
        JobPlan::Rounds { expected: 10 }
    }

    fn begin(&self, seed: u64, _: &Path, _: Watch) -> Result<FakeTrainer, CliError> {
        let mut fake = if self.is_hasty { FakeTrainer::hasty(10) } else { FakeTrainer::calm(10) };
        #[expect(clippy::cast_precision_loss, reason = "small seeds")]
        let noise = seed as f64 * 0.001;
        fake.fitness = vec![0.2 + noise];
        Ok(fake)
    }

    fn resume(&self, _: &Path, _: Watch) -> Result<Resumed<FakeTrainer>, CliError> {
        Err(CliError::new(ExitCode::NotFound, "nothing to go on with"))
    }

    fn judge(&self, trainer: &mut FakeTrainer) -> Result<Judgement, CliError> {
        let applied = u32::try_from(trainer.done().applied.len()).unwrap();
        let fitness = trainer.fitness[0] + self.lift * f64::from(applied);
        let measures = vec![("fitness", true, Some(Ratio::of(fitness)))];
        Ok(Judgement { measures, ..Judgement::default() })
    }
}

fn experiment<T>(
    fakes: &Fakes,
    seeds: &[u64],
    then: impl FnOnce(Result<Outcome, CliError>, &Path) -> T,
) -> T {
    let (dir, config) = (tempfile::tempdir().unwrap(), Config::default());
    let runs = dir.path().join("ab");
    std::fs::create_dir(&runs).unwrap();
    let names: Vec<AgentName> = TEAM.iter().map(|entry| entry.role.name).take(3).collect();
    let outcome = compare(
        fakes,
        &Experiment {
            config: &config,
            names: &names,
            seeds,
            dir: &runs,
            watch: Watch::default(),
            header: json!({"verb": "train ab", "data_hash": "bars"}),
            earlier: &[],
            of: advice::Of { dir: &runs, data_hash: "bars", bars: &[], seed: 0, steps: 10 },
            threads: 4,
        },
    );
    then(outcome, &runs)
}

const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

#[test]
fn agents_that_help_are_found_to_and_every_run_leaves_its_log() {
    let fakes = Fakes { is_hasty: true, lift: 0.05 };
    experiment(&fakes, &SEEDS, |outcome, dir| {
        let outcome = outcome.unwrap();
        assert_eq!(outcome.verdict, Verdict::Helped, "{}", outcome.words);
        assert!(outcome.words.starts_with("the agents helped: fitness +"), "{}", outcome.words);
        let arms: Vec<(u64, bool)> =
            outcome.runs.iter().map(|run| (run.seed, run.is_treated)).collect();
        assert_eq!(arms[..4], [(1, false), (1, true), (2, false), (2, true)]);
        let treated = || outcome.runs.iter().filter(|run| run.is_treated);
        assert!(treated().all(|run| run.applied > 0 && run.asked > 0), "{:?}", outcome.runs);
        let log = |arm: &str| crate::adapters::audit_files::has_log(&dir.join(arm));
        assert!(log("seed-1-agents") && !log("seed-1-baseline"));
        let verified = crate::adapters::audit_files::verify(&dir.join("seed-5-agents"), None);
        assert!(verified.is_ok(), "{verified:?}");
    });
}

#[test]
fn a_treated_arm_in_which_nothing_was_moved_is_no_treatment_and_its_baseline_bit_for_bit() {
    let fakes = Fakes { is_hasty: false, lift: 0.05 };
    experiment(&fakes, &SEEDS, |outcome, _| {
        let outcome = outcome.unwrap();
        assert_eq!(outcome.verdict, Verdict::NoTreatment);
        assert!(outcome.measures.is_empty() && outcome.words.starts_with("no treatment"));
        for pair in outcome.runs.chunks(2) {
            assert_eq!(pair[0].fingerprint, pair[1].fingerprint);
            assert!(pair[1].asked > 0, "they were asked");
        }
    });
}

#[test]
fn fewer_than_five_seeds_or_the_same_twice_are_refused_before_anything_runs() {
    for seeds in [&SEEDS[..4], &[1, 2, 3, 4, 4]] {
        experiment(&Fakes { is_hasty: false, lift: 0.0 }, seeds, |outcome, dir| {
            assert_eq!(outcome.unwrap_err().code, ExitCode::Usage);
            assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0);
        });
    }
}

fn run(seed: u64, is_treated: bool, applied: u64, fitness: f64) -> Run {
    Run {
        seed,
        is_treated,
        asked: 5,
        applied,
        refused: BTreeMap::new(),
        data_hash: "bars".to_owned(),
        fingerprint: format!("{seed}-{applied}"),
        measures: vec![("fitness", true, Some(Ratio::of(fitness)))],
    }
}

fn arms(applied: u64) -> Vec<Run> {
    let pair = |seed: u64| {
        #[expect(clippy::cast_precision_loss, reason = "small seeds")]
        let fitness = 0.2 + 0.01 * (seed * 7 % 5) as f64;
        [run(seed, false, 0, fitness), run(seed, true, applied, fitness + 0.001)]
    };
    SEEDS.into_iter().flat_map(pair).collect()
}

#[test]
fn arms_of_different_bars_and_a_run_that_differs_though_nothing_was_moved_are_refused() {
    let mut other = arms(3);
    other[4].data_hash = "others".to_owned();
    let refused = judge(other).unwrap_err();
    assert_eq!(refused.code, ExitCode::Data);
    assert!(refused.chain().contains("others"), "{}", refused.chain());
    let mut touched = arms(0);
    touched[3].fingerprint = "touched".to_owned();
    let refused = judge(touched).unwrap_err();
    assert!(refused.chain().contains("seed 2"), "{}", refused.chain());
}

#[test]
fn a_difference_that_chance_would_make_is_called_none() {
    let outcome = judge(arms(3)).unwrap();
    assert_eq!(outcome.verdict, Verdict::Unclear);
    assert!(outcome.words.contains("5 seeds, 15 changes in 5"), "{}", outcome.words);
}
