//! What agents can do to a round, and what they cannot.

use conclave_domain::approvals::Proposal;

use super::*;

/// A council whose guardian finds every entry over its limit of value at risk.
fn narrow() -> CouncilPlan {
    let mut limits = Limits::default();
    limits.risk.var_max = conclave_domain::ratio::Ratio::of(0.000_001);
    CouncilPlan { limits, ..CouncilPlan::default() }
}

/// The guardian objects by judgement.
fn objection(text: &str) -> Act {
    Act::Say(json!({"reasoning": text, "confidence": 0.8,
        "objections": [{"code": "guardian.judgement", "text": text}]}))
}

/// Goal: T-2: a veto waits for nobody.
/// Method: four agents hang; the guardian finds a hard limit broken, at once or after a while.
#[tokio::test(start_paused = true)]
async fn a_veto_waits_for_nobody() {
    for pause in [Duration::ZERO, Duration::from_millis(30)] {
        let council = TestCouncil::with(narrow()).await;
        for agent in ADVISERS {
            council.agent(agent).will_hang();
        }
        council.guardian().will(if pause.is_zero() { Act::Rules } else { Act::After(pause) });
        let started_at = Instant::now();
        let told = council.decide_long().await;
        assert_eq!(told.verdicts(), ["vetoed"]);
        assert_eq!(started_at.elapsed(), pause);
        tokio::time::sleep(Duration::from_millis(1)).await;
        for agent in ADVISERS {
            let brain = council.agent(agent).brain();
            assert_eq!(brain.asked(), brain.cancelled(), "{agent}");
            assert!(pause.is_zero() || brain.asked() == 1, "{agent}");
        }
        assert!(council.council.agents.iter().all(|agent| agent.depth() == 0));

        // The next round is not held up by anything that the first one left behind.
        for agent in ADVISERS {
            council.agent(agent).will(Act::Rules);
        }
        council.guardian().will(Act::Rules);
        let started_at = Instant::now();
        assert_eq!(council.decide_long().await.verdicts(), ["vetoed"]);
        assert_eq!(started_at.elapsed(), Duration::ZERO);
        council.stop().await;
    }
}

/// Goal: an agent that dies in a round costs its vote, not the council.
/// Method: the sizer is killed when it is asked, by plan, and once more between two rounds.
#[tokio::test(start_paused = true)]
async fn an_agent_killed_in_a_round_costs_only_its_vote() {
    let faults = FaultPlan::new(vec!["position_sizer=kill@1".parse().unwrap()]);
    let council = TestCouncil::with(CouncilPlan { faults, ..waits_for_all() }).await;
    let told = council.decide_long().await;
    assert_eq!(told.verdicts(), ["act"]);
    assert!(outcome(&told, "position_sizer").contains("failed"));
    assert_eq!(council.orders(BookKind::Real).len(), 1);
    assert_eq!(council.agent("position_sizer").restarts(), 1);

    council.agent("position_sizer").kill();
    let told = council.decide(council.signal(1, Direction::Long)).await.unwrap();
    assert_eq!(told.verdicts(), ["act"]);
    assert!(outcome(&told, "position_sizer").contains("voted"), "it is back for the next round");
    council.stop().await;
}

/// T-3, T-4: a guardian that is dead, late or unreadable has not said that it does not object.
#[tokio::test(start_paused = true)]
async fn without_the_guardians_word_nothing_new_is_risked() {
    for act in [
        Act::Hang,
        Act::Panic,
        Act::Fail("the connection broke".to_owned()),
        Act::Write("I have nothing to object to, go ahead.".to_owned()),
        Act::Say(json!({"reasoning": "fine", "objections": [], "confidence": "very"})),
    ] {
        let council = TestCouncil::start().await;
        council.guardian().will(act.clone());
        let told = council.decide_long().await;
        assert_eq!(told.bodies("round.closed")[0]["code"], "guardian.silent", "{act:?}: {told:#?}");
        assert!(!told.steps().contains(&"order.cleared"), "{act:?}");
        assert!(council.orders(BookKind::Real).is_empty(), "{act:?}");
        council.stop().await;
    }
    let faults = FaultPlan::new(vec!["risk_guardian=kill@1".parse().unwrap()]);
    let council = TestCouncil::with(CouncilPlan { faults, ..CouncilPlan::default() }).await;
    let told = council.decide_long().await;
    assert_eq!(told.bodies("round.closed")[0]["code"], "guardian.silent");
    assert!(council.orders(BookKind::Real).is_empty());
    council.stop().await;
}

