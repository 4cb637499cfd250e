//! Any bytes through any decoder, and what comes out through every writer. The fuzz target and a
//! property test of `adapters` both call [`any_bytes`].
//!
//! The first four bytes say what the rest is: the way through the house, the language, and a number that
//! serves as a status, as places to cut at, or as a name. Letters count from `a`, so that seeds can be
//! read.

use std::time::SystemTime;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue as Field, StatusCode};
use isthmus_adapters::dialect::{
    CallerDialect, ChatDialect, EmbeddingDialect, Encoded, Refused, RelayDialect, Stamp, Told,
};
use isthmus_adapters::dialects::anthropic::{
    AnthropicCaller, AnthropicChat, AnthropicRelay, Flavour as Claude,
};
use isthmus_adapters::dialects::bedrock::{Converse, embedding::Embedder};
use isthmus_adapters::dialects::cohere::{CohereChat, CohereEmbed};
use isthmus_adapters::dialects::gemini::{
    BatchEmbeddings, Flavour as Google, GeminiChat, PredictEmbeddings, SingleEmbedding,
};
use isthmus_adapters::dialects::openai::{OpenAiCaller, OpenAiRelay};
use isthmus_adapters::dialects::openai_provider::{COMPATIBLE, OPENAI, OpenAiChat};
use isthmus_adapters::dialects::openai_request::Quirks;
use isthmus_adapters::dialects::responses::{ResponsesCaller, ResponsesChat, ResponsesRelay};
use isthmus_adapters::dialects::{needs, offers, openai_models};
use isthmus_adapters::framing::{aws_event_stream, sse};
use isthmus_adapters::providers::{deepseek, groq, mistral, openrouter, xai};
use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::request::{Operation, Request};
use isthmus_inference::stream::{Event, Fold};
use serde::de::IgnoredAny;

/// What the first four bytes say.
struct Label {
    way: usize,
    language: usize,
    number: u16,
}

/// One way through the house.
type Way = fn(&Label, &[u8]);

const WAYS: [Way; 9] =
    [whole, streamed, framed, refused, asked, relayed, vectors, cut_in_messages, listed];
/// The languages of providers, each with a model that is asked in it.
const PROVIDERS: [(&str, &dyn ChatDialect); 14] = [
    ("gpt-5-mini", &OpenAiChat { style: OPENAI }),
    ("llama-3.3-70b", &OpenAiChat { style: COMPATIBLE }),
    ("anthropic/claude-sonnet-4.5", &OpenAiChat { style: openrouter::STYLE }),
    ("magistral-medium-latest", &OpenAiChat { style: mistral::STYLE }),
    ("deepseek-chat", &OpenAiChat { style: deepseek::STYLE }),
    ("openai/gpt-oss-120b", &OpenAiChat { style: groq::STYLE }),
    ("grok-4", &OpenAiChat { style: xai::STYLE }),
    ("gpt-5", &ResponsesChat),
    ("claude-sonnet-4-5", &AnthropicChat { flavour: Claude::Direct }),
    ("claude-opus-4-1", &AnthropicChat { flavour: Claude::Vertex }),
    ("gemini-2.5-flash", &GeminiChat { flavour: Google::Studio }),
    ("gemini-3-pro-preview", &GeminiChat { flavour: Google::Vertex }),
    ("command-a-03-2025", &CohereChat),
    // Stands for Converse, whose dialects are found by the model's name.
    ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", &CohereChat),
];
const CONVERSE: [&str; 2] =
    ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-premier-v1:0"];
const CALLERS: [&dyn CallerDialect; 3] = [&OpenAiCaller, &ResponsesCaller, &AnthropicCaller];
const OPERATIONS: [Operation; 4] =
    [Operation::Chat, Operation::Completion, Operation::Embedding, Operation::CountTokens];
