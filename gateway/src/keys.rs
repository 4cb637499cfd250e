//! How keys are spoken of by those who administer them, on the command line and by the admin door alike:
//! as JSON, of which a change is a merge patch (RFC 7396).
//!
//! * [`wish`]: from JSON to the terms of a key
//! * [`shown`]: from a key to JSON

pub mod shown;
pub mod wish;

use isthmus_config::settings::tenancy::Tenancy;
use isthmus_ledger::key::{Key, NewKey, Terms};
use serde_json::{Map, Value};

/// A key of this name on these terms, if there can be one.
pub fn new_key(asked: Value, tenancy: &Tenancy, now: i64) -> Result<NewKey, String> {
    let Value::Object(mut asked) = asked else {
        return Err("a JSON object is expected".to_owned());
    };
    let name = match asked.remove("name") {
        Some(Value::String(name)) => wish::one_line("name", &name)?,
        Some(_) => return Err("`name` must be text".to_owned()),
        None => return Err("`name` is missing: a name for the key, not yet in use".to_owned()),
    };
    let terms = wish::terms(asked, tenancy, now)?;
    Ok(NewKey { name, terms })
}

/// The terms of a key after a change, of which each field takes the place of the one that was, and a
/// `null` takes it away.
pub fn changed(key: &Key, patch: Value, tenancy: &Tenancy, now: i64) -> Result<Terms, String> {
    let Value::Object(patch) = patch else { return Err("a JSON object is expected".to_owned()) };
    if patch.contains_key("name") {
        return Err("a key keeps its name".to_owned());
    }
    let mut terms = shown::terms(&key.terms);
    // A time from now on and an end are two ways to say one thing, and the new one counts.
    if patch.contains_key("expires_in_days") {
        terms.remove("expires_at");
    }
    merge(&mut terms, patch);
    wish::terms(terms, tenancy, now)
}

/// What is told whoever wants to handle a key by command that stands in the configuration.
pub fn declared(key: &str) -> String {
    format!("the key `{key}` stands in the configuration, under tenancy.keys; change it there")
}

/// JSON merge patch (RFC 7396).
fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match (value, target.get_mut(&name)) {
            (Value::Null, _) => {
                target.remove(&name);
            }
            (Value::Object(patch), Some(Value::Object(inner))) => merge(inner, patch),
            (value, _) => {
                target.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use isthmus_config::settings::tenancy::{Rules, Team};
    use isthmus_ledger::key::KeyLimits;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_795_882_800;

    fn tenancy() -> Tenancy {
        let apps = BTreeMap::from([("desk".to_owned(), Rules::default())]);
        let support = Team { apps, ..Team::default() };
        Tenancy { teams: [("support".to_owned(), support)].into(), ..Tenancy::default() }
    }

    fn asked(body: Value) -> Result<NewKey, String> {
        new_key(body, &tenancy(), NOW)
    }

    #[test]
    fn a_change_touches_what_it_names_and_nothing_else() {
        let new = asked(json!({
            "name": "web", "models": ["chat"], "team": "support", "app": "desk",
            "data_class": "pii", "tags": { "a": "1", "b": "2" }, "expires_in_days": 2,
            "limits": { "rpm": 60, "usd_per_day": "0.50" },
        }));
        let NewKey { name, terms } = new.unwrap();
        assert_eq!((&*name, terms.expires_at), ("web", Some(NOW + 2 * 86_400)));
        let key = Key { id: "isk-1".into(), name, created_at: 0, revoked_at: None, terms };
        let same = changed(&key, json!({}), &tenancy(), NOW + 5).unwrap();
        assert_eq!(same, key.terms, "what is shown says all of it");
        let patch = json!({
            "limits": { "rpm": null, "tpm": 1000 }, "tags": { "a": null }, "data_class": null,
            "expires_at": null,
        });
        let terms = changed(&key, patch, &tenancy(), NOW).unwrap();
        let limits = KeyLimits { rpm: None, tpm: Some(1000), ..key.terms.limits };
        assert_eq!((terms.limits, terms.expires_at), (limits, None));
        assert_eq!(terms.holder.tags, [("b".to_owned(), "2".to_owned())].into());
        assert_eq!((terms.models, terms.holder.data_class), (key.terms.models.clone(), None));
        let longer = changed(&key, json!({ "expires_in_days": 9 }), &tenancy(), NOW).unwrap();
        assert_eq!(longer.expires_at, Some(NOW + 9 * 86_400));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, said) in [
            (json!([]), "object"),
            (json!({}), "`name` is missing"),
            (json!({ "name": "a\nb" }), "one line"),
            (json!({ "name": "a", "team": "support", "modles": [] }), "modles"),
            (json!({ "name": "a", "team": "support", "models": [""] }), "models"),
            (json!({ "name": "a", "team": "supprot" }), "did you mean `support`"),
            (json!({ "name": "a", "team": "support", "app": "dest" }), "did you mean `desk`"),
            (json!({ "name": "a", "team": "support", "data_class": "private" }), "`private`"),
            (json!({ "name": "a", "team": "support", "limits": { "rps": 1 } }), "rps"),
            (
                json!({ "name": "a", "team": "support", "limits": { "usd_per_day": 0.1 } }),
                "decimal text",
            ),
            (
                json!({ "name": "a", "team": "support", "limits": { "usd_per_day": "-1" } }),
                "usd_per_day",
            ),
            (json!({ "name": "a", "team": "support", "tags": { "": "x" } }), "tag"),
            (json!({ "name": "a", "team": "support", "expires_at": "soon" }), "expires_at"),
            (json!({ "name": "a", "team": "support", "expires_at": "2020-01-01" }), "past"),
            (json!({ "name": "a", "team": "support", "expires_in_days": 0 }), "expires_in_days"),
        ] {
            let error = asked(body.clone()).unwrap_err();
            assert!(error.contains(said), "{body}: {error}");
        }
    }
}
