//! Chat completion requests in full, for providers (and the engine) that do not speak OpenAI's
//! language themselves.
//!
//! Beside OpenAI's own members those are read that its callers have from elsewhere: `reasoning` and
//! `reasoning_details` (OpenRouter), `thinking` and `cache_control` (Anthropic, through LiteLLM and
//! OpenRouter), `reasoning_content` (DeepSeek, vLLM), `extra_content` (Google). Members that no
//! neutral word exists for are kept in `extra`; what would change the answer and can be kept nowhere
//! is refused.

use isthmus_inference::chat::{ChatRequest, Prompt};
use isthmus_inference::failure::{Failure, Kind};
use serde_json::{Map, Value};

use crate::dialects::fields::Fields;
use crate::dialects::openai_sampling::{choices, format, sampling};

mod content;
mod messages;
pub(crate) mod reasoning;
mod tools;

pub(crate) use content::parts;
pub(crate) use tools::free_text;

/// The most alternatives beside each generated token.
const MOST_TOP_LOGPROBS: u32 = 20;
/// Members that say how the answer is to be sent, not what it is to be.
const READ_ELSEWHERE: [&str; 3] = ["model", "stream", "stream_options"];

/// Reads the body of `POST /chat/completions`.
pub fn decode_chat(body: &[u8]) -> Result<ChatRequest, Failure> {
    let mut fields = Fields::of_body(body)?;
    refuse_retired(&mut fields)?;
    refuse_spoken(&mut fields)?;
    for name in READ_ELSEWHERE {
        fields.take(name);
    }
    let mut sampling = sampling(&mut fields)?;
    sampling.max_tokens = max_tokens(&mut fields)?;
    let offered = tools::offered(&mut fields)?;
    Ok(ChatRequest {
        prompt: Prompt::Messages(messages::messages(&mut fields)?),
        tools: offered.tools,
        native_tools: offered.native,
        tool_choice: offered.choice,
        parallel_tool_calls: fields.boolean("parallel_tool_calls")?,
        format: format(&mut fields)?,
        sampling,
        reasoning: reasoning::wanted(&mut fields)?,
        choices: choices(&mut fields)?,
        top_logprobs: top_logprobs(&mut fields)?,
        echo: false,
        service_tier: fields.text("service_tier")?,
        user: user(&mut fields)?,
        metadata: metadata(&mut fields)?,
        require_parameters: require_parameters(&mut fields)?,
        extra: fields.rest(),
        continued: false,
    })
}

/// `functions` and `function_call` came before `tools`; an answer in their shape is not made here.
fn refuse_retired(fields: &mut Fields) -> Result<(), Failure> {
    for (retired, instead) in [("functions", "tools"), ("function_call", "tool_choice")] {
        if fields.take(retired).is_some() {
            let message = format!("`{retired}` is not supported by this model; use `{instead}`");
            return Err(Failure::new(Kind::Unsupported, message).with_param(retired));
        }
    }
    Ok(())
}

/// Who wants to hear the answer is not served by reading it.
fn refuse_spoken(fields: &mut Fields) -> Result<(), Failure> {
    let modalities = fields.list("modalities")?;
    if modalities.iter().any(|word| word == "audio") {
        let message = "spoken answers are not supported by this model; ask for `text`";
        return Err(Failure::new(Kind::Unsupported, message).with_param("modalities"));
    }
    // Text alone is what everybody answers.
    if modalities.iter().any(|word| word != "text") {
        fields.put("modalities", Value::Array(modalities));
    }
    Ok(())
}

/// `max_completion_tokens` is the newer name; the smaller one counts where both are given.
fn max_tokens(fields: &mut Fields) -> Result<Option<u32>, Failure> {
    let newer = fields.integer("max_completion_tokens", 1..=u32::MAX)?;
    let older = fields.integer("max_tokens", 1..=u32::MAX)?;
    Ok(newer.into_iter().chain(older).min())
}

