//! How far a longer work has come: one line that rewrites itself on a terminal, and a line now and
//! then elsewhere.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::cli::say_error;
use crate::proofs::Progress;

/// Tells it on standard error.
pub(super) struct Teller {
    terminal: bool,
    last: Cell<Instant>,
}

/// How often a log hears of it.
const NOW_AND_THEN: Duration = Duration::from_secs(5);

/// Back to the beginning of the line, which is emptied.
const ANEW: &str = "\r\x1b[K";

// === impl Teller ===

impl Teller {
    pub(super) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), last: Cell::new(Instant::now()) }
    }

    pub(super) fn tell(&self, progress: Progress<'_>) {
        let Progress { done, all, last } = progress;
        if self.terminal {
            let line = if done < all { format!("{ANEW}{done}/{all} {last}") } else { ANEW.into() };
            let mut terminal = std::io::stderr();
            // Who does not see it misses nothing.
            let _ = terminal.write_all(line.as_bytes()).and_then(|()| terminal.flush());
        } else if self.last.get().elapsed() >= NOW_AND_THEN && done < all {
            self.last.set(Instant::now());
            say_error(&format!("{done} of {all} done"));
        }
    }
}
