//! What may leave, into which book, and what may not.

use conclave_domain::budget::Request;
use conclave_domain::clearance::{Cleared, Validity};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::mode::By;
use conclave_domain::order::{ClientOrderId, DecisionId, OrderIntent};
use conclave_domain::ratio::Ratio;
use conclave_domain::recent::REMEMBERED;
use conclave_domain::time::Time;

use super::*;
use crate::approvals::AnswerError;
use crate::runtime::ports::{AuditError, StoreError};

/// A council that holds the first share, bought yesterday.
async fn holding(plan: CouncilPlan) -> TestCouncil {
    let mut council = TestCouncil::with(plan).await;
    let told = council.decide_long().await;
    assert_eq!(told.verdicts(), ["act"], "{told:#?}");
    council.day().await.unwrap();
    assert_eq!(council.council.broker.view().positions.len(), 1);
    council
}

/// Spends the day's critical permits.
async fn spend_criticals(council: &TestCouncil) {
    let mut refused = None;
    for nth in 0..11 {
        let request = Request::critical(&format!("spent {nth}"));
        refused = council.council.safety.permit(request).await.err();
    }
    assert_eq!(refused, Some(Code::SafetyCriticalDay));
}

/// Advice goes to the shadow book, an autonomous decision to the real one.
#[tokio::test(start_paused = true)]
async fn advisory_mode_fills_the_shadow_book_and_autonomous_mode_the_real_one() {
    for (mode, own, other) in [
        (Mode::Advisory, BookKind::Shadow, BookKind::Real),
        (Mode::Autonomous, BookKind::Real, BookKind::Shadow),
    ] {
        let council = holding(CouncilPlan { mode, ..CouncilPlan::default() }).await;
        assert_eq!(council.orders(own).len(), 1, "{mode:?}");
        assert!(council.orders(other).is_empty(), "{mode:?}");
        assert_eq!(council.council.broker.view().positions[0].book, own);
        council.stop().await;
    }
}

/// Goal: nobody is shown the account of advice as that at the broker. Method: advice fills the shadow book,
/// then orders leave for the real one; each is shown by itself.
#[tokio::test(start_paused = true)]
async fn each_book_is_shown_by_itself_whatever_the_other_holds() {
    let mut council = holding(CouncilPlan { mode: Mode::Advisory, ..CouncilPlan::default() }).await;
    let shown = |council: &TestCouncil, book| *council.council.broker.view().book(book).unwrap();
    let advised = shown(&council, BookKind::Shadow);
    assert_eq!((advised.book, advised.positions), (BookKind::Shadow, 1));
    assert_eq!(shown(&council, BookKind::Real), advised, "the only one there is");
    council.set_mode(Mode::Autonomous).await.unwrap();
    council.decide_long().await;
    let real = shown(&council, BookKind::Real);
    assert_eq!((real.book, real.positions, real.exposure), (BookKind::Real, 0, Ratio::ZERO));
    assert_eq!(real.cash, real.equity, "nothing was filled yet");
    council.day().await.unwrap();
    let (advised, real) = (shown(&council, BookKind::Shadow), shown(&council, BookKind::Real));
    assert_eq!((advised.positions, real.positions), (1, 1));
    assert_ne!(advised.cash, real.cash, "bought on another day");
    council.stop().await;
}

/// O-1: in supervised mode nothing leaves without a person's word.
#[tokio::test(start_paused = true)]
async fn in_supervised_mode_an_order_waits_for_a_persons_word() {
    let plan = CouncilPlan { mode: Mode::Supervised, ..CouncilPlan::default() };
    let council = TestCouncil::with(plan).await;
    let told = council.decide_long().await;
    assert_eq!(told.verdicts(), ["act"]);
    assert!(council.orders(BookKind::Real).is_empty());
    let waiting = council.council.approvals.list().await;
    assert_eq!(waiting.len(), 1);
    let decision = waiting[0].decision.to_string();
    let answer = council.council.approvals.answer(decision, true, person(), String::new());
    assert_eq!(answer.await, Ok("approved and sent".to_owned()));
    assert_eq!(council.orders(BookKind::Real).len(), 1);
    council.stop().await;
}

