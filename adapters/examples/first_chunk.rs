//! What translating costs before the first chunk of a stream: a decoder reads what a provider sends up
//! to its first token, and an encoder writes that for a caller.
//!
//! `cargo run --release -p isthmus-adapters --example first_chunk`
//!
//! Medians of rounds in nanoseconds, decoder and encoder newly made each time, as for each call.
#![allow(clippy::print_stdout, reason = "it is there to print")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use isthmus_adapters::dialect::{CallerDialect, ChatDialect, Stamp};
use isthmus_adapters::dialects::anthropic::{AnthropicChat, Flavour};
use isthmus_adapters::dialects::bedrock::Converse;
use isthmus_adapters::dialects::caller;
use isthmus_adapters::dialects::gemini::{self, GeminiChat};
use isthmus_adapters::dialects::openai_provider::{OPENAI, OpenAiChat};
use isthmus_inference::request::{Dialect, Operation, Request};

const ROUNDS: usize = 15;
const TIMES: u32 = 2_000;
const STAMP: Stamp<'static> = Stamp { id: "answer-1", created: 1_700_000_000, model: "chat" };

const OPENAI_FIRST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\" token\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
const ANTHROPIC_FIRST: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" token\"}}\n\n";
const GEMINI_FIRST: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\" token\"}],\"role\":\"model\"},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":11},\"modelVersion\":\"m\",\"responseId\":\"r\"}\r\n\r\n";

fn main() -> Result<(), Box<dyn Error>> {
    let openai = OpenAiChat { style: OPENAI };
    let anthropic = AnthropicChat { flavour: Flavour::Direct };
    let gemini = GeminiChat { flavour: gemini::Flavour::Studio };
    let providers: [(&str, &dyn ChatDialect, Bytes); 4] = [
        ("OpenAI", &openai, OPENAI_FIRST.into()),
        ("Anthropic", &anthropic, ANTHROPIC_FIRST.into()),
        ("Gemini", &gemini, GEMINI_FIRST.into()),
        ("Bedrock", Converse::of("amazon.nova-lite-v1:0"), bedrock_first()?),
    ];
    let callers = [
        ("chat", Dialect::OpenAi, r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#),
        ("Responses", Dialect::Responses, r#"{"model":"m","input":"hi"}"#),
        ("Messages", Dialect::Anthropic, r#"{"model":"m","max_tokens":9,"messages":[{}]}"#),
    ];
    for (from, provider, bytes) in &providers {
        for (to, dialect, body) in callers {
            let caller = caller(dialect);
            let request = caller.read(Operation::Chat, body.into()).map_err(|told| told.message)?;
            let taken = median(*provider, bytes, caller, &request);
            println!("{from:10} to {to:10} {taken:>7} ns");
        }
    }
    Ok(())
}

/// The middle of all rounds: nanoseconds to read the bytes and write what they say.
fn median(
    provider: &dyn ChatDialect,
    bytes: &Bytes,
    caller: &dyn CallerDialect,
    request: &Request,
) -> u128 {
    let round = || {
        let began = Instant::now();
        for _ in 0..TIMES {
            let (mut decoder, mut events) = (provider.decoder(), Vec::new());
            let mut encoder = caller.encoder(request, &STAMP);
            let read = decoder.push(bytes.clone(), &mut events);
            assert!(read.is_ok() && !events.is_empty(), "{read:?}");
            for event in &events {
                black_box(encoder.encode(event));
            }
        }
        began.elapsed().as_nanos() / u128::from(TIMES)
    };
    let mut rounds: Vec<_> = (0..ROUNDS).map(|_| round()).collect();
    rounds.sort_unstable();
    rounds[ROUNDS / 2]
}

fn bedrock_first() -> Result<Bytes, Box<dyn Error>> {
    let mut wire = Vec::new();
    for (name, payload) in [
        ("messageStart", r#"{"role":"assistant"}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":" token"}}"#),
    ] {
        let header = |name: &str, value: &str| {
            Header::new(name.to_owned(), HeaderValue::String(value.to_owned().into()))
        };
        let headers = vec![header(":message-type", "event"), header(":event-type", name)];
        write_message_to(&Message::new_from_parts(headers, payload), &mut wire)?;
    }
    Ok(wire.into())
}