const RELAYS: [&dyn RelayDialect; 4] = [
    &OpenAiRelay {
        quirks: Quirks {
            stream_usage: isthmus_adapters::dialects::openai_request::StreamUsage::OptionRefused,
            renames: &[("max_completion_tokens", "max_tokens"), ("seed", "random_seed")],
            refused: &["user", "logit_bias"],
        },
    },
    &ResponsesRelay,
    &AnthropicRelay { flavour: Claude::Direct },
    &AnthropicRelay { flavour: Claude::Vertex },
];
const STAMP: Stamp<'_> = Stamp { id: "id", created: 7, model: "shown" };
/// Requests that answers are written for, in the callers' languages.
const REQUESTS: [&str; 3] = [
    r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream_options":{"include_usage":true},"stream":true}"#,
    r#"{"model":"m","input":"hi"}"#,
    r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#,
];

/// Takes any bytes any way. It panics where the house breaks a promise.
pub(crate) fn any_bytes(input: &[u8]) {
    let [way, language, high, low, rest @ ..] = input else { return };
    let counted = |letter: &u8| usize::from(letter.wrapping_sub(b'a'));
    let number = u16::from_be_bytes([high.wrapping_sub(b'a'), low.wrapping_sub(b'a')]);
    let label = Label { way: counted(way), language: counted(language), number };
    WAYS[label.way % WAYS.len()](&label, rest);
}

// === providers' answers ===

fn whole(label: &Label, body: &[u8]) {
    if let Ok(answer) = provider(label).1.decode(body) {
        told(&answer);
    }
}

/// A stream gives the same answer, or breaks in the same way, wherever the network cut it.
fn streamed(label: &Label, body: &[u8]) {
    let dialect = provider(label).1;
    let at_once = decoded(dialect, &[Bytes::copy_from_slice(body)]);
    let in_pieces = decoded(dialect, &cut(label.number, body));
    assert_eq!(folded(&at_once.0), folded(&in_pieces.0), "the cuts changed the answer");
    assert_eq!(at_once.1, in_pieces.1, "the cuts changed how the stream ends");
    told_in_pieces(&at_once.0);
}

/// A stream of Converse's, whose messages have checksums that no fuzzer guesses: a line each, the
/// event's name up to the first space.
fn framed(label: &Label, body: &[u8]) {
    let mut wire = vec![];
    for line in body.split(|byte| *byte == b'\n') {
        let space = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let name = String::from_utf8_lossy(&line[..space.min(60)]).into_owned();
        let kind = if name.ends_with("Exception") { "exception" } else { "event" };
        let header =
            |name: String, value: String| Header::new(name, HeaderValue::String(value.into()));
        let headers = vec![
            header(":message-type".into(), kind.into()),
            header(format!(":{kind}-type"), name),
        ];
        let payload = Bytes::copy_from_slice(line.get(space + 1..).unwrap_or_default());
        let written = write_message_to(&Message::new_from_parts(headers, payload), &mut wire);
        assert!(written.is_ok(), "the test's own frame: {written:?}");
    }
    let converse = PROVIDERS.len() - 1;
    streamed(&Label { language: converse, ..*label }, &wire);
}

/// The first line is a `retry-after`, the rest the body.
fn refused(label: &Label, body: &[u8]) {
    let end = body.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (after, body) = body.split_at(end);
    let mut headers = HeaderMap::new();
    for name in ["retry-after", "retry-after-ms", "x-ratelimit-reset-requests", "x-amzn-errortype"]
    {
        if let Ok(value) = Field::from_bytes(after) {
            headers.insert(name, value);
        }
    }
    let status = StatusCode::from_u16(400 + label.number % 200).unwrap_or_default();
    let refused = Refused {
        status,
        headers: &headers,
        body: Bytes::copy_from_slice(body),
        request_id: None,
        now: SystemTime::UNIX_EPOCH,
    };
    let relay = RELAYS[label.language % RELAYS.len()];
    let embedder = embedder(label).1;
    let failures = [
        provider(label).1.failure(refused.clone()),
        relay.failure(refused.clone()),
        embedder.failure(refused),
    ];
    for (failure, caller) in failures.iter().zip(CALLERS) {
        json(&caller.error(&Told { failure, request_id: "r" }), "an error");
    }
}

