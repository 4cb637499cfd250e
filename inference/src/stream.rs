//! What happens while an answer is made, and the fold from that to a whole answer.

use std::sync::Arc;

use crate::chat::{ChatAnswer, Choice, FinishReason, TokenLogprob, ToolCall};
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
    /// More thinking.
    Reasoning {
        /// Which answer.
        choice: u32,
        /// The piece.
        text: String,
    },
    /// A function call begins.
    ToolCallStart {
        /// Which answer.
        choice: u32,
        /// Which call within it.
        index: u32,
        /// The id that its result will name.
        id: String,
        /// The function.
        name: String,
    },
    /// More of a call's arguments.
    ToolCallArguments {
        /// Which answer.
        choice: u32,
        /// Which call within it.
        index: u32,
        /// The piece of JSON text.
        text: String,
    },
    /// An answer ended.
    Finish {
        /// Which answer.
        choice: u32,
        /// Why.
        reason: FinishReason,
    },
    /// What it took; comes once, after every [`Event::Finish`]. A stream without it was cut.
    Usage(Usage),
}

/// Gathers events into a whole answer.
#[derive(Debug, Default)]
pub struct Fold {
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

impl Fold {
    /// Takes in one event.
    pub fn push(&mut self, event: Event) {
        match event {
            Event::Text { choice, text, logprobs } => {
                let choice = self.choice(choice);
                choice.text.push_str(&text);
                choice.logprobs.extend(logprobs);
            }
            Event::Reasoning { choice, text } => self.choice(choice).reasoning.push_str(&text),
            Event::ToolCallStart { choice, index, id, name } => {
                let call = self.tool_call(choice, index);
                call.id = id;
                call.name = name;
            }
            Event::ToolCallArguments { choice, index, text } => {
                self.tool_call(choice, index).arguments.push_str(&text);
            }
            Event::Finish { choice, reason } => self.choice(choice).finish = Some(reason),
            Event::Usage(usage) => self.usage = Some(usage),
        }
    }

    /// The whole answer, or `None` if the stream was cut before its usage came.
    pub fn finish(self, model: Arc<str>) -> Option<ChatAnswer> {
        Some(ChatAnswer { model, choices: self.choices, usage: self.usage? })
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        grown(&mut self.choices, index, Choice::default)
    }

    fn tool_call(&mut self, choice: u32, index: u32) -> &mut ToolCall {
        let empty =
            || ToolCall { id: String::new(), name: String::new(), arguments: String::new() };
        grown(&mut self.choice(choice).tool_calls, index, empty)
    }
}

/// The item at `index`, after filling up to it. Indices come from decoded answers whose number of
/// choices and calls the dialects bound.
fn grown<T>(items: &mut Vec<T>, index: u32, empty: impl FnMut() -> T) -> &mut T {
    let index = index as usize;
    if items.len() <= index {
        items.resize_with(index + 1, empty);
    }
    &mut items[index]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(choice: u32, text: &str) -> Event {
        Event::Text { choice, text: text.into(), logprobs: vec![] }
    }

    #[test]
    fn pieces_fold_by_choice_whatever_their_order() {
        let mut fold = Fold::default();
        let usage = Usage { text_output: 3, ..Usage::default() };
        let events = [
            text(1, "b"),
            text(0, "a"),
            text(1, "c"),
            Event::Finish { choice: 1, reason: FinishReason::Length },
            Event::Finish { choice: 0, reason: FinishReason::Stop },
            Event::Usage(usage),
        ];
        events.into_iter().for_each(|event| fold.push(event));
        let answer = fold.finish("m".into()).unwrap();
        let texts: Vec<_> = answer.choices.iter().map(|choice| choice.text.as_str()).collect();
        assert_eq!(texts, ["a", "bc"]);
        assert_eq!(answer.choices[1].finish, Some(FinishReason::Length));
        assert_eq!(answer.usage, usage);
    }

    #[test]
    fn a_cut_stream_is_no_answer() {
        let mut fold = Fold::default();
        fold.push(text(0, "half"));
        assert_eq!(fold.finish("m".into()), None);
    }

    #[test]
    fn arguments_gather_behind_their_call() {
        let mut fold = Fold::default();
        let (id, name) = ("call_1".to_owned(), "add".to_owned());
        fold.push(Event::ToolCallStart { choice: 0, index: 0, id: id.clone(), name: name.clone() });
        for piece in ["{\"a\":", "1}"] {
            fold.push(Event::ToolCallArguments { choice: 0, index: 0, text: piece.into() });
        }
        fold.push(Event::Usage(Usage::default()));
        let answer = fold.finish("m".into()).unwrap();
        let arguments = "{\"a\":1}".to_owned();
        assert_eq!(answer.choices[0].tool_calls, [ToolCall { id, name, arguments }]);
    }
}
