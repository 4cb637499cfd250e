//! A request on its way out: what must change is spliced into the caller's own text, so that unknown
//! fields, the order of keys and the formatting arrive upstream as they were written.

use std::ops::Range;

use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::outline::Member;
use isthmus_inference::request::Request;

use super::StreamOptions;
use crate::dialects::edits::{Edit, splice, take_out};
use crate::pieces::Pieces;

/// What an upstream must be sent otherwise than the caller wrote it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quirks {
    /// How it comes to report the usage of a stream.
    pub stream_usage: StreamUsage,
    /// Top-level fields that it knows by another name: (OpenAI's, its own).
    pub renames: &'static [(&'static str, &'static str)],
    /// Top-level fields that it refuses and nobody misses.
    pub refused: &'static [&'static str],
}

/// How an upstream comes to report the usage of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StreamUsage {
    /// It must be asked, with `stream_options.include_usage`.
    #[default]
    Asked,
    /// It reports unasked; what the caller wrote is passed on.
    Unasked,
    /// It reports unasked and refuses `stream_options`, which is therefore taken out.
    OptionRefused,
}

/// The body to send upstream: the caller's own, with the upstream's name of the model, with usage
/// asked for, and with the upstream's quirks. The same bytes come back if nothing needs to change.
pub fn rewrite(request: &Request, model: &UpstreamModel, quirks: &Quirks) -> Pieces {
    let ask = request.stream
        && match quirks.stream_usage {
            StreamUsage::Asked => !request.usage_wanted,
            StreamUsage::Unasked => false,
            StreamUsage::OptionRefused => true,
        };
    let edited = ask || !quirks.renames.is_empty() || !quirks.refused.is_empty();
    if !edited && request.model.as_str() == model.as_str() {
        return request.body.clone().into();
    }
    splice(&request.body, edits(request, model, quirks))
}

fn edits(request: &Request, model: &UpstreamModel, quirks: &Quirks) -> Vec<Edit> {
    let body = &request.body;
    let find = |name| request.outline.named(body, name).next();
    let mut edits = Vec::new();
    let mut gone: Vec<&Member> = Vec::new();
    let Some(named) = find("model") else { return edits };
    let named_at = named.value.clone();
    if request.model.as_str() != model.as_str() {
        let name = serde_json::Value::from(model.as_str()).to_string();
        edits.push(Edit { place: named_at.clone(), text: name.into() });
    }
    if request.stream {
        match (quirks.stream_usage, find("stream_options")) {
            (StreamUsage::Asked, None) => {
                let text = r#","stream_options":{"include_usage":true}"#.into();
                edits.push(Edit { place: named_at.end..named_at.end, text });
            }
            (StreamUsage::Asked, Some(options)) if !request.usage_wanted => {
                edits.push(ask_in(body, options.value.clone()));
            }
            (StreamUsage::OptionRefused, Some(options)) => gone.push(options),
            _ => {}
        }
    }
    for (ours, theirs) in quirks.renames {
        let named = request.outline.named(body, ours);
        // Who wrote the upstream's own name meant the upstream.
        match find(theirs) {
            Some(_) => gone.extend(named),
            None => edits.extend(named.map(|Member { key, .. }| {
                let text = (*theirs).into();
                Edit { place: key.clone(), text }
            })),
        }
    }
    for name in quirks.refused {
        gone.extend(request.outline.named(body, name));
    }
    edits.extend(take_out(&request.outline.members, &gone));
    edits
}

