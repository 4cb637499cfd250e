//! Answers in somebody's own fields, as neutral ones: the one place that makes a neutral answer of them.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use isthmus_inference::answer::{ChatAnswer, Choice, FinishReason};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::Part;
use isthmus_inference::stream::Event;
use isthmus_inference::usage::Usage;
use serde::Deserialize;
use serde_json::Value;

use crate::adapter::{Answer, AnswerStream, Content, Piece, Whole};

/// Where in an answer things are: a field's name, or a path of names and numbers such as
/// `output/choices/0/text`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerFields {
    /// The text.
    text: String,
    /// How many tokens the prompt took.
    input_tokens: Option<String>,
    /// How many tokens were generated.
    output_tokens: Option<String>,
}

// === impl AnswerFields ===

impl AnswerFields {
    /// Reads an answer to a request of about `asked` tokens. Its usage is an estimate unless both counts
    /// are mapped and there.
    pub fn read(&self, answer: &Value, asked: u64) -> Result<(String, Usage), Failure> {
        let text = at(answer, &self.text).and_then(Value::as_str).ok_or_else(|| {
            let message = "the provider's answer has no text where the mapping expects it";
            let detail = format!("`{}` is missing or no text", self.text);
            Failure::new(Kind::Malformed, message).with_detail(detail)
        })?;
        let count = |path: &Option<String>| at(answer, path.as_deref()?)?.as_u64();
        let usage = match (count(&self.input_tokens), count(&self.output_tokens)) {
            (Some(input), Some(output)) => {
                Usage { uncached_input: input, text_output: output, ..Usage::default() }
            }
            _ => Usage::of_answer(text.len()).with_asked(asked),
        };
        Ok((text.to_owned(), usage))
    }
}

fn at<'v>(answer: &'v Value, path: &str) -> Option<&'v Value> {
    answer.pointer(&format!("/{}", path.trim_start_matches('/')))
}

/// A whole text as the answer that the caller wants: in one piece, or as a stream of one.
pub(crate) fn answer_with(
    (text, usage): (String, Usage),
    model: &str,
    stream: bool,
    dropped: Vec<String>,
    upstream_request_id: Option<String>,
) -> Answer {
    if stream {
        let text = Event::Text { choice: 0, text, logprobs: vec![] };
        let events = std::iter::once(text).chain(ending(usage)).map(Piece::Event);
        let pieces = events.chain([Piece::Done { event: None }]).map(Ok);
        let pieces = stream::iter(pieces.collect::<Vec<_>>()).boxed();
        return Answer::Stream(AnswerStream { pieces, upstream_request_id, dropped });
    }
    let content = vec![Part::Text(text)];
    let choice = Choice { content, finish: Some(FinishReason::Stop), ..Choice::default() };
    let answer = ChatAnswer { model: Arc::from(model), choices: vec![choice], usage };
    Whole { content: Content::Chat(answer), usage, upstream_request_id, dropped }.into()
}

/// What ends a streamed text. Why it ended, nobody says; that it came to its end is all that is known.
pub(super) fn ending(usage: Usage) -> [Event; 2] {
    let reason = FinishReason::Stop;
    [Event::Finish { choice: 0, reason, stop_sequence: None }, Event::Usage(usage)]
}

#[cfg(test)]
mod tests {
    use isthmus_inference::usage::Source;
    use serde_json::json;

    use super::*;

    #[test]
    fn text_and_counts_are_found_by_name_or_path() {
        let fields: AnswerFields = serde_json::from_value(json!({
            "text": "output/choices/0/text",
            "input_tokens": "/usage/in",
            "output_tokens": "usage/out",
        }))
        .unwrap();
        let mut answer =
            json!({ "output": { "choices": [{ "text": "hi" }] }, "usage": { "in": 3, "out": 1 } });
        let (text, usage) = fields.read(&answer, 20).unwrap();
        assert_eq!((text.as_str(), usage.input(), usage.output()), ("hi", 3, 1));
        assert_eq!(usage.source, Source::Reported);

        answer["usage"]["out"] = Value::Null;
        let (_, usage) = fields.read(&answer, 20).unwrap();
        assert_eq!((usage.source, usage.input()), (Source::Estimated, 20));
    }

    #[test]
    fn an_answer_without_text_is_none() {
        let fields: AnswerFields = serde_json::from_value(json!({ "text": "completion" })).unwrap();
        for answer in [json!({}), json!({ "completion": null }), json!({ "completion": [1] })] {
            let failure = fields.read(&answer, 1).unwrap_err();
            assert_eq!(failure.kind, Kind::Malformed, "{answer}");
        }
    }
}
