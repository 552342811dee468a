//! Prices: to the step, by tier, and never below what a call can cost.

use proptest::prelude::*;

use super::*;

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn tier(above: u64, input: &str, output: &str) -> PriceTier {
    PriceTier {
        above,
        input: money(input),
        output: money(output),
        cache_read: None,
        write_5m: None,
        write_1h: None,
    }
}

fn row(names: &[&str], tiers: Vec<PriceTier>) -> PriceRow {
    PriceRow { names: names.iter().map(ToString::to_string).collect(), tiers, date: None }
}

fn table(models: Vec<PriceRow>) -> Result<PriceTable, PriceError> {
    PriceTable::of(PriceFile { date: "2026-11-20".into(), source: "a test".into(), models })
}

fn tiered() -> Price {
    let first = PriceTier { cache_read: Some(money("0.01")), ..tier(0, "0.10", "0.50") };
    let second = PriceTier { write_5m: Some(money("0.625")), ..tier(100_000, "0.50", "2.50") };
    table(vec![row(&["haiku"], vec![first, second])]).unwrap().price("haiku").unwrap().clone()
}

#[test]
fn a_tier_is_chosen_by_the_whole_prompt_and_holds_for_every_token() {
    let price = tiered();
    for (input, cache_read, output, cost) in [
        (100_000, 0, 1_000_000, "0.51"),
        (100_001, 0, 0, "0.0500005"),
        (1, 100_000, 1_000_000, "2.5500005"),
        (0, 100_000, 0, "0.001"),
        (0, 0, 0, "0"),
    ] {
        let usage = Usage { input, cache_read, output, ..Usage::default() };
        assert_eq!(price.cost(&usage).unwrap(), money(cost), "{usage:?}");
    }
    let writes = Usage { cache_write_5m: 200_000, cache_write_1h: 100_000, ..Usage::default() };
    assert_eq!(price.cost(&writes).unwrap(), money("0.225"), "an unknown write is twice as dear");
}

#[test]
fn every_cost_is_rounded_up_and_a_usage_beyond_all_money_is_an_error() {
    let price = Price::of(tier(0, "0.10", "0.50"));
    let one = Usage { input: 1, ..Usage::default() };
    assert_eq!(price.cost(&one).unwrap(), Money::from_raw(10));
    let tiny = Price::of(PriceTier::flat(Money::from_raw(1)));
    assert_eq!(tiny.cost(&one).unwrap(), Money::from_raw(1));
    let endless = Usage { input: u64::MAX, output: u64::MAX, ..Usage::default() };
    assert!(price.cost(&endless).is_err());
    let dear = Price::of(PriceTier::flat(Money::from_raw(i64::MAX)));
    let all = Usage {
        input: u64::MAX / 4,
        cache_read: u64::MAX,
        cache_write_5m: u64::MAX,
        cache_write_1h: u64::MAX,
        output: u64::MAX,
    };
    assert!(dear.cost(&all).is_err() && dear.worst(u64::MAX, u64::MAX).is_err());
    assert_eq!(Price::free().cost(&endless).unwrap(), Money::ZERO);
    assert!(Price::free().is_free() && !price.is_free());
}

#[test]
fn rows_that_are_no_prices_are_refused_and_later_tables_replace_rows() {
    let good = || vec![tier(0, "1", "2")];
    for (rows, error) in [
        (vec![row(&[], good())], PriceError::Nameless { row: 1 }),
        (vec![row(&["a"], good()), row(&["b", ""], good())], PriceError::Nameless { row: 2 }),
        (
            vec![row(&["a", "b"], good()), row(&["b"], good())],
            PriceError::Twice { name: "b".into() },
        ),
        (vec![row(&["a"], vec![])], PriceError::Tiers { name: "a".into() }),
        (vec![row(&["a"], vec![tier(5, "1", "2")])], PriceError::Tiers { name: "a".into() }),
        (
            vec![row(&["a"], vec![tier(0, "1", "2"), tier(0, "2", "2")])],
            PriceError::Tiers { name: "a".into() },
        ),
        (vec![row(&["a"], vec![tier(0, "1", "-2")])], PriceError::Negative { name: "a".into() }),
    ] {
        assert_eq!(table(rows), Err(error));
    }
    let first = table(vec![row(&["a", "b"], good())]).unwrap();
    let second = table(vec![row(&["b"], vec![tier(0, "9", "9")])]).unwrap();
    let both = first.with(second).or("a", Price::free()).or("mine", Price::free());
    let one = Usage { input: 1_000_000, ..Usage::default() };
    let costs = ["a", "b", "mine"].map(|name| both.price(name).unwrap().cost(&one).unwrap());
    assert_eq!(costs, ["1", "9", "0"].map(money));
    assert!(both.price("c").is_none());
    assert_eq!(both.origin("b").unwrap().source, "a test");
    assert_eq!(both.names().collect::<Vec<_>>(), ["a", "b", "mine"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// G-3: whatever of its prompt is read from a cache or written to one, no call costs more than its
    /// worst case, as long as the prompt is no longer than its bytes allow.
    #[test]
    fn no_call_costs_more_than_its_worst_case(
        bytes in 0_u64..900_000,
        max_tokens in 0_u64..50_000,
        shares in prop::array::uniform4(0_u64..100),
        output in 0_u64..50_000,
    ) {
        let price = tiered();
        let prompt = bytes / 3 + 200;
        let all = shares.iter().sum::<u64>().max(1);
        let [input, cache_read, cache_write_5m, cache_write_1h] =
            shares.map(|share| prompt * share / all);
        let output = output.min(max_tokens);
        let usage = Usage { input, cache_read, cache_write_5m, cache_write_1h, output };
        prop_assert!(price.cost(&usage).unwrap() <= price.worst(bytes, max_tokens).unwrap());
    }
}
