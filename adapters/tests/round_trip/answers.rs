//! Answers, written for callers and read as providers' of the same language: whole, and streamed with
//! the network's cuts in between.

use bytes::Bytes;
use isthmus_adapters::dialect::{CallerDialect, ChatDialect, Stamp};
use isthmus_adapters::dialects::anthropic::{AnthropicCaller, AnthropicChat, Flavour};
use isthmus_adapters::dialects::openai::OpenAiCaller;
use isthmus_adapters::dialects::openai_provider::{OPENAI, OpenAiChat};
use isthmus_adapters::dialects::responses::{ResponsesCaller, ResponsesChat};
use isthmus_inference::answer::{ChatAnswer, Choice, FinishReason};
use isthmus_inference::part::{Part, Signature, ToolCall, formats};
use isthmus_inference::request::Operation;
use isthmus_inference::stream::{Event, Fold};
use isthmus_inference::tier::Tier;
use isthmus_inference::usage::Usage;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::made;

const STAMP: Stamp<'_> = Stamp { id: "resp_1", created: 7, model: "shown" };

/// A language on both sides, and what it has no room for in an answer.
struct Language {
    caller: &'static dyn CallerDialect,
    provider: &'static dyn ChatDialect,
    /// A caller's request that asks for a stream with its usage.
    asked: &'static str,
    exceptions: &'static [Exception],
}

/// Why, and the same change to both sides that leaves it out of account.
type Exception = (&'static str, fn(&mut ChatAnswer));

const ONE_CACHE: Exception = ("how long a cache lives is not counted", |answer| {
    let usage = &mut answer.usage;
    usage.cache_write_5m += std::mem::take(&mut usage.cache_write_1h);
});
const USUAL_TIER: Exception = ("the usual tier is named where nobody named one", |answer| {
    let tier = &mut answer.usage.tier;
    *tier = tier.filter(|tier| *tier != Tier::Standard);
});
const NO_MEDIA: Exception = ("media are not counted apart", |answer| {
    let usage = &mut answer.usage;
    let media = std::mem::take(&mut usage.audio_input) + std::mem::take(&mut usage.image_input);
    usage.uncached_input += media;
    usage.text_output += std::mem::take(&mut usage.audio_output);
});
const STOP_TEXT: Exception = ("the stop text that was met is not told", |answer| {
    for choice in &mut answer.choices {
        choice.stop_sequence = None;
        if choice.finish == Some(FinishReason::StopSequence) {
            choice.finish = Some(FinishReason::Stop);
        }
    }
});
const COARSE: Exception = ("there is one word for a limit, and one for a refusal", |answer| {
    for choice in &mut answer.choices {
        choice.finish = choice.finish.map(|finish| match finish {
            FinishReason::ContextLength => FinishReason::Length,
            FinishReason::Refusal => FinishReason::ContentFilter,
            FinishReason::Pause => FinishReason::Stop,
            other => other,
        });
    }
});

const COMPLETE: Exception = ("a refusal in words is a complete response", |answer| {
    for choice in &mut answer.choices {
        if !choice.content.iter().any(|part| matches!(part, Part::Refusal(_))) {
            continue;
        }
        choice.finish = choice.finish.map(|finish| match finish {
            FinishReason::Refusal => FinishReason::Stop,
            other => other,
        });
    }
});

const OPENAI_CHAT: Language = Language {
    caller: &OpenAiCaller,
    provider: &OpenAiChat { style: OPENAI },
    asked: r#"{"model":"m","messages":[{"role":"user","content":"hi"}],
        "stream":true,"stream_options":{"include_usage":true}}"#,
    exceptions: &[ONE_CACHE, STOP_TEXT, COARSE],
};
const RESPONSES: Language = Language {
    caller: &ResponsesCaller,
    provider: &ResponsesChat,
    asked: r#"{"model":"m","input":"hi","stream":true}"#,
    exceptions: &[
        USUAL_TIER,
        ONE_CACHE,
        NO_MEDIA,
        STOP_TEXT,
        COMPLETE,
        COARSE,
        ("every thought has an id there, and so every signature of it", |answer| {
            each_part(answer, |part| {
                if let Part::Thinking { signature: Some(signature), .. } = part {
                    signature.id = None;
                }
            });
        }),
    ],
};
const ANTHROPIC: Language = Language {
    caller: &AnthropicCaller,
    provider: &AnthropicChat { flavour: Flavour::Direct },
    asked: r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"stream":true}"#,
    exceptions: &[
        NO_MEDIA,
        (
            "thoughts must be signed, so that one without a signature bears the house's mark",
            |answer| {
                each_part(answer, |part| {
                    if let Part::Thinking { signature, .. } = part {
                        *signature = signature.take().filter(|by| by.data != "isthmus:unsigned");
                    }
                });
            },
        ),
        (
            "what the vendor withholds is a refusal, and there are no other words for one",
            |answer| {
                each_part(answer, |part| {
                    if let Part::Refusal(text) = part {
                        *part = Part::Text(std::mem::take(text));
                    }
                });
                for choice in &mut answer.choices {
                    if choice.finish == Some(FinishReason::ContentFilter) {
                        choice.finish = Some(FinishReason::Refusal);
                    }
                }
            },
        ),
    ],
};

