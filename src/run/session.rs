//! One process's part of a run: it goes on from what there is, plays, settles and reports.
//!
//! - D-1: same seed, same data: the decisions of a run that was killed are those of one that was not.
//!   What was played since the checkpoint is played again and compared with the log; only where that
//!   shows a difference is the run gone on with the old way, and says so.
//!
//! Nobody is served before everything in the log was met again: a person's act in between would be
//! lost with a try that is given up.

use std::io::Write;
use std::sync::Arc;

use conclave_actors::audit::record;
use conclave_actors::council::Council;
use conclave_actors::driver;
use conclave_actors::pump::{Pump, PumpError};
use conclave_actors::runtime::compare::{Comparing, Standing};
use conclave_actors::runtime::faults::feed::FaultyFeed;
use conclave_actors::runtime::ports::{AuditSink as _, Batch, Done, Safety};
use conclave_domain::market::tape::Tape;
use conclave_domain::record::Step;
use conclave_domain::time::Time;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::checkpoint::Taker;
use super::clock::{Replay, ReplayClock};
use super::finish::{self, End};
use super::keep::{Keeping, Kept};
use super::lifting::Lifting;
use super::live::carry::Carrier;
use super::live::{self, Joined};
use super::prepare::{Prepared, Warm};
use super::serve::{self, Server};
use super::start::{Disks, begin, enter_mode, start};
use super::starts;
use super::way::{self, Base, Way};
use super::world::Opened;
use super::{Session, tell};
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::Format;
use crate::cli::progress::Progress;
use crate::report::RunReport;

/// How often a run that stays looks whether a checkpoint is wished for.
const STAY_LOOK: std::time::Duration = std::time::Duration::from_millis(250);

/// One try to go on.
struct Try<'a> {
    prepared: &'a Prepared,
    opened: &'a Opened,
    way: &'a Way,
    base: &'a Base,
    council: Council,
    taker: Taker,
    clock: Arc<ReplayClock>,
    again: Option<Arc<Comparing>>,
    began: Instant,
    /// Who carries orders to the broker of an open market.
    carrier: Option<Carrier>,
}

