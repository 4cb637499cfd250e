//! Answers whole and streamed: the same either way, and never complete when they are not.

use bytes::Bytes;
use isthmus_inference::part::{Part, Signature, formats};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dialect::StreamDecoder;

/// The events of a stream of these data, and how it ended.
fn stream(data: &[Value]) -> (Vec<Event>, Result<(), Failure>) {
    let text: String = data
        .iter()
        .map(|data| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap()))
        .collect();
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    let outcome = decoder.push(text.into(), &mut events).and_then(|()| decoder.end(&mut events));
    (events, outcome)
}

fn begin() -> Value {
    json!({"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 9, "output_tokens": 1}}})
}

fn end(reason: &str) -> [Value; 2] {
    [
        json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 7}}),
        json!({"type": "message_stop"}),
    ]
}

fn block(index: u32, start: &Value, deltas: &[Value]) -> Vec<Value> {
    let mut events =
        vec![json!({"type": "content_block_start", "index": index, "content_block": start})];
    events.extend(
        deltas
            .iter()
            .map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})),
    );
    events.push(json!({"type": "content_block_stop", "index": index}));
    events
}

/// Blocks as they stream, and as they stand in a whole answer.
fn blocks() -> Vec<(Value, Vec<Value>, Value)> {
    vec![
        (
            json!({"type": "thinking", "thinking": "", "signature": ""}),
            vec![
                json!({"type": "thinking_delta", "thinking": "h"}),
                json!({"type": "thinking_delta", "thinking": "m"}),
                json!({"type": "signature_delta", "signature": "sig"}),
            ],
            json!({"type": "thinking", "thinking": "hm", "signature": "sig"}),
        ),
        (
            json!({"type": "redacted_thinking", "data": "xx"}),
            vec![],
            json!({"type": "redacted_thinking", "data": "xx"}),
        ),
        (
            json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
            vec![
                json!({"type": "input_json_delta", "partial_json": "{\"query\""}),
                json!({"type": "input_json_delta", "partial_json": ":\"x\"}"}),
            ],
            json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}),
        ),
        (
            json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": "u"}]}),
            vec![],
            json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": "u"}]}),
        ),
        (
            json!({"type": "text", "text": ""}),
            vec![
                json!({"type": "text_delta", "text": "Hel"}),
                json!({"type": "citations_delta", "citation": {"cited_text": "c"}}),
                json!({"type": "text_delta", "text": "lo"}),
            ],
            json!({"type": "text", "text": "Hello", "citations": [{"cited_text": "c"}]}),
        ),
        (
            json!({"type": "tool_use", "id": "t1", "name": "add", "input": {}}),
            vec![
                json!({"type": "input_json_delta", "partial_json": ""}),
                json!({"type": "input_json_delta", "partial_json": "{\"a\":"}),
                json!({"type": "input_json_delta", "partial_json": "1}"}),
            ],
            json!({"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}}),
        ),
        (
            json!({"type": "tool_use", "id": "t2", "name": "now", "input": {}}),
            vec![json!({"type": "input_json_delta", "partial_json": ""})],
            json!({"type": "tool_use", "id": "t2", "name": "now", "input": {}}),
        ),
    ]
}

#[test]
fn a_stream_folds_to_the_whole_answer() {
    let mut data = vec![begin(), json!({"type": "ping"})];
    let mut content = Vec::new();
    for (index, (start, deltas, whole)) in (0..).zip(blocks()) {
        data.extend(block(index, &start, &deltas));
        content.push(whole);
    }
    data.extend(end("tool_use"));
    let (events, outcome) = stream(&data);
    outcome.unwrap();
    assert!(matches!(events[0], Event::UsageSoFar(usage) if usage.uncached_input == 9));
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    let body = json!({"type": "message", "model": "m", "content": content, "stop_reason": "tool_use",
        "usage": {"input_tokens": 9, "output_tokens": 7}});
    let whole = decode(body.to_string().as_bytes()).unwrap();
    assert_eq!(fold.finish("m".into()).unwrap(), whole);

    let choice = &whole.choices[0];
    assert_eq!((choice.text().as_str(), choice.reasoning().as_str()), ("Hello", "hm"));
    let arguments: Vec<_> = choice.tool_calls().map(|call| call.arguments.as_str()).collect();
    assert_eq!(arguments, ["{\"a\":1}", "{}"]);
    let redacted = Signature { redacted: true, ..Signature::new(formats::ANTHROPIC, "xx") };
    assert!(
        matches!(&choice.content[1], Part::Thinking { signature: Some(by), .. } if *by == redacted)
    );
    assert_eq!((whole.usage.input(), whole.usage.output()), (9, 7));
}

#[test]
fn a_stream_without_its_stop_is_cut() {
    let text = block(0, &json!({"type": "text", "text": "so far"}), &[]);
    for events in
        [vec![begin()], [vec![begin()], text.clone(), vec![end("end_turn")[0].clone()]].concat()]
    {
        let (told, outcome) = stream(&events);
        assert_eq!(outcome.unwrap_err().kind, Kind::Malformed);
        assert!(!told.iter().any(|event| matches!(event, Event::Usage(_))));
    }
}

