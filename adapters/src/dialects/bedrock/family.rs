//! What a model can do on Bedrock, told from its id.
//!
//! An id is `VENDOR.MODEL-VERSION`, with the prefix of an inference profile or inside an ARN. The ARN
//! of an application's own profile, of a provisioned or an imported model tells nothing.
//!
//! The facts are those of the user guide: "Inference request parameters" of each vendor, "Supported
//! models" of prompt caching, "Get validated JSON results from models" for schemas.

use isthmus_inference::part::formats;

use crate::dialects::anthropic::models::Abilities;

/// Models that are asked alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Claude,
    Nova,
    /// Nova 2: thinks.
    Nova2,
    GptOss,
    Qwen3,
    Cohere,
    Mistral,
    Llama,
    /// Any other model with a name.
    Other,
    /// It has no name that tells.
    Unknown,
}

/// What stands in the ids of a family; the first that fits counts.
const FAMILIES: [(&str, Family); 8] = [
    ("anthropic.claude", Family::Claude),
    ("amazon.nova-2", Family::Nova2),
    ("amazon.nova", Family::Nova),
    ("openai.gpt-oss", Family::GptOss),
    ("qwen.qwen3", Family::Qwen3),
    ("cohere.command", Family::Cohere),
    ("mistral.", Family::Mistral),
    ("meta.llama", Family::Llama),
];

/// Models beside Claude's whose answers Bedrock holds to a schema.
const SCHEMAS: [&str; 12] = [
    "deepseek.v3",
    "google.gemma-3-12b",
    "google.gemma-3-27b",
    "minimax.minimax-m2",
    "mistral.magistral-small",
    "mistral.ministral-3",
    "mistral.mistral-large-3",
    "mistral.voxtral",
    "moonshot.kimi-k2",
    "nvidia.nemotron-nano",
    "openai.gpt-oss",
    "qwen.qwen3",
];
/// Claude's models that know schemas at Anthropic and not here.
const NO_SCHEMAS: [&str; 3] = ["claude-opus-4-1", "claude-opus-4-7", "claude-opus-4-8"];

impl Family {
    /// The family of the model with this id.
    pub(super) fn of(model: &str) -> Self {
        let known = FAMILIES.iter().find(|(part, _)| model.contains(part));
        match known {
            Some((_, family)) => *family,
            None if model.starts_with("arn:") => Self::Unknown,
            None => Self::Other,
        }
    }

    /// Whose the model's signatures are: who else can read them.
    pub(super) fn signs(self) -> &'static str {
        match self {
            // Only Claude signs today.
            Self::Claude | Self::Unknown => formats::ANTHROPIC,
            _ => formats::BEDROCK,
        }
    }

    /// Whether documents can be cited (user guide, "Citations").
    pub(super) fn cites(self) -> bool {
        matches!(self, Self::Claude | Self::Unknown)
    }

    /// Whether a call can be forced (user guide and API reference, `ToolChoice`).
    pub(super) fn forces_calls(self) -> bool {
        !matches!(self, Self::Cohere | Self::Llama)
    }

    /// Whether it can be the call of one function among several.
    pub(super) fn forces_one(self) -> bool {
        matches!(self, Self::Claude | Self::Nova | Self::Nova2 | Self::Unknown)
    }

    /// Whether prefixes can be marked as worth caching, among turns and in the system's blocks.
    pub(super) fn caches(self) -> bool {
        matches!(self, Self::Claude | Self::Nova | Self::Nova2 | Self::Unknown)
    }

    /// Whether they can among tools.
    pub(super) fn caches_tools(self) -> bool {
        matches!(self, Self::Claude | Self::Unknown)
    }
}

/// Whether Bedrock holds this model's answers to a schema, and its calls where tools are `strict`.
pub(super) fn knows_schemas(model: &str) -> bool {
    let names = |parts: &[&str]| parts.iter().any(|part| model.contains(part));
    match Family::of(model) {
        Family::Claude => Abilities::of(model).schemas && !names(&NO_SCHEMAS),
        _ => names(&SCHEMAS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_the_family() {
        let cases = [
            ("anthropic.claude-3-haiku-20240307-v1:0", Family::Claude),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Family::Claude),
            ("arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0", Family::Nova),
            ("global.amazon.nova-2-lite-v1:0", Family::Nova2),
            ("us.mistral.pixtral-large-2502-v1:0", Family::Mistral),
            ("meta.llama3-2-1b-instruct-v1:0", Family::Llama),
            ("deepseek.v3-v1:0", Family::Other),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x", Family::Unknown),
        ];
        for (model, family) in cases {
            assert_eq!(Family::of(model), family, "{model}");
        }
    }

    #[test]
    fn schemas_are_known_where_the_guide_says_so() {
        for (model, known) in [
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", true),
            ("us.anthropic.claude-sonnet-5", true),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", false),
            ("us.anthropic.claude-opus-4-1-20250805-v1:0", false),
            ("qwen.qwen3-32b-v1:0", true),
            ("us.amazon.nova-2-lite-v1:0", false),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x", false),
        ] {
            assert_eq!(knows_schemas(model), known, "{model}");
        }
    }
}