impl Session<'_> {
    /// Plays the run to its end, or until somebody stops it. Whether the summary was shown already.
    pub(super) async fn play(
        self,
        prepared: &Prepared,
        opened: &Opened,
        clock: Arc<ReplayClock>,
        (out, format): (&mut (dyn Write + Send), Format),
    ) -> Result<(RunReport, bool), CliError> {
        let mut way = way::choose(opened, prepared.live.is_some());
        loop {
            let base = Base::new(&way, opened, prepared)?;
            let clock = Arc::clone(&clock);
            let tried = self.attempt((prepared, opened), clock, (&way, &base), (out, format));
            let tried = Box::pin(tried).await;
            let again = base.comparing().map(|again| again.standing());
            let Some(Standing::Differs(difference)) = again else { return tried };
            way = Way::Again(difference.to_string());
        }
    }

    async fn attempt(
        &self,
        (prepared, opened): (&Prepared, &Opened),
        clock: Arc<ReplayClock>,
        (way, base): (&Way, &Base),
        told: (&mut (dyn Write + Send), Format),
    ) -> Result<(RunReport, bool), CliError> {
        if let Way::Again(why) = way {
            tracing::warn!(why, "going on the old way: blocks of permits count as spent");
        }
        let began = Instant::now();
        // What was spent before the stop stays spent: the budgets' windows go on from there.
        clock.set(prepared.warmed_until().or(base.until).unwrap_or_else(|| prepared.begins_at()));
        let warm = prepared.warmed_up(base.until, base.digested)?;
        let again = base.comparing();
        if again.is_some() {
            // What is acknowledged without being written must be on the disk.
            sync(opened).await?;
        }
        let disks = Disks::open(opened, base)?;
        let world = (opened, &disks, Arc::clone(&clock));
        let outside = prepared.live.as_ref().map(|live| live.outside(clock.clone()));
        let (outside, carrier) = outside.unzip();
        let council = start(prepared, world, base, &warm, outside).await?;
        let slices = prepared.chunk();
        let digested = base.digested;
        let safety = Arc::clone(&disks.safety);
        let taker = Taker { council: council.clone(), safety, chunk: slices, digested };
        let of = Try { prepared, opened, way, base, council, taker, clock, again, began, carrier };
        let council = of.council.clone();
        let mut server = None;
        let tried = self.go_on(of, warm, &mut server, told).await;
        if tried.is_err() {
            // Whoever is told by it hears why first.
            if let Some(server) = server {
                serve::end(server).await;
            }
            // Another try must find nobody of this one at work.
            council.stop().await;
            disks.rest().await;
        }
        tried
    }

    async fn go_on(
        &self,
        mut of: Try<'_>,
        warm: Warm,
        server: &mut Option<Server>,
        (out, format): (&mut (dyn Write + Send), Format),
    ) -> Result<(RunReport, bool), CliError> {
        of.begin().await?;
        let joined = of.join().await?;
        let mut stations = self.stations(&of);
        let mut feed = of.feed(warm.tape);
        let mut bars = warm.bars;
        if of.again.is_some() {
            // In the chunks in which it was played the first time.
            let slices = of.base.chunk.unwrap_or(of.taker.chunk);
            let playing = driver::play(&mut feed, slices, &mut stations);
            bars += playing.await.map_err(|error| stopped_short(&of.council, error))?;
        }
        if !of.is_comparing() {
            stations.caught_up();
            *server = Some(self.open(&of, bars - warm.bars).await?);
        }
        let played = self.play_new(&of, (joined, &mut feed), &mut stations).await?;
        bars += played;
        phase(server.as_ref(), "closing the accounts and flushing the log");
        // An open market has no end: what is held stays held.
        let is_over = of.prepared.live.is_none() && !*self.stopped.borrow();
        let end = if is_over { End::Data } else { End::Stopped };
        let council = of.council.clone();
        if of.base.ended != Some(End::Data) || played > 0 {
            finish::settle(&council, end, bars).await?;
        }
        of.meet_the_rest()?;
        if server.is_none() {
            *server = Some(self.open(&of, bars - warm.bars).await?);
        }
        of.taker.take_last(stations.halted_at(), Some(end)).await?;
        let (accounts, anchor) = finish::close(&council).await?;
        phase(server.as_ref(), "writing the report");
        let mut report =
            finish::report(of.prepared, &council, (self.dir, &accounts), anchor).await?;
        finish::write(&report, self.dir)?;
        finish::verify(self.dir, &anchor)?;
        let stays = self.args.stay && end == End::Data;
        if stays {
            tell(&report, self.dir, format, out)?;
            self.stay(&of.taker).await?;
            of.taker.take_last(stations.halted_at(), Some(end)).await?;
            // What people ordered meanwhile is in the audit too: its end has moved.
            report = finish::again(of.prepared, &council, (self.dir, &accounts)).await?;
            finish::write(&report, self.dir)?;
        }
        if let Some(server) = server.take() {
            serve::end(server).await;
        }
        council.stop().await;
        finish::complete(&council)?;
        Ok((report, stays))
    }

    /// Plays what was never played before: what an open market brings, or the rest of the data.
    async fn play_new(
        &self,
        of: &Try<'_>,
        (joined, feed): (Option<Joined>, &mut FaultyFeed<Tape>),
        stations: &mut Keeping,
    ) -> Result<usize, CliError> {
        let played = match joined {
            None => driver::play(feed, of.taker.chunk, stations).await,
            Some(joined) => live::play(joined, &of.council, stations, self.stopped.clone()).await,
        };
        played.map_err(|error| stopped_short(&of.council, error))
    }

    fn stations(&self, of: &Try<'_>) -> Keeping {
        let progress = Progress::bars(of.prepared.tape.bars() as u64);
        let pace = self.args.pace.unwrap_or_default();
        let (clock, again) = (Arc::clone(&of.clock), of.again.clone());
        let rhythm = Replay { clock, progress, pace, again: again.clone() };
        let pump = Pump { council: of.council.clone(), stop: self.stopped.clone(), rhythm };
        let lifting = Lifting::new(pump, of.prepared.lift_halt_after(), of.base.halted_at);
        let kept = if of.prepared.live.is_some() { Kept::WhenIdle } else { Kept::BeforeBars };
        Keeping::new((lifting, kept), of.taker.clone(), again, self.log.clone())
    }

    /// Notes how the run has gone on, and serves from here on.
    async fn open(&self, of: &Try<'_>, bars: usize) -> Result<Server, CliError> {
        of.note(bars).await;
        if let Some(why) = &self.loops {
            starts::halt(&of.council, why).await?;
        }
        serve::start(self, of.prepared, &of.council, Arc::clone(&of.clock)).await
    }

    /// Serves until somebody asks to stop; what people do meanwhile is in a checkpoint soon.
    async fn stay(&self, taker: &Taker) -> Result<(), CliError> {
        let mut stop = std::pin::pin!(serve::wait(self.stopped.clone()));
        loop {
            tokio::select! {
                () = &mut stop => return Ok(()),
                why = taker.council.falls() => {
                    return Err(stopped_short(&taker.council, PumpError::Fallen(why)));
                }
                () = tokio::time::sleep(STAY_LOOK) => {}
            }
            if taker.council.hurry.is_wished() {
                taker.council.hurry.granted();
                if let Err(error) = taker.take(None, Some(End::Data)).await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "no checkpoint yet");
                    taker.council.hurry.wish();
                }
            }
        }
    }
}

