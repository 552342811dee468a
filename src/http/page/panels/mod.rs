//! The panels, one file each: what it shows, and which events make it old.

mod approvals;
mod arena;
mod audit;
mod budgets;
mod chats;
mod logs;
pub(super) mod now;
mod portfolio;
mod rounds;
mod selection;
mod training;
mod tree;

use maud::{Markup, html};
use serde_json::Value;

use super::super::Shared;
use super::super::desk::{Refusal, View};
use super::super::logs::{LEVELS, told};

/// A panel of the page, in the page's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::http) enum Panel {
    Now,
    Approvals,
    Rounds,
    Tree,
    Portfolio,
    Budgets,
    Arena,
    Chats,
    Training,
    Selection,
    Audit,
    Logs,
}

impl Panel {
    pub(in crate::http) const ALL: [Self; 12] = [
        Self::Now,
        Self::Approvals,
        Self::Rounds,
        Self::Tree,
        Self::Portfolio,
        Self::Budgets,
        Self::Arena,
        Self::Chats,
        Self::Training,
        Self::Selection,
        Self::Audit,
        Self::Logs,
    ];

    /// Its name in addresses.
    pub(in crate::http) const fn name(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Approvals => "approvals",
            Self::Rounds => "rounds",
            Self::Tree => "tree",
            Self::Portfolio => "portfolio",
            Self::Budgets => "budgets",
            Self::Arena => "arena",
            Self::Chats => "chats",
            Self::Training => "training",
            Self::Selection => "selection",
            Self::Audit => "audit",
            Self::Logs => "logs",
        }
    }

    /// Its name for people.
    pub(in crate::http) const fn title(self) -> &'static str {
        match self {
            Self::Now => "Now",
            Self::Approvals => "Waiting for you",
            Self::Rounds => "Rounds",
            Self::Tree => "Actors",
            Self::Portfolio => "Portfolio",
            Self::Budgets => "Budgets",
            Self::Arena => "Arena",
            Self::Chats => "ModelChat",
            Self::Training => "Training",
            Self::Selection => "Selection",
            Self::Audit => "Audit",
            Self::Logs => "Log of the process",
        }
    }

    /// How much of the page's width it takes.
    const fn class(self) -> &'static str {
        match self {
            Self::Now | Self::Approvals | Self::Audit | Self::Logs => "wide",
            _ => "",
        }
    }

    /// The steps of records that make what it shows old.
    const fn on(self) -> &'static str {
        match self {
            Self::Now => {
                "bar.received session.digest book.updated candidate.denied round.closed \
                 state.changed halt.raised halt.lifted mode.changed approval.asked \
                 approval.answered approval.expired run.ended"
            }
            Self::Approvals => "approval.asked approval.answered approval.expired order.submitted",
            Self::Rounds => "round.closed",
            Self::Tree => "round.closed state.changed",
            Self::Portfolio => "book.updated order.submitted session.digest",
            Self::Budgets => "round.closed budget.block budget.denied",
            // The log tells no events; the page looks at it with its clock.
            Self::Arena | Self::Chats | Self::Logs => "",
            Self::Training => "validation.ended levers.cleared levers.moved",
            Self::Selection => "universe.reviewed",
            Self::Audit => "bar.received session.digest round.closed book.updated",
        }
    }

    /// Its markup as it is now.
    pub(in crate::http) async fn draw(self, shared: &Shared) -> String {
        // Looked at first: what happens while it is drawn may be in it, and is not promised to be.
        let knows = shared.hub.newest().unwrap_or_default();
        let inside = match self.inside(shared).await {
            Ok(markup) => markup,
            Err(refusal) => html! { p.empty { (refusal) } },
        };
        let title = format!("{}-title", self.name());
        let drawn = html! {
            section id=(self.name()) class=(self.class()) data-panel=(self.name()) data-on=(self.on())
                data-knows=(knows) aria-labelledby=(title) tabindex="-1" {
                h2 id=(title) { (self.title()) }
                (inside)
            }
        };
        drawn.into_string()
    }

    async fn inside(self, shared: &Shared) -> Result<Markup, Refusal> {
        let view = |view: View| shared.desk.view(view);
        Ok(match self {
            Self::Now => now::draw(&view(View::Status).await?),
            Self::Approvals => approvals::draw(&view(View::Approvals).await?, shared.hub.talks()),
            Self::Rounds => {
                let rules = view(View::Status).await?.get("consensus").cloned().unwrap_or_default();
                rounds::draw(&rounds::of(shared).await?, &rules, shared.hub.talks())
            }
            Self::Tree => {
                let (found, status) = (view(View::Agents).await?, view(View::Status).await?);
                tree::draw(&found, &status, shared.hub.talks())
            }
            Self::Portfolio => {
                let status = view(View::Status).await?;
                if is_training(&status) {
                    return Ok(html! { p.empty { "A training run has no account." } });
                }
                let (positions, orders) = (view(View::Positions).await?, view(View::Orders).await?);
                portfolio::draw(&positions, &orders, &view(View::Curve).await?)
            }
            Self::Budgets => budgets::draw(&view(View::Budgets).await?, &view(View::Status).await?),
            Self::Arena => arena::draw(&view(View::Arena).await?),
            Self::Chats => chats::draw(&view(View::Chats).await?),
            Self::Training => training::draw(&view(View::Status).await?),
            Self::Selection => selection::draw(&view(View::Universe).await?),
            Self::Audit => audit::draw(&view(View::Status).await?, &shared.hub),
            Self::Logs => logs::draw(&told(shared.logs, LEVELS[4], LOG_LINES)),
        })
    }
}

/// Lines of the log that stand on the board.
const LOG_LINES: usize = 25;

/// Whether the process trains.
fn is_training(status: &Value) -> bool {
    status["job"] == "training"
}
