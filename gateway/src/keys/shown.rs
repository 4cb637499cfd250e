//! From a key to JSON: all that is known of it, which is all but the key itself.

use isthmus_config::settings::tenancy::{Rules, Tenancy};
use isthmus_ledger::key::{Key, Terms};
use isthmus_policies::budget::window;
use isthmus_policies::class::DataClass;
use serde_json::{Map, Value, json};

/// A key at this moment, in Unix seconds. `declared`: whether it stands in the configuration.
pub fn key(key: &Key, now: i64, declared: bool) -> Value {
    let mut shown = Map::new();
    shown.insert("id".into(), json!(key.id));
    shown.insert("name".into(), json!(key.name));
    shown.insert("state".into(), json!(state(key, now)));
    shown.insert("declared".into(), json!(declared));
    if !declared {
        shown.insert("created_at".into(), json!(moment(key.created_at)));
    }
    if let Some(at) = key.revoked_at {
        shown.insert("revoked_at".into(), json!(moment(at)));
    }
    shown.append(&mut terms(&key.terms));
    Value::Object(shown)
}

/// Whether it opens anything at this moment.
pub fn state(key: &Key, now: i64) -> &'static str {
    match key {
        Key { revoked_at: Some(_), .. } => "revoked",
        key if key.is_live(now) => "live",
        _ => "expired",
    }
}

/// The organisation and its teams, as the configuration declares them.
pub fn tenancy(tenancy: &Tenancy) -> Value {
    let teams = tenancy.teams.iter().map(|(name, team)| {
        let apps = team.apps.iter().map(|(name, rules)| Value::Object(self::rules(name, rules)));
        let apps: Vec<Value> = apps.collect();
        let mut shown = rules(name, &team.rules);
        shown.insert("apps".into(), apps.into());
        Value::Object(shown)
    });
    let organisation = &tenancy.organisation;
    json!({
        "organisation": {
            "name": organisation.name,
            "data_class_floor": organisation.data_class_floor.map(DataClass::as_str),
        },
        "teams": teams.collect::<Vec<Value>>(),
    })
}

fn rules(name: &str, rules: &Rules) -> Map<String, Value> {
    let Rules { models, data_class, tags, limits } = rules;
    let all = json!({
        "name": name,
        "models": models,
        "data_class": data_class.map(DataClass::as_str),
        "tags": tags,
        "limits": limits,
    });
    let Value::Object(all) = all else { return Map::new() };
    all.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

/// On which terms it is given, in the words in which they are asked for. What is not said is left out.
pub(super) fn terms(terms: &Terms) -> Map<String, Value> {
    let Terms { models, expires_at, holder, limits } = terms;
    let all = json!({
        "models": models,
        "expires_at": expires_at.map(moment),
        "organisation": holder.organisation,
        "team": holder.team,
        "app": holder.app,
        "data_class": holder.data_class,
        "may_declassify": holder.may_declassify,
        "tags": holder.tags,
        "limits": limits,
    });
    let Value::Object(all) = all else { return Map::new() };
    all.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

fn moment(seconds: i64) -> String {
    window::shown(seconds.saturating_mul(1000))
}
