//! How much to think, in the words of the model's generation.
//!
//! Until 4.5 thinking has a budget of tokens; from 4.6 on it is `adaptive` and steered by
//! `output_config.effort` (the vendor's pages "Extended thinking", "Adaptive thinking", "Effort").

use isthmus_inference::chat::{ChatRequest, Effort, Message, Reasoning, Role, Summary, ToolChoice};
use isthmus_inference::part::{Part, formats};
use serde_json::{Map, Value, json};

use super::models::{Abilities, Efforts, Thinking};

/// The smallest budget that the API takes.
const LEAST_BUDGET: u32 = 1024;

/// What is said of thinking.
#[derive(Debug, Default, PartialEq)]
pub(in crate::dialects) struct Thought {
    /// `thinking`.
    pub(in crate::dialects) thinking: Option<Value>,
    /// `output_config.effort`.
    pub(in crate::dialects) effort: Option<&'static str>,
    /// The caller's wish could not be kept.
    pub(in crate::dialects) dropped: bool,
}

impl Thought {
    /// What this request says of thinking. `forced` is whether a call will be forced, which excludes
    /// thinking with a budget.
    pub(in crate::dialects) fn of(
        chat: &ChatRequest,
        abilities: &Abilities,
        max: u32,
        forced: bool,
    ) -> Self {
        let reasoning = &chat.reasoning;
        if reasoning.is_off() || !reasoning.is_asked() || forced {
            return Self::without(reasoning, abilities, forced);
        }
        let budgeted = reasoning.budget.is_some();
        match abilities.thinking {
            Thinking::Never => Self { dropped: true, ..Self::default() },
            Thinking::Budget => Self::budgeted(chat, abilities, max),
            Thinking::Either if budgeted => Self::budgeted(chat, abilities, max),
            Thinking::Either | Thinking::Adaptive => Self::adaptive(reasoning, abilities, max),
        }
    }

    /// Whether thinking is switched on.
    pub(in crate::dialects) fn is_on(&self) -> bool {
        self.thinking.as_ref().is_some_and(|thinking| thinking["type"] != "disabled")
    }

    /// No thinking, by wish or by need.
    fn without(reasoning: &Reasoning, abilities: &Abilities, forced: bool) -> Self {
        let wanted = reasoning.is_asked() && !reasoning.is_off();
        let mut thought = Self { dropped: forced && wanted, ..Self::default() };
        if abilities.can_stop_thinking && reasoning.is_off() {
            thought.thinking = Some(json!({ "type": "disabled" }));
        } else if abilities.thinks_unasked && reasoning.is_off() {
            // It cannot be stopped: as little as there is.
            thought.effort = Some("low");
            thought.dropped = true;
        }
        thought
    }

    fn budgeted(chat: &ChatRequest, abilities: &Abilities, max: u32) -> Self {
        let reasoning = &chat.reasoning;
        let effort = reasoning.effort.unwrap_or(Effort::Medium);
        let wanted = reasoning.budget.unwrap_or_else(|| effort.as_budget(max));
        let budget = wanted.max(LEAST_BUDGET).min(max.saturating_sub(1));
        if budget < LEAST_BUDGET || goes_on_without_thoughts(chat.messages()) {
            return Self { dropped: true, ..Self::default() };
        }
        let thinking = json!({ "type": "enabled", "budget_tokens": budget });
        Self {
            thinking: Some(shown(thinking, reasoning)),
            effort: reasoning.effort.and_then(|effort| word(effort, abilities.efforts)),
            dropped: false,
        }
    }

    fn adaptive(reasoning: &Reasoning, abilities: &Abilities, max: u32) -> Self {
        let of_budget = |budget| Effort::of_budget(budget, max);
        let effort = reasoning.effort.or_else(|| reasoning.budget.map(of_budget));
        Self {
            thinking: Some(shown(json!({ "type": "adaptive" }), reasoning)),
            effort: effort.and_then(|effort| word(effort, abilities.efforts)),
            dropped: false,
        }
    }
}

/// Adds whether the thinking is to be seen, where the caller said.
fn shown(mut thinking: Value, reasoning: &Reasoning) -> Value {
    let display = match reasoning.summary {
        None => return thinking,
        Some(Summary::Hidden) => "omitted",
        Some(Summary::Auto | Summary::Concise | Summary::Detailed) => "summarized",
    };
    thinking["display"] = display.into();
    thinking
}

/// The word for an effort, or the nearest one that the model knows.
fn word(effort: Effort, known: Efforts) -> Option<&'static str> {
    match (effort, known) {
        (_, Efforts::Unknown) => None,
        (Effort::None | Effort::Minimal | Effort::Low, _) => Some("low"),
        (Effort::Medium, _) => Some("medium"),
        (Effort::XHigh, Efforts::Five) => Some("xhigh"),
        (Effort::Max, Efforts::Four | Efforts::Five) => Some("max"),
        (Effort::High | Effort::XHigh | Effort::Max, _) => Some("high"),
    }
}

/// Whether the model is to go on after calls whose turn does not begin with its own thoughts, which
/// the API refuses while thinking with a budget is on. Callers whose dialect has no place for
/// thoughts come like that.
fn goes_on_without_thoughts(messages: &[Message]) -> bool {
    if messages.last().is_none_or(|last| last.role != Role::Tool) {
        return false;
    }
    let turn = messages.iter().rev().find(|message| message.role == Role::Assistant);
    !turn.is_some_and(|turn| {
        turn.content.iter().any(|part| {
            matches!(part, Part::Thinking { signature: Some(by), .. } if by.format == formats::ANTHROPIC)
        })
    })
}

