//! Tools that take free text (OpenAI's custom tools), for whoever knows functions alone.
//!
//! A function whose one argument is the text stands for such a tool. Its calls are turned back on
//! their way to the caller, streamed ones piece by piece. A grammar that the text must fit cannot be
//! kept so, and is refused.

use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::chat::{ChatRequest, FreeText, Prompt};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::{Part, ToolCall};
use isthmus_inference::stream::Event;
use serde_json::{Value, json};

mod reader;

use reader::Reader;

/// The argument that is the text.
const ARGUMENT: &str = "input";

/// The functions that stand for tools of free text.
#[derive(Debug, Default)]
pub struct StandIns {
    names: Vec<String>,
    /// Their calls that have begun, by choice and index.
    calls: Vec<((u32, u32), Reader)>,
}

/// Makes functions of a chat's tools of free text, and of the calls of such in its earlier turns.
pub fn as_functions(chat: &mut ChatRequest) -> Result<StandIns, Failure> {
    let mut names = Vec::new();
    for tool in &mut chat.tools {
        match tool.free_text.take() {
            None => continue,
            Some(FreeText::Any) => {}
            Some(FreeText::Grammar { .. }) => {
                let message = format!(
                    "the endpoint cannot keep the input of the custom tool `{}` to a grammar",
                    tool.name
                );
                return Err(Failure::new(Kind::Unsupported, message).with_param("tools"));
            }
        }
        tool.parameters = parameters();
        names.push(tool.name.clone());
    }
    if let Prompt::Messages(messages) = &mut chat.prompt {
        for part in messages.iter_mut().flat_map(|message| &mut message.content) {
            if let Part::ToolCall(call @ ToolCall { free_text: true, .. }) = part {
                call.arguments = json!({ ARGUMENT: call.arguments }).to_string();
                call.free_text = false;
            }
        }
    }
    Ok(StandIns { names, calls: vec![] })
}

fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": { ARGUMENT: { "type": "string", "description": "The input, as free text." } },
        "required": [ARGUMENT],
        "additionalProperties": false,
    })
}

// === impl StandIns ===

impl StandIns {
    fn names(&self, call: &ToolCall) -> bool {
        self.names.contains(&call.name)
    }

    /// Turns the calls of a whole answer back.
    pub fn turn_back(&self, answer: &mut ChatAnswer) {
        for part in answer.choices.iter_mut().flat_map(|choice| &mut choice.content) {
            if let Part::ToolCall(call) = part
                && self.names(call)
            {
                let mut reader = Reader::default();
                let text = reader.push(&call.arguments);
                call.arguments = text + &reader.finish();
                call.free_text = true;
            }
        }
    }

    /// Tells an event as the caller is to see it.
    pub fn tell(&mut self, event: Event, mut tell: impl FnMut(Event)) {
        if self.names.is_empty() {
            return tell(event);
        }
        match event {
            Event::ToolCallStart { choice, index, mut call } if self.names(&call) => {
                let mut reader = Reader::default();
                let text = reader.push(&std::mem::take(&mut call.arguments));
                self.calls.push(((choice, index), reader));
                call.free_text = true;
                tell(Event::ToolCallStart { choice, index, call });
                tell_text((choice, index), text, tell);
            }
            Event::ToolCallArguments { choice, index, text } => {
                let place = (choice, index);
                match self.calls.iter_mut().find(|(of, _)| *of == place) {
                    Some((_, reader)) => tell_text(place, reader.push(&text), tell),
                    None => tell(Event::ToolCallArguments { choice, index, text }),
                }
            }
            Event::Finish { choice, .. } => {
                for (place, reader) in &mut self.calls {
                    if place.0 == choice {
                        tell_text(*place, reader.finish(), &mut tell);
                    }
                }
                tell(event);
            }
            other => tell(other),
        }
    }
}

fn tell_text((choice, index): (u32, u32), text: String, mut tell: impl FnMut(Event)) {
    if !text.is_empty() {
        tell(Event::ToolCallArguments { choice, index, text });
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::answer::FinishReason;
    use isthmus_inference::chat::{Message, Role, Tool};
    use isthmus_inference::stream::Fold;
    use isthmus_inference::usage::Usage;

    use super::*;

    fn tool(name: &str, free_text: Option<FreeText>) -> Tool {
        Tool { name: name.into(), parameters: json!({}), free_text, ..Tool::default() }
    }

    fn call(name: &str, arguments: &str) -> ToolCall {
        ToolCall { name: name.into(), arguments: arguments.into(), ..ToolCall::default() }
    }

    #[test]
    fn a_function_stands_for_the_tool_and_its_calls() {
        let past = ToolCall { free_text: true, ..call("patch", "a\"b") };
        let turn =
            Message { role: Role::Assistant, content: vec![Part::ToolCall(past)], name: None };
        let mut chat = ChatRequest {
            prompt: Prompt::Messages(vec![turn]),
            tools: vec![tool("add", None), tool("patch", Some(FreeText::Any))],
            ..ChatRequest::default()
        };
        let stand_ins = as_functions(&mut chat).unwrap();
        assert_eq!(stand_ins.names, ["patch"]);
        assert_eq!(chat.tools[0].parameters, json!({}));
        assert_eq!(chat.tools[1].parameters["required"], json!(["input"]));
        let expected = Part::ToolCall(call("patch", r#"{"input":"a\"b"}"#));
        assert_eq!(chat.messages()[0].content, [expected]);
    }

    #[test]
    fn a_grammar_is_refused() {
        let grammar = FreeText::Grammar { syntax: "regex".into(), definition: "a+".into() };
        let mut chat =
            ChatRequest { tools: vec![tool("t", Some(grammar))], ..ChatRequest::default() };
        let failure = as_functions(&mut chat).unwrap_err();
        assert_eq!((failure.kind, failure.param.as_deref()), (Kind::Unsupported, Some("tools")));
        assert!(failure.message.contains("`t`"), "{}", failure.message);
    }

    #[test]
    fn calls_are_turned_back_whole_and_streamed() {
        let stand_ins = || StandIns { names: vec!["patch".into()], calls: vec![] };
        let start = |index, name| Event::ToolCallStart { choice: 0, index, call: call(name, "") };
        let piece =
            |index, text: &str| Event::ToolCallArguments { choice: 0, index, text: text.into() };
        let finish =
            Event::Finish { choice: 0, reason: FinishReason::ToolCalls, stop_sequence: None };
        let events = [
            start(0, "patch"),
            start(1, "add"),
            start(2, "patch"),
            piece(0, "{\"input\":\"a\\"),
            piece(1, "{\"input\":1}"),
            piece(2, "[1]"),
            piece(0, "nb\"}"),
            finish,
            Event::Usage(Usage::default()),
        ];
        let folded = |events: &[Event]| {
            let mut fold = Fold::default();
            events.iter().cloned().for_each(|event| fold.push(event));
            fold.finish("m".into()).unwrap()
        };
        let mut whole = folded(&events);
        stand_ins().turn_back(&mut whole);
        let (mut streaming, mut told) = (stand_ins(), vec![]);
        events.into_iter().for_each(|event| streaming.tell(event, |event| told.push(event)));
        assert_eq!(folded(&told), whole);
        let calls = whole.choices[0].tool_calls();
        let calls: Vec<_> = calls.map(|call| (call.free_text, &*call.arguments)).collect();
        assert_eq!(calls, [(true, "a\nb"), (false, "{\"input\":1}"), (true, "[1]")]);
    }
}
