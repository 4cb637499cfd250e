//! What a chat request says, value by value: the one place that takes a neutral request apart.

use isthmus_inference::chat::{AnswerFormat, ChatRequest, Message, Prompt, Role, Sampling};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::Part;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http_adapter::allowed;

/// A part of a request that a field can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The conversation: `[{"role": …, "content": …}, …]`.
    Messages,
    /// Who speaks, turn by turn: `["system", "user", …]`.
    Roles,
    /// What is said, turn by turn: `["…", "…", …]`.
    Contents,
    /// The text of the only turn; a conversation of several turns is refused.
    Prompt,
    /// The upstream's name for the model.
    Model,
    /// The spread of the draw.
    Temperature,
    /// The joint probability of the tokens to draw among.
    TopP,
    /// The number of tokens to draw among.
    TopK,
    /// The seed of the draw.
    Seed,
    /// The most tokens to generate.
    MaxTokens,
    /// The texts before which the answer ends, as a list.
    Stop,
    /// The penalty on tokens that occurred.
    PresencePenalty,
    /// The penalty on tokens by how often they occurred.
    FrequencyPenalty,
}

/// A request of text, taken apart.
#[derive(Debug, Clone)]
pub struct Said {
    model: String,
    turns: Vec<(Role, String)>,
    settings: Vec<(Source, Value)>,
    dropped: Vec<String>,
}

// === impl Source ===

impl Source {
    /// The request's own name for it.
    pub fn param(self) -> &'static str {
        match self {
            Self::Messages | Self::Roles | Self::Contents | Self::Prompt => "messages",
            Self::Model => "model",
            Self::Temperature => "temperature",
            Self::TopP => "top_p",
            Self::TopK => "top_k",
            Self::Seed => "seed",
            Self::MaxTokens => "max_tokens",
            Self::Stop => "stop",
            Self::PresencePenalty => "presence_penalty",
            Self::FrequencyPenalty => "frequency_penalty",
        }
    }

    /// Whether no request can leave it out.
    pub fn is_always_said(self) -> bool {
        matches!(self.param(), "messages" | "model")
    }
}

// === impl Said ===

impl Said {
    /// Takes a request apart. What no field could ever take is refused here.
    pub fn of(request: &ChatRequest, model: &str) -> Result<Self, Failure> {
        let ChatRequest { sampling, reasoning, .. } = request;
        let refused = [
            ("tools", !(request.tools.is_empty() && request.native_tools.is_empty())),
            ("response_format", request.format != AnswerFormat::Text),
            ("reasoning_effort", reasoning.is_asked() && !reasoning.is_off()),
            ("n", request.wanted_choices() > 1),
            ("logprobs", request.top_logprobs.is_some()),
            ("logit_bias", !sampling.logit_bias.is_empty()),
            ("echo", request.echo),
        ];
        if let Some((param, _)) = refused.into_iter().find(|(_, asked)| *asked) {
            return Err(unsupported(param, "is beyond this endpoint, which takes and gives text"));
        }
        let Prompt::Messages(messages) = &request.prompt else {
            return Err(unsupported("prompt", "cannot be sent to this endpoint: it takes chats"));
        };
        let turns = messages.iter().enumerate().map(|(at, message)| turn(at, message));
        Ok(Self {
            model: model.to_owned(),
            turns: turns.collect::<Result<_, _>>()?,
            settings: settings(sampling),
            dropped: allowed(dropped(request), request.require_parameters)?,
        })
    }

    /// The fields that were left out, by the caller's names: none of them steers the answer.
    pub fn dropped(&self) -> &[String] {
        &self.dropped
    }

    /// What the request says beyond the model, which the operator chose.
    pub fn sources(&self) -> impl Iterator<Item = Source> {
        self.settings.iter().map(|(source, _)| *source)
    }

    /// The value for a field; `None` where the request says nothing.
    pub fn value(&self, source: Source) -> Result<Option<Value>, Failure> {
        let turns = self.turns.iter();
        Ok(Some(match source {
            Source::Messages => {
                turns.map(|(role, content)| json!({ "role": role, "content": content })).collect()
            }
            Source::Roles => turns.map(|(role, _)| json!(role)).collect(),
            Source::Contents => turns.map(|(_, content)| json!(content)).collect(),
            Source::Prompt => match self.turns.as_slice() {
                [(Role::User, content)] => json!(content),
                _ => {
                    let why = "must be a single turn of the user for this endpoint, which takes \
                               one text";
                    return Err(unsupported("messages", why));
                }
            },
            Source::Model => json!(self.model),
            _ => {
                let said = self.settings.iter().find(|(said, _)| *said == source);
                return Ok(said.map(|(_, value)| value.clone()));
            }
        }))
    }
}

fn settings(sampling: &Sampling) -> Vec<(Source, Value)> {
    let penalty = |value: f64| (value != 0.0).then(|| value.into());
    let stop = (!sampling.stop.is_empty()).then(|| json!(sampling.stop));
    [
        (Source::Temperature, sampling.temperature.map(Value::from)),
        (Source::TopP, sampling.top_p.map(Value::from)),
        (Source::TopK, sampling.top_k.map(Value::from)),
        (Source::Seed, sampling.seed.map(|seed| seed.cast_signed().into())),
        (Source::MaxTokens, sampling.max_tokens.map(Value::from)),
        (Source::Stop, stop),
        (Source::PresencePenalty, penalty(sampling.presence_penalty)),
        (Source::FrequencyPenalty, penalty(sampling.frequency_penalty)),
    ]
    .into_iter()
    .filter_map(|(source, value)| Some((source, value?)))
    .collect()
}

