//! The engine's thread: many answers, one model, step by step.
//!
//! # What it is given
//!
//! A model computes a *batch*: some tokens, each at a place of a *sequence*, all in one pass over
//! the weights. Reading the weights costs nearly the same for one token as for eight, so eight
//! answers side by side cost far less than one after the other. For each sequence the model keeps
//! what it computed (keys and values of its tokens); what is kept need not be computed again.
//!
//! # What it is made of
//!
//! A [`Slot`] is one sequence and the tokens that it holds. A [`Lane`] is one answer in the making;
//! it sits in a slot, or waits for one. A [`Job`] is one request: as many lanes as answers are
//! wanted, around one [`Exchange`](super::job::Exchange) that carries the prompt and the way back.
//!
//! # What a step does
//!
//! 1. *Sweep.* Lanes whose reader left are dropped; their slots are free in this very step.
//! 2. *Admit.* Waiting lanes are given slots ([`prefix`] says which). A slot keeps its tokens when
//!    its answer is done: the next turn of a conversation computes only what is new, and a system
//!    prompt held by one slot is shared by the others without computing. A prompt that is just
//!    being read elsewhere is waited for, so that four answers to one prompt read it once.
//! 3. *Plan.* One token of each answer in the making, then a bounded piece of the prompts that are
//!    being read ([`batch`]), oldest first: nobody's stream stalls behind a long prompt.
//! 4. *Compute*, in one batch or in several, whichever was faster lately ([`pacing`]). Each lane is
//!    handed its logits: it chooses a token, tells its reader, and ends or goes on.
//!
//! # What may go wrong
//!
//! A batch that cannot be computed is taken apart: each lane's piece is tried alone, and only those
//! that fail alone fail their request. If memory is full, slots without an answer forget first. A
//! panic in a step fails the requests that were in the making and nothing else. If the thread ends
//! all the same, the queue is closed and every reader learns it, because the way back is dropped.
//!
//! # What bounds it
//!
//! The queue is bounded; jobs are taken from it only for slots that are free. A prompt and its
//! answer fit the window, which every slot has in full, so memory cannot run out by lengths alone.

mod batch;
mod pacing;
mod prefix;
mod slot;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use isthmus_inference::answer::FinishReason;
use isthmus_inference::failure::{Blame, Failure, Kind, Retry};

pub(crate) use batch::Limits;
use batch::Piece;
use pacing::{Costs, Shape};
use prefix::{Placement, View};
pub(crate) use slot::Lane;
use slot::{Slot, Turn};

use super::core::{Cell, Core, Fault};
use super::gauges::{Gauges, Pace};
use super::job::Job;
use super::queue::Queue;

/// Owns the model's memory and serves the queue until it is closed.
pub(crate) struct Scheduler<C> {
    core: C,
    slots: Vec<Slot>,
    waiting: VecDeque<Lane>,
    queue: Arc<Queue<Job>>,
    gauges: Arc<Gauges>,
    pace: Pace,
    limits: Limits,
    costs: Costs,
    /// Counts admissions, to tell which slot was used last.
    clock: u64,
    /// Logits that bias, penalties or a grammar change are copied to here.
    scratch: Vec<f32>,
}

// === impl Scheduler ===

impl<C: Core> Scheduler<C> {
    pub(crate) fn new(
        core: C,
        slots: usize,
        limits: Limits,
        queue: Arc<Queue<Job>>,
        gauges: Arc<Gauges>,
    ) -> Self {
        Self {
            core,
            slots: (0..slots).map(|_| Slot::default()).collect(),
            waiting: VecDeque::new(),
            queue,
            gauges,
            pace: Pace::default(),
            limits,
            costs: Costs::new(slots),
            clock: 0,
            scratch: Vec::new(),
        }
    }

    /// Serves until the queue is closed and all answers are made, or until it is stopped: then
    /// those in the making are dropped, and their readers learn that they were cut.
    pub(crate) fn run(mut self) {
        while !self.queue.is_stopped() && (self.has_work() || self.wait_for_work()) {
            if catch_unwind(AssertUnwindSafe(|| self.step())).is_err() {
                self.fail_all();
            }
        }
        self.slots.iter_mut().for_each(|slot| slot.lane = None);
        self.count_busy();
    }

    fn has_work(&self) -> bool {
        let seated = self.slots.iter().any(|slot| slot.lane.is_some());
        seated || !self.waiting.is_empty() || self.queue.len() > 0
    }

    fn wait_for_work(&mut self) -> bool {
        self.pace.idle();
        let job = self.queue.pop();
        let open = job.is_some();
        self.waiting.extend(job.into_iter().flat_map(|job| job.0));
        open
    }

