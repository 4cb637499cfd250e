//! The conversation: `system`, and `messages` in which user and assistant alternate.
//!
//! Results of calls are a part of the user's turn, all of one turn of calls together and before
//! anything else (the vendor's page "Handle tool calls").

use isthmus_inference::chat::{Message, Role};
use isthmus_inference::failure::Failure;
use isthmus_inference::part::{Part, formats};
use serde_json::{Value, json};

use super::blocks::{block, system_text};
use super::models::Abilities;
use super::tools::cache_control;

/// The conversation as the API takes it.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The text blocks of `system`.
    pub(super) system: Vec<Value>,
    /// `messages`.
    pub(super) messages: Vec<Turn>,
}

/// One of `messages`.
#[derive(Debug, serde::Serialize)]
pub(super) struct Turn {
    role: &'static str,
    content: Vec<Value>,
}

impl Turn {
    /// Its blocks.
    pub(super) fn content(&self) -> impl Iterator<Item = &Value> {
        self.content.iter()
    }
}

impl Turns {
    /// The conversation of these messages.
    pub(super) fn of(
        messages: &[Message],
        abilities: &Abilities,
        dropped: &mut Vec<String>,
    ) -> Result<Self, Failure> {
        let mut turns = Self::default();
        let inline = before_answers(messages);
        for (at, message) in messages.iter().enumerate() {
            if message.name.is_some() && !dropped.iter().any(|name| name == "messages.name") {
                dropped.push("messages.name".to_owned());
            }
            match message.role {
                Role::System => {
                    turns.system(message, at, abilities.system_turns && inline[at])?;
                }
                Role::User | Role::Tool => turns.add("user", message, at)?,
                Role::Assistant => turns.add("assistant", message, at)?,
            }
        }
        turns.tidy();
        Ok(turns)
    }

    /// `system` as the request holds it: plain text where nothing is marked.
    pub(super) fn system_value(&self) -> Option<Value> {
        match self.system.as_slice() {
            [] => None,
            [only] if only.get("cache_control").is_none() => Some(only["text"].clone()),
            blocks => Some(blocks.to_vec().into()),
        }
    }

    /// The system speaks: first in a member of its own, later in a turn of its own where the model
    /// knows that and its place is allowed, else in the user's, marked as the system's.
    fn system(&mut self, message: &Message, at: usize, inline: bool) -> Result<(), Failure> {
        let first = self.messages.is_empty();
        let follows_user = self.messages.last().is_some_and(|turn| turn.role != "assistant");
        let mut blocks = Vec::new();
        let mut native = false;
        for (place, part) in message.content.iter().enumerate() {
            match part {
                Part::CachePoint(life) => mark(&mut blocks, *life),
                // Such as a tool that is added in the middle: it has its place, and no other words.
                Part::Native { format, value } if *format == formats::ANTHROPIC => {
                    native = true;
                    blocks.push(value.clone());
                }
                part => {
                    let text = system_text(part, at, place)?;
                    if !text.trim().is_empty() {
                        blocks.push(json!({ "type": "text", "text": text }));
                    }
                }
            }
        }
        if native || (inline && follows_user) {
            self.extend("system", blocks);
        } else if first {
            self.system.extend(blocks);
        } else {
            for block in &mut blocks {
                let text = block["text"].as_str().unwrap_or_default();
                block["text"] = format!("<system>\n{text}\n</system>").into();
            }
            self.extend("user", blocks);
        }
        Ok(())
    }

    fn add(&mut self, role: &'static str, message: &Message, at: usize) -> Result<(), Failure> {
        let mut blocks = Vec::with_capacity(message.content.len());
        for (place, part) in message.content.iter().enumerate() {
            match part {
                Part::CachePoint(life) => mark(&mut blocks, *life),
                part => blocks.extend(block(part, message.role, at, place)?),
            }
        }
        self.extend(role, blocks);
        Ok(())
    }

    fn extend(&mut self, role: &'static str, blocks: Vec<Value>) {
        match self.messages.last_mut() {
            _ if blocks.is_empty() => {}
            Some(last) if last.role == role => last.content.extend(blocks),
            _ => self.messages.push(Turn { role, content: blocks }),
        }
    }

    /// Keeps the API's rules about places and about the space at the end.
    fn tidy(&mut self) {
        for turn in self.messages.iter_mut().filter(|turn| turn.role == "user") {
            turn.content.sort_by_key(|block| block["type"] != "tool_result");
        }
        // A request of nothing but a system's text asks for an answer to that.
        if self.messages.is_empty() && !self.system.is_empty() {
            let content = std::mem::take(&mut self.system);
            self.messages.push(Turn { role: "user", content });
        }
        // "final assistant content cannot end with trailing whitespace"
        if let Some(last) = self.messages.last_mut()
            && last.role == "assistant"
            && let Some(Value::String(text)) =
                last.content.last_mut().and_then(|block| block.get_mut("text"))
        {
            text.truncate(text.trim_end().len());
        }
    }
}

