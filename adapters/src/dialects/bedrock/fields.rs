//! How tokens are drawn and how much is thought: what all models share in `inferenceConfig`, and each
//! family's own words in `additionalModelRequestFields` (user guide, "Inference request parameters").

use isthmus_inference::chat::{ChatRequest, Effort, Reasoning};
use isthmus_inference::failure::{Failure, Kind};
use serde_json::{Map, Value, json};

use super::family::Family;
use super::tools::{Toolbox, note};
use crate::dialects::anthropic::models::Abilities;
use crate::dialects::anthropic::thinking::{Thought, sampling};

/// What a request says of its tokens.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// `inferenceConfig`.
    pub(super) inference: Map<String, Value>,
    /// `additionalModelRequestFields`.
    pub(super) additional: Map<String, Value>,
    /// `additionalModelResponseFieldPaths`.
    pub(super) wanted: Vec<Value>,
    /// `outputConfig.effort`.
    pub(super) effort: Option<&'static str>,
}

impl Fields {
    /// The words of this model's family.
    pub(super) fn of(
        chat: &ChatRequest,
        model: &str,
        toolbox: &Toolbox,
        dropped: &mut Vec<String>,
    ) -> Result<Self, Failure> {
        let mut fields = Self::default();
        if let Some(max) = chat.sampling.max_tokens {
            fields.infer("maxTokens", max.into());
        }
        match Family::of(model) {
            Family::Claude => fields.claude(chat, model, toolbox, dropped)?,
            family => {
                if toolbox.single {
                    return Err(no_single_calls());
                }
                fields.sampled(chat, family, dropped);
                fields.think(&chat.reasoning, family, dropped);
            }
        }
        let (stop, blank): (Vec<_>, Vec<_>) =
            chat.sampling.stop.iter().partition(|text| !text.trim().is_empty());
        if !stop.is_empty() {
            fields.infer("stopSequences", stop.into_iter().cloned().collect());
        }
        if !blank.is_empty() {
            note(dropped, "stop");
        }
        Ok(fields)
    }

    /// Claude's words, which are Anthropic's.
    fn claude(
        &mut self,
        chat: &ChatRequest,
        model: &str,
        toolbox: &Toolbox,
        dropped: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let abilities = Abilities::of(model);
        if toolbox.forced && !abilities.forced_tools {
            let message = "the endpoint's model cannot be made to call a function";
            return Err(Failure::new(Kind::Unsupported, message).with_param("tool_choice"));
        }
        let max = chat.sampling.max_tokens.unwrap_or(abilities.max_tokens);
        let thought = Thought::of(chat, &abilities, max, toolbox.forced);
        if thought.dropped {
            note(dropped, "reasoning_effort");
        }
        let thinks = thought.is_on();
        let budgeted = thought.thinking.as_ref().is_some_and(|it| it["type"] == "enabled");
        if budgeted && chat.sampling.max_tokens.is_none() {
            // The budget must be less than what may be generated.
            self.infer("maxTokens", max.into());
        }
        self.additional.extend(thought.thinking.map(|thinking| ("thinking".to_owned(), thinking)));
        // Beside a budget, Bedrock does not take it.
        self.effort = thought.effort.filter(|_| !budgeted);
        for (name, value) in sampling(chat, &abilities, thinks, dropped) {
            match name.as_str() {
                "temperature" => self.infer("temperature", value),
                "top_p" => self.infer("topP", value),
                _ => self.add(&name, value),
            }
        }
        if let Some(choice) = toolbox.single_choice() {
            // Earlier ones do not take it here.
            if !abilities.schemas {
                return Err(no_single_calls());
            }
            self.add("tool_choice", choice);
        }
        if !chat.sampling.stop.is_empty() {
            self.wanted.push("/stop_sequence".into());
        }
        Ok(())
    }

    fn sampled(&mut self, chat: &ChatRequest, family: Family, dropped: &mut Vec<String>) {
        let wanted = &chat.sampling;
        if let Some(heat) = wanted.temperature {
            // Other vendors go up to 2; what is above 1 is as wild as it gets here.
            self.infer("temperature", heat.min(1.0).into());
        }
        if let Some(top_p) = wanted.top_p {
            self.infer("topP", top_p.into());
        }
        if family == Family::Cohere {
            self.cohere(chat, dropped);
        }
        let Some(limit) = wanted.top_k.filter(|limit| *limit > 0) else { return };
        match family {
            Family::Nova | Family::Nova2 => self.add("inferenceConfig", json!({ "topK": limit })),
            Family::Mistral => self.add("top_k", limit.into()),
            Family::Cohere => self.add("k", limit.into()),
            _ => note(dropped, "top_k"),
        }
    }

    /// What Command alone can be told: a seed, and penalties from 0 to 1.
    fn cohere(&mut self, chat: &ChatRequest, dropped: &mut Vec<String>) {
        let wanted = &chat.sampling;
        if let Some(seed) = wanted.seed {
            self.add("seed", seed.into());
        }
        for (name, penalty) in [
            ("frequency_penalty", wanted.frequency_penalty),
            ("presence_penalty", wanted.presence_penalty),
        ] {
            match penalty {
                0.0 => {}
                penalty if (0.0..=1.0).contains(&penalty) => self.add(name, penalty.into()),
                _ => note(dropped, name),
            }
        }
    }

    fn think(&mut self, reasoning: &Reasoning, family: Family, dropped: &mut Vec<String>) {
        if !reasoning.is_asked() {
            return;
        }
        match (family, level(reasoning, self.inference.get("maxTokens"))) {
            (Family::Nova2, level) => self.nova_thinks(level),
            (Family::GptOss, Some(level)) => self.add("reasoning_effort", level.into()),
            // It knows two words.
            (Family::Qwen3, Some("low")) => self.add("reasoning_config", "low".into()),
            (Family::Qwen3, Some(_)) => self.add("reasoning_config", "high".into()),
            _ => note(dropped, "reasoning_effort"),
        }
    }

    /// Nova 2 thinks at a high level only where nothing limits its tokens (Nova 2 user guide, "Extended
    /// thinking").
    fn nova_thinks(&mut self, level: Option<&str>) {
        let level = match level {
            Some("high") if !self.inference.is_empty() => Some("medium"),
            level => level,
        };
        let config = match level {
            Some(level) => json!({ "type": "enabled", "maxReasoningEffort": level }),
            None => json!({ "type": "disabled" }),
        };
        self.add("reasoningConfig", config);
    }

    fn infer(&mut self, name: &str, value: Value) {
        self.inference.insert(name.to_owned(), value);
    }

    fn add(&mut self, name: &str, value: Value) {
        self.additional.insert(name.to_owned(), value);
    }
}

/// Of a budget without a limit, this is the whole.
const USUAL_ANSWER: u32 = 16_384;

/// How much thinking, in the three words that most families know; `None` for none at all.
fn level(reasoning: &Reasoning, max: Option<&Value>) -> Option<&'static str> {
    if reasoning.is_off() {
        return None;
    }
    let max = max.and_then(Value::as_u64).and_then(|max| u32::try_from(max).ok());
    let by_budget = |budget| Effort::of_budget(budget, max.unwrap_or(USUAL_ANSWER));
    let effort = reasoning.effort.or_else(|| reasoning.budget.map(by_budget));
    Some(match effort.unwrap_or(Effort::Medium) {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    })
}

fn no_single_calls() -> Failure {
    let message = "the endpoint cannot be held to one call at a time";
    Failure::new(Kind::Unsupported, message).with_param("parallel_tool_calls")
}
