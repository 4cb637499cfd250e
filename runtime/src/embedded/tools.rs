//! Function calls of a model: how it is told of its tools, how it is made to call one, and how its
//! calls are found in what it writes.
//!
//! One convention is used, that of the Hermes and Qwen models, because their templates and most
//! open models know it: a call is a JSON object with `name` and `arguments` between `<tool_call>`
//! and `</tool_call>`. Models whose template has no tools are told of it in their system prompt.

use isthmus_inference::chat::{Tool, ToolChoice};
use isthmus_inference::failure::Failure;
use isthmus_inference::part::ToolCall;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::text::overlap;

/// Before a call.
pub(crate) const OPEN: &str = "<tool_call>";
/// After a call.
pub(crate) const CLOSE: &str = "</tool_call>";

/// Finds calls in text that arrives in pieces.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallFinder {
    held: String,
    inside: bool,
    /// A call was just found: the line break behind it belongs to the convention, not the answer.
    after_call: bool,
}

/// What a model said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spoken {
    Text(String),
    Call {
        name: String,
        /// JSON text.
        arguments: String,
    },
}

#[derive(Deserialize)]
struct Written<'a> {
    name: String,
    #[serde(borrow, alias = "parameters")]
    arguments: Option<&'a RawValue>,
}

// === impl CallFinder ===

impl CallFinder {
    /// Takes in more text.
    pub(crate) fn push(&mut self, text: &str) -> Vec<Spoken> {
        self.held.push_str(text);
        let mut spoken = Vec::new();
        loop {
            let mark = if self.inside { CLOSE } else { OPEN };
            let Some(place) = self.held.find(mark) else { break };
            let before: String = self.held.drain(..place).collect();
            self.held.drain(..mark.len());
            if self.inside {
                let call = read_call(&before);
                self.after_call = call.is_some();
                spoken.push(call.unwrap_or_else(|| Spoken::Text(format!("{OPEN}{before}{CLOSE}"))));
            } else {
                spoken.extend(self.text(before));
            }
            self.inside = !self.inside;
        }
        if !self.inside {
            let shown = self.held.len() - overlap(&self.held, OPEN);
            let shown = self.held.drain(..shown).collect();
            spoken.extend(self.text(shown));
        }
        spoken
    }

    /// The text is at its end. A call that lacks only its closing mark still counts.
    pub(crate) fn flush(&mut self) -> Option<Spoken> {
        let rest = std::mem::take(&mut self.held);
        if self.inside {
            let unread = || Spoken::Text(format!("{OPEN}{rest}"));
            return Some(read_call(&rest).unwrap_or_else(unread));
        }
        self.text(rest)
    }

    fn text(&mut self, mut text: String) -> Option<Spoken> {
        if self.after_call {
            text = text.trim_start().to_owned();
        }
        self.after_call &= text.is_empty();
        (!text.is_empty()).then_some(Spoken::Text(text))
    }
}

fn read_call(text: &str) -> Option<Spoken> {
    let written: Written<'_> = serde_json::from_str(text.trim()).ok()?;
    let arguments = match written.arguments {
        None => "{}".to_owned(),
        // Some models write the arguments as a string that holds JSON.
        Some(raw) => serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned()),
    };
    Some(Spoken::Call { name: written.name, arguments })
}

/// A tool as OpenAI's API and the templates describe it.
pub(crate) fn described(tool: &Tool) -> Value {
    let description = tool.description.as_deref().unwrap_or_default();
    json!({
        "type": "function",
        "function": {
            "name": tool.name, "description": description, "parameters": tool.parameters,
        },
    })
}

/// What a model without tools in its template is told of them.
pub(crate) fn instructions(tools: &[Tool]) -> String {
    let list: Vec<String> = tools.iter().map(|tool| spaced(&described(tool))).collect();
    format!(
        "You can call these functions. Each line is the JSON description of one:\n<tools>\n{}\n\
         </tools>\nTo call a function, write nothing but its name and arguments, like this:\n\
         {OPEN}\n{{\"name\": \"the function\", \"arguments\": {{\"an argument\": \"a value\"}}}}\n\
         {CLOSE}",
        list.join("\n")
    )
}

/// A call as the model would have written it, for conversations that contain one.
pub(crate) fn written_out(call: &ToolCall) -> String {
    let name = json!(call.name);
    format!("{OPEN}\n{{\"name\": {name}, \"arguments\": {}}}\n{CLOSE}", call.arguments)
}

/// The grammar (Lark, as llguidance reads it) of an answer that is one call, if the choice demands
/// a call.
pub(crate) fn demanded(tools: &[Tool], choice: &ToolChoice) -> Result<Option<String>, Failure> {
    let allowed: Vec<&Tool> = match choice {
        ToolChoice::Auto | ToolChoice::None => return Ok(None),
        ToolChoice::Required => tools.iter().collect(),
        ToolChoice::Named(name) => tools.iter().filter(|tool| tool.name == *name).collect(),
    };
    if allowed.is_empty() {
        return Err(unknown_tool(choice));
    }
    let (alternatives, rules): (Vec<String>, Vec<String>) =
        allowed.into_iter().enumerate().map(|(index, tool)| call_rules(index, tool)).unzip();
    let calls = alternatives.join(" | ");
    Ok(Some(format!("start: \"{OPEN}\\n\" ({calls}) \"\\n{CLOSE}\"\n{}", rules.concat())))
}

