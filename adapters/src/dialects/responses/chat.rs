//! A caller's request for a response, read in full.

use isthmus_inference::chat::{
    AnswerFormat, ChatRequest, FreeText, JsonSchema, Message, NativeTool, Prompt, Reasoning, Role,
    Sampling, Tool, ToolChoice,
};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::formats;
use serde_json::{Value, json};

use super::items;
use crate::dialects::fields::{Fields, name_of, wrong_type};
use crate::dialects::openai_chat::free_text;
use crate::dialects::openai_chat::reasoning::{effort, summary};

/// The most alternatives beside each generated token.
const MOST_TOP_LOGPROBS: u32 = 20;
/// Members that say how the answer is to be sent, or that it is to be what it is anyway.
const READ_ELSEWHERE: [&str; 3] = ["model", "stream", "stream_options"];
/// What would have to be remembered between calls, with what to do instead.
const REMEMBERED: [(&str, &str); 3] = [
    ("previous_response_id", "send the earlier items in `input`"),
    ("conversation", "send the earlier items in `input`"),
    ("prompt", "send the prompt's text in `instructions` or `input`"),
];

/// Reads the body of `POST /responses`.
pub(super) fn decode(body: &[u8]) -> Result<ChatRequest, Failure> {
    let mut fields = Fields::of_body(body)?;
    refuse_remembered(&mut fields)?;
    for name in READ_ELSEWHERE {
        fields.take(name);
    }
    let messages = messages(&mut fields)?;
    let (tools, native_tools) = tools(&mut fields)?;
    let mut chat = ChatRequest {
        prompt: Prompt::Messages(messages),
        tools,
        native_tools,
        parallel_tool_calls: fields.boolean("parallel_tool_calls")?,
        sampling: Sampling {
            temperature: fields.number("temperature", 0.0..=2.0)?,
            top_p: fields.number("top_p", 0.0..=1.0)?,
            max_tokens: fields.integer("max_output_tokens", 1..=u32::MAX)?,
            ..Sampling::default()
        },
        reasoning: reasoning(&mut fields)?,
        choices: 1,
        top_logprobs: top_logprobs(&mut fields)?,
        service_tier: fields.text("service_tier")?,
        user: user(&mut fields)?,
        metadata: fields.object("metadata")?.map(Fields::rest).unwrap_or_default(),
        require_parameters: require_parameters(&mut fields)?,
        ..ChatRequest::default()
    };
    choose(&mut fields, &mut chat)?;
    text(&mut fields, &mut chat)?;
    // What is not kept can be truncated or not: the usual need not be told.
    if fields.text("truncation")?.is_some_and(|word| word == "auto") {
        fields.put("truncation", "auto".into());
    }
    // Nothing is kept here, which is what `false` asks for.
    if fields.boolean("store")? == Some(true) {
        fields.put("store", true.into());
    }
    chat.extra.extend(fields.rest());
    Ok(chat)
}

/// A provider without a memory cannot do these; one that relays Responses can.
fn refuse_remembered(fields: &mut Fields) -> Result<(), Failure> {
    for (name, instead) in REMEMBERED {
        if fields.take(name).is_some() {
            let message = format!(
                "`{name}` needs an endpoint that speaks Responses itself, and this model has none; \
                 {instead}"
            );
            return Err(Failure::new(Kind::Unsupported, message).with_param(name));
        }
    }
    if fields.boolean("background")? == Some(true) {
        let message = "`background` needs an endpoint that speaks Responses itself, and this model \
                       has none; stream the answer instead";
        return Err(Failure::new(Kind::Unsupported, message).with_param("background"));
    }
    Ok(())
}