#[test]
fn an_error_in_the_middle_is_a_failure() {
    let error =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let (told, outcome) = stream(&[begin(), error.clone()]);
    assert_eq!(outcome.unwrap_err().kind, Kind::Overloaded);
    assert_eq!(told.len(), 1);
    assert_eq!(decode(error.to_string().as_bytes()).unwrap_err().kind, Kind::Overloaded);
}

#[test]
fn what_is_no_message_is_malformed_and_not_logged() {
    for garbage in ["", "<html>private", "{}", "[]", r#"{"content":"private"}"#] {
        let failure = decode(garbage.as_bytes()).unwrap_err();
        assert_eq!(failure.kind, Kind::Malformed, "{garbage}");
        assert!(!failure.detail.unwrap_or_default().contains("private"));
        let mut decoder = Decoder::new();
        let data = format!("data: {garbage}x\n\n");
        let failure = decoder.push(data.into(), &mut vec![]).unwrap_err();
        assert_eq!(failure.kind, Kind::Malformed, "{garbage}");
    }
}

#[test]
fn unknown_events_blocks_and_pieces_pass_by() {
    let compaction = json!({"type": "compaction", "content": "so"});
    let mut data = vec![begin(), json!({"type": "new_thing", "x": 1})];
    data.extend(block(0, &compaction, &[json!({"type": "compaction_delta", "content": " far"})]));
    data.extend(block(
        1,
        &json!({"type": "text", "text": "a"}),
        &[json!({"type": "new_delta", "y": 2})],
    ));
    data.extend(end("end_turn"));
    let (events, outcome) = stream(&data);
    outcome.unwrap();
    let value = json!({"content": "so far", "type": "compaction"});
    let part = Part::Native { format: formats::ANTHROPIC, value };
    assert!(events.contains(&Event::Part { choice: 0, part }));
}

#[test]
fn blocks_are_bounded() {
    let many = json!({"type": "content_block_start", "index": 5000, "content_block": {"type": "text", "text": ""}});
    assert_eq!(stream(&[begin(), many]).1.unwrap_err().kind, Kind::Malformed);
    let piece = json!({"type": "x_delta", "content": "x".repeat(1 << 20)});
    let flood = block(0, &json!({"type": "x", "content": ""}), &vec![piece; 9]);
    assert_eq!(stream(&flood).1.unwrap_err().kind, Kind::Malformed);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        pieces in proptest::collection::vec(
            prop_oneof![
                4 => proptest::sample::select(&["{\"type\":\"", "message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop", "error", "\",\"index\":", "0", "9999999999", ",\"content_block\":{\"type\":\"tool_use\",\"input\":", ",\"delta\":{\"partial_json\":\"", "\"}", "}", "[", "null", "data: ", "event: error\n", "\n\n"][..]).prop_map(str::to_owned),
                1 => "\\PC{0,4}",
            ],
            0..40,
        ),
        cut in 0usize..200,
    ) {
        let text = pieces.concat();
        let _ = decode(text.as_bytes());
        let mut decoder = Decoder::new();
        let (first, rest) = text.as_bytes().split_at(cut.min(text.len()));
        let mut events = Vec::new();
        let outcome = decoder
            .push(Bytes::copy_from_slice(first), &mut events)
            .and_then(|()| decoder.push(Bytes::copy_from_slice(rest), &mut events))
            .and_then(|()| decoder.end(&mut events));
        let counted = events.iter().filter(|event| matches!(event, Event::Usage(_))).count();
        prop_assert_eq!(counted, usize::from(outcome.is_ok()));
    }
}

#[test]
fn an_error_keeps_its_kind_whatever_stands_beside_it() {
    for error in [
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}),
        json!({"type": "error", "error": {"type": "overloaded_error"}, "message": "m"}),
        json!({"type": "error", "error": "overloaded_error", "message": "m"}),
    ] {
        let failure = stream(&[begin(), error.clone()]).1.unwrap_err();
        assert_eq!((failure.kind, &*failure.message), (Kind::Overloaded, "m"), "{error}");
    }
}

#[test]
fn what_was_never_counted_is_estimated() {
    let text = json!({"type": "text", "text": "twelve bytes"});
    let silent = [
        vec![json!({"type": "message_start", "message": {"model": "m"}})],
        block(0, &text, &[]),
        vec![json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})],
        vec![json!({"type": "message_stop"})],
    ];
    let (events, outcome) = stream(&silent.concat());
    outcome.unwrap();
    assert!(!events.iter().any(|event| matches!(event, Event::UsageSoFar(_))), "{events:?}");
    let whole = json!({"type": "message", "content": [text], "stop_reason": "end_turn"});
    let whole = decode(whole.to_string().as_bytes()).unwrap().usage;
    let expected = isthmus_inference::usage::Usage::of_answer(12);
    assert_eq!((events.last(), whole), (Some(&Event::Usage(expected)), expected));
}