fn top_logprobs(fields: &mut Fields) -> Result<Option<u8>, Failure> {
    let wanted = fields.boolean("logprobs")?.unwrap_or(false);
    let top = fields.integer("top_logprobs", 0..=MOST_TOP_LOGPROBS)?;
    match top.map(u8::try_from) {
        // The official SDKs' callers write 0 for "none".
        Some(Ok(0)) if !wanted => Ok(None),
        Some(_) if !wanted => {
            Err(Failure::invalid("top_logprobs", "`top_logprobs` needs `logprobs` to be true"))
        }
        Some(Ok(top)) => Ok(Some(top)),
        _ => Ok(wanted.then_some(0)),
    }
}

/// `safety_identifier` is the newer name.
fn user(fields: &mut Fields) -> Result<Option<String>, Failure> {
    let newer = fields.text("safety_identifier")?;
    let older = fields.text("user")?;
    Ok(newer.or(older))
}

fn metadata(fields: &mut Fields) -> Result<Map<String, Value>, Failure> {
    Ok(fields.object("metadata")?.map(Fields::rest).unwrap_or_default())
}

/// The other members of `provider` are for whoever chooses the endpoint.
pub(crate) fn require_parameters(fields: &mut Fields) -> Result<bool, Failure> {
    let Some(mut provider) = fields.object("provider")? else { return Ok(false) };
    Ok(provider.boolean("require_parameters")?.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use isthmus_inference::chat::{
        AnswerFormat, Effort, FreeText, JsonSchema, NativeTool, Role, Sampling, Tool, ToolChoice,
    };
    use isthmus_inference::part::{
        CacheLife, Media, Part, Signature, ToolCall, ToolResult, formats,
    };
    use serde_json::json;

    use super::*;

    /// A request with these members beside one message.
    fn with(members: &Value) -> Result<ChatRequest, Failure> {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        for (key, value) in members.as_object().unwrap() {
            body[key] = value.clone();
        }
        decode_chat(body.to_string().as_bytes())
    }

    #[test]
    fn a_full_request_is_read_whole() {
        let request = with(&json!({
            "messages": [
                {"role": "developer", "content": "be brief"},
                {"role": "user", "name": "ann", "content": [
                    {"type": "text", "text": "what is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
                    {"type": "input_audio", "input_audio": {"data": "AA"}},
                ]},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                ]},
                {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
            ],
            "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
            "tool_choice": {"type": "function", "function": {"name": "look"}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            "temperature": 0.5, "top_p": 1, "top_k": 40, "seed": -1, "stop": "END",
            "max_tokens": 50, "max_completion_tokens": 20,
            "presence_penalty": -2, "frequency_penalty": 2.0,
            "logit_bias": {"42": -100}, "n": 3, "logprobs": true, "top_logprobs": 2,
            "user": "u", "metadata": {"a": "b"},
        }))
        .unwrap();

        assert_eq!(
            request.sampling,
            Sampling {
                temperature: Some(0.5),
                top_p: Some(1.0),
                top_k: Some(40),
                seed: Some(u64::MAX),
                stop: vec!["END".into()],
                max_tokens: Some(20),
                presence_penalty: -2.0,
                frequency_penalty: 2.0,
                logit_bias: vec![(42, -100.0)],
            }
        );
        assert_eq!((request.choices, request.top_logprobs), (3, Some(2)));
        assert_eq!(request.tool_choice, ToolChoice::Named("look".into()));
        let schema = json!({"type": "object"});
        let format = JsonSchema { name: "n".into(), schema, ..JsonSchema::default() };
        assert_eq!(request.format, AnswerFormat::JsonSchema(format));
        let Prompt::Messages(messages) = request.prompt else { panic!("not a conversation") };
        let roles: Vec<_> = messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool]);
        assert_eq!(messages[1].content[0], Part::Text("what is this?".into()));
        let media = Media::Inline { media_type: "image/png".into(), base64: "AA".into() };
        assert_eq!(messages[1].content[1], Part::Image { media, detail: None });
        let media = Media::Inline { media_type: String::new(), base64: "AA".into() };
        assert_eq!(messages[1].content[2], Part::Audio(media));
        let Part::ToolCall(call) = &messages[2].content[0] else { panic!("no call") };
        assert_eq!(call.name, "look");
        let Part::ToolResult(result) = &messages[3].content[0] else { panic!("no result") };
        assert_eq!((result.call_id.as_str(), &result.content[0]), ("c1", &Part::text("a cat")));
    }

    #[test]
    fn what_callers_have_from_elsewhere_is_read_too() {
        let ttl = json!({"type": "ephemeral", "ttl": "1h"});
        let request = with(&json!({
            "messages": [
                {"role": "system", "content": "be brief", "cache_control": {"type": "ephemeral"}},
                {"role": "user", "content": [
                    {"type": "text", "text": "read", "cache_control": ttl},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"}},
                    {"type": "file", "file": {"file_id": "file-1"}},
                    {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
                    {"type": "video_url", "video_url": {"url": "https://a.example/v.mp4"}},
                    {"type": "hologram", "x": 1},
                ]},
                {"role": "assistant", "content": "", "reasoning_content": "hm", "reasoning_details": [
                    {"type": "reasoning.text", "text": "hm", "signature": "s", "format": formats::ANTHROPIC},
                ], "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"},
                     "extra_content": {"google": {"thought_signature": "g"}}},
                ]},
                {"role": "tool", "tool_call_id": "c1", "name": "f", "is_error": true, "content": [
                    {"type": "text", "text": "boom"},
                ]},
                {"role": "assistant", "refusal": "no"},
            ],
            "tools": [
                {"type": "function", "cache_control": ttl, "function": {"name": "f"}},
                {"type": "function", "function": {"name": "g"}},
                {"type": "custom", "custom": {"name": "c"}},
                {"type": "teleport", "to": "x"},
            ],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {
                "mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}],
            }},
            "parallel_tool_calls": false, "service_tier": "flex", "user": "u", "safety_identifier": "s",
            "metadata": {"a": "b"}, "provider": {"require_parameters": true, "order": ["x"]},
            "reasoning_effort": "low", "modalities": ["text"], "stream": true,
            "safe_prompt": true, "store": null,
        }))
        .unwrap();

        let Prompt::Messages(messages) = &request.prompt else { panic!("not a conversation") };
        let pdf = Media::Inline { media_type: "application/pdf".into(), base64: "AA".into() };
        let mp3 = Media::Inline { media_type: "audio/mpeg".into(), base64: "AA".into() };
        let film = Media::Url { url: "https://a.example/v.mp4".into(), media_type: None };
        let thought = Part::Thinking {
            text: "hm".into(),
            signature: Some(Signature::new(formats::ANTHROPIC, "s")),
        };
        let call = ToolCall {
            id: "c1".into(),
            name: "f".into(),
            arguments: "{}".into(),
            signature: Some(Signature::new(formats::GEMINI, "g")),
            ..ToolCall::default()
        };
        let result = ToolResult {
            call_id: "c1".into(),
            name: Some("f".into()),
            content: vec![Part::text("boom")],
            is_error: true,
        };
        let native = |value| Part::Native { format: formats::OPENAI_CHAT, value };
        let expected = [
            vec![Part::text("be brief"), Part::CachePoint(CacheLife::FiveMinutes)],
            vec![
                Part::text("read"),
                Part::CachePoint(CacheLife::OneHour),
                Part::Document { media: pdf, name: Some("a.pdf".into()) },
                Part::Document { media: Media::File { id: "file-1".into() }, name: None },
                Part::Audio(mp3),
                Part::Video(film),
                native(json!({"type": "hologram", "x": 1})),
            ],
            vec![thought, Part::ToolCall(call)],
            vec![Part::ToolResult(result)],
            vec![Part::Refusal("no".into())],
        ];
        let contents: Vec<_> = messages.iter().map(|message| message.content.clone()).collect();
        assert_eq!(contents, expected);

        let names: Vec<_> =
            request.tools.iter().map(|tool| (tool.name.as_str(), tool.cache)).collect();
        assert_eq!(names, [("f", Some(CacheLife::OneHour))], "what is not allowed is not offered");
        let later = json!({"type": "teleport", "to": "x"});
        let later = NativeTool { format: formats::OPENAI_CHAT, value: later };
        assert_eq!(request.native_tools, [later]);
        assert_eq!(request.tool_choice, ToolChoice::Required);
        assert_eq!(request.parallel_tool_calls, Some(false));
        assert_eq!(request.service_tier.as_deref(), Some("flex"));
        assert_eq!(request.user.as_deref(), Some("s"));
        assert_eq!(request.metadata["a"], "b");
        assert!(request.require_parameters);
        assert_eq!(request.reasoning.effort, Some(Effort::Low));
        assert_eq!(Value::Object(request.extra), json!({"safe_prompt": true}));
    }

    #[test]
    fn what_is_left_out_or_null_has_the_usual_value() {
        for members in
            [json!({}), json!({"temperature": null, "stop": null, "tools": null, "n": null})]
        {
            let request = with(&members).unwrap();
            assert_eq!(request.sampling, Sampling::default());
            assert_eq!((request.choices, request.top_logprobs), (1, None));
            assert_eq!(request.tool_choice, ToolChoice::Auto);
            assert_eq!(request.format, AnswerFormat::Text);
        }
    }

    #[test]
    fn no_limit_is_not_the_same_as_no_wish() {
        for (written, read) in [(json!(0), Some(0)), (json!(-1), Some(0)), (json!(null), None)] {
            let request = with(&json!({ "top_k": written })).unwrap();
            assert_eq!(request.sampling.top_k, read, "{written}");
        }
    }

    #[test]
    fn every_complaint_names_its_field() {
        let function = json!({"type": "function", "function": {"name": "f"}});
        let cases = [
            (json!({"temperature": 2.1}), "temperature"),
            (json!({"temperature": "hot"}), "temperature"),
            (json!({"top_p": -0.1}), "top_p"),
            (json!({"top_k": 1.5}), "top_k"),
            (json!({"n": 0}), "n"),
            (json!({"n": 129}), "n"),
            (json!({"max_tokens": 0}), "max_tokens"),
            (json!({"max_completion_tokens": -1}), "max_completion_tokens"),
            (json!({"max_tokens": 5_000_000_000_u64}), "max_tokens"),
            (json!({"presence_penalty": 3}), "presence_penalty"),
            (json!({"frequency_penalty": []}), "frequency_penalty"),
            (json!({"stop": ["a", "b", "c", "d", "e"]}), "stop"),
            (json!({"stop": [1]}), "stop"),
            (json!({"stop": ""}), "stop"),
            (json!({"seed": 1.5}), "seed"),
            (json!({"logit_bias": {"cat": 1}}), "logit_bias"),
            (json!({"logit_bias": {"1": 101}}), "logit_bias"),
            (json!({"logprobs": 1}), "logprobs"),
            (json!({"top_logprobs": 1}), "top_logprobs"),
            (json!({"logprobs": true, "top_logprobs": 21}), "top_logprobs"),
            (json!({"messages": [1]}), "messages[0]"),
            (json!({"messages": [{"content": "x"}]}), "messages[0].role"),
            (json!({"messages": [{"role": "wizard", "content": "x"}]}), "messages[0].role"),
            (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
            (json!({"messages": [{"role": "user", "content": 7}]}), "messages[0].content"),
            (
                json!({"messages": [{"role": "user", "content": [{}]}]}),
                "messages[0].content[0].type",
            ),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}),
                "messages[0].content[0].image_url.url",
            ),
            (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].tool_call_id"),
            (
                json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f"}}]}]}),
                "messages[0].tool_calls[0].function.arguments",
            ),
            (json!({"tools": {}}), "tools"),
            (json!({"tools": [{"name": "f"}]}), "tools[0].type"),
            (json!({"tool_choice": {"type": "custom", "custom": {"name": "f"}}}), "tool_choice"),
            (json!({"tool_choice": {"type": "teleport"}}), "tool_choice.type"),
            (json!({"tools": [{"type": "custom"}]}), "tools[0].custom"),
            (
                json!({"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "xml"}}}]}),
                "tools[0].custom.format.type",
            ),
            (
                json!({"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "grammar"}}}]}),
                "tools[0].custom.format.grammar",
            ),
            (json!({"modalities": ["text", "audio"]}), "modalities"),
            (json!({"metadata": "x"}), "metadata"),
            (json!({"provider": {"require_parameters": 1}}), "provider.require_parameters"),
            (json!({"tools": [{"type": "function"}]}), "tools[0].function"),
            (
                json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": 1}}]}),
                "tools[0].function.parameters",
            ),
            (json!({"tool_choice": "maybe"}), "tool_choice"),
            (json!({"tool_choice": "required"}), "tool_choice"),
            (
                json!({"tools": [function], "tool_choice": {"type": "function", "function": {"name": "g"}}}),
                "tool_choice",
            ),
            (json!({"response_format": "json"}), "response_format"),
            (json!({"response_format": {"type": "xml"}}), "response_format.type"),
            (json!({"response_format": {"type": "json_schema"}}), "response_format.json_schema"),
            (
                json!({"response_format": {"type": "json_schema", "json_schema": {"schema": 1}}}),
                "response_format.json_schema.schema",
            ),
            (json!({"functions": []}), "functions"),
        ];
        for (members, param) in cases {
            let failure = with(&members).expect_err(&members.to_string());
            assert_eq!(failure.param.as_deref(), Some(param), "{members}: {}", failure.message);
            assert!(matches!(failure.kind, Kind::InvalidRequest | Kind::Unsupported), "{members}");
        }
    }

    #[test]
    fn custom_tools_and_their_calls_are_of_free_text() {
        let call = json!({"id": "c", "type": "custom", "custom": {"name": "patch", "input": "x"}});
        let grammar =
            json!({"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: X"}});
        let tool = |name: &str, format: &Value| json!({"type": "custom", "custom": {"name": name, "description": "d", "format": format}});
        let request = with(&json!({
            "messages": [{"role": "assistant", "content": null, "tool_calls": [call]}],
            "tools": [tool("patch", &json!({"type": "text"})), tool("sum", &grammar)],
            "tool_choice": {"type": "custom", "custom": {"name": "sum"}},
        }))
        .unwrap();
        let tool = |name: &str, free_text| Tool {
            name: name.into(),
            description: Some("d".into()),
            free_text: Some(free_text),
            ..Tool::default()
        };
        let grammar = FreeText::Grammar { syntax: "lark".into(), definition: "start: X".into() };
        assert_eq!(request.tools, [tool("patch", FreeText::Any), tool("sum", grammar)]);
        assert_eq!(request.tool_choice, ToolChoice::Named("sum".into()));
        let call = ToolCall {
            id: "c".into(),
            name: "patch".into(),
            arguments: "x".into(),
            free_text: true,
            ..ToolCall::default()
        };
        assert_eq!(request.messages()[0].content, [Part::ToolCall(call)]);
    }

    #[test]
    fn a_body_that_nests_too_deep_is_refused() {
        let deep = format!(r#"{{"messages":{}"#, "[".repeat(100_000));
        assert_eq!(decode_chat(deep.as_bytes()).unwrap_err().kind, Kind::InvalidRequest);
    }
}