/// B-1: what is no number, and what is no answer, is a failed seat; nothing is guessed.
#[tokio::test(start_paused = true)]
async fn prose_and_numbers_out_of_this_world_are_failed_seats() {
    let mut huge = answer("position_sizer", "for", 0.9);
    huge["size_multiplier"] = json!("NaN");
    let infinite = answer("position_sizer", "for", 0.9).to_string().replace("1.0", "1e999");
    for act in [
        Act::Say(huge),
        Act::Say(Value::Null),
        Act::Write(infinite),
        Act::Write("Size: NaN. BUY!".to_owned()),
    ] {
        let council = TestCouncil::with(waits_for_all()).await;
        council.agent("position_sizer").will(act.clone());
        let told = council.decide_long().await;
        assert!(outcome(&told, "position_sizer").contains("failed"), "{act:?}: {told:#?}");
        assert_eq!(told.verdicts(), ["act"], "{act:?}");
        council.stop().await;
    }
}

/// F-1: forbidden actions do not happen: whoever asks for one is refused, and that is written down.
#[tokio::test(start_paused = true)]
async fn a_forbidden_action_is_refused_recorded_and_counted() {
    let mut asked = answer("signal_analyst", "for", 1.0);
    asked["action"] = json!("bypass_all_gates");
    for act in [Act::Say(asked.clone()), Act::Write(asked.to_string())] {
        let council = TestCouncil::with(waits_for_all()).await;
        council.agent("signal_analyst").will(act.clone());
        let told = council.decide_long().await;
        assert!(outcome(&told, "signal_analyst").contains("failed"), "{told:#?}");
        let expected = json!({"agent": "signal_analyst", "action": "bypass_all_gates",
            "code": "safety.forbidden"});
        assert_eq!(told.bodies("forbidden.asked"), [&expected], "{act:?}");
        assert_eq!(council.denials(Code::SafetyForbidden), 1, "{act:?}");
        // The others decide without it, under every gate and cap.
        assert_eq!(told.verdicts(), ["act"]);
        assert_eq!(told.bodies("consult.sent").len(), 1);
        council.stop().await;
    }
}

/// G-1, G-3: the 101st paid consultation of a team in an hour is refused, and each one's money was
/// reserved before it.
#[tokio::test(start_paused = true)]
async fn the_101st_paid_consultation_is_refused_for_the_rest_of_the_hour() {
    let cent = "0.01".parse::<conclave_domain::fixed::Money>().unwrap();
    let scripted = answer("signal_analyst", "against", 0.9);
    let paid = ScriptedBrain::paid(Act::Say(scripted), Some(cent), cent);
    let brains = vec![("signal_analyst", paid)];
    let council = TestCouncil::with(CouncilPlan { brains, ..waits_for_all() }).await;
    for agent in &ADVISERS[1..] {
        council.agent(agent).answers(answer(agent, "against", 0.9));
    }
    for nth in 1..=100 {
        let told = council.decide_long().await;
        assert!(outcome(&told, "signal_analyst").contains("voted"), "{nth}: {told:#?}");
    }
    let told = council.decide_long().await;
    assert!(outcome(&told, "signal_analyst").contains("denied"), "{told:#?}");
    assert_eq!(told.seat("signal_analyst").unwrap()["code"], "safety.team_hour");
    let analyst = council.agent("signal_analyst");
    assert_eq!(analyst.brain().asked(), 100, "nobody was asked without a permit");
    let left = council.council.safety.report().await.unwrap().remaining;
    let day = left.iter().find(|row| row.budget == "usd_per_day").unwrap().left.get();
    assert!((day - 9.0).abs() < 1e-9, "{day}");
    council.stop().await;
}

