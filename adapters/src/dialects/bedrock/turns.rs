//! A conversation as Converse has it: the system's blocks apart, then user and assistant by turns.

use isthmus_inference::chat::{Message, Role};
use isthmus_inference::failure::Failure;
use isthmus_inference::part::{Part, formats};
use serde::Serialize;
use serde_json::{Value, json};

use super::blocks::{Place, Writer, said, unsupported};

/// A conversation.
#[derive(Debug, Default)]
pub(super) struct Turns {
    pub(super) system: Vec<Value>,
    pub(super) messages: Vec<Turn>,
}

/// One turn.
#[derive(Debug, Serialize)]
pub(super) struct Turn {
    role: &'static str,
    content: Vec<Value>,
}

/// What stands beside documents that come without a word: Converse wants some text there.
const DOCUMENT_NOTE: &str = "See the document.";

impl Turns {
    /// Writes a conversation. The system's words at its beginning go to the system; later ones become
    /// the user's, marked as what they are, because most models take none between the turns.
    pub(super) fn of(messages: &[Message], writer: &mut Writer) -> Result<Self, Failure> {
        let mut turns = Self::default();
        let leading = messages.iter().take_while(|message| message.role == Role::System).count();
        for (at, message) in messages.iter().enumerate() {
            if at < leading {
                turns.system(message, at, writer)?;
                continue;
            }
            let mut content = Vec::new();
            for (part_at, part) in message.content.iter().enumerate() {
                let place = Place { message: at, part: part_at };
                match part {
                    Part::Text(text) if message.role == Role::System => {
                        content.extend(said(text).map(|_| marked(text)));
                    }
                    part => writer.write(part, message.role, place, &mut content)?,
                }
            }
            turns.add(if message.role == Role::Assistant { "assistant" } else { "user" }, content);
        }
        turns.finish();
        Ok(turns)
    }

    fn system(&mut self, message: &Message, at: usize, writer: &mut Writer) -> Result<(), Failure> {
        for (part_at, part) in message.content.iter().enumerate() {
            match part {
                Part::Text(text) => self.system.extend(said(text)),
                Part::CachePoint(life) => writer.mark(*life, &mut self.system),
                Part::Native { format: formats::BEDROCK, value } => self.system.push(value.clone()),
                other => return Err(unsupported(other, Place { message: at, part: part_at })),
            }
        }
        Ok(())
    }

    /// Adds to the last turn if it is of the same role: two of one role may not follow each other.
    fn add(&mut self, role: &'static str, content: Vec<Value>) {
        match self.messages.last_mut() {
            _ if content.is_empty() => {}
            Some(last) if last.role == role => last.content.extend(content),
            _ => self.messages.push(Turn { role, content }),
        }
    }

    fn finish(&mut self) {
        // There must be a turn of the user's: where the system alone has spoken, its words are it.
        if self.messages.is_empty() && !self.system.is_empty() {
            self.add("user", self.system.clone());
            self.system.clear();
        }
        for turn in &mut self.messages {
            let first = |block: &str| turn.content.iter().position(|v| v.get(block).is_some());
            if let (Some(at), None) = (first("document"), first("text")) {
                turn.content.insert(at, json!({ "text": DOCUMENT_NOTE }));
            }
        }
    }
}

/// What the system says between the turns.
fn marked(text: &str) -> Value {
    json!({ "text": format!("<system>\n{text}\n</system>") })
}
