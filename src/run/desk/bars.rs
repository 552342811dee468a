//! The bars of a run as its desk shows them: how a share went, and what holding all of them would have
//! come to. Never one that the run has not seen yet.

use std::sync::Arc;
use std::time::Duration;

use conclave_domain::fixed::{Money, Price};
use conclave_domain::market::bar::Bar;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::market::tape::{Instrument, Tape};
use conclave_domain::order::DecisionId;
use conclave_domain::time::Time;

use crate::report::from_run::held_equally;
use crate::run::live::Live;
use crate::run::prepare::Prepared;

/// The most bars of a price chart.
const SHOWN: usize = 250;

/// Where the bars of a run lie. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bars {
    lie: Lie,
    /// What the account began with.
    cash: Money,
}

#[derive(Clone, Debug)]
enum Lie {
    Tape(Tape),
    Open(Live, Arc<[Instrument]>),
}

impl Bars {
    /// The bars of a run that is prepared.
    pub(in crate::run) fn of(prepared: &Prepared) -> Self {
        let lie = match &prepared.live {
            Some(live) => Lie::Open(live.clone(), Arc::clone(&prepared.instruments)),
            None => Lie::Tape(prepared.tape.clone()),
        };
        Self { lie, cash: prepared.config.run.cash }
    }

    /// Where market time comes from: `replay`, or `open market`.
    pub(super) const fn feed(&self) -> &'static str {
        match self.lie {
            Lie::Tape(_) => "replay",
            Lie::Open(..) => "open market",
        }
    }

    /// Those of a tape.
    #[cfg(test)]
    pub(super) fn on(tape: Tape, cash: Money) -> Self {
        Self { lie: Lie::Tape(tape), cash }
    }

    /// For how long a bar of an open market is owed; `None` in a replay, whose bars lie there.
    pub(super) fn feed_age(&self) -> Option<Duration> {
        match &self.lie {
            Lie::Tape(_) => None,
            Lie::Open(live, _) => Some(live.owed()),
        }
    }

    /// Whether the next bar of a replay closes later than `moment`: what may wait until then ends with that
    /// bar. `None` in an open market, and where no bar comes any more: there nothing but time goes on.
    pub(super) fn next_is_later(&self, now: Time, moment: Time) -> Option<bool> {
        let Lie::Tape(tape) = &self.lie else { return None };
        let next =
            |bars: &[Bar]| bars.get(bars.partition_point(|bar| bar.close_time <= now)).copied();
        let next =
            tape.series().filter_map(|(_, bars)| next(bars)).map(|bar| bar.close_time).min()?;
        Some(next > moment)
    }

    fn with<T>(&self, look: impl FnOnce(&[(&Symbol, &[Bar])]) -> T) -> T {
        match &self.lie {
            Lie::Tape(tape) => look(&tape.series().collect::<Vec<_>>()),
            Lie::Open(live, instruments) => {
                let series = live.series(instruments);
                let all: Vec<_> = series.iter().map(|it| (&it.symbol, &it.bars[..])).collect();
                look(&all)
            }
        }
    }

    /// What the account would be at each time, had it been put into all shares in equal parts.
    pub(super) fn benchmark(&self, times: &[Time]) -> Vec<Option<Money>> {
        let cash = self.cash.to_f64();
        let growth = self.with(|all| {
            let bars: Vec<&[Bar]> = all.iter().map(|(_, bars)| *bars).collect();
            held_equally(&bars, times)
        });
        growth.into_iter().map(|growth| Money::from_f64(cash * growth).ok()).collect()
    }

    /// The symbol that a decision is about, and its last closes up to `now`, oldest first.
    pub(super) fn closes(
        &self,
        about: &DecisionId,
        now: Time,
    ) -> Option<(Symbol, Vec<(Time, Price)>)> {
        self.with(|all| {
            let is_about = |symbol: &Symbol| {
                let name = DecisionId::new(symbol, now, "");
                let (name, _) = name.as_str().split_once('-').unwrap_or_default();
                about.as_str().strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
            };
            let (symbol, bars) = all.iter().find(|(symbol, _)| is_about(symbol))?;
            let end = bars.partition_point(|bar| bar.close_time <= now);
            let seen = &bars[end.saturating_sub(SHOWN)..end];
            let closes = seen.iter().map(|bar| (bar.close_time, bar.close)).collect();
            Some(((*symbol).clone(), closes))
        })
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::fixed::Volume;
    use conclave_domain::market::bar::Timeframe;
    use conclave_domain::market::series::Series;
    use conclave_domain::market::symbol::AssetClass;

    use super::*;

    fn at(day: i64) -> Time {
        Time::from_ms(day * 86_400_000)
    }

    /// Two shares; A doubles on the third day, B does not move.
    fn bars() -> Bars {
        let bar = |day: i64, price: i64| {
            let price = Price::from_units(price).unwrap();
            let (open_time, close_time) = (at(day - 1), at(day));
            Bar {
                open_time,
                close_time,
                open: price,
                high: price,
                low: price,
                close: price,
                volume: Volume::ZERO,
            }
        };
        let series = |name: &str, prices: [i64; 4]| Series {
            symbol: Symbol::new(name).unwrap(),
            class: AssetClass::Equity,
            timeframe: Timeframe::Day,
            bars: (1..).zip(prices).map(|(day, price)| bar(day, price)).collect(),
        };
        let both = vec![series("A", [10, 10, 20, 30]), series("B", [7, 7, 7, 7])];
        Bars::on(Tape::new(both).unwrap(), Money::from_units(1_000).unwrap())
    }

    #[test]
    fn what_may_wait_for_less_than_a_bar_ends_with_the_next_one() {
        let hour = Duration::from_hours(1);
        assert_eq!(bars().next_is_later(at(1), at(1) + hour), Some(true));
        assert_eq!(bars().next_is_later(at(1), at(2)), Some(false), "it closes just then");
        assert_eq!(
            bars().next_is_later(at(4), at(4) + hour),
            None,
            "there is no bar behind the last"
        );
    }

    /// Goal: what is shown beside the account is what the report will show, and nothing of tomorrow.
    #[test]
    fn the_benchmark_is_half_of_each_and_a_chart_ends_today() {
        let found: Vec<String> = bars()
            .benchmark(&[at(1), at(3), at(4)])
            .into_iter()
            .map(|money| money.unwrap().to_string())
            .collect();
        assert_eq!(found, ["1000", "1500", "2000"]);
        let decision = DecisionId::new(&Symbol::new("A").unwrap(), at(3), "entry");
        let (symbol, closes) = bars().closes(&decision, at(3)).unwrap();
        let prices: Vec<String> = closes.iter().map(|(_, price)| price.to_string()).collect();
        assert_eq!((symbol.as_str(), prices.join(" ")), ("A", "10 10 20".to_owned()));
        let stranger = DecisionId::new(&Symbol::new("AB").unwrap(), at(3), "entry");
        assert_eq!(bars().closes(&stranger, at(3)), None);
    }
}