/// Whether the caller's choice forces a call.
pub(in crate::dialects) fn is_forced(choice: &ToolChoice) -> bool {
    matches!(choice, ToolChoice::Required | ToolChoice::Named(_))
}

/// The sampling that the model takes while it thinks or does not, and what of it is left out.
pub(in crate::dialects) fn sampling(
    chat: &ChatRequest,
    abilities: &Abilities,
    thinks: bool,
    dropped: &mut Vec<String>,
) -> Map<String, Value> {
    let wanted = &chat.sampling;
    // Other vendors go up to 2; what is above 1 is as wild as it gets here.
    let temperature = wanted.temperature.map(|heat| heat.min(1.0));
    let limit = wanted.top_k.filter(|limit| *limit > 0);
    // With thinking, `temperature` and `top_k` may not be set and `top_p` not below 0.95.
    let tempered = abilities.sampling && !thinks;
    let spread = abilities.sampling
        && (abilities.both_spreads || temperature.is_none() || !tempered)
        && (!thinks || wanted.top_p >= Some(0.95));
    let members = [
        // The usual one may always be said.
        (
            "temperature",
            temperature.map(number),
            tempered || temperature == Some(1.0) && abilities.sampling,
        ),
        ("top_p", wanted.top_p.map(number), spread),
        ("top_k", limit.map(Value::from), tempered),
    ];
    let mut kept = Map::new();
    for (name, value, is_taken) in members {
        let Some(value) = value else { continue };
        let usual = name != "top_k" && value.as_f64() == Some(1.0);
        if is_taken {
            kept.insert(name.to_owned(), value);
        } else if !usual {
            dropped.push(name.to_owned());
        }
    }
    kept
}

/// A number, without a fraction where it has none.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { (value as i64).into() } else { value.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isthmus_inference::chat::Prompt;

    fn thought(model: &str, reasoning: Reasoning, max: u32, forced: bool) -> Thought {
        let chat = ChatRequest { reasoning, ..ChatRequest::default() };
        Thought::of(&chat, &Abilities::of(model), max, forced)
    }

    fn effort(effort: Effort) -> Reasoning {
        Reasoning { effort: Some(effort), ..Reasoning::default() }
    }

    fn budget(budget: u32) -> Reasoning {
        Reasoning { budget: Some(budget), ..Reasoning::default() }
    }

    #[test]
    fn each_generation_has_its_own_words() {
        let enabled = |budget: u32| Some(json!({"type": "enabled", "budget_tokens": budget}));
        let adaptive = Some(json!({"type": "adaptive"}));
        let disabled = Some(json!({"type": "disabled"}));
        let cases = [
            ("claude-3-5-haiku-latest", effort(Effort::High), None, None, true),
            ("claude-haiku-4-5", effort(Effort::High), enabled(8000), None, false),
            ("claude-haiku-4-5", effort(Effort::Minimal), enabled(1024), None, false),
            ("claude-haiku-4-5", budget(20_000), enabled(9999), None, false),
            ("claude-opus-4-5", effort(Effort::Max), enabled(9500), Some("high"), false),
            ("claude-sonnet-4-6", budget(2048), enabled(2048), None, false),
            ("claude-sonnet-4-6", effort(Effort::Max), adaptive.clone(), Some("max"), false),
            ("claude-opus-4-8", budget(2000), adaptive.clone(), Some("low"), false),
            ("claude-opus-4-8", effort(Effort::XHigh), adaptive, Some("xhigh"), false),
            ("claude-opus-4-8", effort(Effort::None), None, None, false),
            ("claude-opus-5", effort(Effort::None), disabled, None, false),
            ("claude-fable-5", effort(Effort::None), None, Some("low"), true),
            ("claude-opus-5", Reasoning::default(), None, None, false),
        ];
        for (model, reasoning, thinking, effort, dropped) in cases {
            let found = thought(model, reasoning.clone(), 10_000, false);
            assert_eq!(found, Thought { thinking, effort, dropped }, "{model} {reasoning:?}");
        }
    }

    #[test]
    fn a_forced_call_leaves_no_room_to_think() {
        let found = thought("claude-haiku-4-5", effort(Effort::High), 10_000, true);
        assert_eq!(found, Thought { dropped: true, ..Thought::default() });
        // What a model does unasked, it leaves by itself.
        let found = thought("claude-opus-5", Reasoning::default(), 10_000, true);
        assert_eq!(found, Thought::default());
    }

    #[test]
    fn a_small_limit_leaves_no_room_to_think() {
        assert!(thought("claude-haiku-4-5", effort(Effort::High), 1024, false).dropped);
        assert!(!thought("claude-haiku-4-5", effort(Effort::High), 1025, false).dropped);
    }

    #[test]
    fn calls_without_thoughts_cannot_be_gone_on_from_with_a_budget() {
        let messages = vec![Message::text(Role::Assistant, "x"), Message::text(Role::Tool, "y")];
        let chat = ChatRequest {
            prompt: Prompt::Messages(messages),
            reasoning: effort(Effort::High),
            ..ChatRequest::default()
        };
        assert!(Thought::of(&chat, &Abilities::of("claude-haiku-4-5"), 10_000, false).dropped);
        assert!(Thought::of(&chat, &Abilities::of("claude-opus-4-8"), 10_000, false).is_on());
    }
}
