//! What the desk shows.

use std::path::Path;

use conclave_actors::broker::{BookView, OrderView};
use conclave_actors::runtime::directory::{Directory, Entry};
use conclave_actors::runtime::ports::AuditError;
use conclave_domain::approvals::{Pending, Proposal};
use conclave_domain::context::BookKind;
use conclave_domain::custody::EquityPoint;
use conclave_domain::fixed::Qty;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::DecisionId;
use conclave_domain::role::{AgentName, Team};
use conclave_domain::selection::dynamic::{Form, Members};
use conclave_domain::stats::Stats;
use conclave_domain::time::Time;
use serde_json::{Value, json};

use super::bars::Bars;
use super::{DeskParts, Inner, budgets, flag, key_of, season};
use crate::adapters::journal_files::JournalFiles;
use crate::cli::audit::log_dir;
use crate::http::desk::{Refusal, View};
use crate::run::records;
use crate::run::rounds::{self, RoundsError};

/// The most points of a curve that is shown.
const CURVE_POINTS: u64 = 400;

impl Inner {
    pub(super) async fn look(&self, view: View) -> Result<Value, Refusal> {
        let DeskParts { council, .. } = &self.parts;
        match view {
            View::Status => Ok(self.status().await),
            View::Agents => {
                let agents = self.agents(&council.score.stats());
                Ok(json!({"schema": "agents/1", "agents": agents, "actors": self.actors()}))
            }
            View::Rounds => self.read_log(|dir| rounds::last(dir).map(Some)).await,
            View::Round(id) => {
                let text = format!("there is no decision `{}`", clip(&id));
                let found = self.read_log(move |dir| rounds::one(dir, &id)).await;
                found.map_err(|refusal| match refusal {
                    Refusal::NotFound(_) => Refusal::NotFound(text),
                    other => other,
                })
            }
            View::Approvals => {
                let pending = council.approvals.list().await;
                let pending: Vec<Value> = pending.iter().map(|it| self.item(it)).collect();
                Ok(json!({"schema": "approvals/1", "approvals": pending}))
            }
            View::Budgets => {
                let report = council.safety.report().await.ok_or_else(absent)?;
                let free = &report.free;
                let rows = budgets::rows(&report.remaining);
                let tokens = self.parts.gateway.as_ref().map(|gateway| gateway.tokens());
                let tokens = tokens.unwrap_or_default();
                Ok(json!({"schema": "budgets/1", "budgets": rows, "free": free, "tokens": tokens}))
            }
            View::Positions => {
                let account = self.account();
                let positions = &council.broker.view().positions;
                Ok(json!({"schema": "positions/1", "account": account, "positions": positions}))
            }
            View::Universe => Ok(self.universe()),
            View::Curve => self.curve().await,
            View::Audit(filter) => {
                let read = move |dir: &Path| records::newest(dir, &filter).map(Some);
                self.read_log(read).await
            }
            View::Config => Ok(self.parts.config.told()),
            View::Arena => self.season(season::board).await,
            View::Chats => self.season(season::chats).await,
            View::Orders => {
                let view = council.broker.view();
                let orders: Vec<_> = view.orders.iter().rev().collect();
                Ok(json!({"schema": "orders/1", "orders": orders}))
            }
        }
    }

