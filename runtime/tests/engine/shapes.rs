//! Answers that must have a shape: JSON, grammars, function calls.

use isthmus_inference::answer::FinishReason;
use isthmus_inference::chat::{AnswerFormat, ChatRequest, JsonSchema, Tool, ToolChoice};
use isthmus_inference::failure::Kind;
use serde_json::{Value, json};

use crate::support::{ask, engine};

async fn shaped(question: &str, format: AnswerFormat) -> String {
    let request = ChatRequest { format, ..ask(question, 120) };
    engine().chat_whole(&request).await.unwrap().choices[0].text()
}

fn weather() -> Tool {
    Tool {
        name: "get_weather".into(),
        description: Some("The weather in a city".into()),
        parameters: json!({
            "type": "object",
            "properties": { "city": { "type": "string", "maxLength": 20 } },
            "required": ["city"],
            "additionalProperties": false,
        }),
        ..Tool::default()
    }
}

#[tokio::test]
async fn a_schema_is_obeyed() {
    let schema = json!({
        "type": "object",
        "properties": {
            "city": { "type": "string", "maxLength": 20 },
            "population": { "type": "integer", "minimum": 0, "maximum": 99_999_999 },
        },
        "required": ["city", "population"],
        "additionalProperties": false,
    });
    let question = "Give me the capital of France as JSON with city and population.";
    let text =
        shaped(question, AnswerFormat::JsonSchema(JsonSchema { schema, ..JsonSchema::default() }))
            .await;
    let value: Value = serde_json::from_str(&text).unwrap();
    assert!(value["city"].is_string() && value["population"].is_u64(), "{text}");
    assert_eq!(value.as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn any_json_object_is_an_object() {
    let text = shaped("Write {\"a\": 1} and nothing else.", AnswerFormat::JsonObject).await;
    assert!(text.starts_with('{'), "{text}");
}

#[tokio::test]
async fn a_grammar_is_obeyed_and_ends_the_answer() {
    let lark = "start: \"Answer: \" (\"yes\" | \"no\")".to_owned();
    let text = shaped("Is water wet?", AnswerFormat::Grammar(lark)).await;
    assert!(["Answer: yes", "Answer: no"].contains(&text.as_str()), "{text}");
}

#[tokio::test]
async fn a_schema_that_is_none_is_refused() {
    let broken = [
        AnswerFormat::JsonSchema(JsonSchema {
            schema: json!({ "type": "no such type" }),
            ..JsonSchema::default()
        }),
        AnswerFormat::Grammar("start: missing".into()),
    ];
    for format in broken {
        let failure = engine().chat(&ChatRequest { format, ..ask("Hi", 4) }).await.unwrap_err();
        assert_eq!(failure.kind, Kind::InvalidRequest);
        assert_eq!(failure.param.as_deref(), Some("response_format"), "{failure}");
    }
}

#[tokio::test]
async fn a_demanded_call_is_made() {
    for choice in [ToolChoice::Required, ToolChoice::Named("get_weather".into())] {
        let request = ChatRequest {
            tools: vec![weather()],
            tool_choice: choice,
            ..ask("What is the weather in Paris?", 80)
        };
        let answer = engine().chat_whole(&request).await.unwrap().choices.remove(0);
        assert_eq!(answer.finish, Some(FinishReason::ToolCalls), "{answer:?}");
        let calls: Vec<_> = answer.tool_calls().collect();
        let [call] = calls.as_slice() else { panic!("{answer:?}") };
        assert_eq!((call.name.as_str(), answer.text().as_str()), ("get_weather", ""));
        assert!(call.id.starts_with("call_"));
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
        assert!(arguments["city"].is_string(), "{arguments}");
    }
}

#[tokio::test]
async fn a_demanded_call_may_refer_to_definitions() {
    let units = Tool {
        name: "set \"units\"".into(),
        description: None,
        parameters: json!({
            "type": "object",
            "properties": { "unit": { "$ref": "#/$defs/Unit" } },
            "required": ["unit"],
            "additionalProperties": false,
            "$defs": { "Unit": { "enum": ["metric", "imperial"] } },
        }),
        ..Tool::default()
    };
    for choice in [ToolChoice::Required, ToolChoice::Named(units.name.clone())] {
        let tools = match choice {
            ToolChoice::Required => vec![units.clone(), units.clone()],
            _ => vec![weather(), units.clone()],
        };
        let request = ChatRequest { tools, tool_choice: choice, ..ask("Use metric units.", 60) };
        let answer = engine().chat_whole(&request).await.unwrap().choices.remove(0);
        let calls: Vec<_> = answer.tool_calls().collect();
        let [call] = calls.as_slice() else { panic!("{answer:?}") };
        assert_eq!(call.name, units.name);
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
        assert!(["metric", "imperial"].contains(&arguments["unit"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn a_tool_that_is_not_there_is_refused() {
    let request = ChatRequest { tool_choice: ToolChoice::Named("x".into()), ..ask("Hi", 4) };
    let failure = engine().chat(&request).await.unwrap_err();
    assert_eq!(failure.param.as_deref(), Some("tool_choice"));
}