/// What says who asks and how the exchange is kept, not what is answered.
fn dropped(request: &ChatRequest) -> Vec<String> {
    [
        ("parallel_tool_calls", request.parallel_tool_calls.is_some()),
        ("service_tier", request.service_tier.is_some()),
        ("user", request.user.is_some()),
        ("metadata", !request.metadata.is_empty()),
    ]
    .into_iter()
    .filter(|(_, said)| *said)
    .map(|(name, _)| name.to_owned())
    .chain(request.extra.keys().cloned())
    .collect()
}

fn turn(at: usize, message: &Message) -> Result<(Role, String), Failure> {
    let param = format!("messages[{at}]");
    let refuse = |what: &str| {
        let message = format!("`{param}` has {what}, but this endpoint takes only text");
        Err(Failure::new(Kind::Unsupported, message).with_param(param.clone()))
    };
    if message.name.is_some() {
        return refuse("a speaker's name");
    }
    let mut text = String::new();
    for part in &message.content {
        match part {
            Part::Text(piece) | Part::Refusal(piece) => text.push_str(piece),
            // A hint, and thoughts that only their own provider can read again.
            Part::CachePoint(_) | Part::Thinking { .. } => {}
            Part::ToolCall(_) | Part::ToolResult(_) => return refuse("a tool's call or result"),
            _ => return refuse("a part that is not text"),
        }
    }
    Ok((message.role, text))
}

fn unsupported(param: &str, why: &str) -> Failure {
    Failure::new(Kind::Unsupported, format!("`{param}` {why}")).with_param(param)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::openai_chat::decode_chat;

    fn said(body: &Value) -> Result<Said, Failure> {
        Said::of(&decode_chat(body.to_string().as_bytes()).unwrap(), "up")
    }

    fn chat(extra: Value) -> Value {
        let mut body = json!({ "model": "m", "messages": [
            { "role": "developer", "content": "be brief" },
            { "role": "user", "content": [{ "type": "text", "text": "h" },
                                          { "type": "text", "text": "i" }] },
        ]});
        if let (Value::Object(body), Value::Object(extra)) = (&mut body, extra) {
            body.extend(extra);
        }
        body
    }

    #[test]
    fn a_conversation_has_three_forms() {
        let said = said(&chat(json!({}))).unwrap();
        let value = |source| said.value(source).unwrap().unwrap();
        assert_eq!(value(Source::Roles), json!(["system", "user"]));
        assert_eq!(value(Source::Contents), json!(["be brief", "hi"]));
        assert_eq!(value(Source::Messages)[1], json!({ "role": "user", "content": "hi" }));
        assert_eq!(value(Source::Model), "up");
        let failure = said.value(Source::Prompt).unwrap_err();
        assert_eq!((failure.kind, failure.param.as_deref()), (Kind::Unsupported, Some("messages")));
    }

    #[test]
    fn a_single_turn_is_a_prompt() {
        let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
        assert_eq!(said(&body).unwrap().value(Source::Prompt).unwrap(), Some(json!("hi")));
    }

    #[test]
    fn settings_keep_their_digits() {
        let body = chat(json!({ "temperature": 0.7, "top_p": 1, "seed": -7,
            "max_completion_tokens": 9, "stop": "x", "presence_penalty": 0.1 }));
        let said = said(&body).unwrap();
        for (source, text) in [
            (Source::Temperature, "0.7"),
            (Source::TopP, "1.0"),
            (Source::Seed, "-7"),
            (Source::MaxTokens, "9"),
            (Source::Stop, "[\"x\"]"),
            (Source::PresencePenalty, "0.1"),
        ] {
            let value = said.value(source).unwrap().unwrap();
            assert_eq!(value.to_string(), text, "{source:?}");
        }
        assert_eq!(said.value(Source::FrequencyPenalty).unwrap(), None);
    }

    #[test]
    fn what_steers_no_answer_is_left_out_and_named_or_refused() {
        let mut request = decode_chat(chat(json!({})).to_string().as_bytes()).unwrap();
        request.user = Some("u".into());
        request.extra.insert("store".into(), json!(true));
        assert_eq!(Said::of(&request, "up").unwrap().dropped(), ["user", "store"]);
        request.require_parameters = true;
        assert_eq!(Said::of(&request, "up").unwrap_err().kind, Kind::Unsupported);
    }

    #[test]
    fn what_is_not_text_is_refused_by_its_name() {
        let image = json!([{ "type": "image_url", "image_url": { "url": "data:," } }]);
        let call = json!({ "id": "c", "type": "function",
                           "function": { "name": "f", "arguments": "{}" } });
        let messages = |message: Value| json!({ "messages": [message] });
        for (extra, param) in [
            (json!({ "tools": [{ "type": "function", "function": { "name": "f" } }] }), "tools"),
            (json!({ "response_format": { "type": "json_object" } }), "response_format"),
            (json!({ "n": 2 }), "n"),
            (json!({ "logprobs": true }), "logprobs"),
            (json!({ "logit_bias": { "1": 5 } }), "logit_bias"),
            (messages(json!({ "role": "user", "content": image })), "messages[0]"),
            (messages(json!({ "role": "user", "name": "A", "content": "x" })), "messages[0]"),
            (messages(json!({ "role": "assistant", "tool_calls": [call] })), "messages[0]"),
            (
                messages(json!({ "role": "tool", "tool_call_id": "c", "content": "x" })),
                "messages[0]",
            ),
        ] {
            let failure = said(&chat(extra)).unwrap_err();
            assert_eq!(failure.kind, Kind::Unsupported, "{param}");
            assert_eq!(failure.param.as_deref(), Some(param));
        }
    }
}