/// T-3: what the market has moved past can no longer be approved: it is not shown, and denied once.
#[tokio::test(start_paused = true)]
async fn what_the_market_has_moved_past_is_not_shown_and_expires_once() {
    const EXPIRED: &str = "approval.expired";
    let plan = CouncilPlan { mode: Mode::Supervised, ..CouncilPlan::default() };
    let council = TestCouncil::with(plan).await;
    let expired = |council: &TestCouncil| council.log().bodies(EXPIRED).len();
    council.decide_long().await;
    assert_eq!(council.council.approvals.list().await.len(), 1);
    council.clock.advance_trading(Duration::from_mins(6));
    assert_eq!(council.council.approvals.list().await, [], "nobody can say yes to it");
    assert_eq!(expired(&council), 0, "looking decides nothing");

    // While the market moves, the next proposal takes it out: before its own question is written.
    let other = council.decide(council.signal(1, Direction::Long)).await.unwrap();
    assert_eq!(other.bodies(EXPIRED).len(), 1);
    let at = |step| other.steps().iter().position(|&it| it == step);
    assert!(at(EXPIRED) < at("approval.asked"), "{:?}", other.steps());
    assert_eq!(council.denials(Code::ApprovalExpired), 1);

    // Where it stands still, the clock does.
    council.clock.advance_trading(Duration::from_mins(6));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((expired(&council), council.denials(Code::ApprovalExpired)), (2, 2));
    council.stop().await;
}

/// T-3: where market time is that of the wall, as in an open market, it never stands still; silence is
/// written down in time all the same, without any bar.
#[tokio::test(start_paused = true)]
async fn silence_ends_in_time_where_market_time_goes_on_without_bars() {
    let plan = CouncilPlan { mode: Mode::Supervised, ..CouncilPlan::default() };
    let council = TestCouncil::with(plan).await;
    council.decide_long().await;
    let expired = |council: &TestCouncil| council.log().bodies("approval.expired").len();
    let step = Duration::from_secs(1);
    let expiry = council.council.approvals.expiry().get();
    let mut gone = Duration::ZERO;
    while gone + step < expiry {
        council.clock.advance(step);
        tokio::time::sleep(step).await;
        gone += step;
    }
    assert_eq!((council.council.approvals.list().await.len(), expired(&council)), (1, 0));
    for _ in 0..3 {
        council.clock.advance(step);
        tokio::time::sleep(step).await;
    }
    assert_eq!(expired(&council), 1, "nobody has answered in {expiry:?}");
    assert!(council.council.approvals.list().await.is_empty());
    council.stop().await;
}

/// What was queued in supervised mode does not leave any more after a step down to advisory.
#[tokio::test(start_paused = true)]
async fn a_yes_after_a_step_down_to_advisory_sends_nothing() {
    let plan = CouncilPlan { mode: Mode::Supervised, ..CouncilPlan::default() };
    let council = TestCouncil::with(plan).await;
    council.decide_long().await;
    let decision = council.council.approvals.list().await[0].decision.to_string();
    council.set_mode(Mode::Advisory).await.unwrap();
    let answer = council.council.approvals.answer(decision, true, person(), String::new());
    assert!(answer.await.is_err());
    assert_eq!(council.denials(Code::ModeAdvisory), 1);
    assert!(council.orders(BookKind::Real).is_empty());
    council.stop().await;
}

