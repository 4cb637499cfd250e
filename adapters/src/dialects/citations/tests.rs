//! Sources, from the words of each provider to those of each caller.

use bytes::Bytes;
use isthmus_inference::request::Operation;

use super::*;
use crate::dialect::CallerDialect;
use crate::dialects::anthropic::{AnthropicCaller, AnthropicRelay};

fn part(format: &'static str, value: Value) -> Part {
    Part::Native { format, value }
}

#[test]
fn pages_are_told_to_each_caller() {
    let chat = json!({ANNOTATIONS: [
        {"type": "url_citation", "url_citation": {"url": "https://u", "title": "t", "start_index": 3, "end_index": 9}},
        {"type": "file_citation"},
    ]});
    let responses = json!({ANNOTATIONS: [
        {"type": "url_citation", "url": "https://u", "title": "t", "start_index": 3, "end_index": 9},
        {"type": "file_path", "file_id": "f"},
    ]});
    let anthropic = json!({"start": 3, "end": 9, CITATIONS: [
        {"type": "web_search_result_location", "url": "https://u", "title": "t", "cited_text": "q", "encrypted_index": "e"},
    ]});
    let grounding = json!({
        "groundingChunks": [{"web": {"uri": "https://u", "title": "t"}}],
        "groundingSupports": [{"groundingChunkIndices": [0, 7], "segment": {"endIndex": 12}}],
    });
    let gemini = json!({"groundingMetadata": grounding, "spans": [[3, 9]]});
    let unplaced = json!({"groundingMetadata": grounding});
    let copied = json!({"spans": [[3, 9]], "citationMetadata": {"citationSources": [
        {"uri": "https://u", "title": "t", "endIndex": 12},
    ]}});
    let bedrock = json!({"start": 3, "end": 9, "citationsContent": {CITATIONS: [
        {"title": "t", "sourceContent": [{"text": "q"}], "location": {"web": {"url": "https://u"}}},
    ]}});
    let cohere = json!({CITATIONS: [{"start": 3, "end": 9, "type": "TEXT_CONTENT", "sources": [
        {"type": "document", "id": "d", "document": {"url": "https://u", "title": "t", "snippet": "q"}},
        {"type": "tool", "id": "c1:0", "tool_output": {"result": "4"}},
    ]}]});
    let mistral =
        json!({"type": "tool_reference", "tool": "web_search", "title": "t", "url": "https://u"});
    let perplexity = json!({
        CITATIONS: ["https://u"], SEARCH_RESULTS: [{"url": "https://u", "title": "t", "snippet": "q", "date": "2026-01-01"}],
    });
    for (format, value, url, quote, (start, end)) in [
        (formats::OPENAI_CHAT, chat, "https://u", "", (3, 9)),
        (formats::RESPONSES, responses, "https://u", "", (3, 9)),
        (formats::ANTHROPIC, anthropic, "https://u", "q", (3, 9)),
        (formats::GEMINI, gemini, "https://u", "", (3, 9)),
        (formats::GEMINI, unplaced, "https://u", "", (0, 0)),
        (formats::GEMINI, copied, "https://u", "", (3, 9)),
        (formats::BEDROCK, bedrock, "https://u", "q", (3, 9)),
        (formats::COHERE, cohere, "https://u", "q", (3, 9)),
        (formats::OPENAI_CHAT, perplexity, "https://u", "q", (0, 0)),
        (formats::OPENAI_CHAT, mistral, "https://u", "", (0, 0)),
    ] {
        let part = part(format, value);
        let told = |of| cited(&part, of).swap_remove(0);
        let page = json!({"url": url, "title": "t", "start_index": start, "end_index": end});
        let annotation = json!({"type": "url_citation", "url_citation": page});
        assert_eq!(told(formats::OPENAI_CHAT), annotation, "{format}");
        let mut page = page;
        page["type"] = "url_citation".into();
        assert_eq!(told(formats::RESPONSES), page, "{format}");
        let found = told(formats::ANTHROPIC);
        assert_eq!((&found["url"], &found["title"]), (&url.into(), &"t".into()), "{format}");
        assert_eq!(found["cited_text"], quote, "{format}");
    }
}

#[test]
fn places_in_documents_are_told_where_there_is_a_word() {
    let anthropic = |citation: Value| part(formats::ANTHROPIC, json!({CITATIONS: [citation]}));
    let bedrock = |location: Value| {
        let citation =
            json!({"title": "t", "sourceContent": [{"text": "q"}], "location": location});
        part(formats::BEDROCK, json!({"citationsContent": {CITATIONS: [citation]}}))
    };
    let place = |kind: &str, from: &str, to: &str| {
        json!({
            "type": kind, "document_index": 1, "document_title": "t", "file_id": null,
            "cited_text": "q", from: 2, to: 5,
        })
    };
    let between = json!({"documentIndex": 1, "start": 2, "end": 5});
    for (location, kind, from, to) in [
        ("documentChar", "char_location", "start_char_index", "end_char_index"),
        ("documentPage", "page_location", "start_page_number", "end_page_number"),
        ("documentChunk", "content_block_location", "start_block_index", "end_block_index"),
    ] {
        let expected = place(kind, from, to);
        let said = bedrock(json!({ location: between }));
        assert_eq!(cited(&said, formats::ANTHROPIC), std::slice::from_ref(&expected));
        let file =
            json!({"type": "file_citation", "file_id": "document-1", "filename": "t", "index": 1});
        for said in [said, anthropic(expected)] {
            assert_eq!(cited(&said, formats::RESPONSES), std::slice::from_ref(&file), "{kind}");
            assert_eq!(cited(&said, formats::OPENAI_CHAT), [json!(null); 0], "{kind}");
        }
    }
    let cohere = json!({CITATIONS: [{"start": 0, "end": 2, "sources": [
        {"type": "document", "id": "document-1", "document": {"title": "t", "text": "q"}},
    ]}]});
    let mut expected = place("content_block_location", "start_block_index", "end_block_index");
    expected["file_id"] = "document-1".into();
    (expected["start_block_index"], expected["end_block_index"]) = (0.into(), 1.into());
    assert_eq!(cited(&part(formats::COHERE, cohere), formats::ANTHROPIC), [expected]);
}

