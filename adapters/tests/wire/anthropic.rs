//! Anthropic's row: what an account there is sent, and what comes back, for callers of both languages.

use std::sync::Arc;

use isthmus_adapters::adapter::{Answer, Attempt, Content, Piece};
use isthmus_adapters::dialects::caller;
use isthmus_inference::answer::FinishReason;
use isthmus_inference::failure::Kind;
use isthmus_inference::request::{Dialect, Operation};
use isthmus_inference::stream::Event;
use serde_json::json as value;

use crate::upstream::{self, KEY, LIMITS, Upstream, chat, json, pieces};

const ANSWER: &str = r#"{"type":"message","model":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","new_field":1,"usage":{"input_tokens":5,"output_tokens":2}}"#;
const STREAM: [&str; 5] = [
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];

/// A caller who speaks Anthropic's language.
fn messages(operation: Operation, body: &'static str) -> Attempt {
    let mut request = caller(Dialect::Anthropic).read(operation, body.into()).unwrap();
    request.forwarded = vec![("anthropic-beta".into(), "new-1".into())];
    Attempt {
        request: Arc::new(request),
        model: "upstream-model".into(),
        reasons: false,
        timeouts: LIMITS,
        beginning: None,
    }
}

#[tokio::test]
async fn a_caller_of_the_same_language_is_relayed() {
    let mut server = Upstream::start(|_| json(200, ANSWER)).await;
    let body = r#"{ "max_tokens": 9, "new":[2e0], "model":"m", "messages":[{"role":"user","content":"hi"}] }"#;
    let answer = server.account("anthropic").call(messages(Operation::Chat, body)).await.unwrap();
    let seen = server.next_seen().await;
    assert_eq!(seen.line, "POST /v1/v1/messages");
    let expected =
        [("x-api-key", KEY), ("anthropic-version", "2023-06-01"), ("anthropic-beta", "new-1")];
    for (name, value) in expected {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.body, body.replace(r#""m""#, r#""upstream-model""#));
    let Answer::Whole(whole) = answer else { panic!("not a whole answer") };
    assert!(matches!(whole.content, Content::Relay(bytes) if bytes == ANSWER));
    assert_eq!((whole.usage.input(), whole.usage.output()), (5, 2));
}

#[tokio::test]
async fn azure_believes_the_endpoint_that_a_deployment_reasons() {
    const ANSWER: &str = r#"{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;
    let body = r#"{"model":"m","max_tokens":9000,"temperature":1,"thinking":{"type":"enabled","budget_tokens":8000},"messages":[{"role":"user","content":"hi"}]}"#;
    let drawn = value!(1.0);
    for (name, reasons, effort, temperature) in [
        ("our-thinker", true, value!("high"), &value!(null)),
        ("our-talker", false, value!(null), &drawn),
        ("gpt-5.1-ours", false, value!("high"), &value!(null)),
    ] {
        let mut server = Upstream::start(|_| json(200, ANSWER)).await;
        let attempt = Attempt { model: name.into(), reasons, ..messages(Operation::Chat, body) };
        let Answer::Whole(whole) = server.account("azure").call(attempt).await.unwrap() else {
            panic!("not a whole answer")
        };
        let sent = server.next_seen().await.json();
        assert_eq!(
            (&sent["reasoning_effort"], &sent["temperature"]),
            (&effort, temperature),
            "{name}"
        );
        let dropped = |field: &str| whole.dropped.iter().any(|dropped| dropped == field);
        assert_eq!(dropped("temperature"), temperature.is_null(), "{name}: {:?}", whole.dropped);
    }
}

#[tokio::test]
async fn a_caller_of_the_same_language_counts_tokens() {
    let mut server = Upstream::start(|_| json(200, r#"{"input_tokens":14}"#)).await;
    let attempt = messages(Operation::CountTokens, r#"{"model":"m","messages":[{}]}"#);
    let answer = server.account("anthropic").call(attempt).await.unwrap();
    assert_eq!(server.next_seen().await.line, "POST /v1/v1/messages/count_tokens");
    let Answer::Whole(whole) = answer else { panic!("not a whole answer") };
    assert!(matches!(whole.content, Content::Relay(bytes) if bytes == r#"{"input_tokens":14}"#));
    assert_eq!(whole.usage.total(), 0);
}

#[tokio::test]
async fn the_word_beta_of_a_callers_query_goes_along_and_no_other() {
    let cases = [
        (Operation::Chat, "beta=true", "POST /v1/v1/messages?beta=true"),
        (Operation::Chat, "key=secret&beta=a%26b&limit=1", "POST /v1/v1/messages?beta=a%26b"),
        (Operation::Chat, "limit=1", "POST /v1/v1/messages"),
        (Operation::CountTokens, "beta=true", "POST /v1/v1/messages/count_tokens?beta=true"),
    ];
    for (operation, query, line) in cases {
        let mut server = Upstream::start(|_| json(200, ANSWER)).await;
        let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
        let mut request = caller(Dialect::Anthropic).read(operation, body.into()).unwrap();
        request.query = Some(query.to_owned());
        let request = Arc::new(request);
        let attempt = Attempt {
            request,
            model: "upstream-model".into(),
            reasons: false,
            timeouts: LIMITS,
            beginning: None,
        };
        server.account("anthropic").call(attempt).await.unwrap();
        assert_eq!(server.next_seen().await.line, line, "{query}");
    }
}

#[tokio::test]
async fn a_stream_of_the_same_language_is_relayed() {
    let server = Upstream::start(|_| upstream::stream(&STREAM)).await;
    let body = r#"{"model":"m","max_tokens":9,"stream":true,"messages":[{}]}"#;
    let call = server.account("anthropic").call(messages(Operation::Chat, body)).await;
    let (pieces, failure) = pieces(call).await;
    assert!(failure.is_none(), "{failure:?}");
    let usage = pieces.iter().rev().find_map(|piece| match piece {
        Piece::Usage { usage, only_usage: false, .. } => Some((usage.input(), usage.output())),
        _ => None,
    });
    assert_eq!(usage, Some((5, 2)));
    assert_eq!(pieces.last(), Some(&Piece::Done { event: Some(STREAM[4].into()) }));
}

#[tokio::test]
async fn a_caller_of_another_language_is_translated() {
    let mut server = Upstream::start(|seen| match seen.json()["stream"].as_bool() {
        Some(true) => upstream::stream(&STREAM),
        _ => json(200, ANSWER),
    })
    .await;
    let account = server.account("anthropic");
    let Answer::Whole(whole) = account.call(chat(false)).await.unwrap() else { panic!() };
    let Content::Chat(answer) = whole.content else { panic!("not decoded") };
    assert_eq!(answer.choices[0].text(), "hi");
    assert_eq!(answer.choices[0].finish, Some(FinishReason::Stop));
    let seen = server.next_seen().await.json();
    assert_eq!((&seen["model"], &seen["max_tokens"]), (&value!("upstream-model"), &value!(32_000)));

    let (pieces, failure) = pieces(account.call(chat(true)).await).await;
    assert!(failure.is_none(), "{failure:?}");
    assert!(matches!(&pieces[1], Piece::Event(Event::Text { text, .. }) if text == "hi"));
    assert_eq!(pieces.last(), Some(&Piece::Done { event: None }));
}

#[tokio::test]
async fn thoughts_of_others_are_not_relayed_but_taken_out() {
    let mut server = Upstream::start(|_| json(200, ANSWER)).await;
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"isthmus:unsigned"},{"type":"text","text":"b"}]},
        {"role":"user","content":"c"}]}"#;
    let answer = server.account("anthropic").call(messages(Operation::Chat, body)).await.unwrap();
    assert!(matches!(answer, Answer::Whole(whole) if matches!(whole.content, Content::Chat(_))));
    let said = value!([{"type": "text", "text": "b"}]);
    assert_eq!(server.next_seen().await.json()["messages"][1]["content"], said);
}

#[tokio::test]
async fn errors_are_understood_in_both_languages() {
    let error =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"m"},"request_id":"r"}"#;
    let server = Upstream::start(move |_| json(529, error)).await;
    let own = r#"{"model":"m","max_tokens":9,"messages":[{}]}"#;
    for attempt in [chat(false), chat(true), messages(Operation::Chat, own)] {
        let failure = upstream::failure(server.account("anthropic").call(attempt).await).await;
        assert_eq!((failure.kind, failure.message.as_str()), (Kind::Overloaded, "m"));
    }
}

#[tokio::test]
async fn the_list_of_models_is_asked_for_whole() {
    let body = r#"{"data":[{"type":"model","id":"a"},{"type":"model","id":"b"}],"has_more":false}"#;
    let mut server = Upstream::start(move |_| json(200, body)).await;
    assert_eq!(server.account("anthropic").models().await.unwrap(), ["a", "b"]);
    assert_eq!(server.next_seen().await.line, "GET /v1/v1/models?limit=1000");
}
