//! Citations, written in the words of each caller.

use isthmus_inference::part::formats;
use serde_json::{Value, json};

use super::read::is_page;
use super::{Citation, DOCUMENT, Place, Source};

/// In the place of Anthropic's proof that a search found a page, for a page that others found. A request
/// that brings it back is not relayed, because of its mark, and written anew without it.
const UNPROVED: &str = "isthmus:cited";

// === impl Citation ===

impl Citation {
    /// As an item of this format's; `None` if it has no word for such a source.
    pub(super) fn written(&self, format: &'static str) -> Option<Value> {
        match format {
            formats::ANTHROPIC => self.for_anthropic(),
            // In a response there is no object within.
            formats::RESPONSES => self.page().map(of_type).or_else(|| self.file()),
            _ => self.page().map(|page| json!({ "type": "url_citation", "url_citation": page })),
        }
    }

    /// The address of a page, with its title and what it stands behind.
    fn page(&self) -> Option<Value> {
        let url = match &self.source {
            Source::Page(url) => url,
            Source::Result { source, .. } if is_page(source) => source,
            Source::Result { .. } | Source::Document { .. } => return None,
        };
        let title = self.title.as_deref().unwrap_or(url);
        let (start, end) = self.span;
        Some(json!({ "url": url, "title": title, "start_index": start, "end_index": end }))
    }

    /// A file, which is how a response names a document.
    fn file(&self) -> Option<Value> {
        let Source::Document { index, id, .. } = &self.source else { return None };
        let id = id.clone().or_else(|| Some(format!("{}{}", DOCUMENT, (*index)?)))?;
        let name = self.title.as_deref().unwrap_or(&id);
        let index = index.unwrap_or_default();
        Some(json!({ "type": "file_citation", "file_id": id, "filename": name, "index": index }))
    }

    fn for_anthropic(&self) -> Option<Value> {
        let (title, quote) = (&self.title, &self.quote);
        match &self.source {
            Source::Page(url) => Some(json!({
                "type": "web_search_result_location", "url": url, "title": title,
                "cited_text": quote, "encrypted_index": UNPROVED,
            })),
            Source::Result { index, source, blocks: (start, end) } => Some(json!({
                "type": "search_result_location", "source": source, "title": title,
                "cited_text": quote, "search_result_index": index,
                "start_block_index": start, "end_block_index": end,
            })),
            Source::Document { index, id, place } => {
                let (kind, [from, to], (start, end)) = place.for_anthropic();
                Some(json!({
                    "type": kind, "document_index": (*index)?, "document_title": title,
                    "file_id": id, "cited_text": quote, from: start, to: end,
                }))
            }
        }
    }
}

fn of_type(mut page: Value) -> Value {
    page["type"] = "url_citation".into();
    page
}

impl Place {
    /// The type of the citation, the names of its borders, and these.
    fn for_anthropic(self) -> (&'static str, [&'static str; 2], (u64, u64)) {
        match self {
            Self::Characters(start, end) => {
                ("char_location", ["start_char_index", "end_char_index"], (start, end))
            }
            Self::Pages(start, end) => {
                ("page_location", ["start_page_number", "end_page_number"], (start, end))
            }
            Self::Blocks(start, end) => {
                ("content_block_location", ["start_block_index", "end_block_index"], (start, end))
            }
        }
    }
}