fn messages(fields: &mut Fields) -> Result<Vec<Message>, Failure> {
    let mut messages = Vec::new();
    if let Some(text) = fields.text("instructions")? {
        messages.push(Message::text(Role::System, text));
    }
    match fields.required("input")? {
        Value::String(text) => messages.push(Message::text(Role::User, text)),
        Value::Array(values) => items::read(values, &mut messages)?,
        other => {
            return Err(wrong_type("input", "a string or an array of items", name_of(&other)));
        }
    }
    Ok(messages)
}

fn reasoning(fields: &mut Fields) -> Result<Reasoning, Failure> {
    let Some(mut inner) = fields.object("reasoning")? else { return Ok(Reasoning::default()) };
    let newer = summary(&mut inner, "summary")?;
    let older = summary(&mut inner, "generate_summary")?;
    Ok(Reasoning {
        effort: effort(&mut inner, "effort")?,
        summary: newer.or(older),
        ..Reasoning::default()
    })
}

/// Log-probabilities are asked for by `include`; how many beside each token, by `top_logprobs`.
/// What else `include` names comes with items that only OpenAI makes.
fn top_logprobs(fields: &mut Fields) -> Result<Option<u8>, Failure> {
    let top = fields.integer("top_logprobs", 0..=MOST_TOP_LOGPROBS)?;
    let included =
        fields.list("include")?.iter().any(|word| word == "message.output_text.logprobs");
    let wanted = included || top.is_some_and(|top| top > 0);
    Ok(wanted.then(|| u8::try_from(top.unwrap_or(0)).unwrap_or(0)))
}

fn user(fields: &mut Fields) -> Result<Option<String>, Failure> {
    let newer = fields.text("safety_identifier")?;
    let older = fields.text("user")?;
    Ok(newer.or(older))
}

fn require_parameters(fields: &mut Fields) -> Result<bool, Failure> {
    let Some(mut provider) = fields.object("provider")? else { return Ok(false) };
    Ok(provider.boolean("require_parameters")?.unwrap_or(false))
}

// === tools ===

fn tools(fields: &mut Fields) -> Result<(Vec<Tool>, Vec<NativeTool>), Failure> {
    let (mut tools, mut native) = (Vec::new(), Vec::new());
    for (at, item) in fields.list("tools")?.into_iter().enumerate() {
        let mut tool = Fields::of_value(item, &format!("tools[{at}]"))?;
        let kind = tool.required_text("type")?;
        if kind == "custom" {
            tools.push(custom(tool)?);
            continue;
        }
        if kind != "function" {
            tool.put("type", kind.into());
            native.push(NativeTool { format: formats::RESPONSES, value: tool.into_value() });
            continue;
        }
        let parameters = tool.take("parameters").unwrap_or_else(|| json!({}));
        if !parameters.is_object() {
            let param = tool.param("parameters");
            return Err(wrong_type(&param, "a JSON Schema object", name_of(&parameters)));
        }
        tools.push(Tool {
            name: tool.required_text("name")?,
            description: tool.text("description")?,
            parameters,
            strict: tool.boolean("strict")?,
            ..Tool::default()
        });
    }
    Ok((tools, native))
}

/// A tool that takes free text.
fn custom(mut tool: Fields) -> Result<Tool, Failure> {
    let free_text = match tool.object("format")? {
        None => FreeText::Any,
        // What describes the grammar stands beside the type.
        Some(mut format) => free_text(&mut format, |format| Ok(std::mem::take(format)))?,
    };
    Ok(Tool {
        name: tool.required_text("name")?,
        description: tool.text("description")?,
        free_text: Some(free_text),
        ..Tool::default()
    })
}

