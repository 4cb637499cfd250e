//! What a tokenizer makes of a request.
//!
//! Providers put a request's turns and tools into words of their own before they count, which only some
//! have published: what is said is counted here (of much text, samples), and what is put around it by
//! OpenAI's figures.

use isthmus_inference::chat::{AnswerFormat, ChatRequest, Prompt, Tool};
use isthmus_inference::embedding::EmbeddingInput;
use isthmus_inference::failure::Failure;
use isthmus_inference::part::{Media, Part};
use isthmus_inference::request::{Operation, Request};

use super::{Tokenizer, pieces};
use crate::dialects::caller;

/// Tokens around a turn, with its role, and before the answer (OpenAI's cookbook, "How to count tokens
/// with tiktoken").
const AROUND_TURN: u64 = 4;
const BEFORE_ANSWER: u64 = 3;
/// Tokens around a function, from the same page.
const AROUND_FUNCTION: u64 = 12;

/// Bytes of text that are counted in full. Of more, so many are looked at, evenly.
const MOST_COUNTED: usize = 64 << 10;
/// How large a sample is.
const SAMPLE: usize = 1024;

/// The texts of a request, and the tokens around them.
#[derive(Default)]
struct Texts {
    texts: Vec<String>,
    around: u64,
}

/// How many tokens the text of a request is.
pub(super) fn of_request(request: &Request, tokenizer: &dyn Tokenizer) -> Result<u64, Failure> {
    let mut texts = Texts::default();
    match request.operation {
        Operation::Embedding => {
            for input in caller(request.dialect).embedding(request)?.inputs {
                match input {
                    EmbeddingInput::Text(text) => texts.texts.push(text),
                    EmbeddingInput::Tokens(tokens) => texts.around += tokens.len() as u64,
                }
            }
        }
        Operation::Chat | Operation::Completion | Operation::CountTokens => {
            texts.chat(caller(request.dialect).chat(request)?);
        }
    }
    Ok(texts.count(tokenizer))
}

// === impl Texts ===

impl Texts {
    fn chat(&mut self, chat: ChatRequest) {
        match chat.prompt {
            Prompt::Messages(messages) => {
                self.around += BEFORE_ANSWER + AROUND_TURN * messages.len() as u64;
                for message in messages {
                    self.texts.extend(message.name);
                    message.content.into_iter().for_each(|part| self.part(part));
                }
            }
            Prompt::Text(text) => self.texts.push(text),
            Prompt::Tokens(tokens) => self.around += tokens.len() as u64,
        }
        chat.tools.into_iter().for_each(|tool| self.tool(tool));
        self.texts.extend(chat.native_tools.into_iter().map(|tool| tool.value.to_string()));
        match chat.format {
            AnswerFormat::JsonSchema(schema) => {
                self.texts.extend([schema.name, schema.schema.to_string()]);
            }
            AnswerFormat::Grammar(grammar) => self.texts.push(grammar),
            AnswerFormat::Text | AnswerFormat::JsonObject => {}
        }
    }

    fn part(&mut self, part: Part) {
        match part {
            Part::Text(text) | Part::Refusal(text) | Part::Thinking { text, .. } => {
                self.texts.push(text);
            }
            Part::ToolCall(call) => self.texts.extend([call.name, call.arguments]),
            Part::ToolResult(result) => {
                result.content.into_iter().for_each(|part| self.part(part));
            }
            Part::Document { media: Media::Text(text), name } => {
                self.texts.extend(name);
                self.texts.push(text);
            }
            Part::Native { value, .. } => self.texts.push(value.to_string()),
            Part::Image { .. }
            | Part::Document { .. }
            | Part::Audio(_)
            | Part::Video(_)
            | Part::CachePoint(_) => {}
        }
    }

    fn tool(&mut self, tool: Tool) {
        self.around += AROUND_FUNCTION;
        self.texts.push(tool.name);
        self.texts.extend(tool.description);
        self.texts.push(tool.parameters.to_string());
    }

    fn count(&self, tokenizer: &dyn Tokenizer) -> u64 {
        let bytes: usize = self.texts.iter().map(String::len).sum();
        let (mut tokens, mut counted) = (0, 0);
        for sample in self.samples(bytes) {
            tokens += tokenizer.count(sample);
            counted += sample.len();
        }
        let whole = if counted == 0 { 0 } else { tokens * bytes as u64 / counted as u64 };
        whole + self.around
    }

