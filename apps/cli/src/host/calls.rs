//! The calls that executions have in work, so that none outlives its execution.
//!
//! An execution that was stopped, or that failed as a whole, leaves its functions where they are. What
//! they would still write comes after the seal, which verification takes for tampering; so they are
//! ended before the record of their execution is closed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The calls of every open execution; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<HashMap<String, watch::Sender<bool>>>>);

impl Calls {
    /// A call of an execution begins. It is over when the receiver is dropped, and to be ended when it
    /// becomes true.
    pub fn begin(&self, execution: &str) -> watch::Receiver<bool> {
        let mut open = self.open();
        let stop = open.entry(execution.to_owned());
        stop.or_insert_with(|| watch::channel(false).0).subscribe()
    }

    /// Ends every call of an execution that has ended, and waits until they are over.
    pub async fn end(&self, execution: &str) {
        let stop = self.open().remove(execution);
        if let Some(stop) = stop {
            stop.send_replace(true);
            stop.closed().await;
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_waits_for_every_call_and_for_no_other_execution() {
        let calls = Calls::default();
        calls.end("x").await;
        let mut of_x = [calls.begin("x"), calls.begin("x")];
        let of_y = calls.begin("y");
        let mut end = Box::pin(calls.end("x"));
        assert!(futures::poll!(&mut end).is_pending());
        for call in &mut of_x {
            assert!(*call.borrow_and_update());
        }
        let [first, second] = of_x;
        drop(first);
        assert!(futures::poll!(&mut end).is_pending());
        drop(second);
        end.await;
        assert!(!*of_y.borrow());
        // What is over is not waited for.
        drop(of_y);
        calls.end("y").await;
        assert!(calls.open().is_empty());
    }
}