fn choose(fields: &mut Fields, chat: &mut ChatRequest) -> Result<(), Failure> {
    let param = "tool_choice";
    chat.tool_choice = match fields.take(param) {
        None => return Ok(()),
        Some(Value::String(word)) => word_choice(&word, param)?,
        Some(value) => {
            let mut choice = Fields::of_value(value, param)?;
            match choice.required_text("type")?.as_str() {
                "function" | "custom" => ToolChoice::Named(choice.required_text("name")?),
                "allowed_tools" => {
                    let allowed = choice.list("tools")?;
                    let listed = |name: &str| allowed.iter().any(|tool| tool["name"] == name);
                    chat.tools.retain(|tool| listed(&tool.name));
                    word_choice(&choice.required_text("mode")?, "tool_choice.mode")?
                }
                other => {
                    let message =
                        format!("`tool_choice` of type `{other}` is not supported by this model");
                    return Err(
                        Failure::new(Kind::Unsupported, message).with_param("tool_choice.type")
                    );
                }
            }
        }
    };
    match &chat.tool_choice {
        ToolChoice::Named(name) if !chat.tools.iter().any(|tool| tool.name == *name) => {
            let message = format!("`tool_choice` names `{name}`, which is not among the `tools`");
            Err(Failure::invalid(param, message))
        }
        ToolChoice::Required if chat.tools.is_empty() && chat.native_tools.is_empty() => {
            Err(Failure::invalid(param, "`tool_choice` is `required`, but there are no `tools`"))
        }
        _ => Ok(()),
    }
}

fn word_choice(word: &str, param: &str) -> Result<ToolChoice, Failure> {
    match word {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" => Ok(ToolChoice::Required),
        other => {
            let message = format!(
                "`{param}` must be `auto`, `none`, `required` or a function, got `{other}`"
            );
            Err(Failure::invalid(param, message))
        }
    }
}

// === text ===