/// Goal: O-1: a yes counts for what is so when it is given.
/// Method: after the proposal new risk is stopped, or the bars stay away; the proposal itself is young.
#[tokio::test(start_paused = true)]
async fn a_yes_is_weighed_at_the_moment_at_which_it_is_given() {
    for (code, is_reduced) in [(Code::GateTradingState, true), (Code::GateStaleData, false)] {
        let mut limits = Limits::default();
        limits.gates.data_age_max = Duration::from_mins(1);
        let mode = Mode::Supervised;
        let plan = CouncilPlan { mode, limits, ..CouncilPlan::default() };
        let council = TestCouncil::with(plan).await;
        council.decide_long().await;
        let decision = council.council.approvals.list().await[0].decision.to_string();
        if is_reduced {
            let by = By::Person(person());
            let set = council.council.safety.set_state(TradingState::Reducing, by, "a test").await;
            assert_eq!(set, Ok(TradingState::Reducing));
        } else {
            council.clock.advance_trading(Duration::from_mins(2));
        }
        let answer = council.council.approvals.answer(decision, true, person(), "go".to_owned());
        assert_eq!(answer.await, Err(AnswerError::Denied(code)));
        assert!(council.orders(BookKind::Real).is_empty(), "{code}");
        assert_eq!(council.denials(code), 1);
        let log = council.log();
        assert_eq!(log.bodies("approval.answered")[0]["answer"]["note"], "go");
        let refused = log.bodies("order.cleared").into_iter();
        assert_eq!(refused.filter(|body| body["denied"] == code.as_str()).count(), 1, "{code}");
        council.stop().await;
    }
}

/// A proposal that could not be stored was denied; nobody can say yes to it afterwards.
#[tokio::test(start_paused = true)]
async fn a_proposal_that_was_not_stored_is_not_in_the_queue() {
    let plan = CouncilPlan { mode: Mode::Supervised, ..CouncilPlan::default() };
    let council = TestCouncil::with(plan).await;
    council.store.fail(Some(StoreError::DiskFull));
    council.decide_long().await;
    assert_eq!(council.denials(Code::ApprovalDenied), 1);
    assert!(council.council.approvals.list().await.is_empty());
    council.store.fail(None);
    council.council.context.flush().await.unwrap();
    let stored = council.store.restore();
    let queue = stored.documents.get("approvals").map_or("", |text| &**text);
    assert!(!queue.contains("-entry"), "a restart would bring it back: {queue}");
    council.stop().await;
}

/// Goal: A-1, O-4: an audit that refuses lets no entry leave, and holds back no exit.
/// Method: the disk is full when a signal turns an open position round.
#[tokio::test(start_paused = true)]
async fn an_audit_that_refuses_lets_no_entry_leave_and_every_exit() {
    let council = holding(CouncilPlan::default()).await;
    council.audit.fail(Some(AuditError::DiskFull));
    let turned = council.signal(0, Direction::Short);
    council.decide(turned).await.unwrap();
    assert_eq!(council.denials(Code::SafetyStore), 1, "{:?}", council.council.score.stats());
    assert_eq!(exits(&council).await, 1);
    assert_eq!(council.orders(BookKind::Real).len(), 2, "the entry, and its exit");
    let second = council.signal(1, Direction::Long);
    council.decide(second).await.unwrap();
    assert_eq!(council.denials(Code::SafetyStore), 2);
    assert_eq!(council.orders(BookKind::Real).len(), 2);

    // What has happened meanwhile was kept, and is written once there is room: the two verdicts with
    // their ends too.
    council.audit.fail(None);
    council.council.audit.sync().await.unwrap();
    let log = council.log();
    let denied =
        log.bodies("order.cleared").into_iter().filter(|it| it["denied"] == "safety.store");
    assert_eq!(denied.count(), 2, "{log:#?}");
    let (closed, rounds) = (log.bodies("round.closed").len(), council.council.score.stats());
    assert_eq!(closed as u64, rounds.rounds_total(), "a round that was held is in the log");
    let exits = log
        .bodies("order.submitted")
        .into_iter()
        .filter(|body| body.to_string().contains("signal_flip"));
    assert!(exits.count() > 0, "{log:#?}");
    council.stop().await;
}

