//! Features in trial, and the names by which a request must ask for them (the vendor's page "Beta
//! headers" and those of the features).

use serde_json::{Map, Value};

/// The header that names them, separated by commas.
pub(super) const HEADER: &str = "anthropic-beta";

/// Members of a request whose presence needs a feature.
const OF_MEMBERS: [(&str, &str); 6] = [
    ("compaction", "compact-2026-09-04"),
    ("context_management", "context-management-2025-06-27"),
    ("fallback_credit_token", "fallback-credit-2026-07-01"),
    ("fallbacks", "server-side-fallback-2026-07-01"),
    ("speed", "fast-mode-2026-02-01"),
    ("thread", "message-threads-2026-08-12"),
];

/// The beginning of a tool's type, and the feature that it needs.
const OF_TOOLS: [(&str, &str); 8] = [
    ("computer_20241022", "computer-use-2024-10-22"),
    ("computer_20250124", "computer-use-2025-01-24"),
    ("computer_20251124", "computer-use-2025-11-24"),
    ("code_execution_20250522", "code-execution-2025-05-22"),
    ("code_execution_20250825", "code-execution-2025-08-25"),
    ("web_fetch_20250910", "web-fetch-2025-09-10"),
    ("memory_20250818", "context-management-2025-06-27"),
    ("advisor_20260301", "advisor-tool-2026-03-01"),
];

/// The names that a request needs.
pub(super) fn needed<'a>(
    members: &Map<String, Value>,
    tools: &[Value],
    blocks: impl Iterator<Item = &'a Value>,
) -> Vec<&'static str> {
    let mut names = Vec::new();
    names.extend(OF_MEMBERS.iter().filter(|(name, _)| members.contains_key(*name)).map(|of| of.1));
    let edits = members.get("context_management").and_then(|member| member["edits"].as_array());
    if edits.into_iter().flatten().any(|edit| edit["type"] == "compact_20260112") {
        names.push("compact-2026-01-12");
    }
    let kinds = || tools.iter().filter_map(|tool| tool["type"].as_str());
    names.extend(
        OF_TOOLS
            .iter()
            .filter(|(start, _)| kinds().any(|kind| kind.starts_with(start)))
            .map(|of| of.1),
    );
    if kinds().any(|kind| kind == "mcp_toolset") {
        names.push("mcp-client-2025-11-20");
    } else if members.contains_key("mcp_servers") {
        names.push("mcp-client-2025-04-04");
    }
    let blocks: Vec<&Value> = blocks.collect();
    if blocks
        .iter()
        .any(|block| block["type"] == "tool_addition" || block["type"] == "tool_removal")
    {
        names.push("mid-conversation-tool-changes-2026-07-01");
    }
    let is_file = |block: &Value| {
        block.pointer("/source/type").is_some_and(|kind| kind == "file")
            || block["type"] == "container_upload"
    };
    let mut files = blocks.into_iter().flat_map(|block| {
        let inner = block["content"].as_array().into_iter().flatten();
        std::iter::once(block).chain(inner)
    });
    if files.any(is_file) {
        names.push("files-api-2025-04-14");
    }
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn features_are_found_wherever_they_are_used() {
        let file = json!({"type": "image", "source": {"type": "file", "file_id": "f"}});
        let result = json!({"type": "tool_result", "content": [file]});
        let cases = [
            (json!({}), json!([]), json!([]), vec![]),
            (json!({"mcp_servers": []}), json!([]), json!([]), vec!["mcp-client-2025-04-04"]),
            (
                json!({"mcp_servers": []}),
                json!([{"type": "mcp_toolset"}]),
                json!([]),
                vec!["mcp-client-2025-11-20"],
            ),
            (json!({}), json!([{"name": "f"}]), json!([result]), vec!["files-api-2025-04-14"]),
            (
                json!({"context_management": {}}),
                json!([{"type": "memory_20250818"}]),
                json!([]),
                vec!["context-management-2025-06-27"],
            ),
            (
                json!({"context_management": {"edits": [{"type": "compact_20260112"}]}}),
                json!([]),
                json!([]),
                vec!["context-management-2025-06-27", "compact-2026-01-12"],
            ),
            (
                json!({"compaction": {}, "thread": {}, "fallback_credit_token": "t"}),
                json!([]),
                json!([]),
                vec![
                    "compact-2026-09-04",
                    "fallback-credit-2026-07-01",
                    "message-threads-2026-08-12",
                ],
            ),
        ];
        for (members, tools, blocks, expected) in cases {
            let blocks = blocks.as_array().unwrap().iter();
            let found = needed(members.as_object().unwrap(), tools.as_array().unwrap(), blocks);
            assert_eq!(found, expected);
        }
    }
}