#[test]
fn results_of_searches_are_told_by_their_source() {
    let located = json!({"searchResultLocation": {"searchResultIndex": 0, "start": 1, "end": 2}});
    for source in ["https://u", "shelf 7"] {
        let citation = json!({"title": "t", "source": source, "location": located});
        let value = json!({"citationsContent": {CITATIONS: [citation]}});
        let said = part(formats::BEDROCK, value);
        let expected = json!({
            "type": "search_result_location", "source": source, "title": "t", "cited_text": "",
            "search_result_index": 0, "start_block_index": 1, "end_block_index": 2,
        });
        assert_eq!(cited(&said, formats::ANTHROPIC), [expected]);
        let pages = usize::from(source.starts_with("https:"));
        assert_eq!(cited(&said, formats::OPENAI_CHAT).len(), pages);
    }
}

#[test]
fn each_piece_names_all_that_google_grounded_it_in() {
    let page = |name: &str| json!({"web": {"uri": format!("https://{name}"), "title": name}});
    let support = |chunks: &[u64]| json!({"groundingChunkIndices": chunks});
    let metadata = json!({
        "groundingChunks": [
            page("a"), page("b"), page("c"),
            {"image": {"sourceUri": "https://d", "imageUri": "https://d/1.png", "title": "d"}},
            {"retrievedContext": {"title": "notes.pdf", "text": "q", "fileSearchStore": "s"}},
            {"new": {}},
        ],
        "groundingSupports": [support(&[0, 1]), support(&[1, 5]), support(&[4])],
    });
    let said = json!({"groundingMetadata": metadata, "spans": [[0, 4], null, [4, 9]]});
    let said = part(formats::GEMINI, said);
    let places = |of| -> Vec<(Value, Value, Value)> {
        let told = cited(&said, of).into_iter();
        let place =
            |it: Value| (it["title"].clone(), it["start_index"].clone(), it["end_index"].clone());
        told.map(place).filter(|(title, ..)| title.is_string()).collect()
    };
    let told = |title: &str, start: u64, end: u64| (title.into(), start.into(), end.into());
    let pages =
        [told("a", 0, 4), told("b", 0, 4), told("b", 0, 0), told("c", 0, 0), told("d", 0, 0)];
    assert_eq!(places(formats::RESPONSES), pages);
    let file = cited(&said, formats::RESPONSES).swap_remove(3);
    assert_eq!((&file["type"], &file["filename"]), (&"file_citation".into(), &"notes.pdf".into()));
    // It has no places, so that what stands behind two pieces is told once.
    let anthropic: Vec<_> =
        places(formats::ANTHROPIC).into_iter().map(|(title, ..)| title).collect();
    assert_eq!(anthropic, ["a", "b", "c", "d"]);
}

#[test]
fn what_is_in_the_callers_words_stays_as_it_came_and_what_cites_nothing_is_nothing() {
    let items = json!([{"type": "file_citation", "file_id": "f"}, {"type": "new"}]);
    for format in [formats::OPENAI_CHAT, formats::RESPONSES] {
        let part = annotated(format, &items).unwrap();
        assert_eq!(cited(&part, format), *items.as_array().unwrap());
    }
    let own = cited_by_anthropic(&[json!({"type": "new"})], (0, 1));
    assert_eq!(cited(&own, formats::ANTHROPIC), [json!({"type": "new"})]);
    assert_eq!(cited(&own, formats::RESPONSES), [json!(null); 0]);
    assert_eq!(annotated(formats::RESPONSES, &json!([])), None);
    let plan =
        json!({CITATIONS: [{"type": "PLAN", "sources": [{"document": {"url": "https://u"}}]}]});
    for part in [
        Part::text("u"),
        part(formats::COHERE, plan),
        part(formats::ANTHROPIC, json!({"type": "x", CITATIONS: [{"type": "char_location"}]})),
    ] {
        assert_eq!(cited(&part, formats::ANTHROPIC), [json!(null); 0], "{part:?}");
    }
}

#[test]
fn a_page_without_proof_is_not_relayed_to_who_asks_for_one() {
    let page = part(formats::OPENAI_CHAT, json!({CITATIONS: ["https://u"]}));
    let text = json!({"type": "text", "text": "a", CITATIONS: cited(&page, formats::ANTHROPIC)});
    let relayed = |text: &Value| {
        let turn = json!({"role": "assistant", "content": [text]});
        let body = json!({"model": "m", "max_tokens": 1, "messages": [turn]}).to_string();
        let request = AnthropicCaller.read(Operation::Chat, Bytes::from(body)).unwrap();
        AnthropicRelay::takes(&request)
    };
    assert!(!relayed(&text));
    assert!(relayed(&json!({"type": "text", "text": "a"})));
}
