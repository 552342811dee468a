//! What `doctor --live` asks Alpaca: questions only, nothing that changes anything.

use conclave_domain::alpaca::{Account, CalendarDay, Trouble};
use conclave_domain::market::calendar::Calendar;
use conclave_domain::market::symbol::AssetClass;
use jiff::civil::Date;

use super::Check;
use crate::adapters::alpaca_http::{
    Alpaca, AlpacaError, KEY_ID, Keys, OrdersQuery, SECRET_KEY, Venue,
};
use crate::adapters::clock;
use crate::adapters::paper_days::PaperDay;
use crate::cli::alpaca::skew_ms;
use crate::config::Config;
use crate::run::money::{self, LIVE_ENV, LIVE_WORDS};

/// Milliseconds by which two clocks may differ: below the first nothing is said, above the second an
/// order's age cannot be judged.
const SKEW_MS: [u64; 2] = [1_000, 5_000];
/// Days ahead for which the venue's hours are compared with ours.
const HOURS_DAYS: i64 = 14;
/// What market data is asked for: a share and a coin that are always there.
const ASKED_FOR: [(AssetClass, &str); 2] =
    [(AssetClass::Equity, "SPY"), (AssetClass::Crypto, "BTC/USD")];

/// Every check, as far as each makes sense after the one before.
pub(super) async fn look(config: &Config) -> Vec<Check> {
    let alpaca = match connect(config) {
        Ok(alpaca) => alpaca,
        Err(check) => return vec![check],
    };
    let permits = std::env::var(LIVE_ENV).is_ok_and(|words| words == LIVE_WORDS);
    let day = money::on_record();
    let mut checks = vec![keys(&alpaca, config), real(config, permits), rehearsed(day.as_ref())];
    let before = clock::now();
    match alpaca.clock().await {
        Err(error) => {
            checks.push(failed("alpaca clock", &error));
            return checks;
        }
        Ok(venue) => {
            let now = venue.timestamp.time();
            checks.push(time(alpaca.venue(), skew_ms(before, now, clock::now())));
            let from = Calendar::Xnys.session_date(now);
            let to = from.saturating_add(jiff::Span::new().days(HOURS_DAYS));
            checks.push(match alpaca.calendar(from, to).await {
                Err(error) => failed("alpaca hours", &error),
                Ok(days) => hours(from, to, &days),
            });
        }
    }
    match alpaca.account().await {
        Err(error) => checks.push(failed("alpaca money", &error)),
        Ok(account) => checks.extend([may_trade(&account), money(&account)]),
    }
    let open = alpaca.orders(&OrdersQuery::default()).await;
    checks.push(match (alpaca.positions().await, open) {
        (Err(error), _) | (_, Err(error)) => failed("alpaca book", &error),
        (Ok(positions), Ok(orders)) => {
            let found = format!("{} positions and {} open orders", positions.len(), orders.len());
            Check::ok("alpaca book", found)
        }
    });
    for (class, symbol) in ASKED_FOR {
        checks.push(match alpaca.latest_bars(class, &[symbol]).await {
            Err(error) => failed("alpaca data", &error),
            Ok(bars) => data(config, class, symbol, bars.get(symbol).map(|bar| bar.at.to_string())),
        });
    }
    checks
}

fn connect(config: &Config) -> Result<Alpaca, Check> {
    let refused = |error: &AlpacaError| {
        let remedy =
            "use the pair of keys that belongs to `alpaca.trading_url`: PK… on paper, AK… live";
        Check::fail("alpaca keys", error.to_string(), remedy)
    };
    match Keys::from_env() {
        Err(error) => Err(refused(&error)),
        Ok(None) => {
            let found = format!("{KEY_ID} and {SECRET_KEY} are not set");
            Err(Check::fail("alpaca keys", found, "set both; Alpaca's dashboard makes them"))
        }
        Ok(Some(keys)) => {
            Alpaca::new(config.alpaca.clone(), &keys).map_err(|error| refused(&error))
        }
    }
}

fn keys(alpaca: &Alpaca, config: &Config) -> Check {
    let found = format!("they belong to {} ({})", alpaca.address(), alpaca.venue().name());
    match (alpaca.venue(), config.run.money.as_str()) {
        (Venue::Live, "paper") => {
            let remedy = "use the paper address and its keys unless real money is meant";
            Check::warn("alpaca keys", format!("{found}, and `run.money` is paper"), remedy)
        }
        (venue, "live") if venue != Venue::Live => {
            let remedy = "real money takes `alpaca.trading_url` and keys of the live account";
            Check::fail("alpaca keys", format!("{found}, and `run.money` is live"), remedy)
        }
        _ => Check::ok("alpaca keys", found),
    }
}

