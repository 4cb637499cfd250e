//! Calls of functions in an answer: whole, or with their arguments in pieces, which Vertex tells by
//! JSONPath where the request has `streamFunctionCallArguments`.

use isthmus_inference::failure::Failure;
use isthmus_inference::part::{Signature, ToolCall, formats};
use isthmus_inference::stream::Event;
use serde_json::{Map, Value};

use super::answer::malformed;
use super::wire::{FunctionCallIn, PartialArg};

/// How ids begin that are made up here: Gemini before 3 gives its calls none.
const MADE_UP: &str = "call_gm_";
/// The most bytes of arguments that are held until their call ends.
const MOST_HELD: usize = 8 << 20;
/// How many steps a path may have, and how many items a list that is filled by paths.
const MOST_STEPS: usize = 64;
const MOST_ITEMS: usize = 4096;

/// The calls of one candidate.
#[derive(Default)]
pub(super) struct Calls {
    count: u32,
    open: Option<Open>,
}

/// A call whose arguments have not all come.
struct Open {
    index: u32,
    arguments: Value,
    held: usize,
}

/// A step of a path: a member's name or an item's place.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
}

/// Whether an id was made up here, so that Gemini would not know it.
pub(super) fn is_made_up(id: &str) -> bool {
    id.starts_with(MADE_UP)
}

// === impl Calls ===

impl Calls {
    /// Whether there was one.
    pub(super) fn any(&self) -> bool {
        self.count > 0
    }

    /// Takes in a call, or the next piece of one. `answer` is the answer's id, if it has one.
    pub(super) fn take(
        &mut self,
        choice: u32,
        call: FunctionCallIn<'_>,
        signature: Option<&str>,
        answer: Option<&str>,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        if self.open.is_none() && call.is_empty() {
            // A last piece, of a call that has ended.
            return Ok(());
        }
        // Only the first piece has a name.
        let begins = self.open.is_none() || call.name.as_deref().is_some_and(|it| !it.is_empty());
        if begins {
            self.close(choice, events);
            self.begin(choice, &call, signature, answer, events);
        }
        let goes_on = call.will_continue == Some(true);
        let whole = begins && call.partial_args.is_none() && !goes_on;
        let Some(open) = self.open.as_mut().filter(|_| !whole) else {
            // Whole, so that its arguments stay as they are written.
            let index = self.open.take().map_or(0, |open| open.index);
            let text = call.args.map_or_else(|| "{}".to_owned(), |args| compact(args.get()));
            events.push(Event::ToolCallArguments { choice, index, text });
            return Ok(());
        };
        if let Some(args) = call.args.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
            open.arguments = args;
        }
        for piece in call.partial_args.into_iter().flatten() {
            open.take(piece).ok_or_else(|| malformed(b"{\"partialArgs\":"))?;
        }
        if !goes_on {
            self.close(choice, events);
        }
        Ok(())
    }

    /// Ends the call whose arguments were coming.
    pub(super) fn close(&mut self, choice: u32, events: &mut Vec<Event>) {
        if let Some(Open { index, arguments, .. }) = self.open.take() {
            let text = arguments.to_string();
            events.push(Event::ToolCallArguments { choice, index, text });
        }
    }

    fn begin(
        &mut self,
        choice: u32,
        call: &FunctionCallIn<'_>,
        signature: Option<&str>,
        answer: Option<&str>,
        events: &mut Vec<Event>,
    ) {
        let index = self.count;
        self.count += 1;
        let name = call.name.clone().unwrap_or_default();
        let id = call.id.clone().filter(|id| !id.is_empty()).unwrap_or_else(|| {
            let answer = answer.unwrap_or(&name);
            format!("{MADE_UP}{answer}_{choice}_{index}")
        });
        let signature = signature.map(|data| Signature::new(formats::GEMINI, data));
        let call = ToolCall { id, name, signature, ..ToolCall::default() };
        events.push(Event::ToolCallStart { choice, index, call });
        self.open = Some(Open { index, arguments: Map::new().into(), held: 0 });
    }
}

impl Open {
    /// Puts a piece where its path says; `None` if there is no such place. Text goes on with the text
    /// that is there.
    fn take(&mut self, piece: PartialArg) -> Option<()> {
        let steps = steps(&piece.json_path)?;
        self.held += piece.json_path.len() + piece.string_value.as_ref().map_or(8, String::len);
        if self.held > MOST_HELD {
            return None;
        }
        let place = steps.into_iter().try_fold(&mut self.arguments, |at, step| step.within(at))?;
        let PartialArg { string_value, number_value, bool_value, .. } = piece;
        match (place, string_value) {
            (Value::String(text), Some(more)) => text.push_str(&more),
            (place, Some(text)) => *place = text.into(),
            (place, None) => {
                let plain = number_value.map(Value::from).or(bool_value.map(Value::from));
                // A piece without a value announces one; `null` is one that stays.
                *place = plain.unwrap_or_else(|| place.take());
            }
        }
        Some(())
    }
}

