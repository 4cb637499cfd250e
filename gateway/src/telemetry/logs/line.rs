//! A line of text as `tracing`'s own formatter writes it without colours, at a quarter of the cost:
//! this one does not ask for each word how it should be painted, nor for each line which day it is.

use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{self, FormatTime};

/// Writes fields as `name=value`, the message bare.
pub(super) struct Plain;

/// Writes the time to the microsecond, in UTC.
pub(super) struct Clock;

struct Fields<'w> {
    writer: Writer<'w>,
    is_first: bool,
    result: fmt::Result,
}

impl<'w> FormatFields<'w> for Plain {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = Fields { writer, is_first: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

// === impl Fields ===

impl Fields<'_> {
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.name(field).and_then(|()| value(&mut self.writer));
        }
    }

    fn name(&mut self, field: &Field) -> fmt::Result {
        if !std::mem::take(&mut self.is_first) {
            self.writer.write_char(' ')?;
        }
        if field.name() == "message" {
            return Ok(());
        }
        self.writer.write_str(field.name())?;
        self.writer.write_char('=')
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, |writer| {
            if !value.bytes().all(is_plain) {
                return write!(writer, "{value:?}");
            }
            writer.write_char('"')?;
            writer.write_str(value)?;
            writer.write_char('"')
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, |writer| write!(writer, "{value:?}"));
    }
}

/// Whether a byte stands for itself between quotes.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

// === impl Clock ===

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        thread_local! {
            /// The last second that was written, and how.
            static LAST: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        LAST.with_borrow_mut(|(second, text)| {
            if *second != now.as_secs() || text.is_empty() {
                text.clear();
                time::SystemTime.format_time(&mut Writer::new(text))?;
                text.truncate(text.find('.').unwrap_or(text.len()));
                *second = now.as_secs();
            }
            writer.write_str(text)?;
            write!(writer, ".{:06}Z", now.subsec_micros())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::{SubscriberBuilder, fmt};

    use super::*;

    /// What a logger writes of some lines.
    fn written(
        log: impl FnOnce(SubscriberBuilder, Box<dyn Fn() -> Sink + Send + Sync>),
    ) -> Vec<String> {
        let sink = Sink::default();
        let shared = sink.clone();
        log(fmt().with_target(false).with_ansi(false), Box::new(move || shared.clone()));
        let text = sink.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
    }

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn events() {
        for text in ["plain", "", "a \"quoted\" \\ word", "two\nlines", "ü \u{1b}[31m"] {
            tracing::info!(text, id = %"x y", count = 3_u64, missing = None::<u16>, "message");
        }
        tracing::warn!(list = ?[1, 2], ratio = 0.5, yes = true);
    }

    #[test]
    fn a_line_is_the_usual_one() {
        let usual = written(|logger, sink| {
            tracing::subscriber::with_default(logger.with_writer(sink).finish(), events);
        });
        let ours = written(|logger, sink| {
            let logger = logger.with_writer(sink).fmt_fields(Plain).with_timer(Clock);
            tracing::subscriber::with_default(logger.finish(), events);
        });
        let text = |line: &String| line[line.find('Z').unwrap()..].to_owned();
        assert_eq!(
            ours.iter().map(text).collect::<Vec<_>>(),
            usual.iter().map(text).collect::<Vec<_>>()
        );
        for (ours, usual) in ours.iter().zip(&usual) {
            let time = |line: &String| line[..line.find('Z').unwrap()].to_owned();
            assert_eq!(time(ours).len(), time(usual).len());
            assert_eq!(time(ours)[..14], time(usual)[..14], "the same hour");
        }
    }
}
