//! Which slot a prompt goes to, and what it need not compute. Pure.

/// A slot as this choice sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    /// Nobody's answer is in the making here.
    pub(crate) idle: bool,
    /// Tokens that its sequence holds.
    pub(crate) held: &'a [u32],
    /// Tokens that it will soon hold as well: the whole prompt that is being read.
    pub(crate) coming: &'a [u32],
    /// When it was last given work, on a clock that only counts.
    pub(crate) last_used: u64,
}

/// Where a prompt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// To this slot, keeping this many of its tokens.
    Stay { slot: usize, reused: usize },
    /// To this slot, emptied first, sharing this many tokens of another one.
    Share { slot: usize, from: usize, reused: usize },
    /// Nowhere yet: no slot is idle, or another prompt in the making is about to hold more of it.
    Wait,
}

/// Tokens more that must be about to come before a prompt waits for them.
const WORTH_WAITING: usize = 32;

/// Chooses for a prompt of which at most the first `usable` tokens need not be computed.
pub(crate) fn place(slots: &[View<'_>], prompt: &[u32], usable: usize) -> Placement {
    let held = |view: &View<'_>| common(view.held, prompt).min(usable);
    let idle = || slots.iter().enumerate().filter(|(_, view)| view.idle);
    let Some((oldest, _)) = idle().min_by_key(|(_, view)| view.last_used) else {
        return Placement::Wait;
    };
    let donor = (0..slots.len()).max_by_key(|&slot| held(&slots[slot])).unwrap_or(oldest);
    let reused = held(&slots[donor]);
    let coming = slots.iter().map(|view| common(view.coming, prompt).min(usable)).max();
    if coming.is_some_and(|coming| coming >= reused + WORTH_WAITING) {
        return Placement::Wait;
    }
    // A slot that holds twice what this prompt would keep is worth more to its own conversation.
    let fits = |view: &View<'_>| held(view) == reused && reused * 2 >= view.held.len();
    let fitting = idle().filter(|(_, view)| fits(view)).min_by_key(|(_, view)| view.held.len());
    match fitting {
        Some((slot, _)) => Placement::Stay { slot, reused },
        None if reused == 0 || donor == oldest => Placement::Stay { slot: oldest, reused },
        None => Placement::Share { slot: oldest, from: donor, reused },
    }
}

/// How many tokens two sequences begin with together.
fn common(first: &[u32], second: &[u32]) -> usize {
    first.iter().zip(second).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(idle: bool, held: &[u32], last_used: u64) -> View<'_> {
        View { idle, held, coming: &[], last_used }
    }

    const PROMPT: [u32; 5] = [1, 2, 3, 4, 5];

    #[test]
    fn an_unknown_prompt_takes_the_slot_unused_for_longest() {
        let slots = [view(true, &[9, 9], 5), view(true, &[8], 3), view(false, &[7], 1)];
        assert_eq!(place(&slots, &PROMPT, 4), Placement::Stay { slot: 1, reused: 0 });
    }

    #[test]
    fn a_conversation_goes_on_where_it_was() {
        let slots = [view(true, &[9], 1), view(true, &[1, 2, 3], 5)];
        assert_eq!(place(&slots, &PROMPT, 4), Placement::Stay { slot: 1, reused: 3 });
    }

    #[test]
    fn the_last_token_is_always_computed() {
        let slots = [view(true, &PROMPT, 1)];
        assert_eq!(place(&slots, &PROMPT, 4), Placement::Stay { slot: 0, reused: 4 });
    }

    #[test]
    fn a_prefix_is_shared_with_a_busy_slot() {
        let slots = [view(false, &[1, 2, 3, 9], 9), view(true, &[8], 2)];
        assert_eq!(place(&slots, &PROMPT, 4), Placement::Share { slot: 1, from: 0, reused: 3 });
    }

    #[test]
    fn a_long_conversation_is_not_cut_for_its_first_words() {
        let long = [1, 9, 9, 9, 9, 9, 9];
        let slots = [view(true, &long, 9), view(true, &[8], 2)];
        assert_eq!(place(&slots, &PROMPT, 4), Placement::Share { slot: 1, from: 0, reused: 1 });
        // With no other slot it is.
        assert_eq!(place(&slots[..1], &PROMPT, 4), Placement::Stay { slot: 0, reused: 1 });
    }

    #[test]
    fn a_prompt_waits_for_the_same_one_in_the_making() {
        let prompt: Vec<u32> = (0..100).collect();
        let reading = View { idle: false, held: &prompt[..10], coming: &prompt, last_used: 1 };
        let slots = [reading, view(true, &[], 0)];
        assert_eq!(place(&slots, &prompt, 99), Placement::Wait);
        // A short common part is computed sooner than waited for.
        let mut other = prompt.clone();
        other[30..].fill(7);
        let share = Placement::Share { slot: 1, from: 0, reused: 10 };
        assert_eq!(place(&slots, &other, 99), share);
    }

    #[test]
    fn without_an_idle_slot_it_waits() {
        assert_eq!(place(&[view(false, &[], 0)], &PROMPT, 4), Placement::Wait);
    }
}
