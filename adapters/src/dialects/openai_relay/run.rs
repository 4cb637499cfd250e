//! Neighbours in one read, passed on without being copied.

use std::ops::Range;

use bytes::Bytes;

/// Plain events that lie side by side in one read, passed on as one slice of it.
pub(in crate::dialects) struct Run {
    read: Bytes,
    place: Range<usize>,
}

impl Run {
    pub(in crate::dialects) fn of(read: Bytes) -> Self {
        Self { read, place: 0..0 }
    }

    /// Takes the event in, if it lies in the read right behind those taken before.
    pub(in crate::dialects) fn takes(&mut self, event: &Bytes) -> bool {
        let start = (event.as_ptr() as usize).wrapping_sub(self.read.as_ptr() as usize);
        let end = start.wrapping_add(event.len());
        if start >= self.read.len() || end > self.read.len() {
            return false;
        }
        if self.place.is_empty() {
            self.place.start = start;
        } else if self.place.end != start {
            return false;
        }
        self.place.end = end;
        true
    }

    /// The events taken so far, if any.
    pub(in crate::dialects) fn take(&mut self) -> Option<Bytes> {
        let place = std::mem::replace(&mut self.place, 0..0);
        (!place.is_empty()).then(|| self.read.slice(place))
    }
}
