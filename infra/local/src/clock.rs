//! The clock that adapters are given, so that tests need not wait.

use std::sync::Arc;

use chrono::{DateTime, Duration, SubsecRound, Utc};
use tokio::sync::watch;

/// A clock: the system's, or one that a test moves.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    manual: Option<Arc<watch::Sender<DateTime<Utc>>>>,
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self { manual: None }
    }

    /// A clock that stands at `start` until it is moved. Its clones move with it.
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self {
            manual: Some(Arc::new(watch::Sender::new(start.trunc_subsecs(3)))),
        }
    }

    /// The time, to the millisecond.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.manual {
            Some(time) => *time.borrow(),
            None => Utc::now().trunc_subsecs(3),
        }
    }

    /// Moves a manual clock on, and wakes who waits for it. The system's clock moves by itself.
    pub fn advance(&self, by: Duration) {
        if let Some(time) = &self.manual {
            time.send_modify(|now| *now += by);
        }
    }

    /// Waits until the clock shows `time`.
    pub async fn sleep_until(&self, time: DateTime<Utc>) {
        match &self.manual {
            Some(now) => {
                // The sender is ours, so it is not gone while we wait.
                let _ = now.subscribe().wait_for(|now| *now >= time).await;
            }
            None => loop {
                // Also right when the system's clock is set while we wait: we look again.
                let Ok(left) = (time - Utc::now()).to_std() else {
                    return;
                };
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(std::time::Duration::from_secs(59))).await;
            },
        }
    }
}
