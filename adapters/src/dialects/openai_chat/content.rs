//! The parts of a message's content.

use isthmus_inference::failure::Failure;
use isthmus_inference::part::{CacheLife, Media, Part, Signature, formats};
use serde_json::Value;

use super::reasoning::thought_text;
use crate::dialects::fields::{Fields, name_of, wrong_type};

/// What a file is that comes without a type.
const PDF: &str = "application/pdf";

/// Reads `content`; `None` if there is none.
pub(super) fn content(fields: &mut Fields) -> Result<Option<Vec<Part>>, Failure> {
    let param = fields.param("content");
    fields.take("content").map(|value| parts(value, &param, part)).transpose()
}

/// Reads what is said: a text, or a list of parts, each of which may carry a mark of the cache. `part`
/// reads one.
pub(crate) fn parts(
    value: Value,
    param: &str,
    part: impl Fn(Fields) -> Result<Part, Failure>,
) -> Result<Vec<Part>, Failure> {
    let values = match value {
        Value::String(text) => return Ok(vec![Part::Text(text)]),
        Value::Array(values) => values,
        other => return Err(wrong_type(param, "a string or an array of parts", name_of(&other))),
    };
    let mut parts = Vec::with_capacity(values.len());
    for (at, value) in values.into_iter().enumerate() {
        let mut fields = Fields::of_value(value, &format!("{param}[{at}]"))?;
        let mark = cache_mark(&mut fields)?;
        parts.push(part(fields)?);
        parts.extend(mark.map(Part::CachePoint));
    }
    Ok(parts)
}

/// Reads `cache_control`, Anthropic's mark that OpenRouter and LiteLLM take in this shape too, and
/// OpenAI's own `prompt_cache_breakpoint`, whose shortest named life (30 minutes) an hour comes nearest.
pub(super) fn cache_mark(fields: &mut Fields) -> Result<Option<CacheLife>, Failure> {
    let own = fields.object("prompt_cache_breakpoint")?;
    let Some(mut mark) = fields.object("cache_control")?.or(own) else { return Ok(None) };
    Ok(Some(match mark.text("ttl")?.as_deref() {
        Some("1h" | "30m" | "12h") => CacheLife::OneHour,
        _ => CacheLife::FiveMinutes,
    }))
}

fn part(mut fields: Fields) -> Result<Part, Failure> {
    let kind = fields.required_text("type")?;
    match kind.as_str() {
        "text" => Ok(Part::Text(fields.required_text("text")?)),
        // A refusal is what the model said in an earlier turn.
        "refusal" => Ok(Part::Refusal(fields.required_text("refusal")?)),
        "image_url" => {
            let (url, detail) = address(&mut fields, "image_url")?;
            Ok(Part::Image { media: Media::of_url(url), detail })
        }
        // OpenRouter's and vLLM's.
        "video_url" => Ok(Part::Video(Media::of_url(address(&mut fields, "video_url")?.0))),
        // vLLM's.
        "audio_url" => Ok(Part::Audio(Media::of_url(address(&mut fields, "audio_url")?.0))),
        "input_audio" => audio(&mut fields),
        "file" => {
            let param = fields.param("file");
            file(Fields::of_value(fields.required("file")?, &param)?)
        }
        // Mistral's.
        "document_url" => {
            let name = fields.text("document_name")?;
            let (url, _) = address(&mut fields, "document_url")?;
            Ok(Part::Document { media: Media::of_url(url), name })
        }
        // Mistral's.
        "thinking" => thinking(&mut fields),
        _ => {
            fields.put("type", kind.into());
            Ok(Part::Native { format: formats::OPENAI_CHAT, value: fields.into_value() })
        }
    }
}

/// An address, bare or as `{"url": …}`, and how closely to look at what is there.
fn address(fields: &mut Fields, name: &str) -> Result<(String, Option<String>), Failure> {
    let param = fields.param(name);
    match fields.required(name)? {
        Value::String(url) => Ok((url, None)),
        value => {
            let mut inner = Fields::of_value(value, &param)?;
            Ok((inner.required_text("url")?, inner.text("detail")?))
        }
    }
}

fn audio(fields: &mut Fields) -> Result<Part, Failure> {
    let param = fields.param("input_audio");
    let mut inner = Fields::of_value(fields.required("input_audio")?, &param)?;
    let base64 = inner.required_text("data")?;
    let media_type = match inner.text("format")?.as_deref() {
        Some("mp3") => "audio/mpeg".to_owned(),
        Some(format) => format!("audio/{format}"),
        None => String::new(),
    };
    Ok(Part::Audio(Media::Inline { media_type, base64 }))
}

fn file(mut fields: Fields) -> Result<Part, Failure> {
    let name = fields.text("filename")?;
    let media = match fields.text("file_id")? {
        Some(id) => Media::File { id },
        None => match fields.required_text("file_data")? {
            // An address is OpenRouter's extension.
            url if url.contains(':') => Media::of_url(url),
            base64 => Media::Inline { media_type: PDF.to_owned(), base64 },
        },
    };
    // A picture among the files is a picture still.
    match &media {
        Media::Inline { media_type, .. } if media_type.starts_with("image/") => {
            Ok(Part::Image { media, detail: None })
        }
        _ => Ok(Part::Document { media, name }),
    }
}

/// `{"type":"thinking","thinking":[{"type":"text","text":…}]}`, with a text alone in older answers.
fn thinking(fields: &mut Fields) -> Result<Part, Failure> {
    let text = match fields.required("thinking")? {
        Value::String(text) => text,
        chunks => thought_text(&chunks),
    };
    let signature = fields.text("signature")?.filter(|data| !data.is_empty());
    let signature = signature.map(|data| Signature::new(formats::MISTRAL, data));
    Ok(Part::Thinking { text, signature })
}
