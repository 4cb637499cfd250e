//! The text in windows: whatever its size, a few kilobytes of it are looked at, with enough before
//! and after each place to judge what stands there.

use super::anchors::{self, Ground};
use super::{Findings, plain};

/// The bytes of a window.
const SIZE: usize = 8 * 1024;

/// What stays visible before a place: the words nearby, the beginning of an address.
pub(super) const BEHIND: usize = 128;

/// What is visible after a place, which is longer than anything that is looked for.
pub(super) const AHEAD: usize = 256;

/// Takes a text in pieces and looks through it.
pub(super) struct Windows<'f> {
    buffer: [u8; SIZE],
    /// How much of the buffer is text.
    filled: usize,
    /// From where on nobody has looked yet.
    from: usize,
    /// Up to where the digits belong to something that was found.
    taken: usize,
    findings: &'f mut Findings,
}

impl<'f> Windows<'f> {
    pub(super) fn new(findings: &'f mut Findings) -> Self {
        Self { buffer: [0; SIZE], filled: 0, from: 0, taken: 0, findings }
    }

    /// Takes the next piece, as it is written.
    pub(super) fn take(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let room = SIZE - self.filled;
            if room < plain::MOST {
                self.look(false);
                continue;
            }
            let copied = plain::plain(&piece[..piece.len().min(room)]);
            self.buffer[self.filled..self.filled + copied].copy_from_slice(&piece[..copied]);
            self.filled += copied;
            piece = &piece[copied..];
            if copied < room && !piece.is_empty() {
                self.special(&mut piece);
            }
        }
    }

    /// Something stood here that was not looked at: what is before and after does not belong
    /// together.
    pub(super) fn gap(&mut self) {
        self.take(b"\"\0\"");
    }

    /// Looks at what is left.
    pub(super) fn finish(mut self) {
        self.look(true);
    }

    /// How many findings there are so far is the caller's; a piece that cannot be read is too.
    pub(super) fn not_seen(&mut self) {
        self.findings.not_seen();
    }

    /// The findings, for a text within this one.
    pub(super) fn findings(&mut self) -> &mut Findings {
        self.findings
    }

    fn special(&mut self, piece: &mut &[u8]) {
        if SIZE - self.filled < plain::MOST {
            return;
        }
        let (buffer, filled) = (&mut self.buffer, &mut self.filled);
        let taken = plain::special(piece, &mut |meant: &[u8]| {
            buffer[*filled..*filled + meant.len()].copy_from_slice(meant);
            *filled += meant.len();
        });
        *piece = &piece[taken..];
    }

    /// Looks through the window, and moves on as far as everything in it was seen whole.
    fn look(&mut self, last: bool) {
        let until = if last { self.filled } else { self.filled - AHEAD };
        let ground = Ground { text: &self.buffer[..self.filled], from: self.from, until };
        self.taken = anchors::look(ground, self.taken, self.findings);
        let kept = until - BEHIND.min(until);
        self.buffer.copy_within(kept..self.filled, 0);
        self.filled -= kept;
        self.from = until - kept;
        self.taken = self.taken.saturating_sub(kept);
    }
}
