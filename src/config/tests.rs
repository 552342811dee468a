//! Tests of the configuration.

use super::*;

fn load_text(text: &str) -> Result<Loaded, ConfigErrors> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("conclave.toml");
    std::fs::write(&path, text).unwrap();
    load(Some(&path), std::iter::empty(), &[])
}

#[test]
fn the_default_file_is_the_default_configuration() {
    let loaded = load(None, std::iter::empty(), &[]).unwrap();
    assert_eq!(loaded.config, Config::default());
}

#[test]
fn the_default_file_names_every_key_but_those_of_single_agents() {
    let loaded = load(None, std::iter::empty(), &[]).unwrap();
    for key in keys().iter().filter(|key| !key.path.starts_with("agents.")) {
        assert!(loaded.layer.contains_key(&key.path), "{} is missing", key.path);
    }
}

#[test]
fn five_errors_are_reported_at_once_each_with_key_value_bound_and_source() {
    let text = "[run]\nmode = \"yolo\"\ncash = \"-5\"\n[risk]\nposition_max = 0.9\n\
                [budgets]\nteam_per_hour = 99999\n[http]\nport = \"web\"\n";
    let errors = load_text(text).unwrap_err();
    assert_eq!(errors.0.len(), 5, "{errors}");
    let shown = errors.to_string();
    for part in ["run.mode", "yolo", "0.9", "from 0.01 to 0.2", "conclave.toml", "http.port"] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
}

/// Each of the first is wrong by itself, each of the others with a key that is right.
const FIVE: &str = "[strategy]\nfast = 50\nslow = 20\n[risk]\ndrawdown_half = 0.10\n\
                    drawdown_halt = 0.05\n[bounds]\nsize_multiplier = [1.5, 0.5]\n\
                    lr_multiplier = [0.5, nan]\n[agents.risk_guardian]\nenabled = false\n";

#[test]
fn what_is_wrong_by_itself_does_not_hide_what_does_not_go_together() {
    let errors = load_text(FIVE).unwrap_err();
    let keys: Vec<&str> = errors.0.iter().map(|error| error.key.as_str()).collect();
    let five = [
        "agents.risk_guardian.enabled",
        "bounds.lr_multiplier",
        "bounds.size_multiplier",
        "risk.drawdown_half",
        "strategy.fast",
    ];
    assert_eq!(keys, five);
    let errors = load_text(&FIVE.replace("slow = 20", "slow = \"x\"")).unwrap_err();
    let keys: Vec<&str> = errors.0.iter().map(|error| error.key.as_str()).collect();
    assert_eq!(keys, [&five[..4], &["strategy.slow"]].concat(), "what `fast` is below is unknown");
}

#[test]
fn a_host_that_is_no_address_is_refused() {
    let errors = load_text("[http]\nhost = \"everywhere\"\n").unwrap_err();
    assert!(errors.to_string().contains("`http.host`"), "{errors}");
    let loaded = load_text("[http]\nhost = \"::1\"\n").unwrap();
    assert_eq!(loaded.config.http.host, "::1".parse::<std::net::IpAddr>().unwrap());
}

#[test]
fn an_unknown_key_is_refused_and_its_neighbours_are_named() {
    let errors = load_text("[risk]\nbypass = true\n").unwrap_err();
    let shown = errors.to_string();
    assert!(shown.contains("risk.bypass") && shown.contains("risk.position_max"), "{shown}");
}

#[test]
fn a_file_that_is_no_toml_is_an_error_that_names_the_line() {
    let errors = load_text("[run]\nmode = = 3\n").unwrap_err();
    assert!(errors.to_string().contains("line 2"), "{errors}");
}

#[test]
fn a_flag_comes_before_the_environment_and_that_before_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    std::fs::write(&path, "[run]\nseed = 1\nchunk = 2\n[http]\nport = 3\n").unwrap();
    let environment = [("CONCLAVE__RUN__SEED", "10"), ("CONCLAVE__RUN__CHUNK", "20")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let flags = [("run.seed".to_owned(), "100".to_owned())];
    let loaded = load(Some(&path), environment.into_iter(), &flags).unwrap();
    let config = &loaded.config;
    assert_eq!((config.run.seed, config.run.chunk, config.http.port), (100, 20, 3));
    assert_eq!(loaded.layer["run.seed"].1, Source::Flag("run.seed".to_owned()));
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    let errors = load_text("[strategy]\nfast = 50\nslow = 20\n").unwrap_err();
    assert!(errors.to_string().contains("below `strategy.slow`"), "{errors}");
    let errors = load_text("[agents.risk_guardian]\nenabled = false\n").unwrap_err();
    assert!(errors.to_string().contains("cannot be switched off"), "{errors}");
}

#[test]
fn a_bound_is_narrowed_and_never_widened() {
    let narrowed = load_text("[bounds]\nsize_multiplier = [0.5, 1.0]\n").unwrap();
    assert!((narrowed.config.limits.bounds.size_multiplier.max() - 1.0).abs() < 1e-12);
    for wide in ["[0.1, 1.0]", "[0.5, 2.5]", "[1.5, 0.5]", "[0.5, nan]", "[1.0]"] {
        assert!(load_text(&format!("[bounds]\nsize_multiplier = {wide}\n")).is_err(), "{wide}");
    }
}

#[test]
fn caps_by_agent_and_model_are_tables_whose_names_are_checked() {
    let text = "[budgets.usd_per_day_by_agent]\nposition_sizer = \"1\"\nnews_reader = \"0.5\"\n\
                [budgets.usd_per_day_by_model]\n\"openai/gpt-6.1-terra\" = \"2.5\"\nopus = 3\n\
                [models]\nstep_down = [0.1, 0.4]\nwhen_spent = \"abstain\"\n\
                [budgets]\nguardian_reserve = 0.25\n";
    let loaded = load_text(text).unwrap();
    let budgets = &loaded.config.budgets;
    let money = |text: &str| text.parse::<conclave_domain::fixed::Money>().unwrap();
    assert_eq!(budgets.usd_per_day_by_agent["position_sizer"], money("1"));
    assert_eq!(budgets.usd_per_day_by_model["openai/gpt-6.1-terra"], money("2.5"));
    assert_eq!(budgets.usd_per_day_by_model["opus"], money("3"));
    let shares =
        [budgets.guardian_reserve, budgets.step_down.second_below, budgets.step_down.third_below];
    assert_eq!(shares.map(conclave_domain::fixed::Bp::as_hundredths), [250_000, 400_000, 100_000]);
    assert_eq!(budgets.when_spent, conclave_domain::budget::WhenSpent::Abstain);
    for bad in [
        "[budgets.usd_per_day_by_agent]\nnobody = \"1\"\n",
        "[budgets.usd_per_day_by_model]\nopus = \"1001\"\n",
        "[models]\nstep_down = [0.5, 0.2]\n",
        "[budgets]\nguardian_reserve = 0.6\n",
    ] {
        assert!(load_text(bad).is_err(), "{bad}");
    }
}
