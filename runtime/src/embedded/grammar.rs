//! Answers that must have a shape: a grammar forbids, at each place, the tokens that cannot go on.

use std::sync::OnceLock;

use isthmus_inference::chat::AnswerFormat;
use isthmus_inference::failure::Failure;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llguidance::api::TopLevelGrammar;
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};

/// Compiles grammars for one model's vocabulary.
#[derive(Default)]
pub(crate) struct Grammars {
    /// Walking the vocabulary takes a quarter of a second for fifty thousand tokens: it is done
    /// when the first grammar comes, once.
    factory: OnceLock<Result<ParserFactory, String>>,
}

/// A grammar at some place of one answer.
pub(crate) struct Constraint(Matcher);

// === impl Grammars ===

impl Grammars {
    /// The constraint that a format asks for, if it asks for one.
    pub(crate) fn of_format(
        &self,
        model: &LlamaModel,
        format: &AnswerFormat,
    ) -> Result<Option<Constraint>, Failure> {
        let grammar = match format {
            AnswerFormat::Text => return Ok(None),
            AnswerFormat::JsonObject => of_schema(json!({ "type": "object" })),
            AnswerFormat::JsonSchema(format) => of_schema(format.schema.clone()),
            AnswerFormat::Grammar(lark) => TopLevelGrammar::from_lark(lark.clone()),
        };
        self.compile(model, grammar, "response_format").map(Some)
    }

    /// The constraint of a grammar that this program wrote itself around a caller's `tools`.
    pub(crate) fn of_tools(&self, model: &LlamaModel, lark: String) -> Result<Constraint, Failure> {
        self.compile(model, TopLevelGrammar::from_lark(lark), "tools")
    }

    fn compile(
        &self,
        model: &LlamaModel,
        grammar: TopLevelGrammar,
        param: &str,
    ) -> Result<Constraint, Failure> {
        let refused = |reason: String| {
            Failure::invalid(param, format!("`{param}` cannot be made into a grammar: {reason}"))
        };
        let factory = self.factory.get_or_init(|| new_factory(model));
        let factory = factory.as_ref().map_err(|reason| refused(reason.clone()))?;
        let matcher = Matcher::new(factory.create_parser(grammar));
        matcher.get_error().map_or(Ok(Constraint(matcher)), |reason| Err(refused(reason)))
    }
}

fn new_factory(model: &LlamaModel) -> Result<ParserFactory, String> {
    let vocabulary = LlamaSampler::llguidance_tok_env(model);
    let mut factory =
        ParserFactory::new_simple(&vocabulary).map_err(|reason| reason.to_string())?;
    factory.quiet();
    // Otherwise an error repeats the whole grammar.
    factory.limits_mut().verbose_errors = false;
    Ok(factory)
}

/// Schemas get one way of writing white space unless they say otherwise: a small model that may
/// write as many line breaks as it likes sometimes never stops.
fn of_schema(mut schema: Value) -> TopLevelGrammar {
    if let Value::Object(fields) = &mut schema {
        fields.entry("x-guidance").or_insert_with(compact);
    }
    TopLevelGrammar::from_json_schema(schema)
}

/// llguidance's options for JSON on one line.
pub(crate) fn compact() -> Value {
    json!({ "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": " })
}

// === impl Constraint ===

impl Constraint {
    /// Forbids every token that cannot come next.
    pub(crate) fn restrict(&mut self, logits: &mut [f32]) -> Result<(), String> {
        let allowed = self.0.compute_mask_or_eos().map_err(|reason| reason.to_string())?;
        for (word, logits) in allowed.as_slice().iter().zip(logits.chunks_mut(32)) {
            match *word {
                0 => logits.fill(f32::NEG_INFINITY),
                u32::MAX => {}
                word => forbid_zeros(word, logits),
            }
        }
        Ok(())
    }

    /// Goes on behind a token.
    pub(crate) fn accept(&mut self, token: u32) -> Result<(), String> {
        self.0.consume_token(token).map_err(|reason| reason.to_string())
    }

    /// Whether the grammar is at its end, so that nothing may follow.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.is_stopped()
    }
}

impl Clone for Constraint {
    /// A constraint at the same place that shares no lock with this one.
    fn clone(&self) -> Self {
        Self(self.0.deep_clone())
    }
}

fn forbid_zeros(word: u32, logits: &mut [f32]) {
    for (bit, logit) in logits.iter_mut().enumerate() {
        if word & (1 << bit) == 0 {
            *logit = f32::NEG_INFINITY;
        }
    }
}