/// Goal: what becomes of a soft veto: it is appealed once, by all others, sure enough, or it stands.
/// Method: the guardian objects once or always; the others are sure, or less so.
#[tokio::test(start_paused = true)]
async fn a_soft_veto_is_appealed_once_and_carried_or_not() {
    for (sure, always, verdicts, denied, orders) in [
        (0.95, false, vec!["vetoed", "act"], None, 1),
        (0.95, true, vec!["vetoed", "vetoed"], None, 0),
        (0.80, false, vec!["vetoed", "act"], Some(Code::AppealConfidence), 0),
    ] {
        let council = TestCouncil::with(waits_for_all()).await;
        all_for(&council, sure);
        if always {
            council.guardian().will(objection("not today"));
        } else {
            council.guardian().brain().once(objection("not today"));
        }
        let told = council.decide_long().await;
        let about = format!("{sure} {always}: {told:#?}");
        assert_eq!(told.verdicts(), verdicts, "{about}");
        assert_eq!(told.bodies("appeal.opened").len(), 1, "{about}");
        assert_eq!(told.bodies("appeal.opened")[0]["refused"], Value::Null, "{about}");
        assert_eq!(told.bodies("consult.sent")[1]["brief"]["appeal"]["text"], "not today");
        assert_eq!(told.bodies("round.closed")[1]["critical"], true, "an appeal takes every voter");
        assert_eq!(council.orders(BookKind::Real).len(), orders, "{about}");
        if let Some(code) = denied {
            assert_eq!(council.denials(code), 1, "{about}");
            assert_eq!(told.bodies("order.cleared"), [&json!({"denied": code})], "{about}");
        }
        council.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_appeal_is_lost_by_one_vote_against() {
    let council = TestCouncil::with(waits_for_all()).await;
    all_for(&council, 0.95);
    council.agent("execution_timer").answers(answer("execution_timer", "against", 0.95));
    council.guardian().brain().once(objection("no"));
    let told = council.decide_long().await;
    assert_eq!(told.verdicts(), ["vetoed", "hold"]);
    assert_eq!(told.bodies("round.closed")[1]["code"], "round.not_unanimous");
    assert!(council.orders(BookKind::Real).is_empty());
    council.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hard_veto_is_never_appealed() {
    let council = TestCouncil::with(CouncilPlan { settle: Settle::All, ..narrow() }).await;
    all_for(&council, 1.0);
    let told = council.decide_long().await;
    assert_eq!(told.verdicts(), ["vetoed"], "{told:#?}");
    assert_eq!(told.bodies("round.closed")[0]["objection"]["kind"], "hard");
    assert!(told.bodies("appeal.opened").is_empty());
    assert!(council.orders(BookKind::Real).is_empty());
    council.stop().await;
}

/// An objection that an appeal has overcome is a person's last word in supervised mode.
#[tokio::test(start_paused = true)]
async fn in_supervised_mode_nothing_comes_of_an_appeal_without_a_person() {
    for approve in [true, false] {
        let plan = CouncilPlan { mode: Mode::Supervised, ..waits_for_all() };
        let council = TestCouncil::with(plan).await;
        all_for(&council, 1.0);
        council.guardian().brain().once(objection("not today"));
        let told = council.decide_long().await;
        assert_eq!(told.verdicts(), ["vetoed", "act"], "{told:#?}");
        assert!(council.orders(BookKind::Real).is_empty(), "it waits");
        let waiting = council.council.approvals.list().await;
        let Proposal::Entry { appealed, .. } = &waiting[0].proposal else { panic!("an entry") };
        assert_eq!(*appealed, Some(Code::GuardJudgement));
        assert_eq!(council.log().bodies("approval.asked")[0]["appealed"], "guardian.judgement");
        let decision = waiting[0].decision.to_string();
        let answer = council.council.approvals.answer(decision, approve, person(), String::new());
        answer.await.unwrap();
        assert_eq!(council.orders(BookKind::Real).len(), usize::from(approve));
        assert_eq!(council.denials(Code::AppealPerson), u64::from(!approve));
        council.stop().await;
    }
}
