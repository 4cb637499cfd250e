//! JSON Schemas within the subset that the vendor's constrained decoding takes.
//!
//! What it takes is on the vendor's page "Structured outputs", and its Python SDK
//! (`lib/_parse/_transform.py`) shows what to do with the rest: every object is closed, `oneOf`
//! becomes `anyOf`, and a keyword that is not taken is told to the model in the description.

use serde_json::{Map, Value, json};

/// How deep a schema may be. Deeper ones are for no model, and each level costs stack.
const DEEPEST: usize = 64;
/// How many definitions a schema may have; to look for circles costs the square of that.
const MOST_DEFINITIONS: usize = 256;

/// The formats of strings that are taken.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// The schema within the subset; `None` where that would change which answers fit: a map with free
/// keys, a reference to itself, a value of no stated type.
pub(in crate::dialects) fn within_subset(schema: &Value) -> Option<Value> {
    if is_recursive(schema) {
        return None;
    }
    narrowed(schema, 0)
}

fn narrowed(schema: &Value, depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    let mut left = schema.as_object()?.clone();
    let mut out = Map::new();
    left.shift_remove("$schema");
    for definitions in ["$defs", "definitions"] {
        if let Some(Value::Object(schemas)) = left.shift_remove(definitions) {
            out.insert(definitions.to_owned(), each(schemas, depth)?);
        }
    }
    if let Some(reference) = left.shift_remove("$ref") {
        out.insert("$ref".to_owned(), reference);
        return Some(Value::Object(out));
    }
    for literal in ["enum", "const"] {
        if left.get(literal).is_some_and(is_plain) {
            out.extend(left.shift_remove_entry(literal));
        }
    }
    let has_literals = !out.is_empty() && (out.contains_key("enum") || out.contains_key("const"));
    let kind = left.shift_remove("type");
    let choices = ["anyOf", "oneOf", "allOf"].into_iter().find_map(|word| {
        let variants = left.shift_remove(word)?;
        Some((if word == "allOf" { word } else { "anyOf" }, variants))
    });
    match (choices, &kind) {
        (Some((word, Value::Array(variants))), _) => {
            let variants: Option<Vec<_>> =
                variants.iter().map(|variant| narrowed(variant, depth + 1)).collect();
            out.insert(word.to_owned(), variants?.into());
        }
        (Some(_), _) => return None,
        (None, Some(Value::Array(kinds))) if !has_literals => {
            return any_of_kinds(schema, kinds, depth);
        }
        (None, Some(kind)) if !has_literals => {
            out.insert("type".to_owned(), kind.clone());
        }
        (None, None) if !has_literals => return None,
        (None, _) => {}
    }
    out.extend(["description", "title"].iter().filter_map(|word| left.shift_remove_entry(*word)));
    match kind.as_ref().and_then(Value::as_str) {
        Some("object") => object(&mut left, &mut out, depth)?,
        Some("array") => array(&mut left, &mut out, depth)?,
        Some("string") if left.get("format").is_some_and(is_known_format) => {
            out.extend(left.shift_remove_entry("format"));
        }
        _ => {}
    }
    describe(&left, &mut out);
    Some(Value::Object(out))
}

/// `"type": ["string", "null"]`, said with `anyOf`.
fn any_of_kinds(schema: &Value, kinds: &[Value], depth: usize) -> Option<Value> {
    // JSON Schema has seven kinds, each once. Twice the same would double the work at every level.
    let twice = |at: usize| kinds[..at].contains(&kinds[at]);
    if kinds.len() > 7 || (0..kinds.len()).any(twice) {
        return None;
    }
    let one = |kind: &Value| {
        let mut variant = schema.as_object()?.clone();
        variant.insert("type".to_owned(), kind.clone());
        if kind == "null" {
            variant.retain(|word, _| word == "type");
        }
        narrowed(&Value::Object(variant), depth + 1)
    };
    let variants: Option<Vec<_>> = kinds.iter().map(one).collect();
    Some(json!({ "anyOf": variants? }))
}

fn object(left: &mut Map<String, Value>, out: &mut Map<String, Value>, depth: usize) -> Option<()> {
    let open = left.shift_remove("additionalProperties");
    let properties = match left.shift_remove("properties") {
        Some(Value::Object(properties)) => properties,
        // An object of no stated member is a map.
        _ if open != Some(Value::Bool(false)) => return None,
        _ => Map::new(),
    };
    // A map with free keys cannot be said; merely not being closed may be narrowed.
    if !matches!(open, None | Some(Value::Bool(_))) || left.contains_key("patternProperties") {
        return None;
    }
    out.insert("properties".to_owned(), each(properties, depth)?);
    out.insert("additionalProperties".to_owned(), false.into());
    out.extend(left.shift_remove_entry("required"));
    Some(())
}

fn array(left: &mut Map<String, Value>, out: &mut Map<String, Value>, depth: usize) -> Option<()> {
    if let Some(items) = left.shift_remove("items") {
        out.insert("items".to_owned(), narrowed(&items, depth + 1)?);
    }
    if left.get("minItems").and_then(Value::as_u64).is_some_and(|least| least <= 1) {
        out.extend(left.shift_remove_entry("minItems"));
    }
    Some(())
}

