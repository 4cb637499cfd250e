//! Chat completion requests in full, for an engine that does not speak OpenAI's language itself.
//!
//! Fields that steer nothing here (`user`, `metadata`, `store` …) are passed over; a field that
//! would change the answer and cannot be honoured is refused.

use isthmus_inference::chat::{ChatRequest, Message, Prompt, Role, Tool, ToolChoice};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::{Media, Part, ToolCall, ToolResult, formats};
use serde_json::Value;

use crate::dialects::fields::{Fields, name_of, wrong_type};
use crate::dialects::openai_sampling::{choices, format, sampling};

/// The most alternatives beside each generated token.
const MOST_TOP_LOGPROBS: u32 = 20;

/// Reads the body of `POST /chat/completions`.
pub fn decode_chat(body: &[u8]) -> Result<ChatRequest, Failure> {
    let mut fields = Fields::of_body(body)?;
    refuse_retired(&mut fields)?;
    let mut sampling = sampling(&mut fields)?;
    sampling.max_tokens = max_tokens(&mut fields)?;
    let tools = tools(&mut fields)?;
    let tool_choice = tool_choice(&mut fields, &tools)?;
    Ok(ChatRequest {
        prompt: Prompt::Messages(messages(&mut fields)?),
        tools,
        tool_choice,
        format: format(&mut fields)?,
        sampling,
        choices: choices(&mut fields)?,
        top_logprobs: top_logprobs(&mut fields)?,
        ..ChatRequest::default()
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
        Some(_) if !wanted => {
            Err(Failure::invalid("top_logprobs", "`top_logprobs` needs `logprobs` to be true"))
        }
        Some(Ok(top)) => Ok(Some(top)),
        _ => Ok(wanted.then_some(0)),
    }
}

// === messages ===

fn messages(fields: &mut Fields) -> Result<Vec<Message>, Failure> {
    fields.required("messages").and_then(|value| match value {
        Value::Array(items) if items.is_empty() => {
            Err(Failure::invalid("messages", "`messages` is empty; give at least one"))
        }
        Value::Array(items) => items
            .into_iter()
            .enumerate()
            .map(|(at, item)| message(Fields::of_value(item, &format!("messages[{at}]"))?))
            .collect(),
        other => Err(wrong_type("messages", "an array of messages", name_of(&other))),
    })
}

fn message(mut fields: Fields) -> Result<Message, Failure> {
    let role = role(&mut fields)?;
    let tool_calls = tool_calls(&mut fields)?;
    let content = content(&mut fields)?;
    if content.is_none() && tool_calls.is_empty() {
        let param = fields.param("content");
        return Err(Failure::invalid(&param, format!("missing required parameter: `{param}`")));
    }
    let mut content = content.unwrap_or_default();
    content.extend(tool_calls.into_iter().map(Part::ToolCall));
    if role == Role::Tool {
        let call_id = fields.required_text("tool_call_id")?;
        content = vec![Part::ToolResult(ToolResult { call_id, content, ..ToolResult::default() })];
    }
    Ok(Message { role, content, name: fields.text("name")? })
}

fn role(fields: &mut Fields) -> Result<Role, Failure> {
    let role = fields.required_text("role")?;
    match role.as_str() {
        "system" | "developer" => Ok(Role::System),
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        "tool" => Ok(Role::Tool),
        other => {
            let param = fields.param("role");
            let message = format!(
                "`{param}` must be `system`, `developer`, `user`, `assistant` or `tool`, \
                 got `{other}`"
            );
            Err(Failure::invalid(&param, message))
        }
    }
}

fn content(fields: &mut Fields) -> Result<Option<Vec<Part>>, Failure> {
    let param = fields.param("content");
    match fields.take("content") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![Part::Text(text)])),
        Some(Value::Array(parts)) => parts
            .into_iter()
            .enumerate()
            .map(|(at, value)| part(Fields::of_value(value, &format!("{param}[{at}]"))?))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(other) => Err(wrong_type(&param, "a string or an array of parts", name_of(&other))),
    }
}