    /// One complete snapshot. A part whose actor does not answer is empty, and `actors` says why.
    async fn status(&self) -> Value {
        let DeskParts { council, dir, run_id, version, money, .. } = &self.parts;
        let DeskParts { clock, bars, speed, started_at, .. } = &self.parts;
        let (report, waiting) = tokio::join!(council.safety.report(), council.approvals.list());
        let standing = council.safety.standing();
        let counted = council.score.stats();
        let (head, synced) = (council.audit.head(), council.audit.synced());
        json!({
            "schema": "status/1",
            "run_id": run_id,
            "run_key": key_of(dir),
            "version": version,
            "money": money,
            "mode": standing.mode(Team::Trading).name(),
            "trading_state": self.trading_state().await,
            "feed": bars.feed(),
            "feed_age_s": bars.feed_age().map(|age| age.as_secs_f64()),
            "speed": speed,
            "consensus": self.consensus(),
            "market_time": clock.trading(),
            "uptime_s": clock.wall().since(*started_at).as_secs(),
            "fallen": council.fallen(),
            "account": self.account(),
            "signals": counted.signals,
            "rounds": counted.rounds,
            "vetoes": counted.vetoes,
            "denials": counted.denials,
            "clamps": counted.clamps,
            "appeals": counted.appeals,
            "approvals": waiting.len(),
            "last_refusal": council.score.last_refusal(),
            "agents": self.agents(&counted),
            "actors": self.actors(),
            "budgets": report.map(|report| budgets::rows(&report.remaining)).unwrap_or_default(),
            "audit": {
                "decisions": head.decisions.count,
                "observations": head.observations.count,
                "on_disk": synced.decisions.count,
                "head": head.decisions.hash,
                "state": audit_state(council.audit.trouble().as_ref()),
                "lost": council.audit.lost(),
                "trouble": council.audit.trouble().as_ref().map(trouble),
            },
        })
    }

    /// What is in force tells more than what was stored: a flag file halts without a record, and its reason
    /// is in it.
    async fn trading_state(&self) -> Value {
        let DeskParts { council, dir, .. } = &self.parts;
        let state = council.safety.standing().trading_state;
        let control = council.context.snapshot().control.clone();
        let is_told = control.state == state;
        if !is_told && let Some(raised) = flag::read(dir).await {
            return raised.told(state);
        }
        json!({
            "state": state.name(),
            "reason": if is_told { control.reason.as_str() } else { "" },
            "since": (is_told && !control.reason.is_empty()).then_some(control.since),
            "is_market_time": true,
        })
    }

    /// Something that waits, as it is shown.
    fn item(&self, pending: &Pending) -> Value {
        let DeskParts { council, clock, bars, .. } = &self.parts;
        let stale = pending.proposal.at() + council.approvals.expiry().get();
        let mut shown = item(pending);
        if let Some(ends_with_next_bar) = bars.next_is_later(clock.trading(), stale) {
            shown["stale_after"] = json!(stale);
            shown["ends_with_next_bar"] = json!(ends_with_next_bar);
        }
        shown
    }

    /// How rounds are counted.
    fn consensus(&self) -> Value {
        let rules = &self.parts.limits.consensus;
        json!({"threshold": rules.threshold, "quorum_min": rules.quorum_min,
            "quorum_share": rules.quorum_share})
    }

    /// The members of the book that the present mode decides on, with how their trades went.
    fn universe(&self) -> Value {
        let council = &self.parts.council;
        let Some(stored) = council.rolls.stored() else {
            return json!({"schema": "universe/1", "enabled": false, "members": []});
        };
        let book = self.book();
        let rules = council.rolls.rules().unwrap_or_default();
        let row = |(symbol, form): (&Symbol, &Form)| {
            json!({
                "symbol": symbol, "trades": form.trades, "win_rate": form.win_rate(),
                "drawdown": form.drawdown(), "poor": form.judge(&rules),
            })
        };
        let members = stored.books.get(&book);
        let seats: Vec<Value> = members.iter().flat_map(|it| it.seats().map(row)).collect();
        json!({
            "schema": "universe/1", "enabled": true, "book": book, "members": seats,
            "resting": members.map(Members::resting), "changes": stored.changes,
            "measured_at": stored.measured_at,
        })
    }

