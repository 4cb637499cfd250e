//! Citations, read in the words of each provider.

use isthmus_inference::part::formats;
use serde_json::Value;

use super::{CITATIONS, Citation, DOCUMENT, Place, SEARCH_RESULTS, Source, google};

/// What a part in these words cites.
pub(super) fn citations(format: &'static str, value: &Value) -> Vec<Citation> {
    let items = |path: &str| value.pointer(path).and_then(Value::as_array).into_iter().flatten();
    match format {
        formats::OPENAI_CHAT => {
            let annotations = items("/annotations");
            let pages = annotations.filter_map(|item| of_openai(&item["url_citation"]));
            pages.chain(found(value)).chain(of_mistral(value)).collect()
        }
        formats::RESPONSES => items("/annotations").filter_map(of_responses).collect(),
        formats::ANTHROPIC if value.get("type").is_none() => {
            let span = (count(&value["start"]), count(&value["end"]));
            let read = items("/citations").filter_map(of_anthropic);
            read.map(|citation| Citation { span, ..citation }).collect()
        }
        formats::GEMINI => google::citations(value),
        formats::BEDROCK => {
            let span = (count(&value["start"]), count(&value["end"]));
            let read = items("/citationsContent/citations").filter_map(of_bedrock);
            read.map(|citation| Citation { span, ..citation }).collect()
        }
        formats::COHERE => items("/citations").flat_map(of_cohere).collect(),
        _ => vec![],
    }
}

// === the formats ===

/// `url_citation` of a chat, or an annotation that is one in a response.
fn of_openai(said: &Value) -> Option<Citation> {
    let span = (count(&said["start_index"]), count(&said["end_index"]));
    Some(Citation { span, ..page(text(&said["url"])?, &said["title"]) })
}

/// Of a response's annotations those that name a page or a file.
fn of_responses(said: &Value) -> Option<Citation> {
    let file = matches!(said["type"].as_str(), Some("file_citation" | "container_file_citation"));
    if !file {
        return of_openai(said);
    }
    // Which of the request's documents it is, nothing tells.
    let place = Place::Blocks(0, 1);
    let source = Source::Document { index: None, id: text(&said["file_id"]), place };
    Some(Citation { source, title: text(&said["filename"]), ..Citation::default() })
}