fn each_part(answer: &mut ChatAnswer, change: fn(&mut Part)) {
    let parts = answer.choices.iter_mut().flat_map(|choice| &mut choice.content);
    parts.for_each(change);
}

// === answers, made up ===

fn thoughts(format: &'static str) -> impl Strategy<Value = Vec<Part>> {
    let signed = of("[a-zA-Z0-9+/]{4,12}");
    (of((made::text(), signed)), of("[a-z]{4}")).prop_map(move |(thought, withheld)| {
        let shown = thought.map(|(text, signed)| {
            let signature = signed.map(|data| Signature::new(format, data));
            Part::Thinking { text, signature }
        });
        let withheld = withheld.filter(|_| format == formats::ANTHROPIC).map(|data| {
            let signature = Signature { redacted: true, ..Signature::new(format, data) };
            Part::Thinking { text: String::new(), signature: Some(signature) }
        });
        shown.into_iter().chain(withheld).collect()
    })
}

fn calls() -> impl Strategy<Value = Vec<Part>> {
    vec(("[a-z_]{3,9}", made::arguments()), 0..3).prop_map(|calls| {
        let call = |(at, (name, arguments))| {
            let id = format!("call_{at}");
            Part::ToolCall(ToolCall { id, name, arguments, ..ToolCall::default() })
        };
        calls.into_iter().enumerate().map(call).collect()
    })
}

fn usage() -> impl Strategy<Value = Usage> {
    vec(0..100_000u64, 9).prop_map(|counts| Usage {
        uncached_input: counts[0],
        cache_read: counts[1],
        cache_write_5m: counts[2],
        cache_write_1h: counts[3],
        audio_input: counts[4],
        image_input: counts[5],
        text_output: counts[6],
        reasoning_output: counts[7],
        audio_output: counts[8],
        ..Usage::default()
    })
}

/// In the order that every format can tell: thoughts, words, calls.
fn answer(format: &'static str) -> impl Strategy<Value = ChatAnswer> {
    let words = prop_oneof![
        1 => Just(None),
        3 => made::text().prop_map(|text| Some(Part::Text(text))),
        1 => made::text().prop_map(|text| Some(Part::Refusal(text))),
    ];
    let ends = prop_oneof![
        Just(FinishReason::Stop),
        Just(FinishReason::StopSequence),
        Just(FinishReason::Length),
        Just(FinishReason::ContextLength),
        Just(FinishReason::ContentFilter),
        Just(FinishReason::Refusal),
        Just(FinishReason::Pause),
    ];
    (thoughts(format), words, calls(), ends, usage()).prop_map(
        |(thoughts, words, calls, end, usage)| {
            let end = if calls.is_empty() { end } else { FinishReason::ToolCalls };
            let met = (end == FinishReason::StopSequence).then(|| "END".to_owned());
            let content = thoughts.into_iter().chain(words).chain(calls).collect();
            let choice =
                Choice { content, finish: Some(end), stop_sequence: met, logprobs: vec![] };
            ChatAnswer { model: STAMP.model.into(), choices: vec![choice], usage }
        },
    )
}