/// Goal: A-1, O-3: a log that is closed for good fells the council: nothing goes on that nobody can
/// write down. Method: the sync under an entry's batch fails.
#[tokio::test(start_paused = true)]
async fn an_audit_that_is_closed_for_good_fells_the_council() {
    let council = holding(CouncilPlan::default()).await;
    let broken = AuditError::Broken { what: "a sync failed".to_owned() };
    council.audit.fail(Some(broken));
    // The council may fall before it has answered.
    let _ = council.decide(council.signal(1, Direction::Long)).await;
    let fall = tokio::time::timeout(Duration::from_secs(1), council.council.falls()).await;
    assert!(fall.unwrap().contains("closed until a restart has checked it"));
    assert!(council.council.fallen().is_some() && council.fence.is_halted());
    assert_eq!(council.orders(BookKind::Real).len(), 1, "no second entry");
    council.stop().await;
}

/// the chain of a decision is on the disk before its order leaves.
#[tokio::test(start_paused = true)]
async fn an_order_waits_for_the_disk() {
    let council = TestCouncil::start().await;
    council.audit.stall();
    let decided = council.decide(council.signal(0, Direction::Long));
    let looked = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(council.orders(BookKind::Real).is_empty(), "nothing is known to be on the disk");
        council.audit.go_on();
    };
    let (told, ()) = tokio::join!(decided, looked);
    assert_eq!(council.orders(BookKind::Real).len(), 1, "{:#?}", told.unwrap());
    council.stop().await;
}

/// Goal: O-3: what comes between the verdict and the order stops the order.
/// Method: the disk hangs under the batch of steps 1 to 6; meanwhile somebody intervenes.
#[tokio::test(start_paused = true)]
async fn a_veto_or_a_halt_between_verdict_and_order_stops_it() {
    for (what, code) in [("veto", Code::SafetyFenced), ("halt", Code::SafetyHalted)] {
        let council = TestCouncil::start().await;
        council.audit.stall();
        let raised = council.signal(0, Direction::Long);
        let symbol = raised.signal.symbol.clone();
        let intervened = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if what == "veto" {
                council.fence.veto(symbol.as_str());
            } else {
                council.halt().await.unwrap();
            }
            council.audit.go_on();
        };
        let (told, ()) = tokio::join!(council.decide(raised), intervened);
        assert_eq!(told.unwrap().verdicts(), ["act"], "{what}");
        assert_eq!(council.denials(code), 1, "{what}: {:?}", council.council.score.stats());
        assert!(council.orders(BookKind::Real).is_empty(), "{what}");
        council.stop().await;
    }
}

/// Goal: what was decided under a freer mode does not leave under a stricter one.
/// Method: a person puts the team back into advisory mode during the round, or while the disk hangs
/// under its batch.
#[tokio::test(start_paused = true)]
async fn an_order_of_a_mode_that_was_left_does_not_leave() {
    for during_the_round in [true, false] {
        let council = TestCouncil::with(waits_for_all()).await;
        if during_the_round {
            council.agent("position_sizer").will(Act::After(Duration::from_secs(2)));
        } else {
            council.audit.stall();
        }
        let stepped_back = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            council.set_mode(Mode::Advisory).await.unwrap();
            council.audit.go_on();
        };
        let decided = council.decide(council.signal(0, Direction::Long));
        let (told, ()) = tokio::join!(decided, stepped_back);
        let told = told.unwrap();
        assert!(council.orders(BookKind::Real).is_empty(), "{during_the_round}: {told:#?}");
        assert!(council.orders(BookKind::Shadow).is_empty(), "{during_the_round}");
        assert!(council.council.approvals.list().await.is_empty(), "{during_the_round}");
        council.stop().await;
    }
}

