//! What happens while an answer is made, and the fold from that to a whole answer.

use std::sync::Arc;

use crate::answer::{ChatAnswer, Choice, FinishReason, TokenLogprob};
use crate::part::{Part, Signature, ToolCall};
use crate::usage::Usage;

/// One thing that happened. `choice` counts from 0.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// More visible text, never half a character. May be empty when only log-probabilities came.
    Text {
        /// Which answer.
        choice: u32,
        /// The piece.
        text: String,
        /// The tokens that it is made of, if asked for.
        logprobs: Vec<TokenLogprob>,
    },
    /// More of the model's words for why it does not answer.
    Refusal {
        /// Which answer.
        choice: u32,
        /// The piece.
        text: String,
    },
    /// More thinking.
    Reasoning {
        /// Which answer.
        choice: u32,
        /// The piece.
        text: String,
    },
    /// The thought that came in pieces is complete and signed. A redacted thought is nothing but
    /// this.
    ReasoningSigned {
        /// Which answer.
        choice: u32,
        /// The signature.
        signature: Signature,
    },
    /// A function call begins.
    ToolCallStart {
        /// Which answer.
        choice: u32,
        /// Which call within it, from 0.
        index: u32,
        /// The call, its arguments still empty.
        call: ToolCall,
    },
    /// More of a call's arguments.
    ToolCallArguments {
        /// Which answer.
        choice: u32,
        /// Which call within it.
        index: u32,
        /// The piece of JSON text, or of free text where the call is such.
        text: String,
    },
    /// A part that comes whole: an image, or something in the words of one wire format.
    Part {
        /// Which answer.
        choice: u32,
        /// The part.
        part: Part,
    },
    /// An answer ended.
    Finish {
        /// Which answer.
        choice: u32,
        /// Why.
        reason: FinishReason,
        /// The stop text that was met, where the provider says which.
        stop_sequence: Option<String>,
    },
    /// What it took until now, from a provider that says so early (Anthropic, with the prompt's
    /// tokens). Takes the place of what was said before, as [`Event::Usage`] takes its.
    UsageSoFar(Usage),
    /// What it took; comes once, after every [`Event::Finish`]. A stream without it was cut.
    Usage(Usage),
}

/// Gathers events into a whole answer.
#[derive(Debug, Default)]
pub struct Fold {
    choices: Vec<Gathered>,
    usage: Option<Usage>,
}

/// An answer so far, and where its calls stand in it: their arguments may come interleaved.
#[derive(Debug, Default)]
struct Gathered {
    choice: Choice,
    calls: Vec<Option<usize>>,
}

// === impl ===

impl Event {
    /// How many bytes of the answer it brings, by which an estimate goes.
    pub fn said(&self) -> usize {
        match self {
            Self::Text { text, .. }
            | Self::Refusal { text, .. }
            | Self::Reasoning { text, .. }
            | Self::ToolCallArguments { text, .. } => text.len(),
            Self::ToolCallStart { call, .. } => call.name.len() + call.arguments.len(),
            Self::ReasoningSigned { .. }
            | Self::Part { .. }
            | Self::Finish { .. }
            | Self::UsageSoFar(_)
            | Self::Usage(_) => 0,
        }
    }
}

impl Fold {
    /// Takes in one event.
    pub fn push(&mut self, event: Event) {
        match event {
            Event::Text { choice, text, logprobs } => {
                let gathered = self.choice(choice);
                gathered.text(text);
                gathered.choice.logprobs.extend(logprobs);
            }
            Event::Refusal { choice, text } => self.choice(choice).refusal(text),
            Event::Reasoning { choice, text } => self.choice(choice).reasoning(text),
            Event::ReasoningSigned { choice, signature } => self.choice(choice).signed(signature),
            Event::ToolCallStart { choice, index, call } => self.choice(choice).begin(index, call),
            Event::ToolCallArguments { choice, index, text } => {
                self.choice(choice).arguments(index, &text);
            }
            Event::Part { choice, part } => self.choice(choice).choice.content.push(part),
            Event::Finish { choice, reason, stop_sequence } => {
                let choice = &mut self.choice(choice).choice;
                choice.finish = Some(reason);
                choice.stop_sequence = stop_sequence;
            }
            Event::UsageSoFar(_) => {}
            Event::Usage(usage) => self.usage = Some(usage),
        }
    }

    /// The whole answer, or `None` if the stream was cut before its usage came.
    pub fn finish(self, model: Arc<str>) -> Option<ChatAnswer> {
        let usage = self.usage?;
        let choices = self.choices.into_iter().map(|gathered| gathered.choice).collect();
        Some(ChatAnswer { model, choices, usage })
    }

    fn choice(&mut self, index: u32) -> &mut Gathered {
        grown(&mut self.choices, index)
    }
}

