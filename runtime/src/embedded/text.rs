//! From token bytes to text that may be shown: whole characters, nothing from a stop text on.

/// Puts characters together whose bytes are spread over several tokens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Characters {
    broken: Vec<u8>,
}

/// Finds the first stop text to be completed, and holds back what may become one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stops {
    stops: Vec<String>,
    held: String,
}

/// What may be shown after a piece of text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Released {
    /// Text that is surely no part of a stop text.
    pub(crate) text: String,
    /// A stop text is complete; nothing after `text` may be shown.
    pub(crate) stopped: bool,
}

// === impl Characters ===

impl Characters {
    /// Takes in a token's bytes and gives the characters that are whole now. Bytes that can never
    /// become a character are shown as U+FFFD.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.broken.extend_from_slice(bytes);
        let mut whole = String::new();
        let mut rest = 0;
        for chunk in self.broken.utf8_chunks() {
            whole.push_str(chunk.valid());
            rest += chunk.valid().len();
            let reaches_end = rest + chunk.invalid().len() == self.broken.len();
            if reaches_end && may_become_character(chunk.invalid()) {
                break;
            }
            if !chunk.invalid().is_empty() {
                whole.push(char::REPLACEMENT_CHARACTER);
                rest += chunk.invalid().len();
            }
        }
        self.broken.drain(..rest);
        whole
    }
}

/// Whether bytes are the beginning of a character that only lacks its end.
fn may_become_character(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

// === impl Stops ===

impl Stops {
    pub(crate) fn new(stops: &[String]) -> Self {
        Self { stops: stops.to_vec(), held: String::new() }
    }

    /// Takes in more text.
    pub(crate) fn push(&mut self, text: &str) -> Released {
        self.held.push_str(text);
        if let Some(begin) = self.first_completed() {
            let text = self.held[..begin].to_owned();
            self.held.clear();
            return Released { text, stopped: true };
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let shown = self.held.len() - keep;
        Released { text: self.held.drain(..shown).collect(), stopped: false }
    }

    /// Gives back what was held: the text is at its end, so nothing can be completed any more.
    pub(crate) fn flush(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Where the stop text begins that is completed first; of two that end together, the longer.
    fn first_completed(&self) -> Option<usize> {
        let found = self.stops.iter().filter_map(|stop| {
            let begin = self.held.find(stop.as_str())?;
            Some((begin + stop.len(), begin))
        });
        found.min().map(|(_, begin)| begin)
    }
}

/// Length of the longest end of `text` with which `stop` begins, short of all of it.
pub(crate) fn overlap(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len().saturating_sub(1));
    let fits = |&length: &usize| text.as_bytes().ends_with(&stop.as_bytes()[..length]);
    (1..=longest).rev().filter(|&length| stop.is_char_boundary(length)).find(fits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stops(stops: &[&str]) -> Stops {
        Stops::new(&stops.iter().map(|&stop| stop.to_owned()).collect::<Vec<_>>())
    }

    /// Pushes pieces until a stop; the text shown and whether it stopped.
    fn shown<'a>(mut stops: Stops, pieces: impl IntoIterator<Item = &'a str>) -> (String, bool) {
        let mut text = String::new();
        for piece in pieces {
            let released = stops.push(piece);
            text.push_str(&released.text);
            if released.stopped {
                return (text, true);
            }
        }
        (text + &stops.flush(), false)
    }

    #[test]
    fn a_character_waits_for_its_last_byte() {
        let mut characters = Characters::default();
        let [first, second, third, fourth] = "🦊".as_bytes() else { panic!("not four bytes") };
        assert_eq!(characters.push(&[b'a', *first, *second]), "a");
        assert_eq!(characters.push(&[*third]), "");
        assert_eq!(characters.push(&[*fourth, b'b']), "🦊b");
    }

    #[test]
    fn hopeless_bytes_are_replaced() {
        let mut characters = Characters::default();
        assert_eq!(characters.push(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(characters.push(b"\xe2\x82"), "");
        assert_eq!(characters.push(b"c"), "\u{fffd}c");
    }

    #[test]
    fn a_stop_is_met_across_pieces_and_never_leaks() {
        let mut found = stops(&["\n\nUser:"]);
        assert_eq!(found.push("Hi\n"), Released { text: "Hi".into(), stopped: false });
        assert_eq!(found.push("\nUs"), Released { text: String::new(), stopped: false });
        assert_eq!(found.push("er: x"), Released { text: String::new(), stopped: true });
    }

    #[test]
    fn what_only_looked_like_a_stop_is_shown() {
        assert_eq!(shown(stops(&["END"]), ["E", "N", "E", "N"]), ("ENEN".into(), false));
        assert_eq!(shown(stops(&["aab"]), ["aa", "ab"]), ("a".into(), true));
    }

    #[test]
    fn the_stop_completed_first_wins() {
        assert_eq!(shown(stops(&["abcd", "bc"]), ["abcd"]), ("a".into(), true));
        assert_eq!(shown(stops(&["abc", "bc"]), ["xabc"]), ("x".into(), true));
    }

    proptest! {
        #[test]
        fn characters_do_not_depend_on_the_cuts(text in "\\PC{0,30}", cut in 1_usize..5) {
            let mut characters = Characters::default();
            let pieces = text.as_bytes().chunks(cut).map(|piece| characters.push(piece));
            prop_assert_eq!(pieces.collect::<String>(), text);
        }

        #[test]
        fn stops_do_not_depend_on_the_cuts(
            text in "[abé]{0,40}", wanted in prop::collection::vec("[abé]{1,4}", 0..4)
        ) {
            let whole = shown(Stops::new(&wanted), [text.as_str()]);
            let mut buffer = [0; 4];
            let mut single = Stops::new(&wanted);
            let mut seen = (String::new(), false);
            for character in text.chars() {
                let released = single.push(character.encode_utf8(&mut buffer));
                seen.0.push_str(&released.text);
                if released.stopped {
                    seen.1 = true;
                    break;
                }
            }
            if !seen.1 {
                seen.0.push_str(&single.flush());
            }
            prop_assert_eq!(&seen, &whole);
            let begin = wanted.iter().filter_map(|stop| {
                text.find(stop.as_str()).map(|begin| (begin + stop.len(), begin))
            }).min();
            let expected = begin.map_or(text.as_str(), |(_, begin)| &text[..begin]);
            prop_assert_eq!(seen.0.as_str(), expected);
        }
    }
}
