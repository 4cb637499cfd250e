//! Counting server-sent events in a body that arrives in arbitrary pieces.
//!
//! A load generator must count, not understand: it looks at the first bytes of each line only.

/// How many bytes of a line decide what it is: as many as the longest mark below.
const MARK_BYTES: usize = 19;
const DATA: &[u8] = b"data:";
/// How OpenAI's streams end, and Anthropic's.
const DONE: [&[u8]; 2] = [b"data: [DONE]", b"event: message_stop"];
const ERROR: [&[u8]; 2] = [b"data: {\"error\"", b"event: error"];

/// Counts the `data:` lines of one stream.
#[derive(Debug, Default)]
pub struct EventCounter {
    /// Data lines seen to their end, the closing `[DONE]` not among them.
    pub events: u64,
    /// Whether the stream said that it is complete.
    pub done: bool,
    /// Whether an error came as an event.
    pub error: bool,
    mark: [u8; MARK_BYTES],
    marked: usize,
}

// === impl EventCounter ===

impl EventCounter {
    /// Reads the next piece of the body.
    pub fn feed(&mut self, mut piece: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', piece) {
            self.remember(&piece[..end]);
            self.end_line();
            piece = &piece[end + 1..];
        }
        self.remember(piece);
    }

    fn remember(&mut self, part: &[u8]) {
        let taken = part.len().min(MARK_BYTES - self.marked);
        self.mark[self.marked..self.marked + taken].copy_from_slice(&part[..taken]);
        self.marked += taken;
    }

    fn end_line(&mut self) {
        let line = &self.mark[..self.marked];
        let is = |marks: [&[u8]; 2]| marks.iter().any(|mark| line.starts_with(mark));
        let done = is(DONE);
        self.done |= done;
        self.error |= is(ERROR);
        self.events += u64::from(line.starts_with(DATA) && !done);
        self.marked = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b": hello\r\n\r\ndata: {\"a\":1}\n\ndata: {\"b\":\"data: x\"}\r\n\r\n\
        data: {\"c\":3}\n\ndata: [DONE]\n\n";

    #[test]
    fn any_cut_in_two_counts_the_same() {
        for cut in 0..=STREAM.len() {
            let mut counter = EventCounter::default();
            counter.feed(&STREAM[..cut]);
            counter.feed(&STREAM[cut..]);
            assert_eq!((counter.events, counter.done, counter.error), (3, true, false), "at {cut}");
        }
    }

    #[test]
    fn an_event_counts_when_its_line_has_ended() {
        let mut counter = EventCounter::default();
        counter.feed(b"data: {\"half\":");
        assert_eq!(counter.events, 0);
        counter.feed(b"1}\n");
        assert_eq!((counter.events, counter.done), (1, false));
    }

    #[test]
    fn the_other_language_has_its_own_end_and_errors() {
        let mut counter = EventCounter::default();
        counter.feed(b"event: ping\ndata: {}\n\nevent: message_stop\ndata: {}\n\n");
        assert_eq!((counter.events, counter.done, counter.error), (2, true, false));
        counter.feed(b"event: error\ndata: {}\n\n");
        assert!(counter.error);
    }

    #[test]
    fn an_error_event_is_noticed() {
        let mut counter = EventCounter::default();
        for byte in b"data: {\"error\":{\"message\":\"x\"}}\n\n" {
            counter.feed(&[*byte]);
        }
        assert!(counter.error);
    }
}
