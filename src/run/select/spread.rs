//! Work on many things alike, shared out over threads; the results come in the order of the things.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Things that a thread takes at a time.
const BATCH: usize = 8;

/// As many threads as there are cores.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// `work(0)`, `work(1)`, … in order, made by up to `threads` threads. A panic of `work` is passed on.
pub fn spread<T: Send>(count: usize, threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let one_by_one = || {
        let mut done = Vec::new();
        loop {
            let from = next.fetch_add(BATCH, Ordering::Relaxed);
            if from >= count {
                return done;
            }
            done.extend((from..count.min(from + BATCH)).map(|at| (at, work(at))));
        }
    };
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let helpers: Vec<_> =
            (1..threads.min(count.div_ceil(BATCH))).map(|_| scope.spawn(one_by_one)).collect();
        let mut done = one_by_one();
        for helper in helpers {
            match helper.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_number_of_threads() {
        for threads in [0, 1, 2, 7, 1_000] {
            for count in [0, 1, 8, 9, 100] {
                let found = spread(count, threads, |at| at * at);
                assert_eq!(found, (0..count).map(|at| at * at).collect::<Vec<_>>());
            }
        }
    }
}
