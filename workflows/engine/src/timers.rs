//! When to wake, for every open execution.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

/// Below this many entries nothing is swept.
const SMALL: usize = 256;

/// A heap of wake-up times. An entry that no longer matters stays until it is due or swept: waking
/// an execution for nothing does no harm.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(DateTime<Utc>, Arc<str>)>>,
}

impl Timers {
    pub(crate) fn arm(&mut self, at: DateTime<Utc>, execution: Arc<str>) {
        self.heap.push(Reverse((at, execution)));
    }

    /// The earliest time, if there is one.
    pub(crate) fn next(&self) -> Option<DateTime<Utc>> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes one entry that is due.
    pub(crate) fn pop_due(&mut self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Arc<str>)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Drops entries that do not matter once they are most of the heap, so that its size follows
    /// the number of open executions, not of finished ones.
    pub(crate) fn sweep(&mut self, open: usize, matters: impl Fn(DateTime<Utc>, &str) -> bool) {
        if self.heap.len() > SMALL + 4 * open {
            self.heap
                .retain(|Reverse((at, execution))| matters(*at, execution));
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn the_earliest_is_first_and_only_due_ones_are_taken() {
        let start = DateTime::UNIX_EPOCH;
        let mut timers = Timers::default();
        for seconds in [30, 10, 20] {
            timers.arm(
                start + TimeDelta::seconds(seconds),
                seconds.to_string().into(),
            );
        }
        assert_eq!(timers.next(), Some(start + TimeDelta::seconds(10)));
        let now = start + TimeDelta::seconds(20);
        let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(now))
            .map(|(_, name)| name)
            .collect();
        assert_eq!(
            due.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
            ["10", "20"]
        );
        assert_eq!(timers.next(), Some(start + TimeDelta::seconds(30)));
    }

    #[test]
    fn finished_executions_do_not_pile_up() {
        let mut timers = Timers::default();
        for number in 0..10_000_i64 {
            timers.arm(
                DateTime::UNIX_EPOCH + TimeDelta::seconds(900 + number),
                number.to_string().into(),
            );
            timers.sweep(1, |_, name| name == "0");
        }
        assert!(timers.len() <= SMALL + 5, "{} entries", timers.len());
        assert_eq!(
            timers.next(),
            Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(900))
        );
    }
}
