//! The cells, as data: who fails how, who else is there, who asks, and what he must be told.

use crate::upstream::{Fault, Wire};

/// In which language the caller speaks, and the program answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    OpenAi,
    Responses,
    Anthropic,
}

/// Who else could answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Other {
    Nobody,
    Somebody,
    /// Somebody who may go on with a broken stream.
    Successor,
}

/// What the caller must be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// All of the answer.
    Answer,
    /// All of the answer, put together from two.
    Spliced,
    /// An error with this status.
    Error(u16),
    /// The beginning of the answer, and then an error event.
    BrokenStream,
}

/// One cell.
pub(crate) struct Cell {
    pub(crate) name: String,
    /// The name of its model, and the beginning of its endpoints'.
    pub(crate) model: String,
    pub(crate) fault: Fault,
    pub(crate) stream: bool,
    pub(crate) other: Other,
    pub(crate) language: Language,
    /// What the failing upstream speaks.
    pub(crate) wire: Wire,
    pub(crate) expected: Expected,
}

/// Faults before the first piece of an answer, and the status that they have where nobody else is.
const EARLY: &[(Fault, u16)] = &[
    (Fault::Refused, 503),
    (Fault::ResetAtOnce, 503),
    (Fault::StallAtOnce, 504),
    (Fault::Status(429, Some(1)), 429),
    (Fault::Status(429, None), 429),
    (Fault::Status(500, None), 500),
    (Fault::Status(529, None), 529),
    (Fault::NoJson, 502),
    (Fault::NothingButTheEnd, 502),
    (Fault::WrongType, 502),
    (Fault::Drip, 504),
];

/// The same in the middle of it. A whole answer has no middle: it fails with this status.
const LATE: &[(Fault, u16)] = &[
    (Fault::ResetInside, 502),
    (Fault::StallInside, 504),
    (Fault::CutInside, 502),
    (Fault::NoJsonInside, 502),
    (Fault::DripInside, 504),
    (Fault::ErrorInside, 500),
];

/// The early faults that callers of other languages meet too.
const FOR_ALL: &[Fault] =
    &[Fault::ResetAtOnce, Fault::StallAtOnce, Fault::Status(529, None), Fault::NoJson];

/// All of them.
pub(crate) fn all() -> Vec<Cell> {
    use Language::{Anthropic, OpenAi, Responses};
    let mut cells = vec![];
    let mut add = |fault, stream, other, (language, wire), expected| {
        let model = format!("cell{}", cells.len());
        let shape = if stream { "stream" } else { "whole" };
        let name = format!("{model}: {fault:?}, {shape}, {other:?}, {language:?} over {wire:?}");
        cells.push(Cell { name, model, fault, stream, other, language, wire, expected });
    };
    // What is relayed, and what is translated.
    let relayed = [(OpenAi, Wire::Chat), (Responses, Wire::Responses), (Anthropic, Wire::Messages)];
    let translated = [(OpenAi, Wire::Messages), (Responses, Wire::Chat), (Anthropic, Wire::Chat)];
    for pair in relayed {
        let early = EARLY.iter().filter(|(fault, _)| pair.0 == OpenAi || FOR_ALL.contains(fault));
        for (fault, status) in early {
            for stream in [false, true] {
                add(*fault, stream, Other::Nobody, pair, Expected::Error(*status));
                add(*fault, stream, Other::Somebody, pair, Expected::Answer);
            }
        }
    }
    for pair in relayed.into_iter().chain(translated) {
        for (fault, status) in LATE {
            add(*fault, false, Other::Nobody, pair, Expected::Error(*status));
            add(*fault, false, Other::Somebody, pair, Expected::Answer);
            add(*fault, true, Other::Nobody, pair, Expected::BrokenStream);
            add(*fault, true, Other::Somebody, pair, Expected::BrokenStream);
            add(*fault, true, Other::Successor, pair, Expected::Spliced);
        }
    }
    cells
}
