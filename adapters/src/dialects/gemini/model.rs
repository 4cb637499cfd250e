//! What a Gemini model can do, by its name.

/// A model, read from its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model<'a> {
    name: &'a str,
    /// Like (2, 5); `None` for aliases such as `gemini-flash-latest`, which mean the newest, and for
    /// names that say nothing.
    version: Option<(u32, u32)>,
}

impl<'a> Model<'a> {
    pub(super) fn new(name: &'a str) -> Self {
        Self { name, version: version(name) }
    }

    /// Whether the name says `pro`: those cannot stop thinking.
    pub(super) fn is_pro(self) -> bool {
        self.name.contains("-pro")
    }

    /// Whether it thinks at all: Gemini 2.5 and later do, Gemma and the like do not, nor do the voices
    /// and the painter of 2.5.
    pub(super) fn thinks(self) -> bool {
        let speechless =
            self.version == Some((2, 5)) && (self.paints() || self.name.contains("-tts"));
        self.name.contains("gemini") && self.at_least(2, 5) && !speechless
    }

    /// Whether it makes images.
    fn paints(self) -> bool {
        self.name.contains("-image")
    }

    /// The tokens that it may be told to think, beside none at all (guide "Thinking", table of budgets).
    pub(super) fn budgets(self) -> std::ops::RangeInclusive<u32> {
        match () {
            () if self.is_pro() => 128..=32_768,
            () if self.name.contains("-lite") => 512..=24_576,
            () => 1..=24_576,
        }
    }

    /// Whether there is no level beneath `LOW`: with the Pro models, and with Flash since 3.7 (guide
    /// "Thinking", table of levels).
    pub(super) fn lacks_minimal(self) -> bool {
        self.is_pro()
            || (self.version.is_some_and(|it| it >= (3, 7)) && !self.name.contains("-lite"))
    }

    /// Whether it knows the least level and the highest and none between: the painters of Flash.
    pub(super) fn knows_extremes(self) -> bool {
        self.paints() && !self.is_pro()
    }

    /// Whether it takes `thinkingLevel`, and not a budget (Gemini 3 and later).
    pub(super) fn has_levels(self) -> bool {
        self.at_least(3, 0)
    }

    /// Whether the medium level is missing (Gemini 3 Pro alone).
    pub(super) fn lacks_medium(self) -> bool {
        self.is_pro() && self.version == Some((3, 0))
    }

    /// Whether functions and JSON answers go together; earlier ones answer with "Function calling
    /// with a response mime type: 'application/json' is unsupported".
    pub(super) fn mixes_tools_and_json(self) -> bool {
        self.at_least(3, 0)
    }

    /// Whether a call in the conversation must carry a signature, a function's result may hold images,
    /// and each image can be looked at more or less closely (Gemini 3 and later).
    pub(super) fn signs_calls(self) -> bool {
        self.at_least(3, 0)
    }

    /// Whether the mode `VALIDATED` is there.
    pub(super) fn validates(self) -> bool {
        self.at_least(2, 5)
    }

    /// Whether an embedding's purpose is told in the text (Gemini Embedding 2).
    pub(super) fn takes_purpose_as_text(self) -> bool {
        self.name.contains("gemini-embedding-2")
    }

    fn at_least(self, major: u32, minor: u32) -> bool {
        self.version.is_none_or(|version| version >= (major, minor))
    }
}

fn version(name: &str) -> Option<(u32, u32)> {
    let rest = name.split_once("gemini-")?.1;
    let digits = rest.split(|c: char| c != '.' && !c.is_ascii_digit()).next()?;
    let (major, minor) = digits.split_once('.').unwrap_or((digits, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_a_model_can_do() {
        for (name, thinks, levels) in [
            ("gemini-1.5-flash", false, false),
            ("gemini-2.0-flash-exp", false, false),
            ("gemini-2.5-pro", true, false),
            ("models/gemini-2.5-flash-lite", true, false),
            ("publishers/google/models/gemini-3-pro-preview", true, true),
            ("gemini-3.1-flash", true, true),
            ("gemini-flash-latest", true, true),
            ("gemma-3-27b-it", false, true),
            ("gemini-2.5-flash-image", false, false),
            ("gemini-2.5-pro-preview-tts", false, false),
            ("gemini-3.1-flash-image", true, true),
        ] {
            let model = Model::new(name);
            assert_eq!((model.thinks(), model.has_levels()), (thinks, levels), "{name}");
        }
        assert!(Model::new("gemini-3-pro-preview").lacks_medium());
        assert!(!Model::new("gemini-3.1-pro").lacks_medium());
    }
}
