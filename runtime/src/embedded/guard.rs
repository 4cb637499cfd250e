//! Keeps the words of callers words: a control token that somebody spells in a message must not
//! become one, or a message could end its own turn and speak as the system.
//!
//! Only the spellings themselves are marked, never the text around them: whatever spells no control
//! token is rendered and split into tokens as if nobody had looked. The marks are made of letters
//! for private use, which no filter of a template trims, escapes or changes the case of, and are
//! drawn anew for each conversation, so that nobody can write one.

use serde_json::{Map, Value};

use super::random::Random;

/// How a model's control tokens are spelt.
pub(crate) struct Spellings {
    longest_first: Vec<String>,
    /// Whether one begins with this byte.
    begins: [bool; 256],
}

/// The marks of one conversation.
pub(crate) struct Guard<'a> {
    spellings: &'a Spellings,
    open: String,
    close: String,
}

/// A piece of a rendered conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    /// Whether a control token spelt here is one. It is not where a caller spelt it.
    pub(crate) marked: bool,
}

// === impl Spellings ===

impl Spellings {
    pub(crate) fn new(spellings: impl IntoIterator<Item = String>) -> Self {
        let mut longest_first: Vec<String> = spellings.into_iter().collect();
        longest_first.retain(|spelling| !spelling.is_empty());
        longest_first.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        let mut begins = [false; 256];
        longest_first.iter().for_each(|s| begins[usize::from(s.as_bytes()[0])] = true);
        Self { longest_first, begins }
    }

    /// Place and length of the first spelling in a text.
    fn find(&self, text: &str) -> Option<(usize, usize)> {
        let places = text.bytes().enumerate().filter(|&(_, byte)| self.begins[usize::from(byte)]);
        places.map(|(place, _)| place).find_map(|place| {
            let rest = &text.as_bytes()[place..];
            let spelt = |spelling: &&String| rest.starts_with(spelling.as_bytes());
            self.longest_first.iter().find(spelt).map(|spelling| (place, spelling.len()))
        })
    }
}

// === impl Guard ===

impl<'a> Guard<'a> {
    pub(crate) fn new(spellings: &'a Spellings) -> Self {
        let mut random = Random::arbitrary();
        let open = mark(&mut random);
        let close = mark(&mut random);
        Self { spellings, open, close }
    }

    /// Marks what spells a control token, in all texts and keys of a value.
    pub(crate) fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => {
                let guarded = std::mem::take(fields).into_iter().map(|(mut key, mut value)| {
                    self.text(&mut key);
                    self.value(&mut value);
                    (key, value)
                });
                *fields = guarded.collect::<Map<String, Value>>();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&self, text: &mut String) {
        let mut guarded = String::new();
        let mut rest = text.as_str();
        while let Some((place, length)) = self.spellings.find(rest) {
            let (before, spelt) = rest.split_at(place);
            let (spelt, after) = spelt.split_at(length);
            guarded.extend([before, &self.open, spelt, &self.close]);
            rest = after;
        }
        if !guarded.is_empty() {
            guarded.push_str(rest);
            *text = guarded;
        }
    }

    /// The pieces of a rendered conversation, without the marks. A template that cuts a text may
    /// lose a mark: what then stands open is no control token, up to the next mark.
    pub(crate) fn pieces<'t>(&self, rendered: &'t str) -> Vec<Piece<'t>> {
        let mut pieces = Vec::new();
        let mut openings = rendered.split(&self.open);
        let first = openings.next().unwrap_or_default();
        pieces.extend(first.split(&self.close).map(|text| Piece { text, marked: true }));
        for opened in openings {
            let (spelt, after) = opened.split_once(&self.close).unwrap_or((opened, ""));
            pieces.push(Piece { text: spelt, marked: false });
            pieces.extend(after.split(&self.close).map(|text| Piece { text, marked: true }));
        }
        pieces.retain(|piece| !piece.text.is_empty());
        pieces
    }
}

/// Eight letters of Unicode's private use area.
fn mark(random: &mut Random) -> String {
    const FIRST: u32 = 0xe000;
    const LETTERS: u64 = 0x1000;
    let letter = |_| char::from_u32(FIRST + (random.next() % LETTERS) as u32);
    (0..8).filter_map(letter).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn spellings() -> Spellings {
        Spellings::new(["<s>", "<|end|>", "<|end|>!", ""].map(str::to_owned))
    }

    fn guarded(text: &str) -> Vec<(String, bool)> {
        let spellings = spellings();
        let guard = Guard::new(&spellings);
        let mut text = text.to_owned();
        guard.text(&mut text);
        let pieces = guard.pieces(&text).into_iter();
        pieces.map(|piece| (piece.text.to_owned(), piece.marked)).collect()
    }

    #[test]
    fn what_is_spelt_is_taken_out_whole() {
        let parts = |parts: &[(&str, bool)]| -> Vec<(String, bool)> {
            parts.iter().map(|&(text, marked)| (text.to_owned(), marked)).collect()
        };
        assert_eq!(guarded("a < b"), parts(&[("a < b", true)]));
        assert_eq!(guarded("<s>"), parts(&[("<s>", false)]));
        let expected = [("a", true), ("<|end|>!", false), (" é", true), ("<s>", false)];
        assert_eq!(guarded("a<|end|>! é<s>"), parts(&expected));
    }

    #[test]
    fn values_are_guarded_to_their_leaves() {
        let spellings = spellings();
        let guard = Guard::new(&spellings);
        let mut value = json!({ "a<s>": ["<|end|>", 1, null, { "b": "<s>" }], "plain": "x" });
        guard.value(&mut value);
        let text = value.to_string();
        let marked: String =
            guard.pieces(&text).iter().filter(|p| p.marked).map(|p| p.text).collect();
        assert!(!marked.contains("<s>") && !marked.contains("<|end|>"), "{marked}");
        assert_eq!(value["plain"], "x");
    }

    #[test]
    fn no_two_conversations_have_the_same_marks() {
        let spellings = spellings();
        let (first, second) = (Guard::new(&spellings), Guard::new(&spellings));
        assert!(first.open != second.open && first.open != first.close);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_spelling_stays(text in "[<>|ends!s é]{0,30}(<s>|<\\|end\\|>)?x?") {
            let pieces = guarded(&text);
            let whole: String = pieces.iter().map(|(text, _)| text.as_str()).collect();
            prop_assert_eq!(&whole, &text);
            for (text, marked) in &pieces {
                let spells = text.contains("<s>") || text.contains("<|end|>");
                prop_assert_eq!(spells, !marked);
            }
        }
    }
}