impl Gathered {
    fn text(&mut self, piece: String) {
        match self.choice.content.last_mut() {
            Some(Part::Text(text)) => text.push_str(&piece),
            _ if piece.is_empty() => {}
            _ => self.choice.content.push(Part::Text(piece)),
        }
    }

    fn refusal(&mut self, piece: String) {
        match self.choice.content.last_mut() {
            Some(Part::Refusal(text)) => text.push_str(&piece),
            _ => self.choice.content.push(Part::Refusal(piece)),
        }
    }

    fn reasoning(&mut self, piece: String) {
        match self.choice.content.last_mut() {
            Some(Part::Thinking { text, signature: None }) => text.push_str(&piece),
            _ => self.choice.content.push(Part::Thinking { text: piece, signature: None }),
        }
    }

    fn signed(&mut self, by: Signature) {
        match self.choice.content.last_mut() {
            Some(Part::Thinking { signature: signature @ None, .. }) if !by.redacted => {
                *signature = Some(by);
            }
            _ => {
                let thought = Part::Thinking { text: String::new(), signature: Some(by) };
                self.choice.content.push(thought);
            }
        }
    }

    fn begin(&mut self, index: u32, call: ToolCall) {
        *grown(&mut self.calls, index) = Some(self.choice.content.len());
        self.choice.content.push(Part::ToolCall(call));
    }

    /// Arguments of a call that never began have nowhere to go.
    fn arguments(&mut self, index: u32, piece: &str) {
        let place = self.calls.get(index as usize).copied().flatten();
        if let Some(Part::ToolCall(call)) = place.and_then(|at| self.choice.content.get_mut(at)) {
            call.arguments.push_str(piece);
        }
    }
}

/// The item at `index`, after filling up to it. Indices come from decoded answers whose number of
/// choices and calls the dialects bound.
fn grown<T: Default>(items: &mut Vec<T>, index: u32) -> &mut T {
    let index = index as usize;
    if items.len() <= index {
        items.resize_with(index + 1, T::default);
    }
    &mut items[index]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(choice: u32, text: &str) -> Event {
        Event::Text { choice, text: text.into(), logprobs: vec![] }
    }

    fn finish(choice: u32, reason: FinishReason) -> Event {
        Event::Finish { choice, reason, stop_sequence: None }
    }

    fn folded(events: impl IntoIterator<Item = Event>) -> ChatAnswer {
        let mut fold = Fold::default();
        events.into_iter().for_each(|event| fold.push(event));
        fold.push(Event::Usage(Usage::default()));
        fold.finish("m".into()).expect("usage came")
    }

    #[test]
    fn pieces_fold_by_choice_whatever_their_order() {
        let answer = folded([
            text(1, "b"),
            text(0, "a"),
            text(1, "c"),
            finish(1, FinishReason::Length),
            finish(0, FinishReason::Stop),
        ]);
        let texts: Vec<_> = answer.choices.iter().map(Choice::text).collect();
        assert_eq!(texts, ["a", "bc"]);
        assert_eq!(answer.choices[1].finish, Some(FinishReason::Length));
    }

    #[test]
    fn a_cut_stream_is_no_answer() {
        let mut fold = Fold::default();
        fold.push(text(0, "half"));
        fold.push(Event::UsageSoFar(Usage::default()));
        assert_eq!(fold.finish("m".into()), None);
    }

    #[test]
    fn arguments_gather_behind_their_call_even_interleaved() {
        let call = |id: &str| ToolCall { id: id.into(), name: "add".into(), ..ToolCall::default() };
        let start = |index, id| Event::ToolCallStart { choice: 0, index, call: call(id) };
        let piece =
            |index, text: &str| Event::ToolCallArguments { choice: 0, index, text: text.into() };
        let answer = folded([
            start(0, "c1"),
            start(1, "c2"),
            piece(1, "{\"b\":"),
            piece(0, "{\"a\":"),
            piece(0, "1}"),
            piece(1, "2}"),
            piece(7, "lost"),
        ]);
        let arguments: Vec<_> =
            answer.choices[0].tool_calls().map(|call| call.arguments.as_str()).collect();
        assert_eq!(arguments, ["{\"a\":1}", "{\"b\":2}"]);
    }

    #[test]
    fn what_was_thought_and_said_keeps_its_order() {
        let think = |text: &str| Event::Reasoning { choice: 0, text: text.into() };
        let signed = |redacted| {
            let signature = Signature { redacted, ..Signature::new("f", "s") };
            Event::ReasoningSigned { choice: 0, signature }
        };
        let answer = folded([
            think("h"),
            think("m"),
            signed(false),
            signed(true),
            text(0, "yes"),
            think("again"),
        ]);
        let shape: Vec<_> = answer.choices[0]
            .content
            .iter()
            .map(|part| match part {
                Part::Thinking { text, signature } => (text.as_str(), signature.is_some()),
                Part::Text(text) => (text.as_str(), false),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(shape, [("hm", true), ("", true), ("yes", false), ("again", false)]);
    }
}
