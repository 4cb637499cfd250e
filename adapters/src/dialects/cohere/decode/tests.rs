//! Cohere's answers whole and streamed: the same either way, and never complete when they are not.

use bytes::Bytes;
use isthmus_inference::usage::Source;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::dialect::StreamDecoder;

fn stream(data: &[Value]) -> (Vec<Event>, Result<(), Failure>) {
    let text: String = data
        .iter()
        .map(|data| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or("x")))
        .collect();
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    let outcome = decoder.push(text.into(), &mut events).and_then(|()| decoder.end(&mut events));
    (events, outcome)
}

fn begin() -> Value {
    json!({"type": "message-start", "id": "x", "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}})
}

fn content(kind: &str, index: u32, content: &Value) -> Value {
    json!({"type": kind, "index": index, "delta": {"message": {"content": content}}})
}

fn call(kind: &str, index: u32, call: &Value) -> Value {
    json!({"type": kind, "index": index, "delta": {"message": {"tool_calls": call}}})
}

fn end(reason: &str) -> Value {
    let usage = json!({"billed_units": {"input_tokens": 5, "output_tokens": 9}, "tokens": {"input_tokens": 50, "output_tokens": 90}});
    json!({"type": "message-end", "delta": {"finish_reason": reason, "usage": usage}})
}

fn folded(events: Vec<Event>) -> ChatAnswer {
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish("".into()).unwrap()
}

#[test]
fn a_stream_folds_to_the_whole_answer() {
    let plan =
        |text: &str| json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": text}}});
    let function = |name: Option<&str>, arguments: &str| json!({"function": {"name": name, "arguments": arguments}});
    let mut first = function(Some("add"), "");
    first["id"] = "c1".into();
    let mut second = function(Some("now"), "");
    second["id"] = "c2".into();
    let data = [
        begin(),
        plan("I "),
        plan("will"),
        content("content-start", 0, &json!({"type": "thinking", "thinking": ""})),
        content("content-delta", 0, &json!({"thinking": "hm"})),
        json!({"type": "content-end", "index": 0}),
        content("content-start", 1, &json!({"type": "text", "text": ""})),
        content("content-delta", 1, &json!({"text": "Hel"})),
        json!({"type": "citation-start", "index": 0, "delta": {"message": {"citations": {"text": "H"}}}}),
        content("content-delta", 1, &json!({"text": "lo"})),
        json!({"type": "content-end", "index": 1}),
        call("tool-call-start", 0, &first),
        call("tool-call-delta", 0, &function(None, "{\"a\":")),
        call("tool-call-delta", 0, &function(None, "1}")),
        json!({"type": "tool-call-end", "index": 0}),
        call("tool-call-start", 1, &second),
        json!({"type": "tool-call-end", "index": 1}),
        end("TOOL_CALL"),
    ];
    let (events, outcome) = stream(&data);
    outcome.unwrap();
    let body = json!({"id": "x", "finish_reason": "TOOL_CALL", "usage": end("")["delta"]["usage"],
    "message": {"role": "assistant", "tool_plan": "I will",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hello"}],
        "citations": [{"text": "H"}],
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{\"a\":1}"}},
            {"id": "c2", "type": "function", "function": {"name": "now", "arguments": ""}},
        ]}});
    let whole = decode(body.to_string().as_bytes()).unwrap();
    assert_eq!(folded(events), whole);
    let choice = &whole.choices[0];
    assert_eq!((choice.text().as_str(), choice.reasoning().as_str()), ("Hello", "I willhm"));
    let arguments: Vec<_> = choice.tool_calls().map(|call| call.arguments.as_str()).collect();
    assert_eq!(arguments, ["{\"a\":1}", "{}"]);
    assert_eq!((whole.usage.input(), whole.usage.output()), (5, 9));
}

#[test]
fn each_end_has_its_reason() {
    for (word, reason) in REASONS.iter().chain(&[("NEW_WORD", FinishReason::Stop)]) {
        let (events, outcome) = stream(&[begin(), end(word)]);
        outcome.unwrap();
        assert_eq!(folded(events).choices[0].finish, Some(*reason), "{word}");
    }
    for usage in [json!({}), Value::Null] {
        let end =
            json!({"type": "message-end", "delta": {"finish_reason": "ERROR", "usage": usage}});
        assert_eq!(folded(stream(&[begin(), end]).0).usage.source, Source::Estimated);
        let whole = json!({"message": {"content": null}, "finish_reason": null, "usage": usage});
        let whole = decode(whole.to_string().as_bytes()).unwrap();
        assert_eq!(whole.usage.source, Source::Estimated);
    }
}