// === there and back ===

fn whole(language: &Language, answer: &ChatAnswer) -> ChatAnswer {
    let request = language.caller.read(Operation::Chat, language.asked.into()).unwrap();
    let wire = language.caller.answer(&request, answer, &STAMP);
    language.provider.decode(&wire).unwrap()
}

fn streamed(language: &Language, answer: &ChatAnswer, cut: usize) -> ChatAnswer {
    let request = language.caller.read(Operation::Chat, language.asked.into()).unwrap();
    let mut writer = language.caller.encoder(&request, &STAMP);
    let told = events(answer);
    let mut wire: Vec<Bytes> = told.iter().map(|event| writer.encode(event)).collect();
    wire.push(writer.done());
    let (mut decoder, mut events) = (language.provider.decoder(), vec![]);
    for piece in wire.concat().chunks(cut) {
        decoder.push(Bytes::copy_from_slice(piece), &mut events).unwrap();
    }
    if !decoder.is_over() {
        decoder.end(&mut events).unwrap();
    }
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish(STAMP.model.into()).unwrap()
}

/// The answer as it would have streamed, every text in two pieces.
fn events(answer: &ChatAnswer) -> Vec<Event> {
    let (mut events, mut calls) = (vec![], 0);
    let choice = 0;
    for part in &answer.choices[0].content {
        match part {
            Part::Text(text) => events.extend(halves(text).map(|text| Event::Text {
                choice,
                text,
                logprobs: vec![],
            })),
            Part::Refusal(text) => {
                events.extend(halves(text).map(|text| Event::Refusal { choice, text }));
            }
            Part::Thinking { text, signature } => {
                if !text.is_empty() {
                    events.extend(halves(text).map(|text| Event::Reasoning { choice, text }));
                }
                let signed =
                    signature.clone().map(|signature| Event::ReasoningSigned { choice, signature });
                events.extend(signed);
            }
            Part::ToolCall(call) => {
                let index = calls;
                calls += 1;
                let begun = ToolCall { arguments: String::new(), ..call.clone() };
                events.push(Event::ToolCallStart { choice, index, call: begun });
                let pieces = halves(&call.arguments);
                events.extend(pieces.map(|text| Event::ToolCallArguments { choice, index, text }));
            }
            other => panic!("{other:?} is not made up here"),
        }
    }
    let Choice { finish, stop_sequence, .. } = &answer.choices[0];
    let stop_sequence = stop_sequence.clone();
    events.push(Event::Finish { choice, reason: finish.unwrap(), stop_sequence });
    events.push(Event::Usage(answer.usage));
    events
}

fn halves(text: &str) -> impl Iterator<Item = String> {
    let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
    let (first, second) = text.split_at(middle);
    [first.to_owned(), second.to_owned()].into_iter().filter(|half| !half.is_empty())
}

fn there_and_back(
    language: &Language,
    answer: &ChatAnswer,
    cut: usize,
) -> Result<(), TestCaseError> {
    let mut went = answer.clone();
    let mut back = [whole(language, answer), streamed(language, answer, cut)];
    for (_, change) in language.exceptions {
        change(&mut went);
        back.iter_mut().for_each(change);
    }
    prop_assert_eq!(&back[0], &went, "whole");
    prop_assert_eq!(&back[1], &went, "streamed");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn openai_chat_tells_the_answer(answer in answer(formats::ANTHROPIC), cut in 1..200usize) {
        there_and_back(&OPENAI_CHAT, &answer, cut)?;
    }

    #[test]
    fn responses_tell_the_answer(answer in answer(formats::RESPONSES), cut in 1..200usize) {
        there_and_back(&RESPONSES, &answer, cut)?;
    }

    #[test]
    fn anthropic_tells_the_answer(answer in answer(formats::ANTHROPIC), cut in 1..200usize) {
        there_and_back(&ANTHROPIC, &answer, cut)?;
    }
}