    /// The points of the book that the present mode decides on, beside what holding everything would have
    /// come to, and the prices of what was decided on last.
    async fn curve(&self) -> Result<Value, Refusal> {
        let DeskParts { council, dir, money, bars, clock, .. } = &self.parts;
        let book = self.book();
        let (view, refused) = (council.broker.view(), council.score.last_refusal());
        let (dir, bars, now) = (dir.clone(), bars.clone(), clock.trading());
        let read = move || {
            let mut points = JournalFiles::outline(&dir, book, CURVE_POINTS)?;
            // As it stands now: what was closed behind the last bar is in no point of the journal. Before the
            // first bar there is no time at which it could stand.
            let shown = view.book(book).filter(|shown| shown.book == book && view.at > Time::EPOCH);
            if let Some(shown) = shown {
                points.retain(|point| point.at < view.at);
                let &BookView { equity, cash, exposure, drawdown, .. } = shown;
                points.push(EquityPoint { at: view.at, equity, cash, exposure, drawdown });
            }
            let times: Vec<Time> = points.iter().map(|point| point.at).collect();
            let rows: Vec<Value> = points
                .iter()
                .zip(bars.benchmark(&times))
                .map(|(point, benchmark)| {
                    json!({"at": point.at, "equity": point.equity, "cash": point.cash,
                        "exposure": point.exposure, "benchmark": benchmark})
                })
                .collect();
            let refused = refused.map(|refused| refused.decision);
            Ok::<_, std::io::Error>((rows, price(&bars, &view.orders, refused, now)))
        };
        let done = tokio::task::spawn_blocking(read).await;
        let done = done.map_err(|_| Refusal::Unavailable("reading the curve broke".to_owned()))?;
        let (points, price) = done.map_err(|error| Refusal::Unavailable(error.to_string()))?;
        Ok(
            json!({"schema": "curve/1", "book": book, "money": money, "points": points, "price": price}),
        )
    }

    /// Something of the latest season that was played where this process was started.
    async fn season(&self, read: fn() -> Value) -> Result<Value, Refusal> {
        let read = tokio::task::spawn_blocking(read).await;
        read.map_err(|_| Refusal::Unavailable("reading the season broke".to_owned()))
    }

    /// The book that the present mode decides on.
    fn book(&self) -> BookKind {
        BookKind::decided_on(self.parts.council.safety.mode(Team::Trading))
    }

    /// Its figures; the other book's where it was never decided on, which `book` says.
    fn account(&self) -> Value {
        let view = self.parts.council.broker.view();
        let Some(shown) = view.book(self.book()) else { return Value::Null };
        json!({
            "book": shown.book,
            "equity": shown.equity,
            "cash": shown.cash,
            "exposure": shown.exposure,
            "drawdown": shown.drawdown,
            "daily_pnl": shown.daily_pnl_pct,
            "open_risk": shown.open_risk,
            "trades": shown.trades,
            "positions": shown.positions,
        })
    }

    fn agents(&self, stats: &Stats) -> Vec<Value> {
        let council = &self.parts.council;
        let row = |agent: &conclave_actors::runtime::shell::AgentHandle<_>| {
            let name = agent.role.name;
            let life = council.safety.directory().get(name).unwrap_or_default();
            let counted = stats.agents.get(name).cloned().unwrap_or_default();
            json!({
                "name": name,
                "team": agent.role.team,
                "state": life.health,
                "restarts": life.restarts,
                "restarts_lately": council.safety.directory().lately(name),
                "consulted": counted.consulted,
                "answered": counted.answered,
                "abstained": counted.abstained,
                "unreadable": counted.unreadable,
                "inadmissible": counted.inadmissible,
                "denied": counted.denied,
                "failed": counted.failed,
                "late": counted.late,
                "shed": counted.shed,
                "vetoes": counted.vetoes,
                "clamps": counted.clamps,
                "hit_rate": counted.track_record().hit_rate,
                "mailbox": agent.depth(),
                "last_end": life.last_end,
            })
        };
        council.agents.iter().map(row).collect()
    }

    fn actors(&self) -> Vec<Value> {
        lives(&self.parts.council.directory)
    }

