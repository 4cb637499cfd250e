//! What providers say of the models on offer: prices, windows, quantization.
//!
//! The shapes are those of the vendors' documents and sources: AkashML and OpenRouter (`pricing`),
//! Chutes (`price`, beside a `pricing` in another unit), io.net (`metadata`), NEAR AI (whole numbers
//! with a scale), vLLM (`max_model_len`).

use isthmus_inference::failure::Failure;
use isthmus_inference::money::{Price, Rate};
use serde_json::Value;

use crate::dialects::openai_models::{name, read};

/// A model on offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What a request must name.
    pub id: String,
    /// What it costs, if both input and output are told in USD.
    pub price: Option<Price>,
    /// Tokens of prompt and answer together.
    pub context_window: Option<u64>,
    /// The most tokens of an answer.
    pub max_output: Option<u64>,
    /// How its weights are stored, in the provider's word: `fp8`, `int4` …
    pub quantization: Option<String>,
    /// Whether the provider claims to run it where its operator cannot look in.
    pub confidential_compute: bool,
}

/// The unit of a price, in USD.
#[derive(Clone, Copy)]
enum Unit {
    Token,
    MillionTokens,
    /// One of the two: documents contradict each other, or say nothing.
    Unsaid,
}

/// Where prices stand and in which unit; the first that is there counts.
type Places = [(&'static str, Unit)];

const INPUT: &Places = &[
    ("/price/input/usd", Unit::MillionTokens),
    ("/metadata/input_token_price", Unit::Token),
    ("/inputCostPerToken", Unit::Token),
    ("/pricing/prompt", Unit::Unsaid),
    ("/pricing/input", Unit::Unsaid),
];
const OUTPUT: &Places = &[
    ("/price/output/usd", Unit::MillionTokens),
    ("/metadata/output_token_price", Unit::Token),
    ("/outputCostPerToken", Unit::Token),
    ("/pricing/completion", Unit::Unsaid),
    ("/pricing/output", Unit::Unsaid),
];
const CACHE_READ: &Places = &[
    ("/price/input_cache_read/usd", Unit::MillionTokens),
    ("/metadata/cache_read_token_price", Unit::Token),
    ("/cacheReadCostPerToken", Unit::Token),
    ("/pricing/input_cache_read", Unit::Unsaid),
];
const CONTEXT_WINDOW: &[&str] = &[
    "/context_length",
    "/context_window",
    "/metadata/context_window",
    "/metadata/contextLength",
    "/max_model_len",
];
const MAX_OUTPUT: &[&str] = &["/max_output_length", "/metadata/max_tokens"];
const QUANTIZATION: &[&str] = &["/quantization", "/metadata/precision"];

/// USD below which a price can only be meant per token: no model costs less per million, and none as
/// much for a single one.
const CHEAPEST_MILLION: f64 = 0.001;
/// Picodollars per token in a dollar per million tokens, and in a dollar per token: powers of ten.
const MILLION_EXPONENT: i32 = 6;
const TOKEN_EXPONENT: i32 = 12;

/// The models in a list, in the order in which they came.
pub fn decode_offers(body: &[u8]) -> Result<Vec<Offer>, Failure> {
    let models = read::<Value>(body)?.into_iter();
    Ok(models.filter_map(|model| Some(offer(name(&model)?, &model))).collect())
}

fn offer(id: String, model: &Value) -> Offer {
    let number = |places: &[&str]| {
        places.iter().find_map(|place| model.pointer(place)).and_then(Value::as_u64)
    };
    let text = |places: &[&str]| places.iter().find_map(|place| model.pointer(place)?.as_str());
    Offer {
        id,
        price: price(model),
        context_window: number(CONTEXT_WINDOW),
        max_output: number(MAX_OUTPUT),
        quantization: text(QUANTIZATION).map(str::to_owned),
        confidential_compute: model["confidential_compute"] == true,
    }
}

fn price(model: &Value) -> Option<Price> {
    let rate = |places: &Places| {
        places.iter().find_map(|(place, unit)| rate(model.pointer(place)?, *unit))
    };
    let (input, output) = (rate(INPUT)?, rate(OUTPUT)?);
    Some(Price { input, output, cache_read: rate(CACHE_READ), ..Price::default() })
}

/// A price as text, as a number, or as NEAR AI's whole number with a scale.
fn rate(value: &Value, unit: Unit) -> Option<Rate> {
    let (text, scale) = match value {
        Value::String(text) => (text.clone(), 0),
        Value::Number(number) => (number.to_string(), 0),
        Value::Object(scaled) if scaled.get("currency")? == "USD" => {
            (scaled.get("amount")?.to_string(), i32::try_from(scaled.get("scale")?.as_i64()?).ok()?)
        }
        _ => return None,
    };
    let exponent = match unit {
        Unit::Token => TOKEN_EXPONENT,
        Unit::MillionTokens => MILLION_EXPONENT,
        Unit::Unsaid if text.parse::<f64>().ok()? < CHEAPEST_MILLION => TOKEN_EXPONENT,
        Unit::Unsaid => MILLION_EXPONENT,
    };
    let pico = times_power_of_ten(&text, exponent.checked_sub(scale)?)?;
    format!("{}.{:06}", pico / 1_000_000, pico % 1_000_000).parse().ok()
}

/// A decimal number, with or without an exponent, times a power of ten; rounded to the nearest whole,
/// since providers compute their prices in floats. `None` for what is negative, huge or no number.
fn times_power_of_ten(text: &str, power: i32) -> Option<u64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_decimal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_decimal(whole) || !is_decimal(fraction) {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let decimals = i32::try_from(fraction.len()).ok()?;
    let power = exponent.parse::<i32>().ok()?.checked_add(power)?.checked_sub(decimals)?;
    let factor = 10_u128.checked_pow(power.unsigned_abs());
    let scaled = match (power >= 0, factor) {
        (true, factor) if digits == 0 || factor.is_some() => {
            digits.checked_mul(factor.unwrap_or(0))?
        }
        (true, _) => return None,
        (false, Some(factor)) => digits.checked_add(factor / 2)? / factor,
        // Divided by more than any digits there are.
        (false, None) => 0,
    };
    u64::try_from(scaled).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Input, cached input and output, in USD per million tokens.
    fn prices(list: &str) -> Vec<(String, Option<[String; 3]>)> {
        let million = |rate: Rate| {
            let pico = rate.pico_dollars_per_token();
            format!("{}.{:06}", pico / 1_000_000, pico % 1_000_000)
        };
        let offers = decode_offers(list.as_bytes()).unwrap().into_iter();
        offers
            .map(|offer| {
                let price = offer.price.map(|price| {
                    let cached = price.cache_read.map(million).unwrap_or_default();
                    [million(price.input), cached, million(price.output)]
                });
                (offer.id, price)
            })
            .collect()
    }

    fn three(input: &str, cached: &str, output: &str) -> Option<[String; 3]> {
        Some([input, cached, output].map(str::to_owned))
    }

    #[test]
    fn each_providers_prices_come_out_per_million() {
        let cases = [
            // AkashML, whose documents name no unit.
            (
                r#"{"data":[{"id":"a","pricing":{"input":"0.00000013","output":"0.0000004","request":"0"}}]}"#,
                three("0.130000", "", "0.400000"),
            ),
            (
                r#"{"data":[{"id":"a","pricing":{"input":"0.13","output":"0.40"}}]}"#,
                three("0.130000", "", "0.400000"),
            ),
            // Chutes: `price` counts, whatever the unit of `pricing` is; floats carry noise.
            (
                r#"{"data":[{"id":"a","price":{"input":{"usd":0.10869560000000001,"tao":0.0003},"output":{"usd":0.43478256,"tao":0.001}},"pricing":{"prompt":0.2,"completion":0.8}}]}"#,
                three("0.108696", "", "0.434783"),
            ),
            // io.net: text, per token.
            (
                r#"{"data":[{"model_id":"1","name":"a","metadata":{"input_token_price":"5e-8","output_token_price":"0.0000002","cache_read_token_price":"0.000000025"}}]}"#,
                three("0.050000", "0.025000", "0.200000"),
            ),
            // NEAR AI.
            (
                r#"{"models":[{"modelId":"a","inputCostPerToken":{"amount":850,"scale":9,"currency":"USD"},"outputCostPerToken":{"amount":3300,"scale":9,"currency":"USD"}}]}"#,
                three("0.850000", "", "3.300000"),
            ),
            // OpenRouter and Phala.
            (
                r#"{"data":[{"id":"a","pricing":{"prompt":"0.0000025","completion":"0.00001","input_cache_read":"0.00000125"}}]}"#,
                three("2.500000", "1.250000", "10.000000"),
            ),
            // Free.
            (
                r#"[{"id":"a","pricing":{"prompt":"0","completion":0}}]"#,
                three("0.000000", "", "0.000000"),
            ),
            // No price, or none that can be one.
            (r#"{"data":[{"id":"a"}]}"#, None),
            (r#"{"data":[{"id":"a","pricing":{"prompt":"-1","completion":"-1"}}]}"#, None),
            (r#"{"data":[{"id":"a","pricing":{"prompt":"1"}}]}"#, None),
            (r#"{"data":[{"id":"a","pricing":{"prompt":"1e99","completion":"1e-99"}}]}"#, None),
            (
                r#"{"models":[{"modelId":"a","inputCostPerToken":{"amount":1,"scale":9,"currency":"EUR"}}]}"#,
                None,
            ),
        ];
        for (list, expected) in cases {
            assert_eq!(prices(list), [("a".to_owned(), expected)], "{list}");
        }
    }

    #[test]
    fn what_else_is_told_is_kept() {
        let list = r#"{"data":[
            {"id":"akash","context_length":131072,"max_output_length":16384,"quantization":"fp8"},
            {"model_id":"6f","name":"ionet","metadata":{"context_window":8192,"max_tokens":4096,"precision":"int4"}},
            {"id":"chutes-TEE","max_model_len":40960,"confidential_compute":true},
            {"object":"nameless"}
        ]}"#;
        let offers = decode_offers(list.as_bytes()).unwrap();
        let told = |offer: &Offer| {
            let quantization = offer.quantization.clone().unwrap_or_default();
            (offer.context_window, offer.max_output, quantization, offer.confidential_compute)
        };
        let told: Vec<_> = offers.iter().map(told).collect();
        let expected = [
            (Some(131_072), Some(16_384), "fp8".to_owned(), false),
            (Some(8192), Some(4096), "int4".to_owned(), false),
            (Some(40_960), None, String::new(), true),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn powers_of_ten_are_exact_and_bounded() {
        for (text, power, expected) in [
            ("1.5", 1, Some(15)),
            ("1.5e-3", 6, Some(1500)),
            ("0.00000049", 6, Some(0)),
            ("0.0000005", 6, Some(1)),
            ("1e-400", 6, Some(0)),
            ("0e400", 6, Some(0)),
            ("1e400", 6, None),
            ("-1", 6, None),
            ("", 6, None),
            (".5", 6, None),
            ("1e", 6, None),
            ("NaN", 6, None),
        ] {
            assert_eq!(times_power_of_ten(text, power), expected, "{text}");
        }
    }
}
