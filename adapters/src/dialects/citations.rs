//! The sources that an answer names, across languages.
//!
//! A provider's side passes them on as a part in its own words; here those are read, and written in the
//! words of the caller. All have a word for a page on the web. A document of the request can be named in
//! Anthropic's Messages and in Responses, a place in it in the former alone; chat completions name pages
//! and nothing else.

use isthmus_inference::part::{Part, formats};
use serde_json::{Value, json};

mod google;
mod read;
mod write;

/// What a piece of an answer is from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Citation {
    source: Source,
    title: Option<String>,
    /// What is said there, as far as the provider shows it.
    quote: String,
    /// The characters of the answer that it stands behind; none where the provider does not say.
    span: (u64, u64),
}

/// Where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// A page on the web.
    Page(String),
    /// A document that the request showed.
    Document {
        /// Its place among those of the request, from 0.
        index: Option<u64>,
        /// Its id, as far as it has one.
        id: Option<String>,
        /// Where in it.
        place: Place,
    },
    /// A search result that the request showed.
    Result {
        /// Its place among those of the request, from 0.
        index: u64,
        /// Its source, which may be an address.
        source: String,
        /// The first block, and the one behind the last.
        blocks: (u64, u64),
    },
}

/// A place in a document: the first of what is counted, and the one behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Characters(u64, u64),
    Pages(u64, u64),
    Blocks(u64, u64),
}

/// The member that OpenAI's two formats, and the parts that are made of them here, have them in.
pub(crate) const ANNOTATIONS: &str = "annotations";
/// The same of Anthropic's, Bedrock's and Cohere's.
pub(crate) const CITATIONS: &str = "citations";
/// The member in which Perplexity has the pages that it found, with titles and excerpts.
pub(crate) const SEARCH_RESULTS: &str = "search_results";

/// The member of a request's `extra` that tells that its documents are to be cited: Anthropic has it at
/// each of them, and wants it at all or none.
pub(crate) const CITED_DOCUMENTS: &str = "documents.citations";

/// The most sources that are told of one part of an answer.
const MOST: usize = 1024;

/// How the ids begin of documents that stand beside a conversation (Cohere); their number follows.
pub(crate) const DOCUMENT: &str = "document-";

/// Annotations of one of OpenAI's formats as a part of an answer; `None` if there are none.
pub(crate) fn annotated(format: &'static str, annotations: &Value) -> Option<Part> {
    let some = annotations.as_array().is_some_and(|list| !list.is_empty());
    some.then(|| Part::Native { format, value: json!({ ANNOTATIONS: annotations }) })
}

/// Citations of the characters from `span.0` to `span.1`, in Anthropic's words.
pub(crate) fn cited_by_anthropic(citations: &[Value], span: (u64, u64)) -> Part {
    let value = json!({ CITATIONS: citations, "start": span.0, "end": span.1 });
    Part::Native { format: formats::ANTHROPIC, value }
}

/// What a part cites, as items of `annotations` in one of OpenAI's formats or of `citations` in
/// Anthropic's: those of its own format as they came, of others what there is a word for.
pub(crate) fn cited(part: &Part, of: &'static str) -> Vec<Value> {
    let Part::Native { format, value } = part else { return vec![] };
    let own = match *format {
        format if format != of => None,
        formats::ANTHROPIC if value.get("type").is_some() => None,
        formats::ANTHROPIC => value[CITATIONS].as_array(),
        _ => value[ANNOTATIONS].as_array(),
    };
    if let Some(own) = own {
        return own.clone();
    }
    let mut told = vec![];
    for citation in read::citations(format, value).into_iter().take(MOST) {
        // Without a place in the text, one source that stands behind two pieces is told once.
        told.extend(citation.written(of).filter(|written| !told.contains(written)));
    }
    told
}

impl Default for Source {
    fn default() -> Self {
        Self::Page(String::new())
    }
}

#[cfg(test)]
mod tests;
