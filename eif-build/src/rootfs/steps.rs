//! How long an image's paths may take to follow and to search.
use super::Problem;

/// The most steps that an image's paths may take, links followed: a name walked or looked through is a step, and one
/// more for each [`STEP`] bytes of its path. Half a million names ten folders deep are some ten million; 70 KB of
/// layer whose links go to and fro asked for six hundred.
const MAX_STEPS: u64 = 1 << 25;
/// As many bytes of a path are compared in the time that a step takes.
const STEP: usize = 64;

/// The steps taken so far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Steps(u64);

impl Steps {
    /// Counts the step to or past a path.
    pub(super) fn take(&mut self, path: &[u8]) -> Result<(), Problem> {
        self.0 += 1 + (path.len() / STEP) as u64;
        if self.0 > MAX_STEPS {
            return Err(Problem::Steps);
        }
        Ok(())
    }
}
