//! A failure as OpenAI tells it: `{"error":{message,type,param,code}}`.

use bytes::Bytes;
use isthmus_inference::failure::Kind;
use serde_json::{Value, json};

use crate::dialect::Told;

/// Writes a failure; an upstream's own words pass as they came if they are in this shape already.
/// Those about the house's credential are not for the caller.
pub fn encode(told: &Told<'_>) -> Bytes {
    let failure = told.failure;
    if let Some(upstream) = &failure.upstream
        && failure.kind != Kind::UpstreamAuth
        && is_openai_error(&upstream.body)
    {
        return upstream.body.clone();
    }
    let error = json!({ "error": {
        "message": failure.message,
        "type": error_type(failure.status()),
        "param": failure.param,
        "code": failure.kind.as_str(),
    }});
    error.to_string().into()
}

/// Anthropic's errors have the same member, beside `"type":"error"`.
fn is_openai_error(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|body| {
        body["type"] != "error" && body.pointer("/error/message").is_some_and(Value::is_string)
    })
}

fn error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..500 => "invalid_request_error",
        _ => "server_error",
    }
}
