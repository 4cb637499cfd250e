//! `generationConfig`: how tokens are drawn, how much is thought, and the shape of the answer.

use isthmus_inference::chat::{AnswerFormat, ChatRequest, Effort, Reasoning, Summary};
use isthmus_inference::failure::{Failure, Kind};
use serde_json::{Map, Value, json};

use super::model::Model;
use super::schema;
use crate::dialects::refusals::unable;

/// Tokens of thinking for an effort: what Google's own OpenAI-shaped API takes
/// (`ai.google.dev/gemini-api/docs/openai`, "Thinking").
const LOW: u32 = 1024;
const MEDIUM: u32 = 8192;
const HIGH: u32 = 24576;
/// The most answers to one request, and the most texts before which one may end (reference,
/// `GenerationConfig`).
const MOST_CANDIDATES: u32 = 8;
const MOST_STOPS: usize = 5;

/// `generationConfig`, and the caller's words for what was left out.
pub(super) struct Generation {
    pub(super) config: Map<String, Value>,
    pub(super) dropped: Vec<&'static str>,
}

/// Writes it. The answer's format is left out where tools stand for it.
pub(super) fn generation(
    chat: &ChatRequest,
    model: Model<'_>,
    native_format: bool,
) -> Result<Generation, Failure> {
    if chat.wanted_choices() > MOST_CANDIDATES {
        return Err(unable("n", &format!("more than {MOST_CANDIDATES} answers to a request")));
    }
    if chat.sampling.stop.len() > MOST_STOPS {
        return Err(unable("stop", &format!("an answer with more than {MOST_STOPS} stop texts")));
    }
    let mut generation = Generation { config: Map::new(), dropped: vec![] };
    generation.sampling(chat);
    if native_format {
        generation.format(&chat.format)?;
    }
    generation.thinking(&chat.reasoning, model);
    Ok(generation)
}

// === impl Generation ===

impl Generation {
    fn set(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.config.insert(name.to_owned(), value.into());
        }
    }

    fn sampling(&mut self, chat: &ChatRequest) {
        let sampling = &chat.sampling;
        let nonzero = |penalty: f64| Some(penalty).filter(|penalty| *penalty != 0.0);
        self.set("temperature", sampling.temperature);
        self.set("topP", sampling.top_p);
        self.set("topK", sampling.top_k.filter(|k| *k > 0));
        self.set("maxOutputTokens", sampling.max_tokens);
        self.set("seed", sampling.seed.map(fold_seed));
        self.set("presencePenalty", nonzero(sampling.presence_penalty));
        self.set("frequencyPenalty", nonzero(sampling.frequency_penalty));
        self.set("candidateCount", Some(chat.wanted_choices()).filter(|wanted| *wanted > 1));
        if !sampling.stop.is_empty() {
            self.set("stopSequences", Some(json!(sampling.stop)));
        }
        if let Some(top) = chat.top_logprobs {
            self.set("responseLogprobs", Some(true));
            self.set("logprobs", Some(top).filter(|top| *top > 0));
        }
        if !sampling.logit_bias.is_empty() {
            self.dropped.push("logit_bias");
        }
    }

    fn format(&mut self, format: &AnswerFormat) -> Result<(), Failure> {
        match format {
            AnswerFormat::Text => {}
            AnswerFormat::JsonObject => self.set("responseMimeType", Some("application/json")),
            AnswerFormat::JsonSchema(wanted) => {
                self.set("responseMimeType", Some("application/json"));
                self.set("responseJsonSchema", Some(schema::rewritten(&wanted.schema)));
            }
            AnswerFormat::Grammar(_) => {
                let message = "the provider takes no grammar; use a JSON schema";
                return Err(Failure::new(Kind::Unsupported, message).with_param("response_format"));
            }
        }
        Ok(())
    }

    fn thinking(&mut self, reasoning: &Reasoning, model: Model<'_>) {
        let shown = match reasoning.summary {
            Some(Summary::Hidden) => false,
            Some(_) => true,
            None => reasoning.is_asked(),
        };
        if !model.thinks() {
            if reasoning.is_asked() && !reasoning.is_off() {
                self.dropped.push("reasoning_effort");
            }
            return;
        }
        let mut config = Map::new();
        if model.has_levels() {
            if let Some(level) = level(reasoning, model) {
                config.insert("thinkingLevel".to_owned(), level.into());
            }
        } else if let Some(budget) = budget(reasoning, model) {
            config.insert("thinkingBudget".to_owned(), budget.into());
        }
        if shown && !reasoning.is_off() {
            config.insert("includeThoughts".to_owned(), true.into());
        }
        self.set("thinkingConfig", Some(config).filter(|config| !config.is_empty()));
    }
}

/// Seeds are 32-bit integers here: those that fit stay, others keep their lower bits.
fn fold_seed(seed: u64) -> i64 {
    i64::from(i32::try_from(seed.cast_signed()).unwrap_or((seed & 0x7fff_ffff) as i32))
}

