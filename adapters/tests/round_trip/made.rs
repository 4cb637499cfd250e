//! Requests that OpenAI's chat can carry, made up.

use isthmus_inference::chat::{
    AnswerFormat, ChatRequest, Effort, JsonSchema, Message, Prompt, Reasoning, Role, Sampling,
    Tool, ToolChoice,
};
use isthmus_inference::part::{CacheLife, Media, Part, ToolCall, ToolResult};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Some text: letters, what JSON escapes, what takes several bytes.
pub(crate) fn text() -> impl Strategy<Value = String> {
    "[a-z<\"\\\\ñ語🙂]{1,12}"
}

/// JSON text of an object, as models write arguments, compact so that any writer's is the same.
pub(crate) fn arguments() -> impl Strategy<Value = String> {
    (text(), any::<i32>(), any::<bool>())
        .prop_map(|(text, number, flag)| json!({"a": text, "b": [number], "c": flag}).to_string())
}

fn life() -> impl Strategy<Value = CacheLife> {
    prop_oneof![Just(CacheLife::FiveMinutes), Just(CacheLife::OneHour)]
}

fn image() -> impl Strategy<Value = Part> {
    let inline = Media::Inline { media_type: "image/png".into(), base64: "iVBORw0KGgo=".into() };
    let url = Media::Url { url: "https://a.example/b.png".into(), media_type: None };
    let detail = of(prop_oneof![Just("low".to_owned()), Just("high".to_owned())]);
    (prop_oneof![Just(inline), Just(url)], detail)
        .prop_map(|(media, detail)| Part::Image { media, detail })
}

fn document() -> impl Strategy<Value = Part> {
    let media = Media::Inline { media_type: "application/pdf".into(), base64: "JVBERi0=".into() };
    "[a-z]{1,8}\\.pdf"
        .prop_map(move |name| Part::Document { media: media.clone(), name: Some(name) })
}

/// Parts with cache marks behind some of them.
fn marked(part: impl Strategy<Value = Part>) -> impl Strategy<Value = Vec<Part>> {
    vec((part, prop_oneof![4 => Just(None), 1 => life().prop_map(Some)]), 1..4).prop_map(|parts| {
        let one = |(part, life): (Part, Option<CacheLife>)| {
            [Some(part), life.map(Part::CachePoint)].into_iter().flatten()
        };
        parts.into_iter().flat_map(one).collect()
    })
}

fn system() -> impl Strategy<Value = Vec<Message>> {
    let content = marked(text().prop_map(Part::Text));
    of(content).prop_map(|content| {
        let turn = |content| Message { role: Role::System, content, name: None };
        content.map(turn).into_iter().collect()
    })
}

fn user() -> impl Strategy<Value = Vec<Message>> {
    let part = prop_oneof![4 => text().prop_map(Part::Text), 1 => image(), 1 => document()];
    (marked(part), of("[a-z]{1,8}"))
        .prop_map(|(content, name)| vec![Message { role: Role::User, content, name }])
}

fn said() -> impl Strategy<Value = Vec<Message>> {
    text().prop_map(|said| vec![Message::text(Role::Assistant, said)])
}

/// Calls, with their results in the order of the calls.
fn called() -> impl Strategy<Value = Vec<Message>> {
    let one = ("[a-z]{3,9}", arguments(), text());
    (of(text()), vec(one, 1..3), 0..1000u32).prop_map(|(said, calls, number)| {
        let mut content: Vec<_> = said.map(Part::Text).into_iter().collect();
        let mut results = vec![];
        for (at, (name, arguments, result)) in calls.into_iter().enumerate() {
            let id = format!("call_{number}_{at}");
            let call = ToolCall { id: id.clone(), name, arguments, ..ToolCall::default() };
            content.push(Part::ToolCall(call));
            let result = ToolResult {
                call_id: id,
                name: None,
                content: vec![Part::Text(result)],
                is_error: false,
            };
            let content = vec![Part::ToolResult(result)];
            results.push(Message { role: Role::Tool, content, name: None });
        }
        let mut turns = vec![Message { role: Role::Assistant, content, name: None }];
        turns.extend(results);
        turns
    })
}