impl Step {
    /// The place in a value, made where there is none.
    fn within(self, value: &mut Value) -> Option<&mut Value> {
        match self {
            Self::Member(name) => {
                if value.is_null() {
                    *value = Map::new().into();
                }
                Some(value.as_object_mut()?.entry(name).or_insert(Value::Null))
            }
            Self::Item(at) => {
                if value.is_null() {
                    *value = Value::Array(vec![]);
                }
                let items = value.as_array_mut().filter(|_| at < MOST_ITEMS)?;
                if items.len() <= at {
                    items.resize(at + 1, Value::Null);
                }
                items.get_mut(at)
            }
        }
    }
}

/// The steps of a path that names one place (RFC 9535, "Normalized Paths", and its shorthands):
/// `$.a.b[0]['c d']`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = vec![];
    while !rest.is_empty() && steps.len() < MOST_STEPS {
        let step;
        (step, rest) = if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            (Step::Member(after[..end].to_owned()), &after[end..])
        } else {
            let after = rest.strip_prefix('[')?;
            match after.chars().next()? {
                quote @ ('\'' | '"') => quoted(&after[1..], quote)?,
                _ => {
                    let (digits, rest) = after.split_once(']')?;
                    (Step::Item(digits.parse().ok()?), rest)
                }
            }
        };
        steps.push(step);
    }
    rest.is_empty().then_some(steps)
}

/// A name in quotes, and what stands behind its bracket.
fn quoted(text: &str, quote: char) -> Option<(Step, &str)> {
    let (mut name, mut escaped) = (String::new(), false);
    for (at, letter) in text.char_indices() {
        match letter {
            letter if escaped => {
                name.push(letter);
                escaped = false;
            }
            '\\' => escaped = true,
            letter if letter == quote => {
                let rest = text[at + 1..].strip_prefix(']')?;
                return Some((Step::Member(name), rest));
            }
            letter => name.push(letter),
        }
    }
    None
}

/// JSON without the space between its tokens; numbers stay as they are written.
fn compact(json: &str) -> String {
    let mut compact = String::with_capacity(json.len());
    let (mut inside, mut escaped) = (false, false);
    for letter in json.chars() {
        if inside || !letter.is_ascii_whitespace() {
            compact.push(letter);
        }
        match letter {
            '"' if !escaped => inside = !inside,
            _ => {}
        }
        escaped = inside && letter == '\\' && !escaped;
    }
    compact
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The names of the calls with their arguments, of these pieces.
    fn told(pieces: &[Value]) -> Option<Vec<(String, String)>> {
        let (mut calls, mut events) = (Calls::default(), vec![]);
        for piece in pieces {
            let text = piece.to_string();
            calls.take(0, serde_json::from_str(&text).unwrap(), None, None, &mut events).ok()?;
        }
        calls.close(0, &mut events);
        let mut told = vec![];
        for event in events {
            match event {
                Event::ToolCallStart { call, .. } => told.push((call.name, String::new())),
                Event::ToolCallArguments { index, text, .. } => told[index as usize].1 += &text,
                _ => {}
            }
        }
        Some(told)
    }

    #[test]
    fn arguments_in_pieces_become_one_object() {
        let pieces = [
            json!({"name": "f", "willContinue": true}),
            json!({"partialArgs": [{"jsonPath": "$.a", "numberValue": 50}], "willContinue": true}),
            json!({"partialArgs": [{"jsonPath": "$.b", "stringValue": "wa", "willContinue": true}],
                "willContinue": true}),
            json!({"partialArgs": [{"jsonPath": "$.b", "stringValue": "rm"},
                {"jsonPath": "$.c[0]['d e']", "boolValue": false},
                {"jsonPath": "$.c[1].f", "nullValue": "NULL_VALUE"},
                {"jsonPath": "$.g", "willContinue": true}], "willContinue": true}),
            json!({}),
            json!({}),
            json!({"name": "g", "args": {"x": 1.0}}),
            json!({"name": "h", "partialArgs": [{"jsonPath": "$.y", "stringValue": "z"}]}),
            // Cut off by the next.
            json!({"name": "i", "willContinue": true}),
            json!({"name": "j"}),
        ];
        let expected = [
            ("f", r#"{"a":50,"b":"warm","c":[{"d e":false},{"f":null}],"g":null}"#),
            ("g", r#"{"x":1.0}"#),
            ("h", r#"{"y":"z"}"#),
            ("i", "{}"),
            ("j", "{}"),
        ];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(told(&pieces).unwrap(), expected);
    }

    #[test]
    fn a_piece_without_a_place_is_no_answer() {
        for path in ["", "a", "$.a[", "$[x]", "$['a'", "$['a'x", "$.a[9999]", "$.s.t", "$[0]"] {
            let piece = |path: &str| json!({"jsonPath": path, "stringValue": "s"});
            let call = json!({"name": "f", "partialArgs": [piece("$.s"), piece(path)]});
            assert_eq!(told(&[call]), None, "{path}");
        }
        let deep = format!("${}", ".a".repeat(MOST_STEPS + 1));
        assert_eq!(steps(&deep), None);
    }

    #[test]
    fn escaped_names_are_read() {
        let member = |name: &str| Step::Member(name.to_owned());
        assert_eq!(steps(r#"$["a\"]b"].c"#), Some(vec![member("a\"]b"), member("c")]));
    }
}