/// The edit that makes the `stream_options` at `place` ask for usage and leaves its other members
/// alone.
fn ask_in(body: &[u8], place: Range<usize>) -> Edit {
    let options = &body[place.clone()];
    let known = serde_json::from_slice::<StreamOptions<'_>>(options);
    if let Ok(StreamOptions { include_usage: Some(answer) }) = known {
        let answer = answer.get();
        let start = answer.as_ptr() as usize - body.as_ptr() as usize;
        return Edit { place: start..start + answer.len(), text: "true".into() };
    }
    match options.strip_prefix(b"{").map(<[u8]>::trim_ascii_start) {
        Some(rest) if !rest.starts_with(b"}") => Edit {
            place: place.start + 1..place.start + 1,
            text: r#""include_usage":true,"#.into(),
        },
        _ => Edit { place, text: r#"{"include_usage":true}"#.into() },
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, Bytes};
    use isthmus_inference::failure::Failure;
    use isthmus_inference::request::Operation;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::dialects::openai_request::decode;

    const PLAIN: Quirks = Quirks { stream_usage: StreamUsage::Asked, renames: &[], refused: &[] };
    const MISTRAL: Quirks = Quirks {
        stream_usage: StreamUsage::OptionRefused,
        renames: &[("input", "inputs")],
        refused: &["user"],
    };

    fn chat(body: &str) -> Result<Request, Failure> {
        decode(Operation::Chat, Bytes::copy_from_slice(body.as_bytes()))
    }

    fn rewritten(body: &str, model: &str, quirks: &Quirks) -> String {
        let request = chat(body).unwrap();
        String::from_utf8(rewrite(&request, &model.into(), quirks).whole().into()).unwrap()
    }

    #[test]
    fn a_member_that_is_written_very_often_is_changed_at_once() {
        let often = r#","seed":1,"user":"u""#.repeat(100_000);
        let request = chat(&format!(r#"{{"model":"m","messages":[{{}}]{often}}}"#)).unwrap();
        let quirks = Quirks { renames: &[("seed", "random_seed")], ..MISTRAL };
        let sent = rewrite(&request, &"n".into(), &quirks);
        assert_eq!(sent.chunk().len(), sent.remaining(), "in one piece");
        let renamed = r#","random_seed":1"#.repeat(100_000);
        assert_eq!(sent.whole(), format!(r#"{{"model":"n","messages":[{{}}]{renamed}}}"#));
    }

    #[test]
    fn nothing_to_change_gives_the_same_bytes() {
        let body = r#"{"model":"m","messages":[{}],"stream":true,"stream_options":{"include_usage":true}}"#;
        let request = chat(body).unwrap();
        let sent = rewrite(&request, &"m".into(), &PLAIN);
        assert_eq!(sent.whole().as_ptr(), request.body.as_ptr());
    }

    #[test]
    fn only_what_must_change_is_changed() {
        let cases = [
            (
                r#"{"messages":[{}], "model" : "m\"x" , "z":1.50}"#,
                r#"{"messages":[{}], "model" : "up\"s" , "z":1.50}"#,
            ),
            (
                r#"{"model":"m","messages":[{}],"stream":true}"#,
                r#"{"model":"up\"s","stream_options":{"include_usage":true},"messages":[{}],"stream":true}"#,
            ),
            (
                r#"{"stream_options":{ "a":1},"model":"m","messages":[{}],"stream":true}"#,
                r#"{"stream_options":{"include_usage":true, "a":1},"model":"up\"s","messages":[{}],"stream":true}"#,
            ),
            (
                r#"{"model":"m","messages":[{}],"stream":true,"stream_options":{"include_usage" : false }}"#,
                r#"{"model":"up\"s","messages":[{}],"stream":true,"stream_options":{"include_usage" : true }}"#,
            ),
            (
                r#"{"model":"m","messages":[{}],"stream":true,"stream_options": { } }"#,
                r#"{"model":"up\"s","messages":[{}],"stream":true,"stream_options": {"include_usage":true} }"#,
            ),
            (
                r#"{"model":"m","messages":[{}],"stream":true,"stream_options":null}"#,
                r#"{"model":"up\"s","messages":[{}],"stream":true,"stream_options":{"include_usage":true}}"#,
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(rewritten(body, "up\"s", &PLAIN), expected);
        }
    }

    #[test]
    fn refused_options_go_with_their_comma() {
        let cases = [
            r#"{"stream_options":{"a":[1,2]} , "model":"m","messages":[{}],"stream":true}"#,
            r#"{"model":"m", "stream_options":{},"messages":[{}],"stream":true}"#,
            r#"{"model":"m","messages":[{}],"stream":true , "stream_options":null }"#,
            r#"{"user":"u","model":"m","messages":[{}],"stream":true,"user":null}"#,
        ];
        for body in cases {
            let sent: Value = serde_json::from_str(&rewritten(body, "m", &MISTRAL)).unwrap();
            assert_eq!(sent, json!({"model":"m","messages":[{}],"stream":true}), "{body}");
        }
    }

    #[test]
    fn a_name_that_is_there_already_is_not_given_twice() {
        let cases = [
            r#"{"input":1 , "inputs":2,"model":"m","messages":[{}],"stream":true,"stream_options":{}}"#,
            r#"{"stream_options":{}, "input":1,"inputs":2,"model":"m","messages":[{}],"stream":true}"#,
            r#"{"inputs":2,"model":"m","messages":[{}],"stream":true,"stream_options":{} ,"input":1 }"#,
            r#"{"inputs":2,"model":"m","input":3,"stream_options":{},"messages":[{}],"stream":true}"#,
        ];
        for body in cases {
            let text = rewritten(body, "m", &MISTRAL);
            let sent: Value = serde_json::from_str(&text).unwrap();
            let expected = json!({"inputs":2,"model":"m","messages":[{}],"stream":true});
            assert_eq!(sent, expected, "{text}");
            assert_eq!(text.matches("input").count(), 1, "{text}");
        }
    }

    /// Bodies with the members that are read here, in any order among others.
    fn bodies() -> impl Strategy<Value = (Map<String, Value>, String)> {
        let options = prop_oneof![
            Just(json!({"include_usage": true})),
            Just(json!({"include_usage": false, "other": [1]})),
            Just(json!({"other": {"a": "}"}})),
            Just(json!({})),
            Just(Value::Null),
        ];
        let members = (
            "[a-z\"\\\\/é]{1,8}",
            proptest::option::of(any::<bool>()),
            proptest::option::of(options),
            proptest::collection::vec(("x[a-z\"]{0,4}", "[ -~é\\n]{0,20}"), 0..4),
            any::<bool>(),
            any::<bool>(),
        );
        let members = members.prop_map(|(model, stream, options, others, theirs, pretty)| {
            let mut members = vec![
                ("model".to_owned(), json!(model)),
                ("messages".to_owned(), json!([{"role": "user"}])),
                ("input".to_owned(), json!(7)),
            ];
            members.extend(theirs.then(|| ("inputs".to_owned(), json!(8))));
            members.extend(stream.map(|stream| ("stream".to_owned(), json!(stream))));
            members.extend(options.map(|options| ("stream_options".to_owned(), options)));
            members.extend(others.into_iter().map(|(key, text)| (key, json!({ "t": text }))));
            (members, pretty)
        });
        members
            .prop_flat_map(|(members, pretty)| (Just(members).prop_shuffle(), Just(pretty)))
            .prop_map(|(members, pretty)| {
                let body: Map<String, Value> = members.into_iter().collect();
                let text = match pretty {
                    true => serde_json::to_string_pretty(&body),
                    false => serde_json::to_string(&body),
                };
                (body, text.unwrap())
            })
    }

    proptest! {
        #[test]
        fn splicing_does_to_the_text_what_it_should_to_the_values((body, text) in bodies()) {
            let streamed = body.get("stream") == Some(&json!(true));
            for quirks in [PLAIN, MISTRAL] {
                let mut expected = body.clone();
                expected["model"] = json!("up/stream");
                match quirks.stream_usage {
                    StreamUsage::Asked if streamed => {
                        let options = expected.entry("stream_options").or_insert(Value::Null);
                        if options.is_null() {
                            *options = json!({});
                        }
                        options["include_usage"] = json!(true);
                    }
                    StreamUsage::OptionRefused if streamed => {
                        expected.shift_remove("stream_options");
                    }
                    _ => {}
                }
                if !quirks.renames.is_empty() {
                    let input = expected.shift_remove("input").unwrap();
                    expected.entry("inputs").or_insert(input);
                }
                let sent: Value = serde_json::from_str(&rewritten(&text, "up/stream", &quirks)).unwrap();
                prop_assert_eq!(sent, Value::Object(expected));
            }
        }
    }
}