fn each(schemas: Map<String, Value>, depth: usize) -> Option<Value> {
    let narrow = |(name, schema): (String, Value)| Some((name, narrowed(&schema, depth + 1)?));
    schemas.into_iter().map(narrow).collect::<Option<Map<_, _>>>().map(Value::Object)
}

/// Tells the model what the decoder does not keep.
fn describe(left: &Map<String, Value>, out: &mut Map<String, Value>) {
    if left.is_empty() {
        return;
    }
    let rest: Vec<_> = left.iter().map(|(word, value)| format!("{word}: {value}")).collect();
    let rest = format!("{{{}}}", rest.join(", "));
    let told = match out.get("description").and_then(Value::as_str) {
        Some(before) => format!("{before}\n\n{rest}"),
        None => rest,
    };
    out.insert("description".to_owned(), told.into());
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty() && items.iter().all(|item| !is_nested(item)),
        other => !is_nested(other),
    }
}

fn is_nested(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn is_known_format(value: &Value) -> bool {
    value.as_str().is_some_and(|format| FORMATS.contains(&format))
}

/// Whether a definition leads back to itself, or to the whole, or there are too many to tell.
fn is_recursive(schema: &Value) -> bool {
    let definitions = |word: &str| schema.get(word).and_then(Value::as_object);
    let all = ["$defs", "definitions"].into_iter().filter_map(definitions).flatten();
    let edges: Vec<(&str, Vec<&str>)> =
        all.map(|(name, definition)| (name.as_str(), references(definition))).collect();
    if edges.len() > MOST_DEFINITIONS || references(schema).contains(&"") {
        return true;
    }
    edges.iter().any(|(start, next)| {
        let mut seen: Vec<&str> = next.clone();
        let mut at = 0;
        while at < seen.len() {
            let further = edges.iter().find(|(name, _)| *name == seen[at]);
            let further = further.map_or(&[][..], |(_, next)| next);
            let new: Vec<_> =
                further.iter().filter(|name| !seen.contains(*name)).copied().collect();
            seen.extend(new);
            at += 1;
        }
        seen.contains(start)
    })
}

/// The names of the definitions that a schema refers to, each once; the whole has the empty one.
fn references(schema: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    found.push(reference.rsplit(['/', '#']).next().unwrap_or_default());
                }
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_schema_cannot_ask_for_much_work() {
        let mut doubled = json!({"type": "string"});
        for _ in 0..25 {
            doubled = json!({"type": ["array", "array"], "items": doubled});
        }
        assert_eq!(within_subset(&doubled), None);
        let many = |name: &str| {
            let one = json!({"$ref": format!("#/$defs/{name}")});
            json!({"anyOf": vec![one; 5000]})
        };
        let graph = json!({"$defs": {"a": many("b"), "b": many("c"), "c": {"type": "string"}}, "$ref": "#/$defs/a"});
        let began = std::time::Instant::now();
        assert!(!is_recursive(&graph));
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    }

    #[test]
    fn what_the_decoder_cannot_keep_is_described() {
        let cases = [
            (
                json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}),
                json!({"type": "object", "properties": {"n": {"type": "integer", "description": "{minimum: 1}"}},
                    "additionalProperties": false, "required": ["n"]}),
            ),
            (
                json!({"type": "string", "description": "a day", "format": "date", "maxLength": 9}),
                json!({"type": "string", "description": "a day\n\n{maxLength: 9}", "format": "date"}),
            ),
            (
                json!({"type": "string", "format": "odd"}),
                json!({"type": "string", "description": "{format: \"odd\"}"}),
            ),
            (
                json!({"type": ["string", "null"], "title": "t"}),
                json!({"anyOf": [{"type": "string", "title": "t"}, {"type": "null"}]}),
            ),
            (
                json!({"oneOf": [{"type": "string"}, {"enum": ["a", 1]}]}),
                json!({"anyOf": [{"type": "string"}, {"enum": ["a", 1]}]}),
            ),
            (
                json!({"$defs": {"D": {"type": "array", "items": {"type": "number"}, "minItems": 1}}, "$ref": "#/$defs/D"}),
                json!({"$defs": {"D": {"type": "array", "items": {"type": "number"}, "minItems": 1}}, "$ref": "#/$defs/D"}),
            ),
            (json!({"type": "string", "enum": ["a"]}), json!({"enum": ["a"]})),
        ];
        for (schema, expected) in cases {
            assert_eq!(within_subset(&schema), Some(expected), "{schema}");
        }
    }

    #[test]
    fn what_cannot_be_narrowed_is_none() {
        for schema in [
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"type": "object"}),
            json!({"type": "object", "properties": {"a": {}}}),
            json!({"$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}}, "$ref": "#/$defs/N"}),
            json!({"type": "object", "properties": {"a": {"$ref": "#"}}}),
            json!(true),
        ] {
            assert_eq!(within_subset(&schema), None, "{schema}");
        }
    }
}
