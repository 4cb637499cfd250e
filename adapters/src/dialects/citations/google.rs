//! Citations, read in Google's words: what an answer is grounded in, and what it was copied from.

use serde_json::Value;

use super::read::{page, somewhere, text};
use super::{Citation, MOST};

/// What an answer's metadata cite. The spans beside them are those of the supports, or of the citations,
/// in their order.
pub(super) fn citations(value: &Value) -> Vec<Citation> {
    let list = |path: &str| value.pointer(path).and_then(Value::as_array).map(Vec::as_slice);
    let items = |path: &str| list(path).unwrap_or_default();
    let spans = items("/spans").iter().map(span).chain(std::iter::repeat((0, 0)));
    let chunks: Vec<_> = items("/groundingMetadata/groundingChunks").iter().map(of_chunk).collect();
    let mut unused = vec![true; chunks.len()];
    let mut told = vec![];
    for (support, span) in items("/groundingMetadata/groundingSupports").iter().zip(spans.clone()) {
        let named = support["groundingChunkIndices"].as_array().into_iter().flatten();
        for at in named.filter_map(|at| usize::try_from(at.as_u64()?).ok()) {
            let Some(Some(chunk)) = chunks.get(at) else { continue };
            unused[at] = false;
            told.push(Citation { span, ..chunk.clone() });
            // Each may name a chunk again and again.
            if told.len() == MOST {
                return told;
            }
        }
    }
    // What was found and stands behind no text that we know of.
    let rest = chunks.into_iter().zip(unused).filter(|(_, unused)| *unused);
    told.extend(rest.filter_map(|(chunk, _)| chunk));
    // The API calls them `citationSources`, Vertex `citations`.
    let copied = items("/citationMetadata/citations").iter();
    let copied = copied.chain(items("/citationMetadata/citationSources")).zip(spans);
    told.extend(copied.filter_map(|(one, span)| {
        Some(Citation { span, ..page(text(&one["uri"])?, &one["title"]) })
    }));
    told
}

/// A pair of places; none is (0, 0).
fn span(value: &Value) -> (u64, u64) {
    (value[0].as_u64().unwrap_or_default(), value[1].as_u64().unwrap_or_default())
}

/// `GroundingChunk`.
fn of_chunk(chunk: &Value) -> Option<Citation> {
    for (kind, address) in [("web", "uri"), ("maps", "uri"), ("image", "sourceUri")] {
        if let Some(place) = chunk.get(kind) {
            return Some(page(text(&place[address])?, &place["title"]));
        }
    }
    let found = chunk.get("retrievedContext")?;
    // Files of a store have no address: there it is the title that tells them apart.
    let names = ["uri", "documentName", "mediaId", "title", "fileSearchStore"].into_iter();
    let address = names.filter_map(|name| text(&found[name])).next()?;
    let quote = text(&found["text"]).unwrap_or_default();
    Some(Citation { quote, ..somewhere(address, &found["title"]) })
}
