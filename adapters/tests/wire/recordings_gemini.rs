//! Real answers of AI Studio and Vertex: cut at random they say the same, and what they say is what a
//! plain reading of their JSON finds.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use isthmus_adapters::dialect::{ChatDialect, EmbeddingDialect, Refused};
use isthmus_adapters::dialects::gemini::{
    BatchEmbeddings, Flavour, GeminiChat, PredictEmbeddings, SingleEmbedding,
};
use isthmus_adapters::framing::sse;
use isthmus_inference::answer::{ChatAnswer, FinishReason};
use isthmus_inference::chat::{ChatRequest, Message, Prompt, Role};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::stream::{Event, Fold};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::recordings::{cut, of_vendor};

const CHAT: GeminiChat = GeminiChat { flavour: Flavour::Studio };

/// What an answer says, read without the dialect.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    thoughts: String,
    calls: Vec<(String, Value)>,
    signatures: usize,
    finish: Option<FinishReason>,
    total: Option<u64>,
}

fn recordings() -> Vec<(String, Value)> {
    ["gemini", "vertex"].into_iter().flat_map(of_vendor).collect()
}

/// The chunks of a recorded answer, and whether it was a stream of events.
fn chunks(response: &Value) -> (Vec<Value>, Option<Bytes>) {
    if let Some(text) = response["body_text"].as_str() {
        let events = text.split("\r\n\r\n").filter_map(|event| sse::data(event.as_bytes()));
        let chunks = events.map(|data| serde_json::from_slice(&data).unwrap()).collect();
        return (chunks, Some(text.to_owned().into()));
    }
    match &response["body"] {
        Value::Array(chunks) => (chunks.clone(), None),
        body => (vec![body.clone()], None),
    }
}

fn said(chunks: &[Value]) -> Said {
    let mut said = Said::default();
    for chunk in chunks {
        for part in chunk["candidates"][0]["content"]["parts"].as_array().into_iter().flatten() {
            let text = part["text"].as_str().unwrap_or_default();
            match part["thought"] == true {
                true => said.thoughts.push_str(text),
                false => said.text.push_str(text),
            }
            if let Some(name) = part["functionCall"]["name"].as_str() {
                let arguments = part["functionCall"].get("args").cloned();
                said.calls.push((name.to_owned(), arguments.unwrap_or_else(|| json!({}))));
            }
            let neutral = part.get("text").or(part.get("functionCall")).is_some();
            said.signatures += usize::from(neutral && part.get("thoughtSignature").is_some());
        }
        said.finish = match chunk["candidates"][0]["finishReason"].as_str() {
            Some("STOP") if !said.calls.is_empty() => Some(FinishReason::ToolCalls),
            Some("STOP") => Some(FinishReason::Stop),
            Some("MAX_TOKENS") => Some(FinishReason::Length),
            Some("SAFETY") => Some(FinishReason::ContentFilter),
            Some(_) => Some(FinishReason::Failed),
            None if chunk["promptFeedback"]["blockReason"].is_string() => {
                Some(FinishReason::ContentFilter)
            }
            None => said.finish,
        };
        said.total = chunk["usageMetadata"]["totalTokenCount"].as_u64().or(said.total);
    }
    said
}

fn told(answer: &ChatAnswer) -> Said {
    use isthmus_inference::part::Part;
    let choice = &answer.choices[0];
    let calls = choice.tool_calls();
    let signed = |part: &&Part| match part {
        Part::Thinking { signature, .. } => signature.is_some(),
        Part::ToolCall(call) => call.signature.is_some(),
        _ => false,
    };
    let counted = answer.usage.total() > 0;
    assert_eq!(answer.usage.unexplained, 0);
    Said {
        text: choice.text(),
        thoughts: choice.reasoning(),
        calls: calls
            .map(|call| (call.name.clone(), serde_json::from_str(&call.arguments).unwrap()))
            .collect(),
        signatures: choice.content.iter().filter(signed).count(),
        finish: choice.finish,
        total: counted.then(|| answer.usage.total()),
    }
}

