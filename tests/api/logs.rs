//! What a board shows of texts that nobody has weighed: the process's log, and what models wrote.

use serde_json::json;

use super::{Body, ask, way_in};
use crate::rig::World;

/// Goal: the log of a process is read over the API by level, and neither it nor what a model wrote shows a
/// key of this process. Method: the key stands in the environment; a person has put it into a reason, and
/// a model into what it said in a season that lies there.
#[test]
fn the_log_is_read_by_level_and_no_text_shows_a_key() {
    const KEY: &str = "marked-0123456789";
    let world = World::new();
    world.variable("SOMEBODYS_API_KEY", KEY);
    let said = json!({"contestant": "a", "trader": {"state": "done", "reasoning": format!("with {KEY}.")}});
    let season = world.path("runs/arena");
    std::fs::create_dir_all(&season).expect("a directory");
    std::fs::write(season.join("chats.jsonl"), format!("{said}\n")).expect("a file");
    std::fs::write(world.path("runs/latest-arena"), "arena").expect("a file");
    let args = world.run_args(&["--out", "r", "--stay", "--log", "info"]);
    let running = world.serve("r", &args);
    let (address, _) = way_in(&world);
    let get = |path: &str| {
        ask(&address, format!("GET /api/v1/{path}").as_bytes(), &[], Body::Text(String::new()))
    };
    let (status, told) = get("logs?level=info");
    let lines = told["lines"].as_array().expect("lines");
    assert_eq!((status, told["level"].as_str()), (200, Some("info")), "{told}");
    let serving =
        lines.iter().find(|line| line["text"].as_str().is_some_and(|it| it.starts_with("serving")));
    assert_eq!(serving.expect("a line that it serves")["level"], "info");
    let (_, serious) = get("logs?level=warn");
    let serious = serious["lines"].as_array().expect("lines").clone();
    assert!(serious.iter().all(|line| line["level"] != "info"), "{serious:?}");
    for wrong in ["logs?level=loud", "logs?level=warn&level=info", "logs?lines=9"] {
        let (status, told) = get(wrong);
        assert_eq!((status, &told["code"]), (422, &json!("invalid")), "{wrong}");
    }
    let (_, chats) = get("chats");
    assert_eq!(chats["chats"][0]["trader"]["reasoning"], "with [key].", "{chats}");
    running.kill();
}
