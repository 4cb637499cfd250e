//! Requests for vendors whose language no caller speaks, read by as little as it takes: what was said,
//! shown, called and resulted, in order, and how tokens are drawn.

use isthmus_adapters::dialect::ChatDialect;
use isthmus_adapters::dialects::bedrock::Converse;
use isthmus_adapters::dialects::cohere::CohereChat;
use isthmus_adapters::dialects::gemini::{Flavour, GeminiChat};
use isthmus_inference::chat::{AnswerFormat, ChatRequest, Prompt, Tool, ToolChoice};
use isthmus_inference::part::{Media, Part, text_of};
use proptest::prelude::*;
use serde_json::Value;

use super::made;

/// One thing that was said or done.
#[derive(Debug, PartialEq)]
enum Told {
    Text(String),
    Image(String),
    Call { id: String, name: String, arguments: Value },
    Result { id: String, text: String },
}

/// How a vendor's request is read.
struct Vendor {
    dialect: &'static dyn ChatDialect,
    model: &'static str,
    told: fn(&Value) -> Vec<Told>,
    /// Where the fields of `drawn` stand, in its order; empty where there is no such field.
    places: [&'static str; 5],
    /// The highest temperature.
    hottest: f64,
}

const GEMINI: Vendor = Vendor {
    dialect: &GeminiChat { flavour: Flavour::Studio },
    model: "gemini-2.5-flash",
    told: told_to_gemini,
    places: [
        "/generationConfig/temperature",
        "/generationConfig/topP",
        "/generationConfig/topK",
        "/generationConfig/maxOutputTokens",
        "/generationConfig/stopSequences",
    ],
    hottest: 2.0,
};
const COHERE: Vendor = Vendor {
    dialect: &CohereChat,
    model: "command-a-vision-07-2025",
    told: told_to_cohere,
    // Its `p` must lie between 0.01 and 0.99, so that 0 and 1 are moved.
    places: ["/temperature", "", "/k", "/max_tokens", "/stop_sequences"],
    hottest: 1.0,
};

fn bedrock() -> Vendor {
    let model = "us.amazon.nova-premier-v1:0";
    Vendor {
        dialect: Converse::of(model),
        model,
        told: told_to_bedrock,
        places: [
            "/inferenceConfig/temperature",
            "/inferenceConfig/topP",
            "/additionalModelRequestFields/inferenceConfig/topK",
            "/inferenceConfig/maxTokens",
            "/inferenceConfig/stopSequences",
        ],
        hottest: 1.0,
    }
}

// === the readers ===

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn told_to_gemini(body: &Value) -> Vec<Told> {
    let system = list(&body["systemInstruction"], "parts");
    let turns = list(body, "contents").flat_map(|turn| list(turn, "parts"));
    let part = |part: &Value| {
        if let Some(call) = part.get("functionCall") {
            let (id, name) = (word(&call["id"]), word(&call["name"]));
            return Told::Call { id, name, arguments: call["args"].clone() };
        }
        if let Some(result) = part.get("functionResponse") {
            let text = word(&result["response"]["output"]);
            return Told::Result { id: word(&result["id"]), text };
        }
        match part.get("inlineData") {
            Some(data) => Told::Image(word(&data["data"])),
            None => Told::Text(word(&part["text"])),
        }
    };
    system.chain(turns).map(part).collect()
}

fn told_to_bedrock(body: &Value) -> Vec<Told> {
    let turns = list(body, "messages").flat_map(|turn| list(turn, "content"));
    let blocks = list(body, "system").chain(turns);
    let block = |block: &Value| {
        if let Some(call) = block.get("toolUse") {
            let (id, name) = (word(&call["toolUseId"]), word(&call["name"]));
            return Some(Told::Call { id, name, arguments: call["input"].clone() });
        }
        if let Some(result) = block.get("toolResult") {
            let text = list(result, "content").map(|part| word(&part["text"])).collect();
            return Some(Told::Result { id: word(&result["toolUseId"]), text });
        }
        match block.get("image") {
            Some(image) => Some(Told::Image(word(&image["source"]["bytes"]))),
            None => block.get("text").map(|text| Told::Text(word(text))),
        }
    };
    blocks.filter_map(block).collect()
}

fn told_to_cohere(body: &Value) -> Vec<Told> {
    let mut told = vec![];
    for turn in list(body, "messages") {
        let content = &turn["content"];
        if turn["role"] == "tool" {
            let text = word(content);
            told.push(Told::Result { id: word(&turn["tool_call_id"]), text });
            continue;
        }
        told.extend(content.as_str().map(|text| Told::Text(text.to_owned())));
        told.extend(content.as_array().into_iter().flatten().map(|part| {
            let url = part.pointer("/image_url/url").and_then(Value::as_str);
            match url {
                Some(url) => Told::Image(url.rsplit(',').next().unwrap().to_owned()),
                None => Told::Text(word(&part["text"])),
            }
        }));
        told.extend(list(turn, "tool_calls").map(|call| {
            let function = &call["function"];
            let arguments = serde_json::from_str(&word(&function["arguments"])).unwrap();
            Told::Call { id: word(&call["id"]), name: word(&function["name"]), arguments }
        }));
    }
    told
}

// === the law ===

/// The request without what one of these vendors refuses (several answers, log-probabilities, documents,
/// one call at a time), with media that the house has fetched, and with a tool that may be called,
/// without which Bedrock takes calls as words.
fn taken(mut chat: ChatRequest) -> ChatRequest {
    (chat.choices, chat.top_logprobs, chat.format) = (1, None, AnswerFormat::Text);
    chat.parallel_tool_calls = None;
    if chat.tool_choice == ToolChoice::None {
        chat.tool_choice = ToolChoice::Auto;
    }
    if chat.tools.is_empty() {
        let parameters = made::schema();
        chat.tools = vec![Tool { name: "t".into(), parameters, ..Tool::default() }];
    }
    let Prompt::Messages(turns) = &mut chat.prompt else { return chat };
    for turn in turns {
        for part in &mut turn.content {
            match part {
                Part::Document { .. } => *part = Part::text("a document"),
                Part::Image { media: media @ Media::Url { .. }, .. } => {
                    let (media_type, base64) = ("image/png".into(), "iVBORw0KGgo=".into());
                    *media = Media::Inline { media_type, base64 };
                }
                _ => {}
            }
        }
    }
    chat
}

fn meant(chat: &ChatRequest) -> Vec<Told> {
    let parts = chat.messages().iter().flat_map(|turn| &turn.content);
    let told = |part: &Part| match part {
        Part::Text(text) => Some(Told::Text(text.clone())),
        Part::Image { media: Media::Inline { base64, .. }, .. } => {
            Some(Told::Image(base64.clone()))
        }
        Part::ToolCall(call) => {
            let arguments = serde_json::from_str(&call.arguments).unwrap();
            Some(Told::Call { id: call.id.clone(), name: call.name.clone(), arguments })
        }
        Part::ToolResult(result) => {
            let text = text_of(&result.content);
            Some(Told::Result { id: result.call_id.clone(), text })
        }
        Part::CachePoint(_) => None,
        other => panic!("{other:?} is not made up here"),
    };
    parts.filter_map(told).collect()
}

/// The caller's word for each, and its value.
fn drawn(chat: &ChatRequest, hottest: f64) -> [(&'static str, Option<Value>); 5] {
    let sampling = &chat.sampling;
    let stop = Some(&sampling.stop).filter(|stop| !stop.is_empty());
    [
        ("temperature", sampling.temperature.map(|heat| heat.min(hottest).into())),
        ("top_p", sampling.top_p.map(Value::from)),
        ("top_k", sampling.top_k.map(Value::from)),
        ("max_tokens", sampling.max_tokens.map(Value::from)),
        ("stop", stop.map(|stop| stop.clone().into())),
    ]
}

/// Numbers are compared as numbers: 1 is 1.0.
fn same(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one.and_then(Value::as_f64), other.and_then(Value::as_f64)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

fn keeps(vendor: &Vendor, chat: ChatRequest) -> Result<(), TestCaseError> {
    let chat = taken(chat);
    let encoded = vendor.dialect.encode(&chat, &vendor.model.into(), false).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body.whole()).unwrap();
    prop_assert_eq!((vendor.told)(&body), meant(&chat), "{}", body);
    for ((name, wanted), place) in drawn(&chat, vendor.hottest).iter().zip(vendor.places) {
        let said = encoded.dropped.iter().any(|dropped| dropped == name);
        if !place.is_empty() && !said {
            let found = body.pointer(place);
            prop_assert!(same(found, wanted.as_ref()), "{}: {:?} in {}", name, found, body);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn gemini_is_told_everything(chat in made::request()) {
        keeps(&GEMINI, chat)?;
    }

    #[test]
    fn bedrock_is_told_everything(chat in made::request()) {
        keeps(&bedrock(), chat)?;
    }

    #[test]
    fn cohere_is_told_everything(chat in made::request()) {
        keeps(&COHERE, chat)?;
    }
}