#[test]
fn the_weights_of_what_was_drawn_are_told_beside_the_text() {
    let item =
        |text: &str, weights: &[f32]| json!({"text": text, "token_ids": [1], "logprobs": weights});
    let weighed = |text: &str, weights: &[f32]| {
        let mut event = content("content-delta", 0, &json!({ "text": text }));
        event["logprobs"] = item(text, weights);
        event
    };
    let mut thought = content("content-delta", 0, &json!({"thinking": "hm"}));
    thought["logprobs"] = item("hm", &[-9.0]);
    let mut odd = content("content-delta", 0, &json!({"text": "!"}));
    odd["logprobs"] = json!({"text": 7});
    let data = [
        begin(),
        thought,
        weighed("Hel", &[-0.5]),
        weighed("lo", &[-0.25, -1.0]),
        odd,
        end("COMPLETE"),
    ];
    let (events, outcome) = stream(&data);
    outcome.unwrap();
    let streamed = folded(events);
    let token = |text: &str, logprob: f32| TokenLogprob {
        bytes: text.as_bytes().to_vec(),
        logprob,
        top: vec![],
    };
    let expected = [token("Hel", -0.5), token("lo", -1.25)];
    assert_eq!(streamed.choices[0].logprobs, expected);
    assert_eq!(streamed.choices[0].text(), "Hello!");
    let body = json!({"id": "x", "finish_reason": "COMPLETE", "usage": end("")["delta"]["usage"],
        "message": {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hello!"},
        ]},
        "logprobs": [item("Hel", &[-0.5]), item("lo", &[-0.25, -1.0])]});
    assert_eq!(decode(body.to_string().as_bytes()).unwrap(), streamed);
}

#[test]
fn what_went_wrong_is_told_in_the_vendors_words() {
    let mut ended = end("ERROR");
    ended["delta"]["error"] = "your request resulted in an invalid tool generation".into();
    let plan =
        json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will look"}}});
    let answer = folded(stream(&[begin(), plan, ended]).0);
    let choice = &answer.choices[0];
    assert_eq!(choice.finish, Some(FinishReason::Failed));
    let told = Part::Refusal("your request resulted in an invalid tool generation".into());
    assert_eq!(choice.content.last(), Some(&told));
    assert_eq!(choice.reasoning(), "I will look");
}

#[test]
fn calls_without_an_index_are_kept_apart() {
    let unnumbered = |kind: &str, call: &Value| json!({"type": kind, "delta": {"message": {"tool_calls": call}}});
    let begun = |id: &str| {
        unnumbered(
            "tool-call-start",
            &json!({"id": id, "function": {"name": "f", "arguments": null}}),
        )
    };
    let piece =
        |text: &str| unnumbered("tool-call-delta", &json!({"function": {"arguments": text}}));
    let over = json!({"type": "tool-call-end"});
    let data = [
        begin(),
        begun("a"),
        piece("{\"x\":"),
        piece("1}"),
        over.clone(),
        begun("b"),
        piece("{\"y\":2}"),
        over.clone(),
        begun("c"),
        over,
        end("TOOL_CALL"),
    ];
    let answer = folded(stream(&data).0);
    let calls: Vec<_> = answer.choices[0]
        .tool_calls()
        .map(|call| (call.id.as_str(), call.arguments.as_str()))
        .collect();
    assert_eq!(calls, [("a", "{\"x\":1}"), ("b", "{\"y\":2}"), ("c", "{}")]);
    // One that has the number of another is none the less another.
    let twice = ["a", "b"].map(|id| call("tool-call-start", 0, &json!({"id": id})));
    let data = [vec![begin()], twice.to_vec(), vec![end("TOOL_CALL")]].concat();
    assert_eq!(folded(stream(&data).0).choices[0].tool_calls().count(), 2);
}

#[test]
fn cut_and_broken_streams_are_failures() {
    let text = content("content-delta", 0, &json!({"text": "so far"}));
    let cases = [
        (vec![], Kind::Malformed),
        (vec![begin(), text.clone()], Kind::Malformed),
        (vec![begin(), text, json!({"id": "x", "message": "boom"})], Kind::ProviderError),
    ];
    for (data, kind) in cases {
        let (events, outcome) = stream(&data);
        assert_eq!(outcome.unwrap_err().kind, kind);
        assert!(!events.iter().any(|event| matches!(event, Event::Usage(_))));
    }
    for garbage in ["", "<html>private", "{}", "[]"] {
        let failure = decode(garbage.as_bytes()).unwrap_err();
        assert_eq!(failure.kind, Kind::Malformed, "{garbage}");
        assert!(!failure.detail.unwrap().contains("private"));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        pieces in proptest::collection::vec(
            prop_oneof![
                4 => proptest::sample::select(&["{\"type\":\"", "content-start", "content-delta", "tool-call-start", "tool-call-delta", "message-end", "\",\"index\":", "0", "-1", ",\"delta\":{\"message\":{\"content\":", "\"tool_calls\":", "{\"text\":\"a\"}", "[]", "\"}", "}", "null", "data: ", "\n\n"][..]).prop_map(str::to_owned),
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
