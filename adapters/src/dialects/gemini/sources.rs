//! What an answer is from: the metadata that stand beside its parts, held until all of its text is known.
//!
//! Google counts places in bytes of a part, callers count characters of the whole text, so each place is
//! found again in what was said. `segment.text` says what stands there, and decides where the numbers are
//! off: recorded answers drift, and leave `partIndex` out although their text is not the first part.

use serde_json::{Map, Value, json};

/// Members of a candidate that tell where it is from.
pub(super) const METADATA: [&str; 3] =
    ["groundingMetadata", "citationMetadata", "urlContextMetadata"];

/// The lists of `CitationMetadata`, as Vertex and the API call them.
const CITED: [&str; 2] = ["citations", "citationSources"];
/// Where the spans stand, beside the metadata.
const SPANS: &str = "spans";

/// The most text that is kept to find places in, in bytes.
const MOST_TEXT: usize = 256 << 10;
/// The most places that are found, and citations that are gathered, of one candidate.
const MOST_PLACES: usize = 1024;

/// What was said of one candidate, and from which sources.
pub(super) struct Sources {
    said: Said,
    /// Where in the text each part begins that has come so far.
    begun: Vec<usize>,
    last: Option<Voice>,
    metadata: Map<String, Value>,
}

/// The text that a caller sees: as it is, or only how much.
enum Said {
    Kept(String),
    Counted { bytes: usize, characters: usize },
}

/// What a part is: of two voices that go on from chunk to chunk, or something else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Voice {
    Speaks,
    Thinks,
    Else,
}

// === impl Sources ===

impl Sources {
    /// With the text kept, or only counted: that will do for text that is all of ASCII.
    pub(super) fn new(keep: bool) -> Self {
        let said = match keep {
            true => Said::Kept(String::new()),
            false => Said::Counted { bytes: 0, characters: 0 },
        };
        Self { said, begun: vec![], last: None, metadata: Map::new() }
    }

    /// A part begins. The first of a chunk goes on with the last of the chunk before, if the same voice
    /// speaks: a whole answer has both in one part.
    pub(super) fn begin(&mut self, voice: Voice, is_first: bool) {
        let goes_on = is_first && voice != Voice::Else && self.last == Some(voice);
        self.last = Some(voice);
        if let Said::Kept(text) = &self.said
            && !goes_on
            && self.begun.len() < MOST_PLACES
        {
            self.begun.push(text.len());
        }
    }

    /// Text that the caller sees.
    pub(super) fn say(&mut self, piece: &str) {
        match &mut self.said {
            Said::Kept(text) if text.len() + piece.len() <= MOST_TEXT => text.push_str(piece),
            Said::Kept(text) => {
                let bytes = text.len() + piece.len();
                let characters = text.chars().count() + piece.chars().count();
                self.said = Said::Counted { bytes, characters };
            }
            Said::Counted { bytes, characters } => {
                *bytes += piece.len();
                *characters += piece.chars().count();
            }
        }
    }

    /// Takes in metadata, which a stream may tell in several chunks: what is told again takes the place
    /// of what was, but for citations, of which there may be more.
    pub(super) fn tell(&mut self, name: &str, value: Value) {
        let known = self.metadata.entry(name).or_insert_with(|| json!({}));
        let (Value::Object(known), Value::Object(value)) = (known, value) else { return };
        for (name, value) in value {
            match (known.get_mut(&name), value) {
                (Some(Value::Array(old)), Value::Array(new)) if CITED.contains(&name.as_str()) => {
                    for item in new {
                        if old.len() < MOST_PLACES && !old.contains(&item) {
                            old.push(item);
                        }
                    }
                }
                (_, value) => {
                    known.insert(name, value);
                }
            }
        }
    }

    /// All of it has come: the metadata one by one, with the characters that each support or citation
    /// stands for, in their order, as `spans`; `null` where these cannot be told.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Value> {
        let metadata = std::mem::take(&mut self.metadata);
        metadata.into_iter().map(|(name, value)| {
            let spans = self.spans(&value);
            let mut told = Map::from_iter([(name, value)]);
            if !spans.is_empty() {
                told.insert(SPANS.to_owned(), spans.into());
            }
            told.into()
        })
    }

    fn spans(&self, metadata: &Value) -> Vec<Value> {
        let items = |name: &str| metadata[name].as_array().map(Vec::as_slice).unwrap_or_default();
        let supports = items("groundingSupports").iter().map(|support| &support["segment"]);
        let cited = CITED.iter().flat_map(|name| items(name));
        let places = supports.chain(cited).take(MOST_PLACES);
        places.map(|place| self.span(place).map_or(Value::Null, |span| json!(span))).collect()
    }

    /// The characters of a `Segment` or `Citation`.
    fn span(&self, place: &Value) -> Option<(usize, usize)> {
        let number = |name: &str| place[name].as_u64().and_then(|it| usize::try_from(it).ok());
        let (start, end) = (number("startIndex").unwrap_or(0), number("endIndex")?);
        let text = match &self.said {
            Said::Kept(text) => text,
            Said::Counted { bytes, characters } => {
                let plain = bytes == characters && number("partIndex").unwrap_or(0) == 0;
                return (plain && start < end && end <= *bytes).then_some((start, end));
            }
        };
        let part = number("partIndex").and_then(|at| self.begun.get(at)).copied().unwrap_or(0);
        let length = end.checked_sub(start).filter(|length| *length > 0)?;
        let starts = [part.saturating_add(start), start];
        let at = |start: usize| Some(start..start.checked_add(length)?);
        let quoted = place["text"].as_str().filter(|quoted| !quoted.is_empty());
        let found = match quoted {
            None => {
                starts.into_iter().filter_map(at).find(|range| text.get(range.clone()).is_some())
            }
            Some(quoted) => {
                let mut ranges = starts.into_iter().filter_map(at);
                let as_told = ranges.find(|range| text.get(range.clone()) == Some(quoted));
                as_told.or_else(|| nearest(text, quoted, starts[0]))
            }
        }?;
        let characters = |end: usize| text[..end].chars().count();
        Some((characters(found.start), characters(found.end)))
    }
}

