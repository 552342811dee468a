//! Traces: decisions as spans at a collector, and what a collector that is not well costs.

#[cfg(feature = "otlp-tests")]
mod collector;
#[cfg(feature = "otlp-tests")]
mod exported;

#[cfg(not(feature = "otlp"))]
#[test]
fn a_binary_that_exports_nothing_refuses_the_key_and_says_how_to_build_one() {
    let world = crate::rig::World::new();
    world.config("[telemetry]\notlp = \"http://127.0.0.1:4318\"\n");
    let said = world.run(&["--config", "c.toml", "--out", "run"]);
    said.refuses(3, "`telemetry.otlp` is \"http://127.0.0.1:4318\", but must be empty");
    said.refuses(3, "cargo build --release --features otlp");
    assert!(!world.path("run").exists(), "a run that does not begin leaves nothing behind");
}
