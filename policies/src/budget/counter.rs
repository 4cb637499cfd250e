//! What was settled and what is held in a window. Kept by slots, so that a window can slide: what was
//! held in a slot is settled in that slot, whenever that is.

use std::collections::VecDeque;

use super::{Amounts, Frame, Window};

/// The sums of one budget, or of one member of it.
#[derive(Debug, Clone, Default)]
pub struct Counter {
    /// Where the window stands; found anew when the moment has left its slot.
    frame: Frame,
    /// In the order of time. A calendar's window has one slot.
    slots: VecDeque<Slot>,
}

/// What belongs to one part of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// When it begins: Unix milliseconds.
    pub from: i64,
    /// What exchanges that are over took.
    pub settled: Amounts,
    /// What those under way may take.
    pub held: Amounts,
}

impl Counter {
    /// Where the window stands at this moment. What has left it is forgotten.
    pub fn frame(&mut self, window: &Window, now: i64) -> Frame {
        if !self.frame.has(now) {
            self.frame = window.frame(now);
            while self.slots.front().is_some_and(|slot| slot.from < self.frame.oldest) {
                self.slots.pop_front();
            }
        }
        self.frame
    }

    /// What is settled and held in the window.
    pub fn total(&self) -> Amounts {
        let sum = |sum, slot: &Slot| sum + slot.settled + slot.held;
        self.slots.iter().fold(Amounts::default(), sum)
    }

    /// What is held in the window.
    pub fn held(&self) -> Amounts {
        self.slots.iter().fold(Amounts::default(), |sum, slot| sum + slot.held)
    }

    /// The slots, in the order of time.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    /// Holds an amount in the slot that begins there. Whether it fits was asked before.
    pub fn hold(&mut self, from: i64, claim: Amounts) {
        self.slot(from).held += claim;
    }

    /// What was held in a slot is over, and took so much. A slot that has left the window takes both
    /// with it.
    pub fn settle(&mut self, from: i64, held: Amounts, actual: Amounts) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.from == from) {
            slot.held = slot.held - held;
            slot.settled += actual;
        }
    }

    /// Adds what was settled before anybody counted here.
    pub fn add(&mut self, from: i64, settled: Amounts) {
        self.slot(from).settled += settled;
    }

    /// Raises what is settled in a slot so that it comes to at least so much with what is held there.
    pub fn raise(&mut self, from: i64, least: Amounts) {
        let slot = self.slot(from);
        slot.settled = slot.settled.max(least - slot.held);
    }

    fn slot(&mut self, from: i64) -> &mut Slot {
        let place = match self.slots.binary_search_by_key(&from, |slot| slot.from) {
            Ok(place) => place,
            Err(place) => {
                let nothing = Amounts::default();
                self.slots.insert(place, Slot { from, settled: nothing, held: nothing });
                place
            }
        };
        &mut self.slots[place]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tokens(tokens: u64) -> Amounts {
        Amounts { tokens, ..Amounts::default() }
    }

    #[test]
    fn what_was_held_is_settled_where_it_was_held() {
        let window = Window::rolling(Duration::from_secs(200));
        let mut counter = Counter::default();
        let first = counter.frame(&window, 1_000_000).slot;
        counter.hold(first, tokens(10));
        let later = counter.frame(&window, 1_100_000);
        assert!(later.slot > first);
        counter.hold(later.slot, tokens(5));
        counter.settle(first, tokens(10), tokens(7));
        assert_eq!((counter.total(), counter.held()), (tokens(12), tokens(5)));
        counter.frame(&window, 1_100_000 + 199_000);
        assert_eq!(counter.total(), tokens(5), "the first has left the window");
        counter.settle(first, tokens(10), tokens(10));
        assert_eq!(counter.total(), tokens(5));
    }

    #[test]
    fn a_sum_known_from_elsewhere_raises_and_never_lowers() {
        let mut counter = Counter::default();
        counter.hold(0, tokens(4));
        counter.raise(0, tokens(10));
        assert_eq!((counter.total(), counter.held()), (tokens(10), tokens(4)));
        counter.raise(0, tokens(3));
        assert_eq!(counter.total(), tokens(10));
    }
}
