//! Counting server-sent events in a body that arrives in arbitrary pieces.
//!
//! A load generator must count, not understand: it looks at the first bytes of each line only.

/// How many bytes of a line decide what it is: as many as the longest mark below.
const MARK_BYTES: usize = 14;
const DATA: &[u8] = b"data:";
const DONE: &[u8] = b"data: [DONE]";
const ERROR: &[u8] = b"data: {\"error\"";

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
        if line.starts_with(DONE) {
            self.done = true;
        } else if line.starts_with(DATA) {
            self.events += 1;
            self.error |= line.starts_with(ERROR);
        }
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
    fn an_error_event_is_noticed() {
        let mut counter = EventCounter::default();
        for byte in b"data: {\"error\":{\"message\":\"x\"}}\n\n" {
            counter.feed(&[*byte]);
        }
        assert!(counter.error);
    }
}