    fn step(&mut self) {
        self.sweep();
        self.admit();
        let pieces = batch::plan(&self.slots, self.limits);
        let only_next_tokens = pieces.iter().all(|piece| piece.cells.len() == 1);
        let shape = only_next_tokens.then(|| self.costs.shape(pieces.len()));
        match shape {
            None => self.compute(&pieces, 0),
            Some(Shape::Alone) => pieces.chunks(1).for_each(|piece| self.compute_timed(piece, 1)),
            Some(Shape::Together { size }) => self.compute_timed(&pieces, size),
        }
        self.count_busy();
    }

    fn sweep(&mut self) {
        for slot in &mut self.slots {
            slot.lane.take_if(|lane| lane.exchange.is_abandoned());
        }
        self.waiting.retain(|lane| !lane.exchange.is_abandoned());
        self.count_busy();
    }

    fn count_busy(&self) {
        let busy = self.slots.iter().filter(|slot| slot.lane.is_some()).count();
        self.gauges.slots_busy.store(busy as u64, Relaxed);
    }

    fn admit(&mut self) {
        let idle = self.slots.iter().filter(|slot| slot.lane.is_none()).count();
        while self.waiting.len() < idle {
            let Some(job) = self.queue.try_pop() else { break };
            self.waiting.extend(job.0.into_iter().filter(|lane| !lane.exchange.is_abandoned()));
        }
        for lane in std::mem::take(&mut self.waiting) {
            match self.placement(&lane) {
                Placement::Wait => self.waiting.push_back(lane),
                Placement::Stay { slot, reused } => self.stay(lane, slot, reused),
                Placement::Share { slot, from, reused } => self.share(lane, slot, from, reused),
            }
        }
    }

    fn placement(&self, lane: &Lane) -> Placement {
        let prompt = &lane.exchange.prompt;
        let views: Vec<View<'_>> = self.slots.iter().map(|slot| self.view(slot, prompt)).collect();
        prefix::place(&views, prompt, lane.exchange.reusable())
    }

