//! Tests of the report of a training run.

use conclave_actors::testkit::trainer::FakeTrainer;
use conclave_domain::brief::training::{Proposed, TrainingLever};

use super::*;

fn moved(refused: Option<Code>) -> Moved {
    let lever = TrainingLever::LearningRate { value: Ratio::of(0.7) };
    let levers = vec![Proposed { by: "hyperparameter_tuner".to_owned(), lever }];
    let what = "learning_rate".to_owned();
    Moved { what, levers, asked_in: 1, refused, why: None, simulated: None }
}

fn report() -> TrainingReport {
    let fake = FakeTrainer::calm(3);
    let all = [vec![], vec![moved(None)], vec![moved(Some(Code::TrainingStale))]];
    let points = (1..).zip(all).map(|(cycle, moved)| {
        let mut point = Point::of(cycle, &fake.boundary(), &moved);
        point.step = u64::from(cycle) * 1_000;
        point
    });
    TrainingReport {
        run: "<script>1</script>".to_owned(),
        ending: "done".to_owned(),
        header: vec![("seed".to_owned(), "1".to_owned())],
        points: points.collect(),
        agents: vec![AgentLine { agent: "risk_analyst".to_owned(), ..AgentLine::default() }],
        rivals: vec![Rival {
            name: "buy and hold".to_owned(),
            part: "fold 1".to_owned(),
            total_return: Ratio::of(-0.033),
            sharpe: None,
            drawdown: Ratio::of(0.4),
            trades: 1,
        }],
        notes: vec!["a note".to_owned()],
        fingerprint: "ab".repeat(32),
    }
}

#[test]
fn the_page_marks_what_was_moved_and_names_what_was_not_and_runs_no_script() {
    let page = page::html(&report()).unwrap();
    assert!(page.contains("&lt;script&gt;1&lt;/script&gt;") && !page.contains("<script"));
    assert!(page.contains("learning rate × 0.700") && page.contains("training.stale"));
    assert!(page.contains("-3.3 %") && page.contains("n/a"));
    // A triangle of the marked curve's colour stands in every chart.
    let with_mark = page.matches("<polygon").count();
    let mut calm = report();
    calm.points.iter_mut().for_each(|point| point.interventions.clear());
    let without = page::html(&calm).unwrap().matches("<polygon").count();
    assert_eq!(with_mark - without, 8, "one mark per curve");
}

#[test]
fn all_files_are_there_and_the_logs_only_where_they_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let logs = [serde_json::json!({"agent": "risk_analyst"})];
    let names = |files: Vec<PathBuf>| -> Vec<String> {
        files.iter().map(|it| it.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    let files = names(write(&report(), Some(&logs), dir.path()).unwrap());
    assert_eq!(files, ["report.html", "curve.csv", "agent_logs.json", "run.json"]);
    let csv = std::fs::read_to_string(dir.path().join("curve.csv")).unwrap();
    let ends: Vec<&str> = csv.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(ends, ["interventions", "0", "1", "0"]);
    let shares: f64 = csv
        .lines()
        .nth(1)
        .unwrap()
        .rsplit(',')
        .skip(1)
        .take(3)
        .map(|it| it.parse::<f64>().unwrap())
        .sum();
    let known = &report().points[0].action_shares;
    let closed = known.get("CLOSE").map_or(0.0, |share| share.get());
    assert!(!known.is_empty() && (shares + closed - 1.0).abs() < 1e-9, "{known:?}: {csv}");
    assert!(names(write(&report(), None, dir.path()).unwrap()).len() == 3);
}

#[test]
fn a_run_without_a_point_has_a_page_without_curves() {
    let empty = TrainingReport { points: Vec::new(), agents: Vec::new(), ..report() };
    let page = page::html(&empty).unwrap();
    assert!(!page.contains("<svg") && page.contains("Nobody guided this run"));
}
