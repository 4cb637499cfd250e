//! A line of text as `tracing`'s own formatter writes it without colours, at a quarter of the cost:
//! this one does not ask for each word how it should be painted, nor for each line which day it is.

use std::cell::RefCell;
use std::fmt::{self, Debug, Write as _};
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

/// The most room, in bytes, that is kept for the next line.
const KEPT: usize = 4 << 10;

/// The fields as they are gathered: one write to the line for all of them.
struct Fields<'t> {
    text: &'t mut String,
    result: fmt::Result,
}

thread_local! {
    /// Room for the fields of a line, used again for each.
    static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

impl<'w> FormatFields<'w> for Plain {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        // Taken, not borrowed: a value that logs while it is written finds an empty one.
        let mut text = TEXT.take();
        text.clear();
        let mut visitor = Fields { text: &mut text, result: Ok(()) };
        fields.record(&mut visitor);
        let result = visitor.result.and_then(|()| writer.write_str(&text));
        if text.capacity() <= KEPT {
            TEXT.set(text);
        }
        result
    }
}

// === impl Fields ===

impl Fields<'_> {
    fn name(&mut self, field: &Field) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        if field.name() != "message" {
            self.text.push_str(field.name());
            self.text.push('=');
        }
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if !value.bytes().all(is_plain) {
            return self.record_debug(field, &value);
        }
        self.name(field);
        self.text.push('"');
        self.text.push_str(value);
        self.text.push('"');
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        self.text.push_str(itoa::Buffer::new().format(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.name(field);
        self.result = self.result.and_then(|()| write!(self.text, "{value:?}"));
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
            let mut fraction = *b".000000Z";
            let mut micros = now.subsec_micros();
            for digit in fraction[1..7].iter_mut().rev() {
                *digit += (micros % 10) as u8;
                micros /= 10;
            }
            writer.write_str(text)?;
            writer.write_str(std::str::from_utf8(&fraction).unwrap_or_default())
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
        tracing::info!(least = 0_u64, most = u64::MAX, below = -5_i64);
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
