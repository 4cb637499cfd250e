//! What a model can do, told from its name: `claude-FAMILY-MAJOR[-MINOR]` since 4, `claude-MAJOR[-MINOR]-FAMILY`
//! before, with a date or `latest` behind.
//!
//! The facts are those of the vendor's pages "Thinking", "Effort", "Structured outputs",
//! "Mid-conversation system messages" and of the migration guide of each model. A name without a
//! version counts as the newest: the house need not change for each new model.

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialects) struct Abilities {
    pub(in crate::dialects) thinking: Thinking,
    /// Whether thinking happens where nothing is said of it.
    pub(in crate::dialects) thinks_unasked: bool,
    /// Whether `thinking: disabled` is accepted.
    pub(in crate::dialects) can_stop_thinking: bool,
    /// The words that `output_config.effort` may have.
    pub(in crate::dialects) efforts: Efforts,
    /// Whether `temperature`, `top_p` and `top_k` are accepted at all.
    pub(in crate::dialects) sampling: bool,
    /// Whether `temperature` and `top_p` may stand side by side.
    pub(in crate::dialects) both_spreads: bool,
    /// Whether a schema can be asked for in `output_config.format`, and tools can be `strict`.
    pub(in crate::dialects) schemas: bool,
    /// Whether a call can be forced by `tool_choice`.
    pub(in crate::dialects) forced_tools: bool,
    /// Whether a turn of the system may stand among the others.
    pub(in crate::dialects) system_turns: bool,
    /// Whether a last turn of the assistant's is gone on with ("What's new in Claude 4.6", "Prefill
    /// removal").
    pub(in crate::dialects) continues: bool,
    /// The most tokens where the caller sets no limit, for the API wants one: what every model of
    /// the generation accepts.
    pub(in crate::dialects) max_tokens: u32,
}

/// How thinking is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialects) enum Thinking {
    /// Not at all.
    Never,
    /// By a budget of tokens.
    Budget,
    /// Either way.
    Either,
    /// `adaptive`, steered by effort.
    Adaptive,
}

/// How many words there are for effort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialects) enum Efforts {
    /// None.
    Unknown,
    /// `low`, `medium`, `high`.
    Three,
    /// … and `max`.
    Four,
    /// … and `xhigh`.
    Five,
}

/// A version as one number: 4.5 is 405.
type Version = u32;
const NEWEST: Version = 9999;

// === impl Abilities ===

impl Abilities {
    /// Those of the model with this name.
    pub(in crate::dialects) fn of(model: &str) -> Self {
        let version = version(model);
        let is = |family: &str| model.contains(family);
        let always_thinks = (is("fable") || is("mythos")) && version >= 500
            || is("opus") && version >= 505
            || is("sonnet") && version >= 505
            || version == NEWEST;
        Self {
            thinking: match version {
                0..307 => Thinking::Never,
                307..406 => Thinking::Budget,
                406 => Thinking::Either,
                _ => Thinking::Adaptive,
            },
            thinks_unasked: version >= 500,
            can_stop_thinking: version >= 500 && !always_thinks,
            efforts: match version {
                0..405 => Efforts::Unknown,
                405 if is("opus") => Efforts::Three,
                405 => Efforts::Unknown,
                406 => Efforts::Four,
                _ => Efforts::Five,
            },
            sampling: version < 407,
            both_spreads: version < 401,
            schemas: version >= 405 || version == 401,
            forced_tools: !(is("opus") && version >= 505
                || (is("fable") || is("mythos")) && version >= 501),
            continues: version < 406,
            system_turns: version >= 408 && !is("preview"),
            max_tokens: match version {
                0..305 => 4096,
                305..307 => 8192,
                _ => 32_000,
            },
        }
    }
}

/// The first number of one or two digits in a name, and the one right behind it. Longer ones are
/// dates.
fn version(model: &str) -> Version {
    let short = |word: &&str| {
        (1..=2).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit())
    };
    let claude = model.find("claude").map_or("", |at| &model[at..]);
    let mut words = claude.split(['-', '.', '@', ':', '_']).skip_while(|word| !short(word));
    let mut number = || words.next().filter(short).and_then(|word| word.parse::<Version>().ok());
    match (number(), number()) {
        (Some(major), minor) => major * 100 + minor.unwrap_or(0),
        (None, _) => NEWEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_version() {
        let cases = [
            ("claude-2.1", 201),
            ("claude-3-opus-20240229", 300),
            ("claude-3-5-haiku-latest", 305),
            ("claude-3-7-sonnet@20250219", 307),
            ("claude-sonnet-4-20250514", 400),
            ("claude-sonnet-4-0", 400),
            ("claude-opus-4-1@20250805", 401),
            ("claude-haiku-4-5-20251001", 405),
            ("claude-opus-4-8", 408),
            ("claude-sonnet-5", 500),
            ("claude-fable-5-1", 501),
            ("anthropic/claude-opus-4.6", 406),
            ("claude-mythos-preview", NEWEST),
            ("my-own-name-3", NEWEST),
        ];
        for (model, expected) in cases {
            assert_eq!(version(model), expected, "{model}");
        }
    }

    #[test]
    fn abilities_follow_the_version() {
        let cases = [
            ("claude-3-5-haiku-latest", Thinking::Never, Efforts::Unknown, true, false),
            ("claude-sonnet-4-5", Thinking::Budget, Efforts::Unknown, true, true),
            ("claude-opus-4-5", Thinking::Budget, Efforts::Three, true, true),
            ("claude-sonnet-4-6", Thinking::Either, Efforts::Four, true, true),
            ("claude-opus-4-8", Thinking::Adaptive, Efforts::Five, false, true),
            ("claude-opus-5", Thinking::Adaptive, Efforts::Five, false, true),
        ];
        for (model, thinking, efforts, sampling, schemas) in cases {
            let abilities = Abilities::of(model);
            assert_eq!((abilities.thinking, abilities.efforts), (thinking, efforts), "{model}");
            assert_eq!((abilities.sampling, abilities.schemas), (sampling, schemas), "{model}");
        }
        assert!(Abilities::of("claude-opus-5").can_stop_thinking);
        for always in ["claude-fable-5", "claude-opus-5-5"] {
            assert!(!Abilities::of(always).can_stop_thinking, "{always}");
        }
        assert!(!Abilities::of("claude-opus-5-5").forced_tools);
        assert!(Abilities::of("claude-opus-4-8").system_turns);
        assert!(!Abilities::of("claude-opus-4-7").system_turns);
    }
}