fn part(mut fields: Fields) -> Result<Part, Failure> {
    let kind = fields.required_text("type")?;
    match kind.as_str() {
        "text" => Ok(Part::Text(fields.required_text("text")?)),
        // A refusal is what the model said in an earlier turn.
        "refusal" => Ok(Part::Refusal(fields.required_text("refusal")?)),
        "image_url" => {
            let param = fields.param("image_url");
            let mut image = Fields::of_value(fields.required("image_url")?, &param)?;
            let media = Media::of_url(image.required_text("url")?);
            Ok(Part::Image { media, detail: image.text("detail")? })
        }
        _ => {
            let mut value = fields.into_value();
            value["type"] = kind.into();
            Ok(Part::Native { format: formats::OPENAI_CHAT, value })
        }
    }
}

// === tools ===

fn tool_calls(fields: &mut Fields) -> Result<Vec<ToolCall>, Failure> {
    let param = fields.param("tool_calls");
    let items = fields.list("tool_calls")?.into_iter().enumerate();
    items.map(|(at, item)| tool_call(item, &format!("{param}[{at}]"))).collect()
}

fn tool_call(item: Value, param: &str) -> Result<ToolCall, Failure> {
    let mut call = Fields::of_value(item, param)?;
    let mut function = Fields::of_value(call.required("function")?, &format!("{param}.function"))?;
    Ok(ToolCall {
        id: call.required_text("id")?,
        name: function.required_text("name")?,
        arguments: function.required_text("arguments")?,
        signature: None,
    })
}

fn tools(fields: &mut Fields) -> Result<Vec<Tool>, Failure> {
    let items = fields.list("tools")?.into_iter().enumerate();
    items.map(|(at, item)| tool(item, &format!("tools[{at}]"))).collect()
}

fn tool(item: Value, param: &str) -> Result<Tool, Failure> {
    let mut fields = Fields::of_value(item, param)?;
    let kind = fields.required_text("type")?;
    if kind != "function" {
        let message = format!("tools of type `{kind}` are not supported by this model");
        let param = format!("{param}.type");
        return Err(Failure::new(Kind::Unsupported, message).with_param(param));
    }
    let param = format!("{param}.function");
    let mut function = Fields::of_value(fields.required("function")?, &param)?;
    let parameters = function.take("parameters").unwrap_or_else(|| serde_json::json!({}));
    if !parameters.is_object() {
        let param = function.param("parameters");
        return Err(wrong_type(&param, "a JSON Schema object", name_of(&parameters)));
    }
    Ok(Tool {
        name: function.required_text("name")?,
        description: function.text("description")?,
        parameters,
        strict: function.boolean("strict")?,
        cache: None,
    })
}

fn tool_choice(fields: &mut Fields, tools: &[Tool]) -> Result<ToolChoice, Failure> {
    let param = "tool_choice";
    let choice = match fields.take(param) {
        None => return Ok(ToolChoice::Auto),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            other => {
                let message = format!(
                    "`tool_choice` must be `auto`, `none`, `required` or a function, got `{other}`"
                );
                return Err(Failure::invalid(param, message));
            }
        },
        Some(value) => {
            let mut choice = Fields::of_value(value, param)?;
            let function = choice.required("function")?;
            let mut function = Fields::of_value(function, "tool_choice.function")?;
            ToolChoice::Named(function.required_text("name")?)
        }
    };
    match &choice {
        ToolChoice::Required if tools.is_empty() => {
            Err(Failure::invalid(param, "`tool_choice` is `required`, but there are no `tools`"))
        }
        ToolChoice::Named(name) if !tools.iter().any(|tool| tool.name == *name) => {
            let message = format!("`tool_choice` names `{name}`, which is not among the `tools`");
            Err(Failure::invalid(param, message))
        }
        _ => Ok(choice),
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::chat::{AnswerFormat, JsonSchema, Sampling};
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
        let audio = json!({"type": "input_audio", "input_audio": {"data": "AA"}});
        let audio = Part::Native { format: formats::OPENAI_CHAT, value: audio };
        assert_eq!(messages[1].content[2], audio);
        let Part::ToolCall(call) = &messages[2].content[0] else { panic!("no call") };
        assert_eq!(call.name, "look");
        let Part::ToolResult(result) = &messages[3].content[0] else { panic!("no result") };
        assert_eq!((result.call_id.as_str(), &result.content[0]), ("c1", &Part::text("a cat")));
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
            (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
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
    fn a_body_that_nests_too_deep_is_refused() {
        let deep = format!(r#"{{"messages":{}"#, "[".repeat(100_000));
        assert_eq!(decode_chat(deep.as_bytes()).unwrap_err().kind, Kind::InvalidRequest);
    }
}
