//! From JSON to the terms of a key. What is wrong is said by its name, and nothing is passed over.

use std::collections::BTreeMap;

use isthmus_config::near;
use isthmus_config::settings::tenancy::Tenancy;
use isthmus_inference::date::Date;
use isthmus_inference::money::Money;
use isthmus_ledger::key::{Holder, KeyLimits, Terms};
use isthmus_policies::budget::window;
use isthmus_policies::class::DataClass;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::keyring::tenant::DEFAULT_TEAM;
use crate::pipeline::tags;

/// What somebody wishes of a key.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    models: Vec<String>,
    expires_at: Option<String>,
    expires_in_days: Option<u32>,
    organisation: Option<String>,
    team: Option<String>,
    app: Option<String>,
    data_class: Option<String>,
    may_declassify: bool,
    tags: BTreeMap<String, String>,
    limits: Limits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    rpm: Option<u64>,
    tpm: Option<u64>,
    concurrency: Option<u64>,
    usd_per_day: Option<Value>,
    usd_per_month: Option<Value>,
}

const SECONDS_A_DAY: i64 = 86_400;

/// The terms that somebody wishes for, if they can be had.
pub(super) fn terms(
    wish: Map<String, Value>,
    tenancy: &Tenancy,
    now: i64,
) -> Result<Terms, String> {
    let wish: Wish = serde_json::from_value(wish.into()).map_err(|error| error.to_string())?;
    let expires_at = wish.expires_at(now)?;
    let Wish { models, organisation, team, app, data_class, may_declassify, tags, limits, .. } =
        wish;
    let line = |what: &str, text: Option<String>| text.map(|it| one_line(what, &it)).transpose();
    let models: Result<_, _> = models.iter().map(|model| one_line("models", model)).collect();
    let holder = Holder {
        organisation: line("organisation", organisation)?,
        team: line("team", team)?,
        app: line("app", app)?,
        data_class: data_class.map(class).transpose()?,
        may_declassify,
        tags,
    };
    in_place(&holder, tenancy)?;
    for (name, value) in &holder.tags {
        tags::read(&format!("{name}={value}")).map_err(|error| format!("a tag: {error}"))?;
    }
    Ok(Terms { models: models?, expires_at, holder, limits: limits.read()? })
}

/// Text that stands in a line of a table.
pub(super) fn one_line(what: &str, text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_control) {
        return Err(format!("a key's {what} must be text on one line, and not empty"));
    }
    Ok(text.to_owned())
}

/// A team that nobody declared is a slip of the pen, where others are: its costs would stand alone, and
/// its rules would be nobody's.
fn in_place(holder: &Holder, tenancy: &Tenancy) -> Result<(), String> {
    let house = &tenancy.organisation.name;
    if tenancy.teams.is_empty() || holder.organisation.as_ref().is_some_and(|it| it != house) {
        return Ok(());
    }
    let name = holder.team.as_deref().unwrap_or(DEFAULT_TEAM);
    let Some(team) = tenancy.teams.get(name) else {
        let hint = near::hint(name, tenancy.teams.keys().map(String::as_str));
        return Err(match holder.team {
            Some(_) => format!("there is no team `{name}` in the configuration{hint}"),
            None => format!("a team is needed, as the configuration declares teams{hint}"),
        });
    };
    match &holder.app {
        Some(app) if !team.apps.is_empty() && !team.apps.contains_key(app) => {
            let hint = near::hint(app, team.apps.keys().map(String::as_str));
            Err(format!("the team `{name}` has no app `{app}` in the configuration{hint}"))
        }
        _ => Ok(()),
    }
}

fn class(word: String) -> Result<String, String> {
    if DataClass::of(&word).is_some() {
        return Ok(word);
    }
    let hint = near::hint(&word, DataClass::WORDS.iter().map(|(word, _)| *word));
    Err(format!("there is no data class `{word}`{hint}"))
}

impl Wish {
    /// A day counts to its end, in UTC.
    fn expires_at(&self, now: i64) -> Result<Option<i64>, String> {
        let at = match (&self.expires_at, self.expires_in_days) {
            (Some(_), Some(_)) => {
                return Err("`expires_at` and `expires_in_days` say the same; leave out one".into());
            }
            (None, None) => return Ok(None),
            (None, Some(0)) => return Err("`expires_in_days` must be 1 or more".to_owned()),
            (None, Some(days)) => return Ok(Some(now + i64::from(days) * SECONDS_A_DAY)),
            (Some(text), None) => moment(text).ok_or_else(|| {
                format!(
                    "`expires_at`: `{text}` is neither a day such as `2027-06-30` nor a moment such as `2027-06-30T12:00:00Z`"
                )
            })?,
        };
        if at <= now {
            return Err("`expires_at` lies in the past; to close a key, revoke it".to_owned());
        }
        Ok(Some(at))
    }
}

fn moment(text: &str) -> Option<i64> {
    let day = text.parse::<Date>().ok().and_then(Date::next).map(Date::unix_seconds);
    day.or_else(|| window::moment(text).map(|at| at.div_euclid(1000)))
}

impl Limits {
    fn read(self) -> Result<KeyLimits, String> {
        Ok(KeyLimits {
            rpm: self.rpm,
            tpm: self.tpm,
            concurrency: self.concurrency,
            usd_per_day: dollars("usd_per_day", self.usd_per_day)?,
            usd_per_month: dollars("usd_per_month", self.usd_per_month)?,
        })
    }
}

/// Money is decimal text: a number of JSON would pass through binary fractions on its way.
fn dollars(name: &str, value: Option<Value>) -> Result<Option<Money>, String> {
    let Some(value) = value else { return Ok(None) };
    let Value::String(text) = value else {
        return Err(format!("`{name}` must be dollars as decimal text, such as \"20.00\""));
    };
    let money = text.parse::<Money>().ok().filter(|money| *money >= Money::ZERO);
    money
        .map(Some)
        .ok_or_else(|| format!("`{name}`: `{text}` is not an amount of dollars such as \"20.00\""))
}
