//! What the scheduler needs of a model in memory, and nothing more.
//!
//! The scheduler's rules (who gets a slot, what is shared, what a fault costs) are tested against a
//! core of a few lines that fails on command; `llama.rs` is the real one.

/// A model that computes, with one sequence for each slot and one more that is nobody's.
pub(crate) trait Core {
    /// Computes a batch; the logits of its outputs stay readable until the next one.
    fn decode(&mut self, cells: &[Cell]) -> Result<(), Fault>;

    /// Logits of what follows the cell at this place of the last batch, which asked for them.
    fn logits(&self, cell: usize) -> &[f32];

    /// Makes a sequence forget what it holds from this position on. A model that cannot forget a
    /// part forgets all of it and answers `false`.
    fn truncate(&mut self, sequence: usize, length: usize) -> bool;

    /// Lets an empty sequence hold the first `length` tokens of another one, without computing.
    fn share(&mut self, from: usize, to: usize, length: usize);

    /// Whether [`Self::truncate`] and [`Self::share`] can work with a part of a sequence.
    fn shares_prefixes(&self) -> bool;

    /// The bytes that a token shows; none for a control token.
    fn shown(&self, token: u32) -> Vec<u8>;

    /// The bytes that a token is written with, control tokens included.
    fn spelt(&self, token: u32) -> Vec<u8>;

    /// Whether a token ends the answer.
    fn is_end(&self, token: u32) -> bool;
}

/// One token at one place of one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) token: u32,
    pub(crate) position: usize,
    pub(crate) sequence: usize,
    /// Whether the logits of what follows are wanted.
    pub(crate) output: bool,
}

/// Why a batch was not computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The memory of all sequences together is full; nothing of the batch was computed.
    Full,
    /// Anything else, in llama.cpp's words; some of the batch may have been computed.
    Broken(String),
}