/// A size of the shadow book's is no proposal for the real one.
#[tokio::test(start_paused = true)]
async fn advice_that_was_under_way_is_not_put_to_a_person_as_an_order() {
    let plan = CouncilPlan { mode: Mode::Advisory, ..waits_for_all() };
    let council = TestCouncil::with(plan).await;
    council.agent("position_sizer").will(Act::After(Duration::from_secs(2)));
    let raised = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        council.set_mode(Mode::Supervised).await.unwrap();
    };
    let decided = council.decide(council.signal(0, Direction::Long));
    let (told, ()) = tokio::join!(decided, raised);
    assert_eq!(told.unwrap().verdicts(), ["act"]);
    assert!(council.council.approvals.list().await.is_empty());
    assert_eq!(council.denials(Code::SafetyFenced), 1);
    council.stop().await;
}

/// Goal: O-2: one intent, at most one live order.
/// Method: the same signal at the same time, after another, and the same intent again past the gates.
#[tokio::test(start_paused = true)]
async fn the_same_intent_twice_is_one_order() {
    let mut council = TestCouncil::start().await;
    let raised = council.signal(0, Direction::Long);
    let twice = tokio::join!(council.decide(raised.clone()), council.decide(raised.clone()));
    assert!(twice.0.is_ok() && twice.1.is_ok());
    council.decide(raised).await.unwrap();
    assert_eq!(council.orders(BookKind::Real).len(), 1);
    assert_eq!(council.denials(Code::GateOpenOrder), 2);

    let log = council.log();
    let intent = &log.bodies("order.cleared")[0]["intent"];
    let intent: OrderIntent = serde_json::from_value(intent.clone()).unwrap();
    for day in 0..3 {
        let epoch = council.fence.epoch(intent.symbol.as_str());
        let validity = Validity { epoch, expires_at: Time::from_ms(i64::MAX) };
        let again = Cleared::by_person(person(), intent.clone(), validity);
        assert_eq!(
            council.council.broker.submit(BookKind::Real, again, Vec::new()).await,
            Ok(Ok(()))
        );
        assert_eq!(council.orders(BookKind::Real).len(), 1, "day {day}");
        council.day().await.unwrap();
    }
    assert_eq!(council.council.broker.view().positions[0].qty, intent.qty);
    council.stop().await;
}

/// O-2: an intent that has left memory is not sent again: denied with a code, recorded, counted.
#[tokio::test(start_paused = true)]
async fn an_intent_that_was_forgotten_is_refused_and_recorded() {
    let council = TestCouncil::start().await;
    let told = council.decide_long().await;
    let first = &told.bodies("order.cleared")[0]["intent"];
    let first: OrderIntent = serde_json::from_value(first.clone()).unwrap();
    let submit = async |intent: &OrderIntent| {
        let epoch = council.fence.epoch(intent.symbol.as_str());
        let validity = Validity { epoch, expires_at: Time::from_ms(i64::MAX) };
        let cleared = Cleared::by_person(person(), intent.clone(), validity);
        assert_eq!(
            council.council.broker.submit(BookKind::Real, cleared, Vec::new()).await,
            Ok(Ok(()))
        );
    };
    council.council.broker.cancel_entries().await.unwrap();
    let mut other = first.clone();
    other.symbol = Symbol::new("NOBODY").unwrap();
    for nth in 1..=i64::try_from(REMEMBERED).unwrap() + 1 {
        other.at = Time::from_ms(first.at.ms() + nth * 1_000);
        other.decision = DecisionId::new(&other.symbol, other.at, "entry");
        other.client_order_id = ClientOrderId::derive(&other.decision, other.side, 0);
        submit(&other).await;
    }
    let before = (council.log().records().len(), council.denials(Code::OrderForgotten));
    submit(&first).await;
    let log = council.log();
    let refused = &log.records()[before.0..];
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0]["decision"], first.decision.as_str());
    assert_eq!(refused[0]["body"]["happened"], "refused");
    assert_eq!(refused[0]["body"]["code"], "order.forgotten");
    assert_eq!((before.1, council.denials(Code::OrderForgotten)), (0, 1));
    submit(&other).await;
    let log = council.log();
    assert_eq!(log.records().last().unwrap()["body"]["happened"], "duplicate");
    council.stop().await;
}

