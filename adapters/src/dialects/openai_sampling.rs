//! The fields that chat and legacy completions share: how tokens are drawn, and where to stop.
//!
//! The ranges are those of OpenAI's API reference; `top_k` is the extension that vLLM, SGLang and
//! llama.cpp understand.

use isthmus_inference::chat::{AnswerFormat, JsonSchema, Sampling};
use isthmus_inference::failure::Failure;
use serde_json::Value;

use crate::dialects::fields::{Fields, name_of, wrong_type};

/// The most answers to one request.
const MOST_CHOICES: u32 = 128;
/// The most stop texts.
const MOST_STOPS: usize = 4;

/// Reads all sampling fields, save the token limit, whose name differs.
pub(crate) fn sampling(fields: &mut Fields) -> Result<Sampling, Failure> {
    Ok(Sampling {
        temperature: fields.number("temperature", 0.0..=2.0)?,
        top_p: fields.number("top_p", 0.0..=1.0)?,
        top_k: top_k(fields)?,
        seed: seed(fields)?,
        stop: stop(fields)?,
        max_tokens: None,
        presence_penalty: fields.number("presence_penalty", -2.0..=2.0)?.unwrap_or(0.0),
        frequency_penalty: fields.number("frequency_penalty", -2.0..=2.0)?.unwrap_or(0.0),
        logit_bias: logit_bias(fields)?,
    })
}

/// Reads how many answers are wanted.
pub(crate) fn choices(fields: &mut Fields) -> Result<u32, Failure> {
    Ok(fields.integer("n", 1..=MOST_CHOICES)?.unwrap_or(1))
}

/// Reads `response_format`.
pub(crate) fn format(fields: &mut Fields) -> Result<AnswerFormat, Failure> {
    let Some(mut format) = fields.object("response_format")? else {
        return Ok(AnswerFormat::Text);
    };
    let kind = format.required_text("type")?;
    match kind.as_str() {
        "text" => Ok(AnswerFormat::Text),
        "json_object" => Ok(AnswerFormat::JsonObject),
        "json_schema" => {
            let mut wrapper =
                Fields::of_value(format.required("json_schema")?, "response_format.json_schema")?;
            let schema = wrapper.required("schema")?;
            if !schema.is_object() {
                let param = "response_format.json_schema.schema";
                return Err(wrong_type(param, "an object", name_of(&schema)));
            }
            Ok(AnswerFormat::JsonSchema(JsonSchema {
                name: wrapper.text("name")?.unwrap_or_default(),
                description: wrapper.text("description")?,
                schema,
                strict: wrapper.boolean("strict")?,
            }))
        }
        "grammar" => Ok(AnswerFormat::Grammar(format.required_text("grammar")?)),
        other => Err(Failure::invalid(
            "response_format.type",
            format!(
                "`response_format.type` must be `text`, `json_object`, `json_schema` or \
                 `grammar`, got `{other}`"
            ),
        )),
    }
}

/// 0 and -1 both mean "no limit", as vLLM has it; that is not the same as leaving it to the model.
fn top_k(fields: &mut Fields) -> Result<Option<u32>, Failure> {
    match fields.take("top_k") {
        None => Ok(None),
        Some(Value::Number(number)) if matches!(number.as_i64(), Some(-1 | 0)) => Ok(Some(0)),
        Some(value) => match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(wrong_type("top_k", "a positive integer", name_of(&value))),
        },
    }
}

fn seed(fields: &mut Fields) -> Result<Option<u64>, Failure> {
    match fields.take("seed") {
        None => Ok(None),
        Some(value) => match value.as_u64().or_else(|| value.as_i64().map(i64::cast_unsigned)) {
            Some(seed) => Ok(Some(seed)),
            None => Err(wrong_type("seed", "an integer", name_of(&value))),
        },
    }
}

fn stop(fields: &mut Fields) -> Result<Vec<String>, Failure> {
    let texts = match fields.take("stop") {
        None => Vec::new(),
        Some(Value::Array(texts)) => texts,
        Some(one) => vec![one],
    };
    if texts.len() > MOST_STOPS {
        let message = format!("`stop` takes up to {MOST_STOPS} texts, got {}", texts.len());
        return Err(Failure::invalid("stop", message));
    }
    let mut stops = Vec::with_capacity(texts.len());
    for text in texts {
        match text {
            Value::String(text) if text.is_empty() => {
                return Err(Failure::invalid("stop", "`stop` must not contain an empty text"));
            }
            Value::String(text) => stops.push(text),
            other => {
                return Err(wrong_type("stop", "a string or an array of them", name_of(&other)));
            }
        }
    }
    Ok(stops)
}

fn logit_bias(fields: &mut Fields) -> Result<Vec<(u32, f32)>, Failure> {
    let Some(value) = fields.take("logit_bias") else { return Ok(Vec::new()) };
    let Value::Object(biases) = value else {
        return Err(wrong_type("logit_bias", "an object", name_of(&value)));
    };
    let mut pairs = Vec::with_capacity(biases.len());
    for (token, bias) in &biases {
        let id: u32 = token.parse().map_err(|_| {
            Failure::invalid("logit_bias", format!("`logit_bias`: `{token}` is no token id"))
        })?;
        match bias.as_f64() {
            Some(bias) if (-100.0..=100.0).contains(&bias) => pairs.push((id, bias as f32)),
            _ => {
                let message =
                    format!("`logit_bias` of `{token}` must be a number from -100 to 100");
                return Err(Failure::invalid("logit_bias", message));
            }
        }
    }
    Ok(pairs)
}
