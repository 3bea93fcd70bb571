//! Where time comes from.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// Called when a clock was moved by hand.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// The engine's time. History keeps milliseconds, so a clock gives whole ones.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> DateTime<Utc>;

    /// Asks to be told when the clock jumps. A clock that only runs needs nothing here: the engine
    /// sleeps until its next timer.
    fn on_jump(&self, wake: Wake) {
        drop(wake);
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(3)
    }
}

/// A clock that stands still until it is moved: for tests of timers.
#[derive(Clone)]
pub struct ManualClock {
    inner: Arc<Mutex<Manual>>,
}

struct Manual {
    now: DateTime<Utc>,
    wakes: Vec<Arc<Wake>>,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: DateTime<Utc>) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Manual {
                now: now.trunc_subsecs(3),
                wakes: Vec::new(),
            })),
        }
    }

    /// Moves the clock forward and lets due timers fire.
    pub fn advance(&self, by: TimeDelta) {
        let wakes = {
            let mut inner = self.lock();
            inner.now += by;
            inner.wakes.clone()
        };
        for wake in wakes {
            wake();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Manual> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.lock().now
    }

    fn on_jump(&self, wake: Wake) {
        self.lock().wakes.push(Arc::new(wake));
    }
}
