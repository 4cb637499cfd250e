//! An answer that another endpoint began, gone on with in each provider's own way.

use std::sync::Arc;

use isthmus_adapters::adapter::{Attempt, Beginning, Piece};
use isthmus_inference::failure::Kind;
use isthmus_inference::request::Operation;
use isthmus_inference::stream::Event;
use serde_json::{Value, json};

use super::upstream::{Upstream, attempt, pieces, stream};

const CHUNKS: &str = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" on\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const EVENTS: &str = "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" on\"}}\n\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\ndata: {\"type\":\"message_stop\"}\n\n";

/// The request to this model, with more members, to be gone on with behind this text.
fn going_on(model: &str, members: &str, text: &str) -> Attempt {
    let body = format!(
        r#"{{"model":"m","stream":true,"max_tokens":50,"messages":[{{"role":"user","content":"hi"}}]{members}}}"#
    );
    let beginning = Some(Arc::new(Beginning { text: text.into(), tokens: 8 }));
    Attempt { model: model.into(), beginning, ..attempt(Operation::Chat, &body) }
}

async fn chunks() -> Upstream {
    Upstream::start(|_| stream(&[CHUNKS])).await
}

#[tokio::test]
async fn each_provider_is_asked_in_its_own_way() {
    let flags = json!({"continue_final_message": true, "add_generation_prompt": false});
    let begun = json!({"role": "assistant", "content": "so"});
    let marked = json!({"role": "assistant", "content": "so", "prefix": true});
    for (kind, path, last, members) in [
        ("vllm", "/v1/chat/completions", &begun, flags.clone()),
        ("sglang", "/v1/chat/completions", &begun, flags.clone()),
        ("openai-compatible", "/v1/chat/completions", &begun, flags),
        ("groq", "/v1/chat/completions", &begun, json!({})),
        ("mistral", "/v1/chat/completions", &marked, json!({})),
        ("deepseek", "/v1/beta/chat/completions", &marked, json!({})),
    ] {
        let mut server = chunks().await;
        let account = server.account(kind);
        assert!(account.continues(), "{kind}");
        let (pieces, failure) = pieces(account.call(going_on("up", "", "so")).await).await;
        assert!(failure.is_none(), "{kind}: {failure:?}");
        let text = |piece: &Piece| matches!(piece, Piece::Event(Event::Text { text, .. }) if text == " on");
        assert!(pieces.iter().any(text), "{kind}: neutral events: {pieces:?}");
        let seen = server.next_seen().await;
        assert_eq!(seen.line, format!("POST {path}"), "{kind}");
        let body = seen.json();
        assert_eq!(body["messages"][1], *last, "{kind}");
        let limit = body.get("max_tokens").or(body.get("max_completion_tokens"));
        assert_eq!(limit, Some(&json!(42)), "{kind}: what was said counts");
        for name in ["continue_final_message", "add_generation_prompt"] {
            assert_eq!(body.get(name), members.get(name), "{kind}");
        }
    }
}

#[tokio::test]
async fn older_models_of_anthropics_go_on_and_newer_ones_are_not_asked() {
    let mut server = Upstream::start(|_| stream(&[EVENTS])).await;
    let account = server.account_with("anthropic", &[]);
    let attempt = going_on("claude-haiku-4-5", "", "so");
    assert!(pieces(account.call(attempt).await).await.1.is_none());
    let messages = server.next_seen().await.json()["messages"].clone();
    assert_eq!(messages[1]["content"], json!([{"type": "text", "text": "so"}]));
    let thinking = r#","reasoning_effort":"high""#;
    for (model, members) in [("claude-opus-4-6", ""), ("claude-haiku-4-5", thinking)] {
        let refused = account.call(going_on(model, members, "so")).await.err().unwrap();
        assert_eq!(refused.kind, Kind::Unsupported, "{model}");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn who_does_not_go_on_is_not_asked() {
    let server = chunks().await;
    for kind in ["openai", "xai", "perplexity"] {
        let refused = server.account(kind).call(going_on("up", "", "so")).await.err().unwrap();
        assert_eq!(refused.kind, Kind::Unsupported, "{kind}");
    }
    let shape = r#","response_format":{"type":"json_object"}"#;
    for members in [shape, r#","n":2"#] {
        let refused = server.account("vllm").call(going_on("up", members, "so")).await;
        assert_eq!(refused.err().unwrap().kind, Kind::Unsupported, "{members}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn where_nothing_was_said_anyone_begins_anew() {
    let mut server = chunks().await;
    let (pieces, failure) =
        pieces(server.account("openai").call(going_on("up", "", "")).await).await;
    assert!(failure.is_none());
    assert!(matches!(pieces[0], Piece::Event(_)), "in neutral events: {pieces:?}");
    let body: Value = server.next_seen().await.json();
    assert_eq!(body["messages"].as_array().map(Vec::len), Some(1));
}
