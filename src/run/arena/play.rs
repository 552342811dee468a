//! A season, tick by tick: fills and marks, the question to everybody, the log, then the books.
//!
//! - what everybody brought is written before a book takes it; whoever goes on reads it there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use conclave_actors::arena::{Arena, Question};
use conclave_actors::audit::record;
use conclave_domain::arena::aggregate::Aggregate;
use conclave_domain::arena::board::board;
use conclave_domain::arena::chat::ChatEntry;
use conclave_domain::arena::public::TickLine;
use conclave_domain::arena::season::{OpenedTick, Season};
use conclave_domain::arena::snapshot::MarketView;
use conclave_domain::arena::words::{Answered, ContestantName, Vote};
use conclave_domain::market::bar::Bar;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::market::tape::Tape;
use conclave_domain::order::DecisionId;
use conclave_domain::record::{Record, Step};
use conclave_domain::time::Time;
use serde::Serialize;

use super::archive::Lines;
use super::failed;
use super::log::{Desk, Header, Out, Played, PlayedTick, TickEnd};
use super::outside::Outside;
use super::prepare::Prepared;
use super::purses::Purses;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::progress::Progress;
use crate::report::arena::{ArenaReport, CHATS_MAX};

/// Ticks between two syncs of the log where nobody is paid: what a loss of power takes is played again.
/// Where somebody is, every tick is synced: nobody is paid twice for what the log has lost.
const SYNC_EVERY: u32 = 64;

/// A season at work.
struct Stage<'a> {
    prepared: &'a Prepared,
    season: Season,
    arena: &'a Arena,
    lines: Lines,
    outside: &'a Outside,
    /// What contestants of models have of their own.
    purses: &'a mut Purses,
    /// The last decisions that were not HOLD.
    chats: VecDeque<ChatEntry>,
    /// What all said at the last tick.
    aggregates: Vec<Aggregate>,
}

/// Plays the season to its end, the ticks that the log knows without asking anybody.
pub(super) async fn play(
    prepared: &Prepared,
    season: Season,
    mut played: Played,
    (arena, lines, outside, purses): (&Arena, Lines, &Outside, &mut Purses),
) -> Result<ArenaReport, CliError> {
    if !played.has_begun {
        let header = Header::of(prepared);
        write(arena, vec![made(Step::RunStarted, None, prepared.from, &header)?]).await?;
    }
    let (chats, aggregates) = (VecDeque::new(), Vec::new());
    let mut stage = Stage { prepared, season, arena, lines, outside, purses, chats, aggregates };
    let progress = Progress::things(prepared.ticks as u64, "ticks");
    let mut tape = Tape::new(prepared.series.to_vec()).map_err(|error| failed(&error))?;
    let instruments = Arc::clone(tape.instruments());
    while let Some(chunk) = tape.next_chunk(1) {
        let bars = chunk.ticks().iter();
        let named = |tick: &conclave_domain::market::tape::Tick| {
            let instrument = instruments.get(usize::from(tick.instrument))?;
            Some((instrument.symbol.clone(), tick.bar))
        };
        let slice: Vec<(Symbol, Bar)> = bars.filter_map(named).collect();
        let Some(at) = slice.first().map(|(_, bar)| bar.close_time) else { continue };
        if at < prepared.from {
            stage.season.warm(at, &slice).map_err(|error| failed(&error))?;
        } else {
            stage.tick(at, &slice, &mut played).await?;
            progress.advance(1);
            progress.say(stage.leader());
        }
    }
    progress.finish();
    stage.end(played.is_over).await
}