/// A conversation that ends with the user or with results, as all vendors want it.
pub(crate) fn talk() -> impl Strategy<Value = Vec<Message>> {
    let answer = prop_oneof![said(), called()];
    let exchange = (user(), answer).prop_map(|(user, answer)| [user, answer].concat());
    (system(), vec(exchange, 0..3), user())
        .prop_map(|(system, exchanges, user)| [system, exchanges.concat(), user].concat())
}

pub(crate) fn schema() -> Value {
    json!({
        "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
        "additionalProperties": false,
    })
}

fn tools() -> impl Strategy<Value = (Vec<Tool>, ToolChoice)> {
    let one = (of(text()), of(any::<bool>()), of(life()));
    (vec(one, 0..3), 0..4u8).prop_map(|(tools, choice)| {
        let tool = |(at, (description, strict, cache))| Tool {
            name: format!("tool_{at}"),
            description,
            parameters: schema(),
            strict,
            cache,
            free_text: None,
        };
        let tools: Vec<_> = tools.into_iter().enumerate().map(tool).collect();
        let choice = match choice {
            _ if tools.is_empty() => ToolChoice::Auto,
            0 => ToolChoice::Auto,
            1 => ToolChoice::None,
            2 => ToolChoice::Required,
            _ => ToolChoice::Named("tool_0".into()),
        };
        (tools, choice)
    })
}

fn format() -> impl Strategy<Value = AnswerFormat> {
    let schemas = (of(text()), of(any::<bool>())).prop_map(|(description, strict)| {
        let format = JsonSchema { name: "answer".into(), description, schema: schema(), strict };
        AnswerFormat::JsonSchema(format)
    });
    prop_oneof![2 => Just(AnswerFormat::Text), 1 => Just(AnswerFormat::JsonObject), 1 => schemas]
}

fn sampling() -> impl Strategy<Value = Sampling> {
    let quarter = |most: u8| of((0..=most).prop_map(|quarters| f64::from(quarters) / 4.0));
    let weight = || (-8i8..=8).prop_map(|quarters| f64::from(quarters) / 4.0);
    let stop = vec("[a-z]{1,5}", 0..4);
    let bias = vec((any::<u32>(), (-100i8..=100).prop_map(f32::from)), 0..2);
    let spread =
        (quarter(8), quarter(4), of(1..100u32), of(any::<i64>().prop_map(i64::cast_unsigned)));
    (spread, stop, of(2000..100_000u32), weight(), weight(), bias).prop_map(
        |((temperature, top_p, top_k, seed), stop, max_tokens, presence, frequency, logit_bias)| {
            Sampling {
                temperature,
                top_p,
                top_k,
                seed,
                stop,
                max_tokens,
                presence_penalty: presence,
                frequency_penalty: frequency,
                logit_bias,
            }
        },
    )
}

/// A request.
pub(crate) fn request() -> impl Strategy<Value = ChatRequest> {
    let efforts = of((0..Effort::ALL.len()).prop_map(|at| Effort::ALL[at].0));
    let labels = (of("[a-z]{1,9}"), of(prop_oneof![Just("auto"), Just("default"), Just("flex")]));
    let counts = (of(any::<bool>()), 1..3u32, of(0..20u8));
    (talk(), tools(), format(), sampling(), efforts, labels, counts).prop_map(
        |(talk, (tools, tool_choice), format, sampling, effort, (user, tier), counts)| {
            let (parallel_tool_calls, choices, top_logprobs) = counts;
            ChatRequest {
                prompt: Prompt::Messages(talk),
                tools,
                tool_choice,
                parallel_tool_calls,
                format,
                sampling,
                reasoning: Reasoning { effort, ..Reasoning::default() },
                choices,
                top_logprobs,
                service_tier: tier.map(str::to_owned),
                user,
                ..ChatRequest::default()
            }
        },
    )
}