/// For each turn whether nobody but the system speaks between it and the next answer.
fn before_answers(messages: &[Message]) -> Vec<bool> {
    let mut next_is_answer = true;
    let mut found: Vec<bool> = messages
        .iter()
        .rev()
        .map(|message| {
            let before = next_is_answer;
            if message.role != Role::System {
                next_is_answer = message.role == Role::Assistant;
            }
            before
        })
        .collect();
    found.reverse();
    found
}

/// Marks the prefix up to the last block as worth caching. Thoughts cannot be marked.
fn mark(blocks: &mut [Value], life: isthmus_inference::part::CacheLife) {
    let thought =
        |block: &Value| block["type"] == "thinking" || block["type"] == "redacted_thinking";
    if let Some(block) = blocks.iter_mut().rev().find(|block| !thought(block)) {
        block["cache_control"] = cache_control(life);
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::part::{CacheLife, ToolCall, ToolResult};

    use super::*;

    fn turns(messages: &[Message], model: &str) -> (Option<Value>, Value) {
        let turns = Turns::of(messages, &Abilities::of(model), &mut vec![]).unwrap();
        (turns.system_value(), serde_json::to_value(&turns.messages).unwrap())
    }

    fn said(role: Role, text: &str) -> Message {
        Message::text(role, text)
    }

    fn result(id: &str) -> Message {
        let result = ToolResult { call_id: id.into(), ..ToolResult::default() };
        Message { role: Role::Tool, content: vec![Part::ToolResult(result)], name: None }
    }

    #[test]
    fn results_stand_together_and_first() {
        let call = |id: &str| Part::ToolCall(ToolCall { id: id.into(), ..ToolCall::default() });
        let calls =
            Message { role: Role::Assistant, content: vec![call("a"), call("b.1")], name: None };
        let messages =
            [said(Role::User, "go"), calls, result("a"), said(Role::User, "and?"), result("b.1")];
        let (_, written) = turns(&messages, "claude-haiku-4-5");
        let shape: Vec<_> = written[2]["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block.get("tool_use_id").unwrap_or(&block["text"]).as_str().unwrap())
            .collect();
        assert_eq!(shape, ["a", "b_1", "and?"]);
        assert_eq!(written[1]["content"][1]["id"], "b_1");
    }

    #[test]
    fn the_system_is_heard_wherever_it_speaks() {
        let messages = [
            said(Role::System, "one"),
            said(Role::User, "hi"),
            said(Role::System, "two"),
            said(Role::Assistant, "ho"),
            said(Role::System, "three"),
            said(Role::User, "bye"),
        ];
        let three = json!({"role": "user", "content": [
            {"type": "text", "text": "<system>\nthree\n</system>"}, {"type": "text", "text": "bye"}]});
        let (system, newer) = turns(&messages, "claude-opus-4-8");
        assert_eq!(system, Some("one".into()));
        let two = json!({"role": "system", "content": [{"type": "text", "text": "two"}]});
        assert_eq!((&newer[1], &newer[3]), (&two, &three));
        let (_, older) = turns(&messages, "claude-opus-4-7");
        assert_eq!(older[0]["content"][1]["text"], "<system>\ntwo\n</system>");
        assert_eq!(older[2], three);
        assert_eq!(turns(&messages[..1], "claude-opus-4-8").1[0]["role"], "user");
    }

    #[test]
    fn marks_stand_on_the_part_before_them() {
        let content = vec![
            Part::text("a"),
            Part::CachePoint(CacheLife::OneHour),
            Part::text("b"),
            Part::CachePoint(CacheLife::FiveMinutes),
        ];
        for role in [Role::System, Role::User] {
            let messages =
                [Message { role, content: content.clone(), name: None }, said(Role::User, "x")];
            let (system, written) = turns(&messages, "claude-opus-4-8");
            let blocks =
                if role == Role::System { system.unwrap() } else { written[0]["content"].clone() };
            assert_eq!(blocks[0]["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
            assert_eq!(blocks[1]["cache_control"], json!({"type": "ephemeral"}));
        }
    }

    #[test]
    fn no_turn_is_empty_or_ends_in_space() {
        let messages = [
            said(Role::User, "hi"),
            said(Role::Assistant, " \n"),
            said(Role::User, "on"),
            said(Role::Assistant, "so \n"),
        ];
        let (_, written) = turns(&messages, "claude-3-opus-20240229");
        assert_eq!(written.as_array().unwrap().len(), 2);
        assert_eq!(written[1]["content"][0]["text"], "so");
    }
}