/// Which money a run would be about, as far as is said without its command line.
fn real(config: &Config, permits: bool) -> Check {
    match (config.run.money == "live", permits) {
        (false, false) => {
            Check::ok("real money", "it is not said anywhere: runs are in paper money")
        }
        (false, true) => {
            let found =
                format!("{LIVE_ENV} permits it, and `run.money` is paper: runs are in paper money");
            Check::ok("real money", found)
        }
        (true, true) => Check::ok("real money", "a run with --live trades it"),
        (true, false) => {
            let found = format!("`run.money` is live, and {LIVE_ENV} does not permit it");
            let remedy = "set CONCLAVE_LIVE_MONEY=yes-i-mean-it where real money is meant, else \
                          `run.money` to paper";
            Check::warn("real money", found, remedy)
        }
    }
}

/// Whether a session in paper money speaks for real money.
fn rehearsed(day: Option<&PaperDay>) -> Check {
    let Some(day) = day else {
        let remedy = "`conclave run --broker alpaca --symbols … --paper-day` makes one, before real \
                      money is begun with";
        return Check::warn("paper day", "none of the last 30 days is on record", remedy);
    };
    let found = format!(
        "{}, {} with {} orders, by version {} (run {})",
        day.day, day.mode, day.orders, day.version, day.run
    );
    if day.has_acted() {
        return Check::ok("paper day", found);
    }
    let remedy = "advice sends no orders: make one with --mode supervised";
    Check::warn("paper day", found, remedy)
}

fn time(venue: Venue, skew_ms: i64) -> Check {
    let [warn, fail] = SKEW_MS;
    if venue == Venue::Here && skew_ms.unsigned_abs() > warn {
        let found =
            "the exchange on this machine has a time of its own, and a run there follows it";
        return Check::ok("alpaca clock", found);
    }
    let found = format!("this machine's clock is ahead of the venue's by {skew_ms} ms");
    let remedy = "keep the clock with a time service such as chrony";
    match skew_ms.unsigned_abs() {
        off if off > fail => Check::fail("alpaca clock", found, remedy),
        off if off > warn => Check::warn("alpaca clock", found, remedy),
        _ => Check::ok("alpaca clock", found),
    }
}

/// The venue opens and closes when our calendar says so.
fn hours(from: Date, to: Date, venue: &[CalendarDay]) -> Check {
    let days = from.series(jiff::Span::new().days(1)).take_while(|day| *day <= to);
    let differs = |day: &Date| {
        let ours = CalendarDay::of(*day).map(|it| (it.open, it.close));
        let theirs = venue.iter().find(|it| it.date == day.to_string());
        ours != theirs.map(|it| (it.open.clone(), it.close.clone()))
    };
    let strange: Vec<String> = days.filter(differs).map(|day| day.to_string()).collect();
    if strange.is_empty() {
        let found = format!("the venue's sessions until {to} are those of our calendar");
        return Check::ok("alpaca hours", found);
    }
    let found =
        format!("the venue's hours are not those of our calendar on {}", strange.join(", "));
    Check::warn("alpaca hours", found, "trade on those days by the venue's hours only")
}

fn may_trade(account: &Account) -> Check {
    if let Some(why) = account.block() {
        let found = format!("it may not trade: {why} ({})", account.status);
        return Check::fail("alpaca account", found, "look at the account in Alpaca's dashboard");
    }
    if !account.shorting_enabled {
        let remedy = "set `run.direction` to long, or enable margin and shorting at Alpaca";
        return Check::warn("alpaca account", "it may trade, and may not sell short", remedy);
    }
    Check::ok("alpaca account", "it may trade, and sell short")
}

fn money(account: &Account) -> Check {
    let (equity, power) = (account.equity, account.buying_power);
    let found = format!("{equity:.2} of equity and {power:.2} of buying power");
    if equity.raw() <= 0 || power.raw() <= 0 {
        return Check::fail("alpaca money", found, "fund the account, or close what binds it");
    }
    Check::ok("alpaca money", found)
}

fn data(config: &Config, class: AssetClass, symbol: &str, at: Option<String>) -> Check {
    let feed = match class {
        AssetClass::Equity => config.alpaca.feed.as_str(),
        AssetClass::Crypto => "us",
    };
    let Some(at) = at else {
        let remedy = "nothing, where the address is no real market; else try another feed";
        return Check::warn("alpaca data", format!("{symbol} on {feed}: there is no bar"), remedy);
    };
    Check::ok("alpaca data", format!("{symbol} on {feed}: the last bar is of {at}"))
}

