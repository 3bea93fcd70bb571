//! Time, so that tests can set it.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// What tells the time and waits.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> DateTime<Utc>;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Whole milliseconds from `start` to now; a clock that was set back counts as none.
pub fn elapsed_ms(clock: &dyn Clock, start: DateTime<Utc>) -> u64 {
    u64::try_from((clock.now() - start).num_milliseconds()).unwrap_or(0)
}