    /// Reads the audit's files on a thread that may block.
    async fn read_log(
        &self,
        read: impl FnOnce(&Path) -> Result<Option<Value>, RoundsError> + Send + 'static,
    ) -> Result<Value, Refusal> {
        let dir = log_dir(&self.parts.dir);
        let done = tokio::task::spawn_blocking(move || read(&dir)).await;
        match done {
            Ok(Ok(Some(found))) => Ok(found),
            Ok(Ok(None)) => Err(Refusal::NotFound("there is no such thing".to_owned())),
            Ok(Err(error)) => Err(Refusal::Unavailable(error.to_string())),
            Err(_) => Err(Refusal::Unavailable("reading the audit broke".to_owned())),
        }
    }
}

/// The lives of a directory's actors.
pub(in crate::run) fn lives(directory: &Directory) -> Vec<Value> {
    let row = |(name, life): (AgentName, Entry)| {
        json!({
            "name": name, "state": life.health, "restarts": life.restarts,
            "restarts_lately": directory.lately(name), "last_end": life.last_end,
        })
    };
    directory.all().into_iter().map(row).collect()
}

/// The prices of what was decided on last, with what was bought and sold of it; null before that.
fn price(bars: &Bars, orders: &[OrderView], refused: Option<DecisionId>, now: Time) -> Value {
    // A name ends with the moment of its decision, so the later of two of them is found behind it.
    let moment = |id: &DecisionId| id.as_str().rsplit('-').nth(1).map(ToOwned::to_owned);
    let ordered = orders.last().map(|order| order.decision.clone());
    let Some(about) = ordered.into_iter().chain(refused).max_by_key(moment) else {
        return Value::Null;
    };
    let Some((symbol, closes)) = bars.closes(&about, now) else { return Value::Null };
    let first = closes.first().map_or(now, |(at, _)| *at);
    let filled = orders.iter().filter(|it| it.symbol == symbol && it.filled > Qty::ZERO);
    let marks: Vec<Value> = filled
        .filter(|order| order.at >= first)
        .map(|order| {
            json!({"at": order.filled_at.unwrap_or(order.at), "price": order.filled_price,
                "qty": order.filled, "side": order.side, "decision": order.decision})
        })
        .collect();
    let closes: Vec<Value> =
        closes.iter().map(|(at, close)| json!({"at": at, "close": close})).collect();
    json!({"symbol": symbol, "decision": about, "closes": closes, "marks": marks})
}

/// How the log is, in a word.
pub(in crate::run) const fn audit_state(trouble: Option<&AuditError>) -> &'static str {
    match trouble {
        None => "well",
        Some(AuditError::DiskFull) => "full",
        Some(AuditError::Broken { .. } | AuditError::Closed) => "closed",
        Some(_) => "failing",
    }
}

fn trouble(error: &AuditError) -> String {
    let what_follows = match error {
        AuditError::Broken { .. } => "the process ends; start it again with --resume",
        _ => "no new risk is taken until it can be written, exits go on",
    };
    format!("{error}: {what_follows}")
}

fn item(pending: &Pending) -> Value {
    let Pending { decision, proposal, reasoning, proposed_at, expires_at } = pending;
    let mut shown = json!({
        "decision": decision, "reasoning": reasoning, "proposed_at": proposed_at,
        "expires_at": expires_at,
    });
    let asked = match proposal {
        Proposal::Entry { intent, appealed } => json!({
            "asks": "entry", "appealed": appealed,
            "symbol": intent.symbol, "side": intent.side, "qty": intent.qty,
            "order": intent.kind, "reference": intent.reference, "exits": intent.exits,
        }),
        Proposal::Universe { change } => {
            json!({"asks": "universe", "admit": change.admit, "evict": change.evict})
        }
    };
    if let (Some(shown), Value::Object(asked)) = (shown.as_object_mut(), asked) {
        shown.extend(asked);
    }
    shown
}

/// A text from outside, short and on one line.
pub(in crate::run) fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}

pub(in crate::run) fn absent() -> Refusal {
    Refusal::Unavailable("safety does not answer; it is restarted by itself".to_owned())
}