fn failed(name: &'static str, error: &AlpacaError) -> Check {
    let remedy = match error.trouble() {
        Some(Trouble::Auth) => {
            "the keys are wrong, or were made for another account: make new ones"
        }
        Some(Trouble::Forbidden { .. }) => {
            "the account or its subscription does not have this; of data, set `alpaca.feed` to iex"
        }
        Some(Trouble::Unreached) => "look at the network and the addresses in `[alpaca]`",
        Some(Trouble::RateLimited { .. }) => "wait a minute: others use the same account",
        _ => "try again later; Alpaca tells of its outages on its status page",
    };
    Check::fail(name, error.to_string(), remedy)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::State;
    use super::*;

    fn account(change: &serde_json::Value) -> Account {
        let mut account = json!({"id": "x", "status": "ACTIVE", "cash": "1", "equity": "1",
            "buying_power": "2", "shorting_enabled": true});
        for (key, value) in change.as_object().unwrap() {
            account[key] = value.clone();
        }
        serde_json::from_value(account).unwrap()
    }

    #[test]
    fn an_account_that_cannot_trade_fails() {
        for (change, trade, funds) in [
            (json!({}), State::Ok, State::Ok),
            (json!({"account_blocked": true}), State::Fail, State::Ok),
            (json!({"trade_suspended_by_user": true}), State::Fail, State::Ok),
            (json!({"status": "PAPER_ONLY"}), State::Fail, State::Ok),
            (json!({"shorting_enabled": false}), State::Warn, State::Ok),
            (json!({"buying_power": "0"}), State::Ok, State::Fail),
            (json!({"equity": "-5"}), State::Ok, State::Fail),
        ] {
            let account = account(&change);
            assert_eq!(
                (may_trade(&account).state, money(&account).state),
                (trade, funds),
                "{change}"
            );
        }
    }

    #[test]
    fn hours_that_are_not_ours_are_named() {
        let (from, to) = (jiff::civil::date(2026, 11, 25), jiff::civil::date(2026, 11, 30));
        let days = from.series(jiff::Span::new().days(1)).take_while(|day| *day <= to);
        let mut venue: Vec<CalendarDay> = days.filter_map(CalendarDay::of).collect();
        assert_eq!(venue.len(), 3, "Thanksgiving and a weekend");
        assert_eq!((venue[1].close.as_str(), venue[1].session_close.as_str()), ("13:00", "1700"));
        assert_eq!(hours(from, to, &venue).state, State::Ok);
        venue[1].close = "16:00".to_owned();
        venue.pop();
        let check = hours(from, to, &venue);
        assert_eq!(check.state, State::Warn);
        assert!(check.found.ends_with("2026-11-27, 2026-11-30"), "{}", check.found);
    }

    #[test]
    fn a_paper_day_with_orders_speaks_for_real_money_and_nothing_else_does() {
        use conclave_domain::mode::Mode;
        use conclave_domain::time::Time;
        let day = |mode| {
            let (day, run) = ("2026-11-20".to_owned(), "r-1".to_owned());
            let mut day = PaperDay::new(day, run, PaperDay::VENUE, mode, Time::EPOCH);
            day.orders = 3;
            day
        };
        let told = rehearsed(Some(&day(Mode::Supervised)));
        assert_eq!(told.state, State::Ok);
        assert!(told.found.contains("2026-11-20") && told.found.contains("r-1"), "{}", told.found);
        assert_eq!(rehearsed(Some(&day(Mode::Advisory))).state, State::Warn);
        assert_eq!(rehearsed(None).state, State::Warn);
        let mut config = Config::default();
        assert_eq!(real(&config, false).state, State::Ok);
        assert!(real(&config, true).found.contains("paper money"));
        config.run.money = "live".to_owned();
        assert_eq!(
            (real(&config, false).state, real(&config, true).state),
            (State::Warn, State::Ok)
        );
    }

    #[test]
    fn a_clock_that_is_off_by_seconds_is_told_where_both_should_agree() {
        for (skew_ms, state) in [
            (0, State::Ok),
            (-1_000, State::Ok),
            (1_001, State::Warn),
            (-5_001, State::Fail),
            (i64::MIN, State::Fail),
        ] {
            for venue in [Venue::Paper, Venue::Live, Venue::Elsewhere] {
                assert_eq!(time(venue, skew_ms).state, state, "{skew_ms} {venue:?}");
            }
            assert_eq!(time(Venue::Here, skew_ms).state, State::Ok, "it has a time of its own");
        }
    }
}
