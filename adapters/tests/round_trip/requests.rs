//! Requests, written for providers and read as callers' of the same language.

use isthmus_adapters::dialect::{CallerDialect, ChatDialect};
use isthmus_adapters::dialects::anthropic::{AnthropicCaller, AnthropicChat, Flavour};
use isthmus_adapters::dialects::openai::OpenAiCaller;
use isthmus_adapters::dialects::openai_provider::{OPENAI, OpenAiChat};
use isthmus_adapters::dialects::responses::{ResponsesCaller, ResponsesChat};
use isthmus_adapters::providers::openrouter;
use isthmus_inference::chat::{
    AnswerFormat, ChatRequest, Effort, Message, Prompt, Reasoning, Sampling, ToolChoice,
};
use isthmus_inference::part::Part;
use isthmus_inference::request::Operation;
use proptest::prelude::*;

use super::made;

/// What a format has no room for, and the same change to both sides that leaves it out of account.
type Exception = (&'static str, fn(&mut ChatRequest));

const PARALLEL: Exception = (
    "several calls at once are every vendor's usual, so that only their prohibition is written",
    |chat| {
        let callable = !chat.tools.is_empty() && chat.tool_choice != ToolChoice::None;
        chat.parallel_tool_calls = chat.parallel_tool_calls.filter(|several| !several && callable);
    },
);
const MARKS: Exception = ("the vendor caches by itself, and knows no marks", |chat| {
    change_parts(chat, |parts| parts.retain(|part| !matches!(part, Part::CachePoint(_))));
    chat.tools.iter_mut().for_each(|tool| tool.cache = None);
});

const OPENAI_CHAT: [Exception; 2] = [PARALLEL, MARKS];
const OPENROUTER: [Exception; 2] = [
    PARALLEL,
    ("`max` is the house's own word; the vendor's highest is `xhigh`", |chat| {
        chat.reasoning.effort = chat.reasoning.effort.map(|effort| effort.min(Effort::XHigh));
    }),
];
const RESPONSES: [Exception; 5] = [
    PARALLEL,
    MARKS,
    ("`strict` defaults to true there, so that it is always written", |chat| {
        chat.tools.iter_mut().for_each(|tool| tool.strict = Some(tool.strict == Some(true)));
    }),
    ("`detail` is required there; `auto` is the usual", |chat| {
        change_parts(chat, |parts| {
            for part in parts {
                if let Part::Image { detail, .. } = part {
                    detail.get_or_insert_with(|| "auto".into());
                }
            }
        });
    }),
    ("items of the assistant that follow each other are one turn", joined),
];
const ANTHROPIC: [Exception; 8] = [
    PARALLEL,
    ("a limit of tokens is required", |chat| {
        let usual = 32_000;
        _ = chat.sampling.max_tokens.get_or_insert(usual);
    }),
    ("turns of one role that follow each other are one turn", joined),
    ("a schema has neither name nor description, and is always strict", |chat| {
        if let AnswerFormat::JsonSchema(format) = &mut chat.format {
            (format.name, format.description, format.strict) = (String::new(), None, Some(true));
        }
    }),
    ("`strict: false` is silence", |chat| {
        for tool in &mut chat.tools {
            tool.strict = tool.strict.filter(|strict| *strict);
        }
    }),
    (
        "temperatures end at 1, which is the usual, as it is of `top_p`: left out where both cannot be",
        |chat| {
            let Sampling { temperature, top_p, .. } = &mut chat.sampling;
            *temperature = temperature.filter(|heat| *heat < 1.0);
            *top_p = top_p.filter(|spread| *spread < 1.0);
        },
    ),
    ("images have no detail", |chat| {
        change_parts(chat, |parts| {
            for part in parts {
                if let Part::Image { detail, .. } = part {
                    *detail = None;
                }
            }
        });
    }),
    ("effort becomes a budget of tokens", |chat| chat.reasoning = Reasoning::default()),
];

fn change_parts(chat: &mut ChatRequest, change: impl Fn(&mut Vec<Part>)) {
    if let Prompt::Messages(turns) = &mut chat.prompt {
        turns.iter_mut().for_each(|turn| change(&mut turn.content));
    }
}

fn joined(chat: &mut ChatRequest) {
    let Prompt::Messages(turns) = &mut chat.prompt else { return };
    let mut all: Vec<Message> = vec![];
    for turn in turns.drain(..) {
        match all.last_mut() {
            Some(last) if last.role == turn.role => last.content.extend(turn.content),
            _ => all.push(turn),
        }
    }
    *turns = all;
}

/// Takes out what the dialect said that it dropped.
fn without(chat: &mut ChatRequest, dropped: &[String]) {
    let usual = Sampling::default();
    for name in dropped {
        match name.as_str() {
            "temperature" => chat.sampling.temperature = None,
            "top_p" => chat.sampling.top_p = None,
            "top_k" => chat.sampling.top_k = None,
            "seed" => chat.sampling.seed = None,
            "stop" => chat.sampling.stop.clear(),
            "presence_penalty" => chat.sampling.presence_penalty = usual.presence_penalty,
            "frequency_penalty" => chat.sampling.frequency_penalty = usual.frequency_penalty,
            "logit_bias" => chat.sampling.logit_bias.clear(),
            "reasoning_effort" => chat.reasoning = Reasoning::default(),
            "service_tier" => chat.service_tier = None,
            "user" => chat.user = None,
            "parallel_tool_calls" => chat.parallel_tool_calls = None,
            "messages.name" => {
                if let Prompt::Messages(turns) = &mut chat.prompt {
                    turns.iter_mut().for_each(|turn| turn.name = None);
                }
            }
            "tools.strict" => chat.tools.iter_mut().for_each(|tool| tool.strict = None),
            other => panic!("`{other}` was dropped, and nobody asked for it"),
        }
    }
}

/// Puts the request in the shape that the vendor takes at all.
fn taken(mut chat: ChatRequest, by: &dyn Fn(&mut ChatRequest)) -> ChatRequest {
    by(&mut chat);
    chat
}

fn there_and_back(
    dialect: &dyn ChatDialect,
    model: &str,
    caller: &dyn CallerDialect,
    exceptions: &[Exception],
    chat: &ChatRequest,
) -> Result<(), TestCaseError> {
    let encoded = dialect.encode(chat, &model.into(), false).unwrap();
    let request = caller.read(Operation::Chat, encoded.body.whole()).unwrap();
    let mut back = caller.chat(&request).unwrap();
    let mut went = chat.clone();
    without(&mut went, &encoded.dropped);
    for (_, change) in exceptions {
        change(&mut went);
        change(&mut back);
    }
    prop_assert_eq!(&back, &went, "{}", String::from_utf8_lossy(&encoded.body.whole()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn openai_chat_carries_what_it_came_from(chat in made::request()) {
        there_and_back(&OpenAiChat { style: OPENAI }, "gpt-4.1", &OpenAiCaller, &OPENAI_CHAT, &chat)?;
    }

    #[test]
    fn openrouter_carries_cache_marks_and_effort_too(chat in made::request()) {
        let chat = taken(chat, &|chat| chat.choices = 1);
        let dialect = OpenAiChat { style: openrouter::STYLE };
        there_and_back(&dialect, "any/model", &OpenAiCaller, &OPENROUTER, &chat)?;
    }

    #[test]
    fn responses_carry_what_they_can(chat in made::request()) {
        let chat = taken(chat, &|chat| {
            (chat.choices, chat.sampling.stop) = (1, vec![]);
        });
        there_and_back(&ResponsesChat, "gpt-4.1", &ResponsesCaller, &RESPONSES, &chat)?;
    }

    #[test]
    fn responses_carry_effort_to_models_that_reason(chat in made::request()) {
        let chat = taken(chat, &|chat| {
            (chat.choices, chat.sampling.stop) = (1, vec![]);
            // The model knows these.
            chat.reasoning.effort = chat.reasoning.effort.map(|effort| effort.clamp(Effort::Low, Effort::High));
        });
        there_and_back(&ResponsesChat, "gpt-5", &ResponsesCaller, &RESPONSES, &chat)?;
    }

    #[test]
    fn anthropic_carries_what_it_can(chat in made::request()) {
        let chat = taken(chat, &|chat| {
            (chat.choices, chat.top_logprobs) = (1, None);
            // JSON without a schema becomes a function to be called, which an answer is made of.
            if chat.format == AnswerFormat::JsonObject {
                chat.format = AnswerFormat::Text;
            }
        });
        let dialect = AnthropicChat { flavour: Flavour::Direct };
        there_and_back(&dialect, "claude-sonnet-4-5", &AnthropicCaller, &ANTHROPIC, &chat)?;
    }
}
