//! What one step computes: a token of each answer in the making, then a piece of the prompts that
//! are being read.

use super::slot::{Lane, Slot};
use crate::embedded::core::Cell;

/// How much one step may compute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Tokens in a batch.
    pub(crate) batch: usize,
    /// Tokens of prompts in a batch while answers are being made: their next token waits for it.
    pub(crate) prompt_beside_answers: usize,
    /// Outputs of all prompts in a batch. Each is a row of logits as wide as the vocabulary.
    pub(crate) scored: usize,
}

/// What one slot adds to a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) slot: usize,
    pub(super) cells: Vec<Cell>,
}

/// The next batch; empty if there is nothing to compute.
pub(super) fn plan(slots: &[Slot], limits: Limits) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = slots.iter().enumerate().filter_map(next_token).collect();
    let beside = if pieces.is_empty() { limits.batch } else { limits.prompt_beside_answers };
    let mut budget = beside.min(limits.batch.saturating_sub(pieces.len()));
    let mut reading: Vec<(usize, &Slot, &Lane)> =
        slots.iter().enumerate().filter_map(|(slot, held)| reading(slot, held)).collect();
    reading.sort_by_key(|(_, slot, _)| slot.last_used);
    let mut outputs = limits.scored;
    for (slot, held, lane) in reading {
        let cells = prompt_cells(slot, held.held.len(), lane, budget, outputs);
        budget -= cells.len();
        outputs -= cells.iter().filter(|cell| cell.output).count();
        if !cells.is_empty() {
            pieces.push(Piece { slot, cells });
        }
    }
    pieces
}

fn next_token((sequence, slot): (usize, &Slot)) -> Option<Piece> {
    let token = slot.lane.as_ref()?.next?;
    let cell = Cell { token, position: slot.held.len(), sequence, output: true };
    Some(Piece { slot: sequence, cells: vec![cell] })
}

fn reading(index: usize, slot: &Slot) -> Option<(usize, &Slot, &Lane)> {
    let lane = slot.lane.as_ref().filter(|lane| lane.next.is_none())?;
    Some((index, slot, lane))
}

/// As much of a prompt from `begin` on as the budget and the number of outputs allow.
fn prompt_cells(
    sequence: usize,
    begin: usize,
    lane: &Lane,
    budget: usize,
    outputs: usize,
) -> Vec<Cell> {
    let exchange = &lane.exchange;
    let cell = |(position, &token)| Cell {
        token,
        position,
        sequence,
        output: exchange.wants_logits(position),
    };
    let mut left = outputs;
    let cells = exchange.prompt.iter().enumerate().skip(begin).take(budget).map(cell);
    cells
        .take_while(|cell| {
            let fits = left > 0 || !cell.output;
            left = left.saturating_sub(usize::from(cell.output));
            fits
        })
        .collect()
}
