//! JSON Schemas in the words that Gemini understands.
//!
//! `parametersJsonSchema` and `responseJsonSchema` take whole JSON Schemas; keywords beyond the list
//! in the reference of `GenerationConfig.responseJsonSchema` are ignored. A few spellings are refused
//! or ignored although there is another one for the same, and those are rewritten here.

use serde_json::{Map, Value, json};

/// Keywords whose value is one schema.
const ONE: [&str; 2] = ["items", "additionalProperties"];
/// Keywords whose value is a list of schemas.
const LISTS: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
/// Keywords whose value is a map of schemas.
const MAPS: [&str; 2] = ["properties", "$defs"];
/// Where drafts before 2019-09 keep their definitions, and where the later ones do.
const DEFINITIONS: (&str, &str) = ("#/definitions/", "#/$defs/");

/// The schema, rewritten.
pub(super) fn rewritten(schema: &Value) -> Value {
    let mut schema = schema.clone();
    rewrite(&mut schema);
    schema
}

/// Whether a schema of arguments says anything: a function without parameters has none.
pub(super) fn says_something(schema: &Value) -> bool {
    schema.as_object().is_some_and(|members| !members.is_empty())
}

fn rewrite(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    members.shift_remove("$schema");
    if let Some(definitions) = members.shift_remove("definitions") {
        members.entry("$defs").or_insert(definitions);
    }
    if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
        // "No other properties, except for those starting with `$`, may be set."
        let reference = reference.replace(DEFINITIONS.0, DEFINITIONS.1);
        members.retain(|name, _| name.starts_with('$'));
        members.insert("$ref".to_owned(), reference.into());
    }
    unwrap_single(members);
    spell_constant(members);
    for name in ONE {
        if let Some(inner) = members.get_mut(name) {
            rewrite(inner);
        }
    }
    for name in LISTS {
        let list = members.get_mut(name).and_then(Value::as_array_mut);
        list.into_iter().flatten().for_each(rewrite);
    }
    for name in MAPS {
        let map = members.get_mut(name).and_then(Value::as_object_mut);
        map.into_iter().flat_map(Map::values_mut).for_each(rewrite);
    }
}

/// `allOf` with one schema in it is that schema (Pydantic 1 writes so); Gemini does not know `allOf`.
fn unwrap_single(members: &mut Map<String, Value>) {
    let single = members.get_mut("allOf").and_then(Value::as_array_mut);
    let Some([Value::Object(inner)]) = single.map(Vec::as_mut_slice) else { return };
    let inner = std::mem::take(inner);
    members.shift_remove("allOf");
    if inner.contains_key("$ref") {
        members.retain(|name, _| name.starts_with('$'));
    }
    for (name, value) in inner {
        members.entry(name).or_insert(value);
    }
    if let Some(Value::String(reference)) = members.get_mut("$ref") {
        *reference = reference.replace(DEFINITIONS.0, DEFINITIONS.1);
    }
}

/// `const` is a list of one to Gemini.
fn spell_constant(members: &mut Map<String, Value>) {
    let Some(constant) = members.shift_remove("const") else { return };
    let kind = match &constant {
        Value::String(_) => Some("string"),
        Value::Bool(_) => Some("boolean"),
        Value::Number(number) if number.is_f64() => Some("number"),
        Value::Number(_) => Some("integer"),
        _ => None,
    };
    if let Some(kind) = kind {
        members.entry("type").or_insert_with(|| kind.into());
    }
    members.insert("enum".to_owned(), json!([constant]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_gemini_would_not_understand_is_respelled() {
        let cases = [
            (json!({"type": "string", "minLength": 2}), json!({"type": "string", "minLength": 2})),
            (json!({"$schema": "x", "const": "a"}), json!({"type": "string", "enum": ["a"]})),
            (
                json!({"properties": {"const": {"const": 1}}, "definitions": {"D": {"const": true}}}),
                json!({"properties": {"const": {"type": "integer", "enum": [1]}},
                    "$defs": {"D": {"type": "boolean", "enum": [true]}}}),
            ),
            (
                json!({"items": {"$ref": "#/definitions/D", "description": "d"}}),
                json!({"items": {"$ref": "#/$defs/D"}}),
            ),
            (
                json!({"title": "t", "allOf": [{"$ref": "#/definitions/D"}]}),
                json!({"$ref": "#/$defs/D"}),
            ),
            (
                json!({"anyOf": [{"const": null}, true], "enum": [{"const": 1}]}),
                json!({"anyOf": [{"enum": [null]}, true], "enum": [{"const": 1}]}),
            ),
        ];
        for (schema, expected) in cases {
            assert_eq!(rewritten(&schema), expected, "{schema}");
        }
    }
}