/// What Perplexity found: the pages with titles, or their addresses alone (`citations`, which xAI has
/// too).
fn found(value: &Value) -> Vec<Citation> {
    let list = |name: &str| value[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let results = list(SEARCH_RESULTS).iter().filter_map(|result| {
        let quote = text(&result["snippet"]).unwrap_or_default();
        Some(Citation { quote, ..page(text(&result["url"])?, &result["title"]) })
    });
    let results: Vec<Citation> = results.collect();
    if !results.is_empty() {
        return results;
    }
    list(CITATIONS).iter().filter_map(text).map(|url| page(url, &Value::Null)).collect()
}

/// A chunk that names a page or a file (Mistral's SDK, `ToolReferenceChunk` and `ResourceLinkChunk`).
fn of_mistral(chunk: &Value) -> Option<Citation> {
    match chunk["type"].as_str()? {
        "tool_reference" => Some(page(text(&chunk["url"])?, &chunk["title"])),
        "resource_link" => {
            let title = if chunk["title"].is_string() { &chunk["title"] } else { &chunk["name"] };
            Some(somewhere(text(&chunk["uri"])?, title))
        }
        _ => None,
    }
}

/// The vendor's SDK, `TextCitation`.
fn of_anthropic(said: &Value) -> Option<Citation> {
    let between = |from: &str, to: &str| (count(&said[from]), count(&said[to]));
    let document = |place| Source::Document {
        index: said["document_index"].as_u64(),
        id: text(&said["file_id"]),
        place,
    };
    let source = match said["type"].as_str()? {
        "web_search_result_location" => Source::Page(text(&said["url"])?),
        "search_result_location" => Source::Result {
            index: count(&said["search_result_index"]),
            source: text(&said["source"])?,
            blocks: between("start_block_index", "end_block_index"),
        },
        "char_location" => {
            let (from, to) = between("start_char_index", "end_char_index");
            document(Place::Characters(from, to))
        }
        "page_location" => {
            let (from, to) = between("start_page_number", "end_page_number");
            document(Place::Pages(from, to))
        }
        "content_block_location" => {
            let (from, to) = between("start_block_index", "end_block_index");
            document(Place::Blocks(from, to))
        }
        _ => return None,
    };
    let title = text(&said["title"]).or_else(|| text(&said["document_title"]));
    let quote = text(&said["cited_text"]).unwrap_or_default();
    Some(Citation { source, title, quote, ..Citation::default() })
}

/// `Citation`, of which `location` says where the source is (API reference, `CitationLocation`).
fn of_bedrock(said: &Value) -> Option<Citation> {
    let location = &said["location"];
    let between = |place: &Value| (count(&place["start"]), count(&place["end"]));
    let document = |place: &Value, within: fn(u64, u64) -> Place| {
        let (from, to) = between(place);
        let index = place["documentIndex"].as_u64();
        Source::Document { index, id: None, place: within(from, to) }
    };
    let known = ["web", "documentChar", "documentPage", "documentChunk", "searchResultLocation"];
    let (kind, place) =
        known.iter().find_map(|kind| Some((*kind, location.get(*kind)?))).unwrap_or_default();
    let source = match kind {
        "web" => Source::Page(text(&place["url"])?),
        "documentChar" => document(place, Place::Characters),
        "documentPage" => document(place, Place::Pages),
        "documentChunk" => document(place, Place::Blocks),
        "searchResultLocation" => Source::Result {
            index: count(&place["searchResultIndex"]),
            source: text(&said["source"]).unwrap_or_default(),
            blocks: between(place),
        },
        _ => Source::Page(text(&said["source"]).filter(|source| is_page(source))?),
    };
    let pieces = said["sourceContent"].as_array().into_iter().flatten();
    let quote = pieces.filter_map(|piece| piece["text"].as_str()).collect();
    Some(Citation { source, title: text(&said["title"]), quote, ..Citation::default() })
}

/// A piece of the text and all that it is from: documents, and results of tools (the vendor's SDK,
/// `Citation`). What a plan or a thought is from concerns no answer.
fn of_cohere(said: &Value) -> Vec<Citation> {
    if matches!(said["type"].as_str(), Some("PLAN" | "THINKING_CONTENT")) {
        return vec![];
    }
    let span = (count(&said["start"]), count(&said["end"]));
    let sources = said["sources"].as_array().into_iter().flatten();
    let one = |source: &Value| {
        let members = source.get("document").or_else(|| source.get("tool_output"))?;
        let quote = ["snippet", "text", "content"].into_iter();
        let quote = quote.filter_map(|name| text(&members[name])).next().unwrap_or_default();
        let title = text(&members["title"]);
        let id = text(&source["id"]);
        let url = ["url", "link"].into_iter().filter_map(|name| text(&members[name]));
        let source = match url.into_iter().find(|url| is_page(url)) {
            Some(url) => Source::Page(url),
            None if source["type"] == "tool" => return None,
            None => {
                let number = id.as_deref().and_then(|id| id.strip_prefix(DOCUMENT)?.parse().ok());
                Source::Document { index: number, id, place: Place::Blocks(0, 1) }
            }
        };
        Some(Citation { source, title, quote, span })
    };
    sources.filter_map(one).collect()
}

// === the pieces ===

pub(super) fn page(url: String, title: &Value) -> Citation {
    Citation { source: Source::Page(url), title: text(title), ..Citation::default() }
}

/// A page, or a document that is no page.
pub(super) fn somewhere(address: String, title: &Value) -> Citation {
    if is_page(&address) {
        return page(address, title);
    }
    let place = Place::Blocks(0, 1);
    let source = Source::Document { index: None, id: Some(address), place };
    Citation { source, title: text(title), ..Citation::default() }
}

/// Whether an address is one that a person can open.
pub(super) fn is_page(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("http://")
}

pub(super) fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}
