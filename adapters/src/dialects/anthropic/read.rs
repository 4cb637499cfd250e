//! Just enough of a caller's request to route it.

use bytes::Bytes;
use isthmus_inference::failure::Failure;
use isthmus_inference::request::{Dialect, Operation, Request};

use crate::dialects::fields::{name_of_type, wrong_type};
use crate::dialects::openai_request::{Members, boolean, model};

/// The members that routing and accounting read.
const READ_HERE: [&str; 4] = ["model", "stream", "messages", "max_tokens"];

/// Reads of the caller's bytes what routing and accounting need.
pub(super) fn read(operation: Operation, body: Bytes) -> Result<Request, Failure> {
    let members = Members::of(&body, &READ_HERE)?;
    let value = |name: &str| members.value(name);
    let model = model(value("model"))?;
    let stream = operation == Operation::Chat && boolean("stream", value("stream"))?;
    check_messages(value("messages"))?;
    if operation == Operation::Chat && value("max_tokens").is_none() {
        return Err(Failure::invalid("max_tokens", "max_tokens: Field required"));
    }
    let model = model.as_ref().into();
    Ok(Request {
        operation,
        dialect: Dialect::Anthropic,
        model,
        stream,
        // A stream in this dialect ends with its usage by itself.
        usage_wanted: false,
        outline: members.outline,
        body,
        forwarded: Vec::new(),
        query: None,
    })
}

fn check_messages(value: Option<&str>) -> Result<(), Failure> {
    let Some(text) = value else {
        return Err(Failure::invalid("messages", "messages: Field required"));
    };
    if !text.starts_with('[') {
        return Err(wrong_type("messages", "an array of messages", name_of_type(text)));
    }
    if text[1..].trim_start().starts_with(']') {
        return Err(Failure::invalid("messages", "messages: at least one message is required"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_routing_needs_is_read() {
        let body = r#"{"max_tokens":5,"model":"m","stream":true,"messages":[{}]}"#;
        let request = read(Operation::Chat, Bytes::from_static(body.as_bytes())).unwrap();
        assert_eq!((request.model.as_str(), request.stream), ("m", true));
        assert_eq!(request.dialect, Dialect::Anthropic);
    }

    #[test]
    fn complaints_name_their_field() {
        let cases = [
            (r#"{"max_tokens":5,"messages":[{}]}"#, "model"),
            (r#"{"model":"m","messages":[{}]}"#, "max_tokens"),
            (r#"{"model":"m","max_tokens":5}"#, "messages"),
            (r#"{"model":"m","max_tokens":5,"messages":[]}"#, "messages"),
            (r#"{"model":"m","max_tokens":5,"messages":"hi"}"#, "messages"),
            (r#"{"model":"m","max_tokens":5,"messages":[{}],"stream":1}"#, "stream"),
            (r#"{"model":"m","model":"n","max_tokens":5,"messages":[{}]}"#, "model"),
        ];
        for (body, param) in cases {
            let failure = read(Operation::Chat, Bytes::from_static(body.as_bytes())).unwrap_err();
            assert_eq!(failure.param.as_deref(), Some(param), "{body}");
        }
        let count = r#"{"model":"m","messages":[{}]}"#;
        assert!(read(Operation::CountTokens, Bytes::from_static(count.as_bytes())).is_ok());
    }
}