impl Try<'_> {
    fn feed(&self, tape: Tape) -> FaultyFeed<Tape> {
        let Prepared { instruments, timeframe, faults, .. } = self.prepared;
        FaultyFeed::new(tape, instruments, *timeframe, faults.clone())
    }

    /// Connects the council to an open market, if there is one: the account is the broker's from here on.
    async fn join(&mut self) -> Result<Option<Joined>, CliError> {
        let (Some(live), Some(carrier)) = (&self.prepared.live, self.carrier.take()) else {
            return Ok(None);
        };
        if live.is_on_wall_time() {
            self.clock.follow_the_wall();
        }
        let intents = way::sent_since(self.opened);
        let recalled = self.council.broker.recall(intents).await;
        let recalled = recalled.map_err(|error| stopped_short(&self.council, error.into()))?;
        if recalled > 0 {
            tracing::info!(recalled, "orders of the former process are taken up");
        }
        let mut work = live.join(&self.council, carrier, self.clock.clone()).await?;
        let closed = self.prepared.warmed_until().unwrap_or(Time::EPOCH);
        let feed =
            live.feed(&self.prepared.instruments, (closed, self.clock.clone()), &mut work)?;
        Ok(Some(Joined { live: live.clone(), feed, work }))
    }

    /// The header of the run and its first mode, where they are still to be written or compared.
    async fn begin(&self) -> Result<(), CliError> {
        let is_first = self.way.is_from_the_start(self.opened);
        if is_first || matches!(self.way, Way::Again(_)) {
            begin(self.prepared, &self.council, self.base).await?;
        }
        if is_first {
            enter_mode(self.prepared, &self.council).await?;
        }
        Ok(())
    }

    fn is_comparing(&self) -> bool {
        self.again.as_ref().is_some_and(|again| again.is_comparing())
    }

    /// Lines that the run's end did not meet either are a difference.
    fn meet_the_rest(&self) -> Result<(), CliError> {
        let Some(again) = &self.again else { return Ok(()) };
        again
            .finish()
            .map(drop)
            .map_err(|difference| stopped_short(&self.council, PumpError::Differs(difference)))
    }

    /// Notes in the observations how this process went on, unless the run is its own.
    async fn note(&self, bars: usize) {
        if *self.way == Way::Fresh {
            return;
        }
        let why = if let Way::Again(why) = self.way { Some(why) } else { None };
        let body = json!({
            "way": self.way.name(),
            "why": why,
            "from": self.base.begins().count,
            "compared": self.again.as_ref().map_or(0, |again| again.compared()),
            "bars": bars,
            "took_ms": u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        let at = self.base.until.unwrap_or(Time::EPOCH);
        let noted = match record(Step::RunResumed, None, at, &body) {
            Ok(record) => self.council.audit.note(record).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = noted {
            tracing::error!(error = &error as &dyn std::error::Error, "resume not noted");
        }
    }
}

/// What the run does now, for whoever must say what hung.
fn phase(server: Option<&Server>, what: &'static str) {
    if let Some(server) = server {
        server.phase(what);
    }
}

fn stopped_short(council: &Council, error: PumpError) -> CliError {
    // Whatever a fallen council's part said first, the fall is what matters.
    let error = council.fallen().map_or(error, PumpError::Fallen);
    let code = match error {
        PumpError::Feed(_) => ExitCode::Broker,
        _ => ExitCode::Failure,
    };
    CliError::new(code, "the run could not go on").caused_by(error)
}

/// Brings the log that was found to the disk.
async fn sync(opened: &Opened) -> Result<(), CliError> {
    let (answer, answered) = oneshot::channel();
    let done = Done::new(move |result| drop(answer.send(result)));
    opened.audit.submit(Batch { records: Vec::new(), safety: Safety::AllSynced, done });
    let synced = answered.await.ok().and_then(Result::ok);
    let failed = || CliError::new(ExitCode::Failure, "the log could not be brought to the disk");
    synced.map(drop).ok_or_else(failed)
}
