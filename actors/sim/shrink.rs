//! Shrinks a schedule: which of its faults does it take?

use conclave_domain::faults::{Item, Schedule};

/// The fewest faults found with which `fails` still holds (delta debugging: halves, quarters, … are
/// left out as long as that changes nothing). `tries` bounds the runs that it may cost.
pub fn shrink(
    schedule: &Schedule,
    mut tries: usize,
    mut fails: impl FnMut(&Schedule) -> bool,
) -> Schedule {
    let mut items: Vec<Item> = schedule.items().to_vec();
    let mut parts = 2;
    while !items.is_empty() && tries > 0 {
        let length = items.len().div_ceil(parts).max(1);
        let mut smaller = None;
        for start in (0..items.len()).step_by(length) {
            if tries == 0 {
                break;
            }
            tries -= 1;
            let (before, after) = (&items[..start], &items[(start + length).min(items.len())..]);
            let rest: Vec<Item> = before.iter().chain(after).cloned().collect();
            if fails(&Schedule::new(rest.iter().cloned())) {
                smaller = Some(rest);
                break;
            }
        }
        match smaller {
            Some(rest) => {
                items = rest;
                parts = parts.saturating_sub(1).max(2);
            }
            None if length == 1 => break,
            None => parts = (parts * 2).min(items.len()),
        }
    }
    Schedule::new(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_takes_is_left_and_the_rest_is_gone() {
        let text: Vec<String> = (1..=40).map(|nth| format!("audit.full@{nth}")).collect();
        let schedule: Schedule = text.join(",").parse().unwrap();
        let needs = |wanted: &'static [&'static str]| {
            move |schedule: &Schedule| {
                let items: Vec<String> = schedule.items().iter().map(Item::to_string).collect();
                wanted.iter().all(|item| items.iter().any(|it| it == item))
            }
        };
        let both = shrink(&schedule, 500, needs(&["audit.full@7", "audit.full@31"]));
        assert_eq!(both.to_string(), "audit.full@7,audit.full@31");
        assert!(shrink(&schedule, 500, |_| true).is_empty());
        assert_eq!(shrink(&schedule, 500, |_| false), schedule);
        assert_eq!(shrink(&schedule, 0, |_| true), schedule, "it costs no more than it may");
    }
}