/// Gemini 3 and later think in levels. None can stop thinking, and not every model knows every level.
fn level(reasoning: &Reasoning, model: Model<'_>) -> Option<&'static str> {
    let effort = match (reasoning.effort, reasoning.budget) {
        (Some(effort), _) => effort,
        (None, Some(0)) => Effort::None,
        (None, Some(budget)) if budget <= LOW => Effort::Low,
        (None, Some(budget)) if budget <= MEDIUM => Effort::Medium,
        (None, Some(_)) => Effort::High,
        (None, None) => return None,
    };
    Some(match effort {
        Effort::None | Effort::Minimal | Effort::Low if model.knows_extremes() => "MINIMAL",
        Effort::Medium if model.knows_extremes() => "HIGH",
        Effort::None | Effort::Minimal if !model.lacks_minimal() => "MINIMAL",
        Effort::None | Effort::Minimal | Effort::Low => "LOW",
        Effort::Medium if !model.lacks_medium() => "MEDIUM",
        Effort::Medium | Effort::High | Effort::XHigh | Effort::Max => "HIGH",
    })
}

/// Gemini 2.5 counts tokens, within limits; −1 leaves the amount to it.
fn budget(reasoning: &Reasoning, model: Model<'_>) -> Option<i64> {
    let tokens = match (reasoning.budget, reasoning.effort) {
        (Some(budget), _) => budget,
        (None, Some(effort)) => match effort {
            Effort::None => 0,
            Effort::Minimal | Effort::Low => LOW,
            Effort::Medium => MEDIUM,
            Effort::High => HIGH,
            Effort::XHigh | Effort::Max => u32::MAX,
        },
        (None, None) => return reasoning.adaptive.then_some(-1),
    };
    let within = model.budgets();
    Some(match tokens {
        0 if !model.is_pro() => 0,
        tokens => i64::from(tokens.clamp(*within.start(), *within.end())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thinking(model: &str, reasoning: Reasoning) -> Value {
        let chat = ChatRequest { reasoning, ..ChatRequest::default() };
        let mut written = generation(&chat, Model::new(model), true).unwrap();
        written.config.remove("thinkingConfig").unwrap_or_default()
    }

    #[test]
    fn each_generation_is_told_to_think_in_its_own_way() {
        let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
        let budget = |budget| Reasoning { budget: Some(budget), ..Reasoning::default() };
        let hidden = |of: Reasoning| Reasoning { summary: Some(Summary::Hidden), ..of };
        let cases = [
            ("gemini-2.5-flash", effort(Effort::None), json!({"thinkingBudget": 0})),
            ("gemini-2.5-pro", effort(Effort::None), json!({"thinkingBudget": 128})),
            (
                "gemini-2.5-flash",
                effort(Effort::Medium),
                json!({"thinkingBudget": 8192, "includeThoughts": true}),
            ),
            ("gemini-2.5-flash", hidden(budget(500)), json!({"thinkingBudget": 500})),
            (
                "gemini-2.5-pro",
                Reasoning { adaptive: true, ..Reasoning::default() },
                json!({"thinkingBudget": -1, "includeThoughts": true}),
            ),
            ("gemini-3-flash", effort(Effort::None), json!({"thinkingLevel": "MINIMAL"})),
            ("gemini-3-pro-preview", effort(Effort::None), json!({"thinkingLevel": "LOW"})),
            ("gemini-3.5-flash", hidden(budget(9000)), json!({"thinkingLevel": "HIGH"})),
            (
                "gemini-3-pro-preview",
                effort(Effort::Medium),
                json!({"thinkingLevel": "HIGH", "includeThoughts": true}),
            ),
            ("gemini-2.5-flash", hidden(budget(32_000)), json!({"thinkingBudget": 24_576})),
            ("gemini-2.5-flash-lite", hidden(budget(100)), json!({"thinkingBudget": 512})),
            ("gemini-2.5-flash-lite", effort(Effort::None), json!({"thinkingBudget": 0})),
            ("gemini-2.5-pro", hidden(effort(Effort::Max)), json!({"thinkingBudget": 32_768})),
            ("gemini-3.7-flash", effort(Effort::None), json!({"thinkingLevel": "LOW"})),
            (
                "gemini-3.1-flash-image",
                hidden(effort(Effort::Low)),
                json!({"thinkingLevel": "MINIMAL"}),
            ),
            (
                "gemini-3.1-flash-image",
                hidden(effort(Effort::Medium)),
                json!({"thinkingLevel": "HIGH"}),
            ),
            ("gemini-3-flash", Reasoning::default(), Value::Null),
            ("gemini-2.0-flash", effort(Effort::High), Value::Null),
        ];
        for (model, reasoning, expected) in cases {
            assert_eq!(thinking(model, reasoning.clone()), expected, "{model} {reasoning:?}");
        }
    }

    #[test]
    fn what_has_no_room_is_refused() {
        let many = ChatRequest { choices: 9, ..ChatRequest::default() };
        let mut stopped = ChatRequest::default();
        stopped.sampling.stop = vec!["a".into(); 6];
        for (chat, param) in [(many, "n"), (stopped, "stop")] {
            let failure = generation(&chat, Model::new("gemini-3-flash"), true).err().unwrap();
            assert_eq!((failure.kind, failure.param.as_deref()), (Kind::Unsupported, Some(param)));
        }
    }

    #[test]
    fn seeds_fit_into_32_bits() {
        assert_eq!(fold_seed(7), 7);
        assert_eq!(fold_seed(-5_i64 as u64), -5);
        assert_eq!(fold_seed(u64::from(u32::MAX)), i64::from(i32::MAX));
    }
}
