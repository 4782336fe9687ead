//! What goes on in the background: ended with its owner, and heard of when it fails.

use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

/// A task that ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Task(JoinHandle<()>);

impl Task {
    /// Starts `work`.
    pub(crate) fn start(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What went wrong where no caller hears of it. A test looks here at its end: an estate that does not do its work makes
/// every other result worthless.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Vec<String>>>);

/// More of them than this say nothing new.
const MOST: usize = 100;

impl Faults {
    pub(crate) fn add(&self, fault: impl Into<String>) {
        let mut all = self.0.lock().unwrap();
        let fault = fault.into();
        if all.len() < MOST && !all.contains(&fault) {
            eprintln!("estate: {fault}");
            all.push(fault);
        }
    }

    /// All of them so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}