/// The name of a tool's rule, and its rules. The arguments are a document of their own, so that a
/// `$ref` in it still means a place in it.
fn call_rules(index: usize, tool: &Tool) -> (String, String) {
    let mut schema = match &tool.parameters {
        Value::Object(schema) if !schema.is_empty() => tool.parameters.clone(),
        _ => json!({ "type": "object" }),
    };
    schema["x-guidance"] = super::grammar::compact();
    // A text in Lark is written as one in JSON.
    let begin = json!(format!("{{\"name\": {}, \"arguments\": ", json!(tool.name)));
    let rules = format!(
        "call_{index}: {begin} arguments_{index} \"}}\"\narguments_{index}: %json {schema}\n"
    );
    (format!("call_{index}"), rules)
}

fn unknown_tool(choice: &ToolChoice) -> Failure {
    let message = match choice {
        ToolChoice::Named(name) => {
            format!("`tool_choice` names the function `{name}`, which is not in `tools`; add it")
        }
        _ => "`tool_choice` demands a call but `tools` is empty; add a tool".to_owned(),
    };
    Failure::invalid("tool_choice", message)
}

/// JSON with a space after each comma and colon, as Python writes it and models have learnt it.
pub(crate) fn spaced(value: &impl serde::Serialize) -> String {
    let mut bytes = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, Spaced);
    // Writing JSON values into memory cannot fail; a broken key type would leave the text empty.
    let written = value.serialize(&mut writer).is_ok();
    if written { String::from_utf8(bytes).unwrap_or_default() } else { String::new() }
}

struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: std::io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: std::io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: std::io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
    ) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(name: &str, arguments: &str) -> Spoken {
        Spoken::Call { name: name.into(), arguments: arguments.into() }
    }

    fn said(text: &str) -> Spoken {
        Spoken::Text(text.into())
    }

    /// What is found if the text comes in pieces of this many bytes; neighbouring texts joined.
    fn found(text: &str, size: usize) -> Vec<Spoken> {
        let mut finder = CallFinder::default();
        let pieces: Vec<char> = text.chars().collect();
        let mut all: Vec<Spoken> = Vec::new();
        let spoken = pieces.chunks(size).flat_map(|piece| finder.push(&String::from_iter(piece)));
        for piece in spoken.collect::<Vec<_>>().into_iter().chain(finder.flush()) {
            match (all.last_mut(), piece) {
                (Some(Spoken::Text(text)), Spoken::Text(more)) => text.push_str(&more),
                (_, piece) => all.push(piece),
            }
        }
        all
    }

    #[test]
    fn calls_are_found_between_words() {
        let text = "Let me see.\n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n\
                    </tool_call>\n<tool_call>{\"name\":\"now\"}</tool_call>\nDone.";
        let expected =
            [said("Let me see.\n"), call("add", "{\"a\": 1}"), call("now", "{}"), said("Done.")];
        for size in 1..60 {
            assert_eq!(found(text, size), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_call_without_its_closing_mark_counts() {
        assert_eq!(found("<tool_call>{\"name\": \"now\"}", 7), [call("now", "{}")]);
    }

    #[test]
    fn what_is_no_call_stays_text() {
        for text in ["a < b", "<tool_call>oops</tool_call>", "<tool_call>{\"name\":", "<tool_"] {
            assert_eq!(found(text, 3), [said(text)]);
        }
    }

    #[test]
    fn arguments_within_a_string_are_taken_out() {
        let text = r#"<tool_call>{"name": "f", "arguments": "{\"a\": 1}"}</tool_call>"#;
        assert_eq!(found(text, 5), [call("f", r#"{"a": 1}"#)]);
    }

    #[test]
    fn a_named_tool_must_exist() {
        let failure = demanded(&[], &ToolChoice::Named("add".into())).unwrap_err();
        assert!(failure.message.contains("`add`"), "{}", failure.message);
        assert_eq!(demanded(&[], &ToolChoice::Auto).unwrap(), None);
    }

    #[test]
    fn json_is_spaced_as_python_does() {
        let value = json!({ "a": [1, 2], "b": {}, "c": "x,y" });
        assert_eq!(spaced(&value), r#"{"a": [1, 2], "b": {}, "c": "x,y"}"#);
    }

    proptest! {
        #[test]
        fn text_without_calls_passes_unchanged(text in "[<>/tol_ca é]{0,40}", size in 1_usize..9) {
            prop_assume!(!text.contains(OPEN));
            let expected: Vec<Spoken> = [said(&text)].into_iter().filter(|_| !text.is_empty()).collect();
            prop_assert_eq!(found(&text, size), expected);
        }
    }
}
