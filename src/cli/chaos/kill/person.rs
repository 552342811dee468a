//! Runs in which a person acts: every life is killed at once behind an order that was acknowledged.
//!
//! - C-1: the mode and the trading state, once acknowledged over the API, are those of the next start.
//!
//! What a person does is not done again by a second pass over the bars, so these runs are not compared
//! with one that was never killed, and hold rounds that were decided twice; their logs verify.

use std::path::Path;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::life::{Ended, LOOK, Life, PATIENCE, Plan};
use super::{Harness, Victim};
use crate::adapters::control_http::{Control, STATION_FILE};
use crate::cli::error::{CliError, ExitCode};

/// Lives of such a run that are killed.
const ACTS: usize = 5;
/// So that a person can come in between: a replay of daily bars is over within a second.
const PACE: &str = "5ms";

/// What a person orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Halt,
    Reduce,
    Resume,
    Advisory,
    Autonomous,
}

impl Act {
    const ALL: [Self; 5] =
        [Self::Halt, Self::Reduce, Self::Resume, Self::Advisory, Self::Autonomous];

    fn order(self) -> (&'static str, Value) {
        let why = json!({"reason": "chaos"});
        let mode = |mode: &str| json!({"mode": mode, "override_reason": "chaos"});
        match self {
            Self::Halt => ("halt", why),
            Self::Reduce => ("reduce", why),
            Self::Resume => ("resume", why),
            Self::Advisory => ("mode", mode("advisory")),
            Self::Autonomous => ("mode", mode("autonomous")),
        }
    }

    /// How the council stands once this was acknowledged.
    fn upon(self, standing: Standing) -> Standing {
        let (state, mode) = match self {
            Self::Halt => ("halted", None),
            Self::Reduce => ("reducing", None),
            Self::Resume => ("active", None),
            Self::Advisory => (standing.state.as_str(), Some("advisory")),
            Self::Autonomous => (standing.state.as_str(), Some("autonomous")),
        };
        let mode = mode.map_or(standing.mode, str::to_owned);
        Standing { state: state.to_owned(), mode, reason: String::new() }
    }
}

/// How a council stands, as its status says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    state: String,
    mode: String,
    reason: String,
}

impl Standing {
    async fn of(control: &Control) -> Option<Self> {
        let status = control.get("status").await.ok()?;
        let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str);
        Some(Self {
            state: text("/trading_state/state")?.to_owned(),
            mode: text("/mode")?.to_owned(),
            reason: text("/trading_state/reason").unwrap_or_default().to_owned(),
        })
    }

    /// Whether a later look may see this: as it was acknowledged, or halted by the drawdown since then.
    fn follows(&self, acknowledged: &Self) -> bool {
        let is_halted = self.state == "halted" && self.reason.starts_with("drawdown");
        self.mode == acknowledged.mode && (self.state == acknowledged.state || is_halted)
    }
}

/// What was seen of a life in which a person acted.
struct Acted {
    how: Ended,
    /// How it stood when it first answered.
    found: Option<Standing>,
    /// How it must stand from then on; `None` where nothing was acknowledged.
    left: Option<Standing>,
}

impl Life {
    /// Starts a process, gives it one order, and kills it as soon as that was answered.
    async fn act(&self, act: Act) -> Result<Acted, CliError> {
        // That of the process before would be taken for this one's.
        let _ = std::fs::remove_file(self.dir().join(STATION_FILE));
        let (mut child, began) = (self.start()?, Instant::now());
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Acted { how: self.ended(status), found: None, left: None });
            }
            if let Ok(control) = Control::find(self.dir())
                && let Some(found) = Standing::of(&control).await
            {
                let (verb, body) = act.order();
                let left = match control.post(verb, &body).await {
                    Ok(_) => Some(act.upon(found.clone())),
                    Err(error) if error.code == ExitCode::Denied => Some(found.clone()),
                    // It may have been carried out, or not.
                    Err(_) => None,
                };
                child.kill()?;
                child.wait()?;
                return Ok(Acted { how: Ended::Killed, found: Some(found), left });
            }
            if began.elapsed() > PATIENCE {
                child.kill()?;
                return Err(CliError::new(ExitCode::Timeout, "a run hangs"));
            }
            sleep(LOOK).await;
        }
    }
}

impl Harness {
    /// One run in which a person acts, killed behind each act, and then played to its end.
    pub(super) async fn acted(
        &mut self,
        (room, dir): (&Path, &Path),
        args: &[String],
        kills: u32,
    ) -> Result<Victim, CliError> {
        let mut victim = Victim::of(dir);
        let paced = [args, &["--pace".to_owned(), PACE.to_owned()]].concat();
        let life = Life::new(dir, room, &paced);
        let mut acknowledged: Option<Standing> = None;
        for _ in 0..ACTS {
            if self.outcome.kills >= kills || !victim.found.wrong.is_empty() {
                break;
            }
            let nth = usize::try_from(self.random.below(Act::ALL.len() as u64)).unwrap_or(0);
            let Acted { how, found, left } = life.act(Act::ALL[nth]).await?;
            if let (Some(found), Some(acknowledged)) = (&found, &acknowledged) {
                victim.found.check("C-1", found.follows(acknowledged), || {
                    format!("{acknowledged:?} was acknowledged, and then it was {found:?}")
                });
            }
            match how {
                Ended::Killed => {
                    self.killed();
                    victim.verify(room)?;
                }
                Ended::InOrder => return Ok(victim),
                Ended::Failed(why) => {
                    victim.found.check("run", false, || format!("it did not go on: {why}"));
                }
            }
            self.outcome.acts += u32::from(left.is_some());
            acknowledged = left;
        }
        if victim.found.wrong.is_empty() {
            let lived = Life::new(dir, room, args).live(Plan::ToTheEnd).await?;
            victim.found.check("run", lived.how == Ended::InOrder, || {
                format!("it did not come to its end: {:?}", lived.how)
            });
            victim.verify(room)?;
        }
        Ok(victim)
    }
}