impl Stage<'_> {
    async fn tick(
        &mut self,
        at: Time,
        slice: &[(Symbol, Bar)],
        played: &mut Played,
    ) -> Result<(), CliError> {
        let opened = self.season.on_slice(at, slice).map_err(|error| failed(&error))?;
        let number = opened.snapshot.tick.number;
        let known = played.ticks.remove(&number).unwrap_or_default();
        agree(&opened, &known)?;
        let was_closed = known.end.is_some();
        let mut excluded = known.excluded.clone();
        let mut heard = BTreeMap::new();
        if !was_closed {
            self.purses.begin_tick();
            heard = self.ask(&opened, &known).await?;
            // On the disk before the log says what was brought: see there.
            self.purses.end_tick(number, &mut heard).await?;
        }
        if !was_closed {
            excluded.extend(self.given_up());
            self.log(&opened, &heard, &excluded, &known).await?;
        }
        let mut brought: BTreeMap<ContestantName, Answered> =
            known.desks.into_iter().map(|(name, desk)| (name, desk.answered)).collect();
        brought.extend(heard);
        let closed = self.season.close_tick(brought).map_err(|error| failed(&error))?;
        for (name, why) in &excluded {
            self.season.exclude(name, why, at).map_err(|error| failed(&error))?;
        }
        let line = TickLine::of(&self.season, &opened, &excluded);
        self.lines.add(&closed, line)?;
        self.count(&closed.chats);
        self.lines.show(&self.season, &self.prepared.data)?;
        self.outside.tick();
        if !was_closed {
            self.outside.tell(&self.prepared.spec.season, at, &closed.aggregates);
        }
        let is_call = |chat: &ChatEntry| {
            chat.final_decision.rating.is_none_or(|rating| rating.vote() != Vote::Hold)
        };
        self.chats.extend(closed.chats.into_iter().filter(is_call));
        let over = self.chats.len().saturating_sub(CHATS_MAX);
        self.chats.drain(..over);
        self.aggregates = closed.aggregates;
        let is_due = !self.purses.is_empty() || (number + 1).is_multiple_of(SYNC_EVERY);
        if !was_closed && is_due {
            self.arena.audit.sync().await.map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// Counts the ratings of desks: one that rates everything alike is to be seen.
    fn count(&self, chats: &[ChatEntry]) {
        let contestants = self.prepared.spec.contestants.iter();
        let desks: Vec<_> =
            contestants.filter(|one| one.kind.is_desk()).map(|one| &one.name).collect();
        for chat in chats.iter().filter(|chat| desks.contains(&&chat.contestant)) {
            let Some(rating) = chat.final_decision.rating else { continue };
            let labels =
                [("contestant", chat.contestant.to_string()), ("rating", rating.name().to_owned())];
            metrics::counter!("conclave_arena_ratings_total", &labels).increment(1);
        }
    }

    /// Asks everybody who takes part and has not said it already.
    async fn ask(
        &self,
        opened: &OpenedTick,
        known: &PlayedTick,
    ) -> Result<BTreeMap<ContestantName, Answered>, CliError> {
        let snapshot = Arc::new(opened.snapshot.clone());
        let view = MarketView::new(Arc::clone(&self.prepared.series), snapshot.tick.at);
        let mut questions = BTreeMap::new();
        for (name, book) in self.season.books() {
            if book.excluded().is_some() || known.desks.contains_key(name) {
                continue;
            }
            let book = book.view().map_err(|error| failed(&error))?;
            let (snapshot, view) = (Arc::clone(&snapshot), view.clone());
            let (library, lessons) =
                (Arc::clone(&self.prepared.library), self.season.lessons(name));
            let question = Question { snapshot, view, library, book, lessons };
            questions.insert(name.clone(), question);
        }
        Ok(self.arena.ask(questions).await)
    }

    /// Who was given up, or cannot take part, and is not out yet.
    fn given_up(&self) -> BTreeMap<ContestantName, String> {
        let books = self.season.books();
        let is_in =
            |name: &ContestantName| books.get(name).is_some_and(|it| it.excluded().is_none());
        let given_up = self.arena.given_up().into_iter().chain(self.purses.absent().clone());
        given_up.filter(|(name, _)| is_in(name)).collect()
    }

    /// Writes down what is new of a tick, before any book takes it.
    async fn log(
        &self,
        opened: &OpenedTick,
        heard: &BTreeMap<ContestantName, Answered>,
        excluded: &BTreeMap<ContestantName, String>,
        known: &PlayedTick,
    ) -> Result<(), CliError> {
        let (tick, snapshot) = (opened.snapshot.tick, opened.hash);
        let number = tick.number;
        let mut records = Vec::new();
        for (name, answered) in heard {
            let run = format!("{}-{name}", self.prepared.spec.season);
            let decision = DecisionId::of_run(&run, number, "desk");
            let body = Desk {
                tick: number,
                snapshot,
                contestant: name.clone(),
                entries: opened.entries.get(name).cloned().unwrap_or_default(),
                answered: answered.clone(),
            };
            records.push(made(Step::DeskDecided, Some(&decision), tick.at, &body)?);
        }
        for (name, why) in excluded.iter().filter(|(name, _)| !known.excluded.contains_key(*name)) {
            let body = Out { tick: number, contestant: name.clone(), why: why.clone() };
            records.push(made(Step::ContestantExcluded, None, tick.at, &body)?);
        }
        records.push(made(Step::TickClosed, None, tick.at, &TickEnd { tick: number, snapshot })?);
        write(self.arena, records).await
    }

    /// Who is ahead, for the line under which everybody waits.
    fn leader(&self) -> String {
        let books = self.season.books().iter().filter(|(_, book)| book.excluded().is_none());
        let values = books.filter_map(|(name, book)| Some((book.curve().last()?.1, name)));
        values
            .max()
            .map_or_else(String::new, |(value, name)| format!("{name} leads with {value:.2}"))
    }

    /// The end of the log, and everything that a report tells.
    async fn end(self, was_over: bool) -> Result<ArenaReport, CliError> {
        let board = board(&self.season, &self.prepared.data).map_err(|error| failed(&error))?;
        if !was_over {
            let at = board.tick.map_or(self.prepared.from, |tick| tick.at);
            let body = serde_json::json!({"tick": board.tick, "snapshot": board.snapshot});
            write(self.arena, vec![made(Step::RunEnded, None, at, &body)?]).await?;
            self.outside.tell_end(&board, at, &self.aggregates);
        }
        self.lines.count()?;
        self.arena.audit.finish().await.map_err(|error| failed(&error))?;
        if let Some(why) = self.arena.fallen() {
            return Err(CliError::new(ExitCode::Failure, format!("the season's log fell: {why}")));
        }
        let (aggregates, chats) = (self.aggregates, self.chats.into());
        Ok(ArenaReport::of(&self.season, board, (aggregates, chats), &self.prepared.source))
    }
}

/// What is played again must come to what was played.
fn agree(opened: &OpenedTick, known: &PlayedTick) -> Result<(), CliError> {
    let tick = opened.snapshot.tick.number;
    let differs = |what: &str| {
        let text = format!("tick {tick} comes to other {what} than its log says: not gone on with");
        Err(CliError::new(ExitCode::Data, text))
    };
    if known.end.as_ref().is_some_and(|end| end.snapshot != opened.hash) {
        return differs("figures");
    }
    for (name, desk) in &known.desks {
        let entries = opened.entries.get(name).map_or(&[][..], Vec::as_slice);
        if desk.snapshot != opened.hash || desk.entries != entries {
            return differs("figures");
        }
    }
    Ok(())
}

fn made(
    step: Step,
    decision: Option<&DecisionId>,
    at: Time,
    body: &impl Serialize,
) -> Result<Record, CliError> {
    record(step, decision, at, body).map_err(|error| failed(&error))
}

async fn write(arena: &Arena, records: Vec<Record>) -> Result<(), CliError> {
    arena.audit.note_all(records).await.map_err(|error| failed(&error))
}
