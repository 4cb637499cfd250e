//! The tokenizers that are public and small enough to carry along: OpenAI's.

use isthmus_inference::ident::UpstreamModel;
use tiktoken_rs::CoreBPE;
use tiktoken_rs::tokenizer::{self, Tokenizer as Encoding};

use super::{Tokenizer, pieces};

/// A vocabulary of OpenAI's. The first count with it takes about a tenth of a second, to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vocabulary(Encoding);

/// The most of a text that is given to the library at once. Its patterns are matched by backtracking,
/// which overflows its stack in a megabyte of spaces.
const LONGEST_PIECE: usize = 4096;

/// The vocabulary that comes nearest to those that are unknown: the newest, with 200,000 tokens in many
/// languages. Claude makes some more of a text, Gemini about as many.
pub const fn nearest() -> Vocabulary {
    Vocabulary(Encoding::O200kBase)
}

// === impl Vocabulary ===

impl Vocabulary {
    /// The vocabulary of a model, if it is one of OpenAI's; `None` for any other. Names with an
    /// organisation before them (`openai/gpt-4o`, `openai.gpt-oss-120b-1:0`) are known too.
    pub fn of(model: &UpstreamModel) -> Option<Self> {
        let name = model.as_str().to_ascii_lowercase();
        let name = name.rsplit('/').next()?;
        let name = name.strip_prefix("openai.").unwrap_or(name);
        tokenizer::get_tokenizer(name).map(Self)
    }

    /// Its table. Those that differ in control tokens alone share one: here these are text.
    fn encoding(self) -> &'static CoreBPE {
        match self.0 {
            Encoding::O200kHarmony | Encoding::O200kBase => tiktoken_rs::o200k_base_singleton(),
            Encoding::Cl100kBase => tiktoken_rs::cl100k_base_singleton(),
            Encoding::P50kEdit | Encoding::P50kBase => tiktoken_rs::p50k_base_singleton(),
            Encoding::R50kBase | Encoding::Gpt2 => tiktoken_rs::r50k_base_singleton(),
        }
    }
}

impl Tokenizer for Vocabulary {
    fn count(&self, text: &str) -> u64 {
        let encoding = self.encoding();
        pieces(text, cut).map(|piece| encoding.count_ordinary(piece) as u64).sum()
    }
}

/// Where a text is cut that is too long: before a space and a word where there are any. Tokens begin
/// there, so that nothing is counted twice.
fn cut(text: &str) -> usize {
    if text.len() <= LONGEST_PIECE {
        return text.len();
    }
    let bytes = text.as_bytes();
    let begins_word = |at: &usize| {
        let [before, space, word] = [bytes[*at - 1], bytes[*at], bytes[*at + 1]];
        space == b' ' && !before.is_ascii_whitespace() && word.is_ascii_alphanumeric()
    };
    let near = LONGEST_PIECE / 2..LONGEST_PIECE - 1;
    near.rev().find(begins_word).unwrap_or_else(|| text.floor_char_boundary(LONGEST_PIECE))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vocabulary(model: &str) -> Option<Vocabulary> {
        Vocabulary::of(&model.into())
    }

    #[test]
    fn models_are_known_by_any_of_their_names() {
        let known = [
            ("gpt-4o", Encoding::O200kBase),
            ("gpt-4o-mini-2024-07-18", Encoding::O200kBase),
            ("gpt-5.1", Encoding::O200kBase),
            ("openai/gpt-4.1-mini", Encoding::O200kBase),
            ("ft:gpt-4o:acme::x", Encoding::O200kBase),
            ("openai.gpt-oss-120b-1:0", Encoding::O200kHarmony),
            ("gpt-3.5-turbo", Encoding::Cl100kBase),
            ("text-embedding-3-small", Encoding::Cl100kBase),
        ];
        for (name, vocabulary) in known {
            assert_eq!(Vocabulary::of(&name.into()), Some(Vocabulary(vocabulary)), "{name}");
        }
        for unknown in ["claude-sonnet-4-5", "gemini-2.5-pro", "command-a-03-2025", "my-deployment"]
        {
            assert_eq!(vocabulary(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn counts_are_openai_s_own() {
        // Those of "tiktoken" and of the birthday are in OpenAI's cookbook.
        let counts = [
            ("gpt-4o", "hello world", 2),
            ("gpt-4", "tiktoken is great!", 6),
            ("gpt-4", "お誕生日おめでとう", 9),
            ("gpt-4o", "お誕生日おめでとう", 8),
            ("gpt-4o", "<|endoftext|>", 7),
            ("gpt-4o", "", 0),
        ];
        for (model, text, tokens) in counts {
            assert_eq!(vocabulary(model).unwrap().count(text), tokens, "{model} {text}");
        }
    }

    #[test]
    fn hostile_texts_are_counted_too() {
        for text in
            [" ".repeat(1 << 20), "a".repeat(1 << 18), "\n\t ".repeat(1 << 17), "¾".repeat(99_999)]
        {
            let tokens = nearest().count(&text);
            assert!(tokens > 0 && tokens <= text.len() as u64);
        }
    }

    proptest! {
        #[test]
        fn a_cut_text_has_as_many_tokens(words in proptest::collection::vec("[a-zA-Z]{4,12}[.,]?", 900..1500)) {
            let text = words.join(" ");
            prop_assert!(text.len() > LONGEST_PIECE);
            let whole = nearest().encoding().count_ordinary(&text) as u64;
            prop_assert_eq!(nearest().count(&text), whole);
        }

        #[test]
        fn pieces_are_the_text(text in "([a-z ]{0,40}|[\u{e4}\u{1f98a} \n]{0,40}){0,400}") {
            prop_assert_eq!(pieces(&text, cut).collect::<String>(), text.clone());
            prop_assert!(pieces(&text, cut).all(|piece| !piece.is_empty() && piece.len() <= LONGEST_PIECE));
        }
    }
}