/// O-4: the exit half of a reversal asks nobody: not the guardian, not a budget.
#[tokio::test(start_paused = true)]
async fn the_exit_half_of_a_reversal_passes_whatever_becomes_of_the_entry() {
    let council = holding(CouncilPlan::default()).await;
    council.guardian().will_veto("not that way");
    let told = council.decide(council.signal(0, Direction::Short)).await.unwrap();
    assert_eq!(told.verdicts()[0], "vetoed");
    assert_eq!(exits(&council).await, 1, "{told:#?}");
    council.stop().await;

    let mut council = holding(waits_for_all()).await;
    spend_criticals(&council).await;
    all_for(&council, 0.9);
    let told = council.decide(council.signal(0, Direction::Short)).await.unwrap();
    assert_eq!(told.verdicts(), ["act"], "{told:#?}");
    assert_eq!(told.bodies("order.cleared"), [&json!({"denied": "safety.critical_day"})]);
    assert_eq!(council.denials(Code::SafetyCriticalDay), 1);
    assert_eq!((exits(&council).await, council.orders(BookKind::Real).len()), (1, 2));
    council.day().await.unwrap();
    assert!(council.council.broker.view().positions.is_empty(), "it has left");
    council.stop().await;
}

/// O-3, O-4: after a halt no entry leaves, and a position is left all the same.
#[tokio::test(start_paused = true)]
async fn after_a_halt_no_entry_leaves_and_exits_do() {
    let council = holding(CouncilPlan::default()).await;
    council.halt().await.unwrap();
    council.decide(council.signal(1, Direction::Long)).await.unwrap();
    assert_eq!(council.denials(Code::GateTradingState), 1);
    council.decide(council.signal(0, Direction::Short)).await.unwrap();
    assert_eq!((exits(&council).await, council.orders(BookKind::Real).len()), (1, 2));
    council.stop().await;
}

/// Goal: a size above one and a half times the base takes every voter and a critical permit.
/// Method: the sizer wants twice the base; all agree, one does not, or no permit is left.
#[tokio::test(start_paused = true)]
async fn a_size_above_one_and_a_half_without_unanimity_is_clamped_and_recorded() {
    for (unanimous, permits, factor) in [(true, true, 2.0), (false, true, 1.5), (true, false, 1.5)]
    {
        let council = TestCouncil::with(waits_for_all()).await;
        all_for(&council, 0.9);
        let mut twice = answer("position_sizer", "for", 0.9);
        twice["size_multiplier"] = json!(2.0);
        council.agent("position_sizer").answers(twice);
        if !unanimous {
            let against = answer("execution_timer", "against", 0.9);
            council.agent("execution_timer").answers(against);
        }
        if !permits {
            spend_criticals(&council).await;
        }
        let told = council.decide_long().await;
        let about = format!("{unanimous} {permits}: {told:#?}");
        assert_eq!(told.verdicts(), ["act"], "{about}");
        let terms = &told.bodies("order.cleared")[0]["terms"];
        assert_eq!(terms["size_factor"].as_f64(), Some(factor), "{about}");
        let clamped = terms["clamps"].to_string().contains("size_factor");
        assert_eq!(clamped, factor < 2.0, "{about}");
        council.stop().await;
    }
}

/// O-3: a halt that reached the log and not safety's store outlives the process.
#[tokio::test(start_paused = true)]
async fn a_halt_that_only_the_log_knows_of_holds_after_a_restart() {
    use conclave_domain::context::{Context, Update};

    let mut context = Context::default();
    let (state, reason) = (TradingState::Halted, "a former life".to_owned());
    let halted = Update::StateSet { state, reason, at: Time::EPOCH };
    context.apply(halted, None).unwrap();
    let council = TestCouncil::with(CouncilPlan { context, ..CouncilPlan::default() }).await;
    assert_eq!(council.council.safety.standing().trading_state, TradingState::Halted);
    assert!(council.decide_long().await.bodies("order.cleared").is_empty());
    council.stop().await;
}