fn vectors(label: &Label, body: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert("x-amzn-bedrock-input-token-count", label.number.into());
    if let Ok(answer) = embedder(label).1.decode(&headers, body) {
        for (caller, asked) in CALLERS.iter().zip(REQUESTS) {
            json(&caller.vectors(&request(*caller, asked), &answer, &STAMP), "vectors");
        }
    }
}

fn listed(_label: &Label, body: &[u8]) {
    let _ = openai_models::decode_models(body);
    let _ = offers::decode_offers(body);
}

// === callers' requests ===

fn asked(label: &Label, body: &[u8]) {
    let caller = CALLERS[label.language % CALLERS.len()];
    let operation = OPERATIONS[label.number as usize % OPERATIONS.len()];
    let Ok(request) = caller.read(operation, Bytes::copy_from_slice(body)) else { return };
    needs::needs(&request);
    let sound = serde_json::from_slice::<IgnoredAny>(body).is_ok();
    for relay in RELAYS {
        if let Ok(Encoded { body, .. }) = relay.rewrite(&request, &"other".into())
            && sound
        {
            json(&body.whole(), "a rewritten request");
        }
    }
    if let Ok(wish) = caller.embedding(&request) {
        for place in 0..EMBEDDERS {
            let (model, dialect) = embedder(&Label { language: place, ..*label });
            if let Ok(encoded) = dialect.encode(&wish, &model.into()) {
                json(&encoded.body.whole(), "a wish for vectors");
            }
        }
    }
    let Ok(chat) = caller.chat(&request) else { return };
    for language in 0..PROVIDERS.len() {
        let (model, dialect) = provider(&Label { language, ..*label });
        if let Ok(encoded) = dialect.encode(&chat, &model.into(), request.stream) {
            json(&encoded.body.whole(), "a request");
        }
    }
}

/// An answer that passes as it came, watched.
fn relayed(label: &Label, body: &[u8]) {
    let place = label.language % RELAYS.len();
    let caller = [0, 1, 2, 2][place];
    let request = request(CALLERS[caller], REQUESTS[caller]);
    let relay = RELAYS[place];
    let _ = relay.usage(&request, body);
    let mut watch = relay.watch(&request);
    for piece in cut(label.number, body) {
        let pushed = watch.push(piece);
        while watch.next_piece().is_some() {}
        if pushed.is_err() || watch.is_over() {
            return;
        }
    }
    let _ = watch.end();
    while watch.next_piece().is_some() {}
}

// === framing ===

/// Events are the stream, byte for byte.
fn cut_in_messages(label: &Label, body: &[u8]) {
    let (mut events, mut joined) = (sse::Splitter::new(1 << 12), vec![]);
    for piece in cut(label.number, body) {
        events.push(piece);
        loop {
            match events.next_event() {
                Ok(Some(event)) => {
                    let _ = (sse::data(&event), sse::name(&event));
                    joined.extend_from_slice(&event);
                }
                Ok(None) => break,
                Err(_) => return messages(label, body),
            }
        }
    }
    joined.extend_from_slice(&events.finish().unwrap_or_default());
    assert_eq!(joined, body, "events are not the stream");
    messages(label, body);
}