/// Where a text says this, the closest to a byte.
fn nearest(text: &str, quoted: &str, to: usize) -> Option<std::ops::Range<usize>> {
    let places = text.match_indices(quoted).map(|(at, _)| at);
    places.min_by_key(|at| at.abs_diff(to)).map(|at| at..at + quoted.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(sources: &mut Sources, name: &str, metadata: Value) -> Value {
        sources.tell(name, metadata);
        sources.take().next().unwrap()[SPANS].take()
    }

    fn grounded(sources: &mut Sources, segments: Value) -> Value {
        let Value::Array(segments) = segments else { unreachable!("a list") };
        let supports = segments.into_iter().map(|segment| json!({ "segment": segment }));
        let supports: Vec<_> = supports.collect();
        spans(sources, METADATA[0], json!({ "groundingSupports": supports }))
    }

    #[test]
    fn bytes_become_characters_of_what_was_said() {
        let mut sources = Sources::new(true);
        sources.begin(Voice::Speaks, true);
        sources.say("Zürich is ");
        sources.begin(Voice::Speaks, true);
        sources.say("big. Zürich is old.");
        let segments = json!([
            {"endIndex": 15, "text": "Zürich is big."},
            {"startIndex": 16, "endIndex": 31, "text": "Zürich is old."},
            // Two bytes too far, as a recorded answer was.
            {"startIndex": 18, "endIndex": 33, "text": "Zürich is old."},
            {"startIndex": 0, "endIndex": 7},
            // In the midst of a letter, beyond the end, and nothing at all.
            {"startIndex": 2, "endIndex": 4},
            {"startIndex": 16, "endIndex": 99},
            {"startIndex": 5, "endIndex": 5, "text": "Zürich"},
            {"startIndex": 0, "endIndex": 7, "text": "Vienna"},
            {},
        ]);
        let expected = json!([[0, 14], [15, 29], [15, 29], [0, 6], null, null, null, null, null]);
        assert_eq!(grounded(&mut sources, segments), expected);
    }

    #[test]
    fn a_place_in_a_later_part_counts_from_that_parts_beginning() {
        let mut sources = Sources::new(true);
        for (voice, text, is_first) in [
            (Voice::Thinks, "", true),
            (Voice::Speaks, "é so. ", false),
            (Voice::Else, "", false),
            (Voice::Speaks, "é", false),
            // The next chunk.
            (Voice::Speaks, " so.", true),
        ] {
            sources.begin(voice, is_first);
            sources.say(text);
        }
        let segments = json!([
            {"partIndex": 1, "endIndex": 6, "text": "é so."},
            {"partIndex": 3, "endIndex": 6, "text": "é so."},
            {"partIndex": 3, "endIndex": 2},
            // Of the whole text, whatever the part is said to be.
            {"partIndex": 2, "startIndex": 7, "endIndex": 13, "text": "é so."},
            {"partIndex": 9, "startIndex": 7, "endIndex": 13, "text": "é so."},
        ]);
        let expected = json!([[0, 5], [6, 11], [6, 7], [6, 11], [6, 11]]);
        assert_eq!(grounded(&mut sources, segments), expected);
    }

    #[test]
    fn text_that_is_not_kept_has_places_as_long_as_bytes_are_characters() {
        let segment = || json!([{"startIndex": 1, "endIndex": 3, "text": "bc"}]);
        for (text, expected) in
            [("abcd", json!([[1, 3]])), ("abcdé", json!([null])), ("ab", json!([null]))]
        {
            let mut sources = Sources::new(false);
            sources.say(text);
            assert_eq!(grounded(&mut sources, segment()), expected, "{text}");
        }
        let mut long = Sources::new(true);
        long.say(&"a".repeat(MOST_TEXT));
        long.say("é");
        assert_eq!(grounded(&mut long, segment()), json!([null]));
    }

    #[test]
    fn what_a_stream_tells_again_is_told_once() {
        let mut sources = Sources::new(true);
        sources.say("abcdef");
        let cited = |items: Value| json!({ "citations": items });
        sources.tell(METADATA[1], cited(json!([{"endIndex": 2}])));
        let more = json!([{"endIndex": 2}, {"startIndex": 2, "endIndex": 4}]);
        assert_eq!(spans(&mut sources, METADATA[1], cited(more)), json!([[0, 2], [2, 4]]));
        assert_eq!(sources.take().count(), 0);
        sources.tell(METADATA[0], json!({ "webSearchQueries": ["q"], "groundingChunks": [1] }));
        sources.tell(METADATA[0], json!({ "groundingChunks": [1, 2] }));
        let told: Vec<_> = sources.take().collect();
        let expected = json!({"webSearchQueries": ["q"], "groundingChunks": [1, 2]});
        assert_eq!(told, [json!({ METADATA[0]: expected })]);
    }
}