fn text(fields: &mut Fields, chat: &mut ChatRequest) -> Result<(), Failure> {
    let Some(mut text) = fields.object("text")? else { return Ok(()) };
    if let Some(verbosity) = text.text("verbosity")? {
        chat.extra.insert("verbosity".to_owned(), verbosity.into());
    }
    let Some(mut format) = text.object("format")? else { return Ok(()) };
    chat.format = match format.required_text("type")?.as_str() {
        "text" => AnswerFormat::Text,
        "json_object" => AnswerFormat::JsonObject,
        "json_schema" => {
            let schema = format.required("schema")?;
            if !schema.is_object() {
                return Err(wrong_type("text.format.schema", "an object", name_of(&schema)));
            }
            AnswerFormat::JsonSchema(JsonSchema {
                name: format.required_text("name")?,
                description: format.text("description")?,
                schema,
                strict: format.boolean("strict")?,
            })
        }
        other => {
            let param = "text.format.type";
            let message =
                format!("`{param}` must be `text`, `json_object` or `json_schema`, got `{other}`");
            return Err(Failure::invalid(param, message));
        }
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use isthmus_inference::chat::{Effort, Summary};
    use isthmus_inference::part::{CacheLife, Media, Part, Signature, ToolCall, ToolResult};

    use super::*;

    fn with(members: &Value) -> Result<ChatRequest, Failure> {
        let mut body = json!({"model": "m", "input": "hi"});
        for (key, value) in members.as_object().unwrap() {
            body[key] = value.clone();
        }
        decode(body.to_string().as_bytes())
    }

    #[test]
    fn a_full_request_is_read_whole() {
        let chat = with(&json!({
            "instructions": "be brief",
            "input": [
                {"role": "developer", "content": "and kind"},
                {"type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": "what is this?", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
                ]},
                {"type": "reasoning", "id": "rs_1", "encrypted_content": "enc", "summary": [
                    {"type": "summary_text", "text": "hm"}, {"type": "summary_text", "text": "so"},
                ]},
                {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [
                    {"type": "output_text", "text": "I look", "annotations": []},
                ]},
                {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "a cat"},
                {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            ],
            "tools": [
                {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": true},
                {"type": "web_search"},
            ],
            "tool_choice": {"type": "function", "name": "look"},
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
            "reasoning": {"effort": "high", "summary": "auto"},
            "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
            "top_logprobs": 2, "max_output_tokens": 9, "temperature": 0.5, "store": false,
            "truncation": "disabled", "parallel_tool_calls": false, "user": "u", "stream": true,
            "metadata": {"a": "b"}, "prompt_cache_key": "k",
        }))
        .unwrap();
        let image = Media::Inline { media_type: "image/png".into(), base64: "AA".into() };
        let pdf = Media::Inline { media_type: "application/pdf".into(), base64: "AA".into() };
        let signature =
            Signature { id: Some("rs_1".into()), ..Signature::new(formats::RESPONSES, "enc") };
        let call = ToolCall {
            id: "c1".into(),
            name: "look".into(),
            arguments: "{}".into(),
            ..ToolCall::default()
        };
        let result = ToolResult {
            call_id: "c1".into(),
            content: vec![Part::text("a cat")],
            ..ToolResult::default()
        };
        let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
        let expected = [
            (Role::System, vec![Part::text("be brief")]),
            (Role::System, vec![Part::text("and kind")]),
            (
                Role::User,
                vec![
                    Part::text("what is this?"),
                    Part::CachePoint(CacheLife::OneHour),
                    Part::Image { media: image, detail: Some("low".into()) },
                    Part::Document { media: pdf, name: Some("a.pdf".into()) },
                ],
            ),
            (
                Role::Assistant,
                vec![
                    Part::Thinking { text: "hm\n\nso".into(), signature: Some(signature) },
                    Part::text("I look"),
                    Part::ToolCall(call),
                ],
            ),
            (Role::Tool, vec![Part::ToolResult(result)]),
            (Role::Assistant, vec![Part::Native { format: formats::RESPONSES, value: search }]),
        ];
        let found: Vec<_> =
            chat.messages().iter().map(|turn| (turn.role, turn.content.clone())).collect();
        assert_eq!(found, expected);
        assert_eq!(chat.tools[0].strict, Some(true));
        assert_eq!(chat.native_tools[0].value, json!({"type": "web_search"}));
        assert_eq!(chat.tool_choice, ToolChoice::Named("look".into()));
        assert_eq!(chat.reasoning.effort, Some(Effort::High));
        assert_eq!(chat.reasoning.summary, Some(Summary::Auto));
        assert_eq!((chat.top_logprobs, chat.sampling.max_tokens), (Some(2), Some(9)));
        assert_eq!(chat.parallel_tool_calls, Some(false));
        assert!(matches!(&chat.format, AnswerFormat::JsonSchema(schema) if schema.name == "n"));
        let extra = json!({"verbosity": "low", "prompt_cache_key": "k"});
        assert_eq!(Value::Object(chat.extra), extra);
    }

    #[test]
    fn every_complaint_names_its_field() {
        let cases = [
            (json!({"previous_response_id": "resp_1"}), "previous_response_id"),
            (json!({"conversation": {"id": "c"}}), "conversation"),
            (json!({"background": true}), "background"),
            (json!({"input": [{"type": "item_reference", "id": "x"}]}), "input[0].id"),
            (json!({"input": 7}), "input"),
            (json!({"input": [{"role": "wizard", "content": "x"}]}), "input[0].role"),
            (json!({"input": [{"role": "user", "content": [{}]}]}), "input[0].content[0].type"),
            (json!({"input": [{"type": "function_call", "name": "f"}]}), "input[0].call_id"),
            (json!({"tools": [{"type": "function"}]}), "tools[0].name"),
            (json!({"tool_choice": {"type": "file_search"}}), "tool_choice.type"),
            (json!({"tool_choice": "required"}), "tool_choice"),
            (json!({"text": {"format": {"type": "xml"}}}), "text.format.type"),
            (json!({"reasoning": {"effort": "some"}}), "reasoning.effort"),
        ];
        for (members, param) in cases {
            let failure = with(&members).expect_err(&members.to_string());
            assert_eq!(failure.param.as_deref(), Some(param), "{members}: {}", failure.message);
        }
    }
}