    /// The texts; or where they have too many bytes, a piece of them for each stride of bytes.
    fn samples(&self, bytes: usize) -> impl Iterator<Item = &str> {
        let every = bytes.div_ceil(MOST_COUNTED).max(1);
        let longest = if every == 1 { usize::MAX } else { SAMPLE };
        let (stride, mut at) = (every * SAMPLE, 0);
        let parts = self
            .texts
            .iter()
            .flat_map(move |text| pieces(text, move |rest| rest.ceil_char_boundary(longest)));
        parts.filter(move |piece| {
            let before = at;
            at += piece.len();
            every == 1 || before == 0 || before / stride != at / stride
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use isthmus_inference::request::Dialect;
    use serde_json::{Value, json};

    use super::super::nearest;
    use super::*;

    fn counted(dialect: Dialect, operation: Operation, body: &Value) -> u64 {
        let request = caller(dialect).read(operation, body.to_string().into()).unwrap();
        of_request(&request, &nearest()).unwrap()
    }

    #[test]
    fn a_chat_is_what_openai_counts() {
        // The example of OpenAI's cookbook, with the counts that the API gave for it.
        let say = |role: &str, name: Option<&str>, content: &str| match name {
            Some(name) => json!({"role": role, "name": name, "content": content}),
            None => json!({"role": role, "content": content}),
        };
        let (user, assistant) = (Some("example_user"), Some("example_assistant"));
        let body = json!({"model": "gpt-4o", "messages": [
            say("system", None, "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."),
            say("system", user, "New synergies will help drive top-line growth."),
            say("system", assistant, "Things working well together will increase revenue."),
            say("system", user, "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."),
            say("system", assistant, "Let's talk later when we're less busy about how to do better."),
            say("user", None, "This late pivot means we don't have time to boil the ocean for the client deliverable."),
        ]});
        let tokens = counted(Dialect::OpenAi, Operation::Chat, &body);
        assert!(tokens.abs_diff(124) <= 4, "{tokens}, where the API counts 124");
    }

    #[test]
    fn everything_that_is_said_counts_in_every_language() {
        let words = "one two three four five six seven eight nine ten";
        let tool = json!({"type": "object", "properties": {"place": {"type": "string"}}});
        let bare = counted(
            Dialect::Anthropic,
            Operation::CountTokens,
            &json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": words}]}),
        );
        assert!((14..=20).contains(&bare), "{bare}");
        let more = counted(
            Dialect::Anthropic,
            Operation::CountTokens,
            &json!({"model": "m", "max_tokens": 1, "system": words,
            "tools": [{"name": "weather", "description": words, "input_schema": tool}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": words}]}]}),
        );
        assert!((bare + 40..bare + 60).contains(&more), "{more}");
        let input = counted(
            Dialect::OpenAi,
            Operation::Embedding,
            &json!({"model": "m", "input": [words, words]}),
        );
        assert_eq!(input, 20);
    }

    #[test]
    fn of_much_text_samples_are_counted() {
        let english = "The quick brown fox jumps over the lazy dog. ".repeat(10);
        let japanese = "\u{304a}\u{8a95}\u{751f}\u{65e5}".repeat(40);
        let turns: Vec<_> = (0..2000)
            .map(|turn| if turn % 2 == 0 { &english } else { &japanese })
            .map(|text| json!({"role": "user", "content": text}))
            .collect();
        let body = json!({"model": "m", "messages": turns});
        let around = AROUND_TURN * 2000 + BEFORE_ANSWER;
        let whole = 1000 * (nearest().count(&english) + nearest().count(&japanese)) + around;
        let tokens = counted(Dialect::OpenAi, Operation::Chat, &body);
        assert!(tokens.abs_diff(whole) < whole / 20, "{tokens} {whole}");
    }

    #[test]
    fn what_is_looked_at_is_bounded() {
        struct Bytes(AtomicU64);
        impl Tokenizer for Bytes {
            fn count(&self, text: &str) -> u64 {
                self.0.fetch_add(text.len() as u64, Relaxed);
                text.len() as u64
            }
        }
        for texts in [vec!["x".repeat(5 << 20)], vec!["xyz".to_owned(); 1 << 18]] {
            let (seen, bytes) =
                (Bytes(AtomicU64::new(0)), texts.iter().map(String::len).sum::<usize>());
            assert_eq!(Texts { texts, around: 0 }.count(&seen), bytes as u64);
            assert!(seen.0.load(Relaxed) <= (MOST_COUNTED + 2 * SAMPLE) as u64);
        }
    }
}