    fn view<'a>(&self, slot: &'a Slot, prompt: &[u32]) -> View<'a> {
        let idle = slot.lane.is_none();
        // A model that cannot forget a part can still go on from all that it holds.
        let usable = self.core.shares_prefixes() || (idle && prompt.starts_with(&slot.held));
        let held = if usable { slot.held.as_slice() } else { &[] };
        let coming = if self.core.shares_prefixes() { slot.coming() } else { &[] };
        View { idle, held, coming, last_used: slot.last_used }
    }

    fn stay(&mut self, lane: Lane, slot: usize, reused: usize) {
        self.forget(slot, reused);
        self.seat(lane, slot);
    }

    fn share(&mut self, lane: Lane, slot: usize, from: usize, reused: usize) {
        self.forget(slot, 0);
        self.core.share(from, slot, reused);
        self.slots[slot].held = self.slots[from].held[..reused].to_vec();
        self.seat(lane, slot);
    }

    fn seat(&mut self, mut lane: Lane, slot: usize) {
        self.clock += 1;
        let reused = self.slots[slot].held.len();
        self.gauges.prompt_tokens_reused.fetch_add(reused as u64, Relaxed);
        lane.begin(reused);
        self.slots[slot].last_used = self.clock;
        self.slots[slot].lane = Some(lane);
    }

    /// Makes a slot hold no more than its first `length` tokens; whether it could keep those.
    fn forget(&mut self, slot: usize, length: usize) -> bool {
        let held = &mut self.slots[slot].held;
        let kept = held.len() <= length || self.core.truncate(slot, length);
        held.truncate(if kept { length } else { 0 });
        kept
    }

    /// Computes the next tokens of some answers in a batch of this size, and learns what it cost.
    fn compute_timed(&mut self, pieces: &[Piece], size: usize) {
        let start = Instant::now();
        self.compute(pieces, size);
        self.costs.note(size, start.elapsed());
    }

    /// Computes a batch, filled up to a size if it is smaller.
    fn compute(&mut self, pieces: &[Piece], size: usize) {
        match self.attempt(pieces, size) {
            Ok(()) => self.harvest(pieces),
            Err(Fault::Full) if self.forget_idle() => self.compute(pieces, size),
            Err(fault) => match pieces {
                [] => {}
                [piece] => self.fail(piece.slot, broken(&fault)),
                _ => pieces.chunks(1).for_each(|piece| self.compute(piece, 0)),
            },
        }
    }

    fn attempt(&mut self, pieces: &[Piece], size: usize) -> Result<(), Fault> {
        let alive = pieces.iter().filter(|piece| self.slots[piece.slot].lane.is_some());
        let mut cells: Vec<Cell> = alive.flat_map(|piece| piece.cells.iter().copied()).collect();
        let Some(&Cell { token, .. }) = cells.first() else { return Ok(()) };
        // The sequence behind the last slot's is nobody's.
        let nobody = self.slots.len();
        let filling = (0..size.saturating_sub(cells.len())).map(|position| Cell {
            token,
            position,
            sequence: nobody,
            output: true,
        });
        cells.extend(filling);
        let computed = self.core.decode(&cells);
        self.core.truncate(nobody, 0);
        if computed.is_err() {
            // Part of the batch may be in the model's memory: back to what each slot held before.
            for piece in pieces {
                self.restore(piece.slot);
            }
        }
        computed
    }

    /// Brings a sequence back to what its slot says that it holds.
    fn restore(&mut self, slot: usize) {
        let length = self.slots[slot].held.len();
        if !self.core.truncate(slot, length) {
            self.slots[slot].held.clear();
            self.fail(slot, broken(&Fault::Broken("the sequence was lost".into())));
        }
    }

    /// Frees the memory of all slots without an answer; whether there was any.
    fn forget_idle(&mut self) -> bool {
        let idle = |slot: &Slot| slot.lane.is_none() && !slot.held.is_empty();
        let idle: Vec<usize> = (0..self.slots.len()).filter(|&s| idle(&self.slots[s])).collect();
        idle.iter().for_each(|&slot| _ = self.forget(slot, 0));
        !idle.is_empty()
    }

    /// Reads what the batch of these pieces brought.
    fn harvest(&mut self, pieces: &[Piece]) {
        let mut place = 0;
        for piece in pieces {
            for cell in &piece.cells {
                // A lane may have ended in an earlier attempt; its cells were then left out.
                let Some(lane) = &mut self.slots[piece.slot].lane else { continue };
                let prompt = lane.exchange.prompt.len();
                let computed = u64::from(cell.position < prompt);
                self.gauges.prompt_tokens_computed.fetch_add(computed, Relaxed);
                self.slots[piece.slot].held.push(cell.token);
                if cell.output {
                    self.advance(piece.slot, place, cell.position);
                }
                place += 1;
            }
        }
    }

    /// Takes a lane one token further.
    fn advance(&mut self, slot: usize, place: usize, position: usize) {
        let Some(lane) = &mut self.slots[slot].lane else { return };
        match lane.advance(&self.core, place, position, &mut self.scratch) {
            Ok(Turn::Reading) => {}
            Ok(Turn::Writing) => self.count_generated(),
            Ok(Turn::Ended { reason, generated }) => {
                if generated {
                    self.count_generated();
                }
                self.finish(slot, reason);
            }
            Err(failure) => self.fail(slot, failure),
        }
    }

    fn count_generated(&self) {
        self.gauges.tokens_generated.fetch_add(1, Relaxed);
    }

    fn finish(&mut self, slot: usize, reason: FinishReason) {
        let Some(lane) = self.slots[slot].lane.take() else { return };
        // The gauge falls before the reader learns of the end, so that whoever counts after that
        // finds the slot free.
        self.count_busy();
        if lane.end(reason) {
            self.pace.ended(&self.gauges, Instant::now());
        }
    }

    fn fail(&mut self, slot: usize, failure: Failure) {
        if let Some(lane) = self.slots[slot].lane.take() {
            tracing::warn!(detail = failure.detail, "an answer failed: {}", failure.message);
            lane.exchange.fail(failure);
        }
    }

    /// After a panic nothing that was in the making can be trusted, nor what the slots hold.
    fn fail_all(&mut self) {
        for slot in 0..self.slots.len() {
            self.fail(slot, broken(&Fault::Broken("the engine panicked".into())));
            self.slots[slot].held.clear();
            self.core.truncate(slot, 0);
        }
        self.count_busy();
    }
}

impl<C> Drop for Scheduler<C> {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

fn broken(fault: &Fault) -> Failure {
    let message = match fault {
        Fault::Full => "the engine has no memory left for this answer; try again in a moment",
        Fault::Broken(_) => "the engine failed in the middle of this answer; try again",
    };
    let kind = match fault {
        Fault::Full => Kind::Overloaded,
        Fault::Broken(_) => Kind::Internal,
    };
    let failure = Failure::new(kind, message).blamed_on(Blame::House).retried(Retry::Elsewhere);
    match fault {
        Fault::Full => failure,
        Fault::Broken(detail) => failure.with_detail(detail),
    }
}

#[cfg(test)]
mod tests;