fn messages(label: &Label, body: &[u8]) {
    let mut messages = aws_event_stream::Splitter::new(1 << 12);
    for piece in cut(label.number, body) {
        messages.push(piece);
        loop {
            match messages.next_event() {
                Ok(Some(message)) => drop(format!("{:?}", message.kind())),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    let _ = messages.finish();
}

// === parts ===

fn provider(label: &Label) -> (&'static str, &'static dyn ChatDialect) {
    let place = label.language % PROVIDERS.len();
    if place < PROVIDERS.len() - 1 {
        return PROVIDERS[place];
    }
    let model = CONVERSE[label.number as usize % CONVERSE.len()];
    (model, Converse::of(model))
}

const EMBEDDERS: usize = 7;

fn embedder(label: &Label) -> (&'static str, &'static dyn EmbeddingDialect) {
    let bedrock = |model: &'static str| match Embedder::of(model) {
        Some(embedder) => (model, embedder as &dyn EmbeddingDialect),
        None => panic!("{model} is known to make vectors"),
    };
    match label.language % EMBEDDERS {
        0 => ("gemini-embedding-001", &BatchEmbeddings { flavour: Google::Studio }),
        1 => ("gemini-embedding-2", &BatchEmbeddings { flavour: Google::Vertex }),
        2 => ("text-embedding-005", &PredictEmbeddings),
        3 => ("gemini-embedding-2", &SingleEmbedding),
        4 => ("embed-v4.0", &CohereEmbed),
        5 => bedrock("amazon.titan-embed-text-v2:0"),
        _ => bedrock("cohere.embed-multilingual-v3"),
    }
}

fn request(caller: &dyn CallerDialect, body: &'static str) -> Request {
    match caller.read(Operation::Chat, Bytes::from_static(body.as_bytes())) {
        Ok(request) => request,
        Err(failure) => panic!("{body}: {failure}"),
    }
}

/// The same bytes in pieces; 0 leaves them whole.
fn cut(number: u16, body: &[u8]) -> Vec<Bytes> {
    let (mut rest, mut pieces) = (Bytes::copy_from_slice(body), vec![]);
    let (most, mut dice) = (1 << (number % 10), u32::from(number) | 1);
    while number > 0 && !rest.is_empty() {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = 1 + (dice >> 16) as usize % most;
        pieces.push(rest.split_to(length.min(rest.len())));
    }
    pieces.push(rest);
    pieces
}

/// What a stream tells, and the kind of failure that ends it.
fn decoded(dialect: &dyn ChatDialect, pieces: &[Bytes]) -> (Vec<Event>, Option<Kind>) {
    let (mut decoder, mut events) = (dialect.decoder(), vec![]);
    for piece in pieces {
        if let Err(failure) = decoder.push(piece.clone(), &mut events) {
            return (events, Some(failure.kind));
        }
        if decoder.is_over() {
            return (events, None);
        }
    }
    let ended: Result<(), Failure> = decoder.end(&mut events);
    (events, ended.err().map(|failure| failure.kind))
}

fn folded(events: &[Event]) -> Option<ChatAnswer> {
    let mut fold = Fold::default();
    events.iter().cloned().for_each(|event| fold.push(event));
    // What a broken stream told counts too.
    fold.push(Event::Usage(Default::default()));
    fold.finish("m".into())
}

fn told(answer: &ChatAnswer) {
    for (caller, asked) in CALLERS.iter().zip(REQUESTS) {
        json(&caller.answer(&request(*caller, asked), answer, &STAMP), "an answer");
    }
}

fn told_in_pieces(events: &[Event]) {
    for (caller, asked) in CALLERS.iter().zip(REQUESTS) {
        let mut writer = caller.encoder(&request(*caller, asked), &STAMP);
        let mut wire: Vec<_> = events.iter().map(|event| writer.encode(event)).collect();
        wire.push(writer.done());
        let mut events = sse::Splitter::new(usize::MAX);
        events.push(wire.concat().into());
        while let Ok(Some(event)) = events.next_event() {
            match sse::data(&event) {
                Some(data) if *data != *b"[DONE]" => json(&data, "an event"),
                _ => {}
            }
        }
    }
}

fn json(bytes: &[u8], what: &str) {
    let read = serde_json::from_slice::<IgnoredAny>(bytes);
    assert!(read.is_ok(), "{what} is no JSON: {read:?}");
}
