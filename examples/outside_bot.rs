//! A bot of one's own that asks the council: it keeps its signals and its broker, and asks before it
//! acts. Run with `cargo run --example outside_bot`.

use std::error::Error;
use std::io::Write as _;

use conclave_actors::consult::{OutsideDesk, OutsideQuestion};
use conclave_domain::advice::{Lever, Stance, Vote};
use conclave_domain::brief::trading::{BookView, Session};
use conclave_domain::limits::Limits;
use conclave_domain::ratio::Ratio;
use conclave_domain::signal::Regime;

fn main() -> Result<(), Box<dyn Error>> {
    let mut council = OutsideDesk::new(Limits::default());
    council.set_portfolio(BookView {
        equity: "50000".parse()?,
        cash: "42000".parse()?,
        exposure: Ratio::new(0.16)?,
        drawdown: Ratio::new(0.03)?,
        win_rate: Some(Ratio::new(0.52)?),
        trades: 25,
        loss_streak: 1,
        daily_pnl_pct: Ratio::new(-0.002)?,
        positions: 1,
        open_orders: 0,
        open_order_for_symbol: false,
    })?;
    council.set_regime(Regime {
        bull: Ratio::new(0.6)?,
        bear: Ratio::new(0.1)?,
        sideways: Ratio::new(0.25)?,
        crash: Ratio::new(0.05)?,
        bars_in_regime: 12,
    })?;
    council.set_session(Session::Regular);

    // What the bot's own strategy has found; the same JSON is the body of an HTTP consultation.
    let question: OutsideQuestion = serde_json::from_str(
        r#"{"symbol": "AAPL", "as_of": "2012-03-01T21:00:00Z", "direction": "long",
            "confidence": 0.61, "magnitude": 0.03, "price": "544.47", "order_value": "4000",
            "volatility": 0.22, "max_correlation": 0.4, "features": {"vol_z": 0.2,
            "spread_bp": 2.0, "gap_pct": 0.001, "atr14_pct": 0.015, "dollar_volume_20": "250000000"}}"#,
    )?;

    let mut out = std::io::stdout().lock();
    let gates = council.evaluate_gates(&question)?;
    if let Stance::Veto(objection) = &gates.stance {
        writeln!(out, "vetoed by {}: {} ({})", gates.agent, objection.text, objection.code)?;
        return Ok(());
    }
    let signal = council.evaluate_signal(&question)?;
    let size = council.recommend_position_scale(&question)?;
    let timing = council.recommend_timing(&question)?;
    for advice in [&gates, &signal, &size, &timing] {
        writeln!(out, "{:<16} {:?}: {}", advice.agent, advice.stance, advice.reasoning)?;
    }
    let votes = [&signal, &size, &timing];
    let against = votes.iter().filter(|one| one.stance == Stance::Vote(Vote::Against)).count();
    let scale = size.levers.iter().find_map(|lever| match lever {
        Lever::SizeMultiplier { value } => Some(value.get()),
        _ => None,
    });
    writeln!(out, "{against} against; the order is scaled by {}", scale.unwrap_or(0.0))?;
    Ok(())
}
