//! `tenancy:`, the organisation, its teams and their apps, and keys by their hashes.

use std::collections::{BTreeMap, BTreeSet};

use isthmus_inference::date::Date;
use isthmus_inference::money::Money;
use isthmus_ledger::key::{self, Holder, Key, KeyHash, KeyLimits, Terms};

use super::budgets::{Known, dollars, model};
use super::classification::class;
use super::names::{Section, plain_name, unknown};
use crate::reader::{Fields, Value};
use crate::settings::tenancy::{Organisation, Rules, Team, Tenancy};

/// The section `tenancy:`.
pub(super) fn tenancy(section: Option<&Value<'_>>, known: &Known<'_>) -> Tenancy {
    let read = |section: &Value<'_>| {
        section.fields(|fields| {
            let organisation = fields.optional("organisation", organisation).unwrap_or_default();
            let teams = named(fields.get("teams").as_ref(), |value| team(value, known));
            let keys = match fields.get("keys") {
                Some(section) => keys(&section, &teams, known),
                None => vec![],
            };
            Some(Tenancy { organisation, teams, keys })
        })
    };
    section.and_then(read).unwrap_or_default()
}

fn organisation(value: &Value<'_>) -> Option<Organisation> {
    value.fields(|fields| {
        let mut organisation = Organisation::default();
        fields.set("name", &mut organisation.name, Value::text);
        organisation.data_class_floor = fields.optional("data_class_floor", class);
        Some(organisation)
    })
}

/// Things by names that stand in headers and in reports.
fn named<'a, T>(
    section: Option<&Value<'a>>,
    read: impl Fn(&Value<'a>) -> Option<T>,
) -> BTreeMap<String, T> {
    Section::read(section, plain_name, |_: String, value| read(value)).read
}

fn team(value: &Value<'_>, known: &Known<'_>) -> Option<Team> {
    if value.is_nothing() {
        return Some(Team::default());
    }
    value.fields(|fields| {
        let rules = rules(fields, known);
        let app = |value: &Value<'_>| match value.is_nothing() {
            true => Some(Rules::default()),
            false => value.fields(|fields| Some(self::rules(fields, known))),
        };
        Some(Team { rules, apps: named(fields.get("apps").as_ref(), app) })
    })
}

fn rules(fields: &mut Fields<'_, '_>, known: &Known<'_>) -> Rules {
    Rules {
        models: models(fields, known),
        data_class: fields.optional("data_class", class),
        tags: tags(fields),
        limits: fields.optional("limits", limits).unwrap_or_default(),
    }
}

/// A list that restricts must never become an empty one, which does not.
fn models(fields: &mut Fields<'_, '_>, known: &Known<'_>) -> Vec<String> {
    let list = |value: &Value<'_>| {
        let mut written = false;
        let names = value.list(|value| {
            written = true;
            let name = value.text()?;
            model(value, name, known)
        })?;
        if !written {
            return value
                .refuse("must not be empty; without the field all models may be asked for");
        }
        Some(names)
    };
    fields.optional("models", list).unwrap_or_default()
}

fn tags(fields: &mut Fields<'_, '_>) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    if let Some(section) = fields.get("tags") {
        section.each(|name, value| {
            tags.extend(value.scalar_text().map(|text| (name.to_owned(), text)));
        });
    }
    tags
}

fn limits(value: &Value<'_>) -> Option<KeyLimits> {
    let count = |value: &Value<'_>| value.integer(0..=1_000_000_000_000);
    value.fields(|fields| {
        Some(KeyLimits {
            rpm: fields.optional("rpm", count),
            tpm: fields.optional("tpm", count),
            concurrency: fields.optional("concurrency", count),
            usd_per_day: fields.optional::<Money>("usd_per_day", dollars),
            usd_per_month: fields.optional("usd_per_month", dollars),
        })
    })
}

fn keys(
    section: &Value<'_>,
    teams: &BTreeMap<String, Team>,
    known: &Known<'_>,
) -> Vec<(KeyHash, Key)> {
    let mut keys: Vec<(KeyHash, Key)> = vec![];
    section.each(|name, value| {
        if let Err(reason) = plain_name(name) {
            value.refuse_field::<()>(format!("a name {reason}"));
        } else if let Some((hash, key)) = key(name, value, teams, known) {
            let same = keys.iter().find(|(other, it)| *other == hash || it.id == key.id);
            match same {
                Some((_, other)) => {
                    value.refuse_field::<()>(format!("this is the key `{}`", other.name));
                }
                None => keys.push((hash, key)),
            }
        }
    });
    keys
}

fn key(
    name: &str,
    value: &Value<'_>,
    teams: &BTreeMap<String, Team>,
    known: &Known<'_>,
) -> Option<(KeyHash, Key)> {
    value.fields(|fields| {
        let id = fields.required("id", id);
        let hash = fields.required("hash", |value| {
            value.parsed("`sha256:` and 64 hexadecimal digits, as `isthmus keys hash` prints it")
        });
        let models = models(fields, known);
        let holder = holder(fields, teams);
        let terms = Terms {
            models,
            expires_at: fields.optional("expires", end),
            holder: holder?,
            limits: fields.optional("limits", limits).unwrap_or_default(),
        };
        let key = Key { id: id?, name: name.to_owned(), created_at: 0, revoked_at: None, terms };
        Some((hash?, key))
    })
}

fn id(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    if key::is_id(&text) {
        return Some(text);
    }
    value.refuse("a key's visible head is `isk-` and eight letters or digits, not the whole key")
}

fn holder(fields: &mut Fields<'_, '_>, teams: &BTreeMap<String, Team>) -> Option<Holder> {
    let team = fields.get("team");
    let team_name = fields.optional("team", |value| reference(value, "team", teams));
    let declared = team_name.as_ref().and_then(|name| teams.get(name));
    let apps = declared.map(|team| &team.apps);
    let app = fields.optional("app", |value| match apps {
        Some(apps) => reference(value, "app", apps),
        None => value.text(),
    });
    if team.is_some() && team_name.is_none() {
        return None;
    }
    Some(Holder {
        organisation: None,
        team: team_name,
        app,
        data_class: fields.optional("data_class", class).map(|class| class.as_str().to_owned()),
        may_declassify: fields.optional("may_declassify", Value::boolean).unwrap_or_default(),
        tags: tags(fields),
    })
}

/// The name of one of these, if any are declared.
fn reference<T>(value: &Value<'_>, what: &str, known: &BTreeMap<String, T>) -> Option<String> {
    let name = value.text()?;
    if known.is_empty() || known.contains_key(&name) {
        return Some(name);
    }
    unknown(value, what, &name, &known.keys().cloned().collect::<BTreeSet<_>>())
}

/// The end of a day in UTC, after which a key opens nothing.
fn end(value: &Value<'_>) -> Option<i64> {
    let date: Date = value.parsed("the last day, such as `2027-06-30`")?;
    date.next().map(Date::unix_seconds)
}