/// The events of a stream in these pieces.
fn streamed(stream: &Bytes, lengths: &[usize]) -> Result<Vec<Event>, Failure> {
    let (mut decoder, mut events) = (CHAT.decoder(), vec![]);
    for read in cut(stream, lengths) {
        decoder.push(read, &mut events)?;
    }
    decoder.end(&mut events)?;
    assert!(decoder.is_over());
    Ok(events)
}

fn folded(events: Vec<Event>, model: &str) -> ChatAnswer {
    assert!(matches!(events.last(), Some(Event::Usage(_))));
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish(model.into()).unwrap()
}

#[test]
fn real_answers_say_what_they_said_however_they_are_cut() {
    let config = Config { cases: 8, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let (mut streams, mut whole) = (0, 0);
    for (name, recording) in recordings() {
        let api = recording["api"].as_str().unwrap();
        if recording["response"]["status"] != 200 || !api.ends_with("enerateContent") {
            continue;
        }
        let (chunks, stream) = chunks(&recording["response"]);
        let model = chunks[0]["modelVersion"].as_str().unwrap_or_default();
        let expected = said(&chunks);
        let Some(stream) = stream else {
            let body = recording["response"]["body"].to_string();
            let answer = CHAT.decode(body.as_bytes()).unwrap_or_else(|f| panic!("{name}: {f}"));
            assert_eq!(told(&answer), expected, "{name}");
            // The same as a stream of one event, or of several.
            let events = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
            let stream = Bytes::from(events.collect::<String>());
            let again = folded(streamed(&stream, &[usize::MAX >> 1]).unwrap(), model);
            assert_eq!(again, answer, "{name}");
            whole += 1;
            continue;
        };
        let at_once = streamed(&stream, &[usize::MAX >> 1]).unwrap();
        assert_eq!(told(&folded(at_once.clone(), model)), expected, "{name}");
        let lengths = proptest::collection::vec(prop_oneof![1usize..6, 1usize..400], 1..20);
        runner
            .run(&lengths, |lengths| {
                prop_assert_eq!(&streamed(&stream, &lengths).unwrap(), &at_once, "{}", name);
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        // Cut before the last event, it is no answer.
        let before_last = stream[..stream.len() - 4].windows(4).rposition(|w| w == b"\r\n\r\n");
        let cut = stream.slice(..before_last.map_or(0, |at| at + 4));
        assert_eq!(streamed(&cut, &[4096]).unwrap_err().kind, Kind::Malformed, "{name}");
        streams += 1;
    }
    println!("{streams} streams and {whole} whole answers of Gemini");
}

/// The parts of an answer as they must stand in the next request: what was only shown of a thought is
/// left out, and unsigned texts that follow one another are one.
fn replayable(parts: &[Value]) -> Vec<Value> {
    let mut kept: Vec<Value> = vec![];
    for part in parts {
        let signed = part.get("thoughtSignature").is_some();
        if !signed && (part["thought"] == true || part["text"] == "") {
            continue;
        }
        let plain = |part: &Value| part.as_object().is_some_and(|members| members.len() == 1);
        match (kept.last_mut().filter(|last| plain(last)), part["text"].as_str()) {
            (Some(Value::Object(last)), Some(text)) if last.contains_key("text") => {
                let joined = format!("{}{text}", last["text"].as_str().unwrap());
                *last = part.as_object().unwrap().clone();
                last.insert("text".to_owned(), joined.into());
            }
            _ => kept.push(part.clone()),
        }
    }
    for part in &mut kept {
        if let Some(call) = part.get_mut("functionCall").and_then(Value::as_object_mut) {
            call.entry("args").or_insert_with(|| json!({}));
        }
    }
    kept
}

#[test]
fn a_real_answer_goes_back_as_it_came() {
    let mut replayed = 0;
    for (name, recording) in recordings() {
        let body = &recording["response"]["body"];
        let Some(parts) = body["candidates"][0]["content"]["parts"].as_array() else { continue };
        let answer = CHAT.decode(body.to_string().as_bytes()).unwrap();
        let content = answer.choices[0].content.clone();
        let messages = vec![
            Message::text(Role::User, "hi"),
            Message { role: Role::Assistant, content, name: None },
        ];
        let chat = ChatRequest { prompt: Prompt::Messages(messages), ..ChatRequest::default() };
        let encoded = CHAT.encode(&chat, &"gemini-2.5-flash".into(), false).unwrap();
        let sent: Value = serde_json::from_slice(&encoded.body.whole()).unwrap();
        let expected = replayable(parts);
        let sent = sent["contents"][1]["parts"].as_array().cloned().unwrap_or_default();
        assert_eq!(json!(sent), json!(expected), "{name}");
        replayed += 1;
    }
    println!("{replayed} answers of Gemini replayed");
}

#[test]
fn no_bytes_make_the_decoder_panic() {
    let real: Vec<Bytes> = recordings()
        .iter()
        .filter_map(|(_, recording)| recording["response"]["body_text"].as_str())
        .map(|text| text.to_owned().into())
        .collect();
    let own =
        Bytes::from_static(b"data: {\"candidates\":[{\"index\":4000000000}]}\n\n[{\"error\":{}}]");
    let streams: Vec<_> = real.into_iter().chain([own]).collect();
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let strategy = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<[u8; 3]>());
    TestRunner::new(config)
        .run(&strategy, |(which, place, bytes)| {
            let stream = which.get(&streams);
            let mut broken = stream.to_vec();
            let at = place.index(broken.len());
            broken.splice(at..(at + 2).min(stream.len()), bytes);
            let _ = streamed(&broken.into(), &[777]);
            let _ = CHAT.decode(&stream[at..]);
            Ok(())
        })
        .unwrap();
    for garbage in ["", "null", "[]", "{}", "data: \n\n", "{\"candidates\":[]}", "[1]", "\0"] {
        assert!(CHAT.decode(garbage.as_bytes()).is_err(), "{garbage}");
        assert!(streamed(&garbage.into(), &[3]).is_err(), "{garbage}");
    }
}

#[test]
fn real_errors_are_understood() {
    let mut read = 0;
    for (name, recording) in recordings() {
        let response = &recording["response"];
        let status = u16::try_from(response["status"].as_u64().unwrap()).unwrap();
        if status < 400 {
            continue;
        }
        let body = &response["body"];
        let failure = CHAT.failure(Refused {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &HeaderMap::new(),
            body: body.to_string().into(),
            request_id: None,
            now: std::time::SystemTime::UNIX_EPOCH,
        });
        let told = body["error"]["message"].as_str().unwrap();
        let kind = match status {
            400 if told.contains("API key") => Kind::UpstreamAuth,
            400 if told.contains("token count") => Kind::ContextLength,
            400 => Kind::InvalidRequest,
            404 => Kind::NotFound,
            429 => Kind::RateLimited,
            other => panic!("{name}: no expectation for {other}"),
        };
        assert_eq!(failure.kind, kind, "{name}");
        assert_eq!(failure.message == told, kind != Kind::UpstreamAuth, "{name}");
        assert_eq!(failure.retry_after.is_some(), kind == Kind::RateLimited, "{name}");
        read += 1;
    }
    println!("{read} errors of Gemini");
}

#[test]
fn real_vectors_are_read() {
    let mut read = 0;
    for (name, recording) in recordings() {
        let body = &recording["response"]["body"];
        let dialect: &dyn EmbeddingDialect = match recording["api"].as_str().unwrap() {
            _ if recording["response"]["status"] != 200 => continue,
            "batchEmbedContents" => &BatchEmbeddings { flavour: Flavour::Studio },
            "embedContent" => &SingleEmbedding,
            "predict" => &PredictEmbeddings,
            _ => continue,
        };
        let answer = dialect.decode(&HeaderMap::new(), body.to_string().as_bytes());
        let answer = answer.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let first = [
            &body["embeddings"][0]["values"],
            &body["embedding"]["values"],
            &body["predictions"][0]["embeddings"]["values"],
        ];
        let first = first.into_iter().find_map(Value::as_array).unwrap();
        let first: Vec<_> = first.iter().map(|number| number.as_f64().unwrap() as f32).collect();
        assert_eq!(answer.vectors[0], first, "{name}");
        read += 1;
    }
    println!("{read} answers with vectors of Gemini");
}
