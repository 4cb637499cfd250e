//! What an upstream says before it has anything to say.
//!
//! OpenRouter and others send comments (`: OPENROUTER PROCESSING`) while a request waits in their
//! queue. Passed on at once they would commit the house to that upstream, and an error right behind
//! them could not be mended elsewhere any more. So they wait for the first event with data.

use bytes::{Bytes, BytesMut};

/// How much is held back before it is passed on after all.
const LONGEST: usize = 64 << 10;

/// Events without data, held back until the first one with data.
#[derive(Debug, Default)]
pub(in crate::dialects) struct Prelude {
    held: BytesMut,
    over: bool,
}

impl Prelude {
    /// Holds an event without data back, if it is still time for that.
    pub(in crate::dialects) fn holds(&mut self, event: &[u8]) -> bool {
        self.over |= self.held.len() + event.len() > LONGEST;
        if !self.over {
            self.held.extend_from_slice(event);
        }
        !self.over
    }

    /// Ends the prelude: all that was held back, and `event` behind it, in one.
    pub(in crate::dialects) fn joined(&mut self, event: Bytes) -> Bytes {
        self.over = true;
        if self.held.is_empty() {
            return event;
        }
        self.held.extend_from_slice(&event);
        self.held.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_back_is_bounded_and_never_lost() {
        let mut prelude = Prelude::default();
        let comment = [b':'; 1000];
        let held = (0..1000).take_while(|_| prelude.holds(&comment)).count();
        assert_eq!(held, LONGEST / comment.len());
        assert!(!prelude.holds(b""), "what is over does not begin again");
        let all = prelude.joined(Bytes::copy_from_slice(&comment));
        assert_eq!(all.len(), (held + 1) * comment.len());
        assert_eq!(prelude.joined(Bytes::from_static(b"data")), "data");
    }
}
