//! The sources that an answer names, read from each provider's own words.
//!
//! A provider's side passes them on as a part in its own format; callers' formats share one thing, a
//! citation of a page on the web (OpenAI's `url_citation`, in chat and in Responses). Anthropic's
//! citations point into documents, or at search results with a proof that nobody else can write, so
//! for its callers there is nothing that could be said truthfully.

use isthmus_inference::part::{Part, formats};
use serde_json::{Value, json};

/// A page that an answer is from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Citation {
    url: String,
    title: String,
    /// The characters of the text that it stands behind; nothing where the provider counts otherwise.
    span: (u64, u64),
}

/// The member that OpenAI's two formats, and the parts that are made of them here, have them in.
pub(crate) const ANNOTATIONS: &str = "annotations";

/// Annotations of one of OpenAI's formats as a part of an answer; `None` if there are none.
pub(crate) fn annotated(format: &'static str, annotations: &Value) -> Option<Part> {
    let some = annotations.as_array().is_some_and(|list| !list.is_empty());
    some.then(|| Part::Native { format, value: json!({ ANNOTATIONS: annotations }) })
}

/// What a part cites, as items of `annotations` in one of OpenAI's formats: those of its own format as
/// they came, of others the pages.
pub(crate) fn annotations(part: &Part, of: &'static str) -> Vec<Value> {
    match part {
        Part::Native { format, value } if *format == of => {
            value[ANNOTATIONS].as_array().cloned().unwrap_or_default()
        }
        _ => cited(part).iter().map(|citation| citation.written(of)).collect(),
    }
}

/// The pages that a part names.
fn cited(part: &Part) -> Vec<Citation> {
    let Part::Native { format, value } = part else { return vec![] };
    let items = |path: &str| value.pointer(path).and_then(Value::as_array).into_iter().flatten();
    match *format {
        formats::OPENAI_CHAT => {
            items("/annotations").filter_map(|item| of_openai(&item["url_citation"])).collect()
        }
        formats::RESPONSES => items("/annotations").filter_map(of_openai).collect(),
        formats::GEMINI => {
            let web = items("/groundingMetadata/groundingChunks").map(|chunk| &chunk["web"]);
            web.filter_map(|web| Some(page(web["uri"].as_str()?, &web["title"]))).collect()
        }
        formats::BEDROCK => items("/citationsContent/citations").filter_map(of_bedrock).collect(),
        _ => vec![],
    }
}

fn of_openai(said: &Value) -> Option<Citation> {
    let place = |name: &str| said[name].as_u64().unwrap_or_default();
    let span = (place("start_index"), place("end_index"));
    Some(Citation { span, ..page(said["url"].as_str()?, &said["title"]) })
}

/// `Citation`, of which `location` says where the source is (API reference, `CitationLocation`).
fn of_bedrock(said: &Value) -> Option<Citation> {
    Some(page(said.pointer("/location/web/url")?.as_str()?, &said["title"]))
}

fn page(url: &str, title: &Value) -> Citation {
    let title = title.as_str().unwrap_or(url).to_owned();
    Citation { url: url.to_owned(), title, span: (0, 0) }
}

// === impl Citation ===

impl Citation {
    /// As an item of `annotations`: Responses have no object within.
    fn written(&self, format: &'static str) -> Value {
        let (start, end) = self.span;
        let mut members =
            json!({ "url": self.url, "title": self.title, "start_index": start, "end_index": end });
        if format == formats::OPENAI_CHAT {
            return json!({ "type": "url_citation", "url_citation": members });
        }
        members["type"] = "url_citation".into();
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_in_each_format_and_nothing_else_is() {
        let chat = json!({ANNOTATIONS: [
            {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 3, "end_index": 9}},
            {"type": "file_citation"},
        ]});
        let responses = json!({ANNOTATIONS: [
            {"type": "url_citation", "url": "u", "title": "t", "start_index": 3, "end_index": 9},
            {"type": "container_file_citation", "file_id": "f"},
        ]});
        let gemini = json!({"groundingMetadata": {"groundingChunks": [
            {"web": {"uri": "u", "title": "t"}}, {"retrievedContext": {"uri": "gs:"}},
        ]}});
        let bedrock = json!({"citationsContent": {"citations": [
            {"title": "t", "location": {"web": {"url": "u"}}},
            {"title": "d", "location": {"documentPage": {"documentIndex": 0}}},
        ]}});
        for (format, value, span) in [
            (formats::OPENAI_CHAT, chat, (3, 9)),
            (formats::RESPONSES, responses, (3, 9)),
            (formats::GEMINI, gemini, (0, 0)),
            (formats::BEDROCK, bedrock, (0, 0)),
            (formats::ANTHROPIC, json!({"citations": [{"url": "u"}]}), (0, 0)),
        ] {
            let found = cited(&Part::Native { format, value });
            let expected = Citation { url: "u".into(), title: "t".into(), span };
            let expected = if format == formats::ANTHROPIC { vec![] } else { vec![expected] };
            assert_eq!(found, expected, "{format}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let citation = Citation { url: "u".into(), title: "t".into(), span: (1, 2) };
        for format in [formats::OPENAI_CHAT, formats::RESPONSES] {
            let item = citation.written(format);
            let items = json!([item, {"type": "file_citation", "file_id": "f"}]);
            let part = annotated(format, &items).unwrap();
            assert_eq!(cited(&part), std::slice::from_ref(&citation), "{format}");
            assert_eq!(annotations(&part, format), *items.as_array().unwrap(), "as they came");
            let other = [formats::RESPONSES, formats::OPENAI_CHAT]
                .into_iter()
                .find(|other| *other != format)
                .unwrap();
            assert_eq!(annotations(&part, other), [citation.written(other)], "the page alone");
        }
        assert_eq!(annotated(formats::RESPONSES, &json!([])), None);
        assert_eq!(cited(&Part::text("u")), []);
    }
}
