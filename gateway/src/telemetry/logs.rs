//! Where log lines go: standard error, gathered for a few milliseconds, so that a call costs a
//! copy into memory and neither a system call nor the waking of a thread. What is gathered is
//! bounded: behind a terminal that stands still, lines are dropped and counted.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use isthmus_config::settings::{LogFormat, Telemetry};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::fmt::MakeWriter;

use line::{Clock, Plain};

mod line;

/// Keeps logging alive; what is still gathered is written when it goes.
pub struct Logging {
    lines: Lines,
    writer: Option<JoinHandle<()>>,
}

/// The gathered lines, shared by those who log and the one who writes.
#[derive(Clone, Default)]
struct Lines(Arc<(Mutex<Gathered>, Condvar)>);

#[derive(Default)]
struct Gathered {
    text: Vec<u8>,
    dropped: u64,
    /// No more lines will come.
    closing: bool,
    /// All that came is written.
    closed: bool,
}

/// How long lines are gathered before they are written.
const GATHERING: Duration = Duration::from_millis(20);
/// How long the end waits for the last lines to be written.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most that is gathered.
const MOST: usize = 4 << 20;
/// The most room that is kept for the next lines.
const KEPT: usize = 256 << 10;

/// Starts logging.
///
/// `filter` is in `tracing`'s own words and wins over the configured level.
pub fn start(settings: Telemetry, filter: Option<&str>) -> Logging {
    let lines = Lines::default();
    let level: Directive =
        settings.log_level.as_str().parse().unwrap_or_else(|_| tracing::Level::INFO.into());
    let filter =
        EnvFilter::builder().with_default_directive(level).parse_lossy(filter.unwrap_or_default());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(lines.clone())
        .with_target(false);
    // A second start (a test in the same process) keeps the first subscriber.
    let _ = match settings.log_format {
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
        LogFormat::Text if io::stderr().is_terminal() => subscriber.try_init(),
        LogFormat::Text => {
            subscriber.with_ansi(false).fmt_fields(Plain).with_timer(Clock).try_init()
        }
    };
    let gathered = lines.clone();
    let writer = std::thread::Builder::new()
        .name("log".into())
        .spawn(move || gathered.write_to(io::stderr()))
        .ok();
    Logging { lines, writer }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.lines.lock().closing = true;
        self.lines.0.1.notify_one();
        let Some(writer) = self.writer.take() else { return };
        let gathered = self.lines.lock();
        let unfinished = |gathered: &mut Gathered| !gathered.closed;
        // Behind a standard error that stands still, the last lines are given up.
        let waited = self.lines.0.1.wait_timeout_while(gathered, PATIENCE, unfinished);
        if waited.is_ok_and(|(_, waited)| !waited.timed_out()) {
            // A writer that panicked has nothing left to write.
            let _ = writer.join();
        }
    }
}

// === impl Lines ===

impl Lines {
    /// Writes what is gathered, again and again, until there will be no more.
    fn write_to(&self, mut out: impl Write) {
        let mut room = Vec::new();
        loop {
            let (text, dropped, closing) = self.take(room);
            // There is nobody to tell of a standard error that is closed.
            let _ = out.write_all(&text);
            if dropped > 0 {
                let _ = writeln!(out, "({dropped} lines dropped: standard error was too slow)");
            }
            if closing {
                self.lock().closed = true;
                self.0.1.notify_all();
                return;
            }
            room = if text.capacity() > KEPT { Vec::new() } else { text };
            room.clear();
        }
    }

    /// Waits for a line, and a little longer for those that follow it. The next ones are gathered in
    /// `room`.
    fn take(&self, room: Vec<u8>) -> (Vec<u8>, u64, bool) {
        let changed = &self.0.1;
        let idle = |gathered: &mut Gathered| gathered.text.is_empty() && !gathered.closing;
        let gathered =
            changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let (mut gathered, _) = changed
            .wait_timeout_while(gathered, GATHERING, |gathered| !gathered.closing)
            .unwrap_or_else(PoisonError::into_inner);
        let text = std::mem::replace(&mut gathered.text, room);
        (text, std::mem::take(&mut gathered.dropped), gathered.closing)
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut gathered = self.lock();
        if gathered.text.len() + line.len() > MOST {
            gathered.dropped += 1;
            return Ok(line.len());
        }
        let first = gathered.text.is_empty();
        gathered.text.extend_from_slice(line);
        drop(gathered);
        if first {
            self.0.1.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(lines: &Lines) -> String {
        lines.lock().closing = true;
        let mut out = Vec::new();
        lines.write_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_written_in_their_order_to_the_last() {
        let mut lines = Lines::default();
        for line in ["a\n", "b\n"] {
            lines.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(written(&lines), "a\nb\n");
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let mut lines = Lines::default();
        let line = vec![b'x'; MOST / 2 + 1];
        lines.write_all(&line).unwrap();
        lines.write_all(&line).unwrap();
        let written = written(&lines);
        assert!(written.ends_with("(1 lines dropped: standard error was too slow)\n"));
        assert!(written.len() < MOST);
    }
}
