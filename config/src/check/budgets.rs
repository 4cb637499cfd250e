//! `budgets:`, what may be spent, and `limits:`, how fast, and who keeps the sums.

use std::collections::BTreeSet;
use std::time::Duration;

use isthmus_inference::money::Money;
use isthmus_inference::secret::Secret;
use isthmus_policies::budget::window::{self, Calendar, Unit, Zone};
use isthmus_policies::budget::{Budget, Dimension, Limits, Mode, OnExhaust, Scope, Sort, Window};

use crate::check::keeper::keeper;
use crate::check::names::{plain_name, unknown};
use crate::near;
use crate::reader::{Fields, Value};
use crate::settings::limits::{Keeping, WhenUnreachable};

/// Names that budgets may refer to.
pub(super) struct Known<'k> {
    /// Pools, as written.
    pub(super) models: &'k BTreeSet<String>,
    /// Accounts, as written.
    pub(super) providers: &'k BTreeSet<String>,
    /// Teams, as written; if there are none, a team may have any name.
    pub(super) teams: &'k BTreeSet<String>,
    /// Endpoints that nobody gave a price.
    pub(super) unpriced: Vec<&'k str>,
}

/// At which percentages somebody is told, where nothing else is written.
const WARN_AT: [u32; 2] = [80, 100];
/// What a budget is of, beside the words of [`Dimension`].
const TAG: &str = "tag:";
/// Unpriced endpoints that a warning names.
const MOST_NAMED: usize = 8;

/// The section `budgets:`.
pub(super) fn budgets(section: Option<&Value<'_>>, known: &Known<'_>) -> Vec<Budget> {
    let mut budgets = Vec::new();
    let Some(section) = section else { return budgets };
    section.each(|name, value| {
        if let Err(reason) = plain_name(name) {
            value.refuse_field::<()>(format!("a name {reason}"));
        } else if let Some(budget) = budget(name, value, known) {
            blind(value, &budget, known);
            budgets.push(budget);
        }
    });
    budgets
}

fn budget(name: &str, value: &Value<'_>, known: &Known<'_>) -> Option<Budget> {
    value.fields(|fields| {
        let scope = scope(fields, known);
        let window = window(fields);
        let limits = fields.required("limit", limits);
        let mut mode = Mode::default();
        fields.set("mode", &mut mode, |value| value.word(Mode::WORDS));
        let mut warn_at = WARN_AT.to_vec();
        fields.set("warn_at", &mut warn_at, thresholds);
        let mut on_exhaust = OnExhaust::default();
        fields.set("on_exhaust", &mut on_exhaust, |value| exhausted(value, known));
        Some(Budget {
            name: name.into(),
            scope: scope?,
            window: window?,
            limits: limits?,
            own: None,
            mode,
            warn_at,
            on_exhaust,
            sort: Sort::Spending,
        })
    })
}

/// `of`, the properties that a request must have, and `each`, of which every value has its own sum.
fn scope(fields: &mut Fields<'_, '_>, known: &Known<'_>) -> Option<Scope> {
    let of = match fields.get("of") {
        Some(value) => properties(&value, known),
        None => Some(vec![]),
    };
    let each = match fields.get("each") {
        Some(value) => dimension(&value).map(Some),
        None => Some(None),
    };
    Some(Scope { of: of?, each: each? })
}

fn properties(value: &Value<'_>, known: &Known<'_>) -> Option<Vec<(Dimension, String)>> {
    value.fields(|fields| {
        let mut of = Vec::new();
        for (name, dimension) in Dimension::WORDS {
            let read = |value: &Value<'_>| property(value, dimension, known);
            of.extend(fields.optional(name, read).map(|text| (dimension.clone(), text)));
        }
        if let Some(tags) = fields.get("tags") {
            tags.each(|name, value| {
                let tag = || Dimension::Tag(name.to_owned());
                of.extend(value.scalar_text().map(|text| (tag(), text)));
            });
        }
        Some(of)
    })
}

fn property(value: &Value<'_>, dimension: &Dimension, known: &Known<'_>) -> Option<String> {
    let text = value.text()?;
    match dimension {
        Dimension::Model => model(value, text, known),
        Dimension::Provider if !known.providers.contains(&text) => {
            unknown(value, "provider", &text, known.providers)
        }
        Dimension::Team if !known.teams.is_empty() && !known.teams.contains(&text) => {
            unknown(value, "team", &text, known.teams)
        }
        Dimension::Key if !text.starts_with("isk-") => value
            .refuse("a key is named by its visible head, `isk-…`, as `isthmus keys list` shows it"),
        _ => Some(text),
    }
}

/// A pool, or a model of a written provider.
pub(super) fn model(value: &Value<'_>, name: String, known: &Known<'_>) -> Option<String> {
    let direct = || name.split_once('/').is_some_and(|(at, _)| known.providers.contains(at));
    if known.models.contains(&name) || direct() {
        return Some(name);
    }
    unknown(value, "model", &name, known.models)
}

fn dimension(value: &Value<'_>) -> Option<Dimension> {
    let text = value.text()?;
    if let Some(tag) = text.strip_prefix(TAG).filter(|tag| !tag.is_empty()) {
        return Some(Dimension::Tag(tag.to_owned()));
    }
    let found = Dimension::WORDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, dimension)| dimension.clone()).or_else(|| {
        let words = Dimension::WORDS.iter().map(|(word, _)| *word).chain(["tag:NAME"]);
        value.refuse(format!("unknown word {}{}", value.quoted(&text), near::hint(&text, words)))
    })
}

/// A period of the calendar, or a length of time that ends now.
fn window(fields: &mut Fields<'_, '_>) -> Option<Window> {
    let zone = fields.get("timezone").map(|value| zone(&value));
    let first_month = fields.get("fiscal_year_start").map(|value| value.integer(1..=12));
    match (fields.get("window"), fields.get("rolling")) {
        (Some(_), Some(rolling)) => {
            rolling.refuse_field("a window has an end in the calendar or it slides; leave out one")
        }
        (Some(window), None) => {
            let unit = window.word(Unit::WORDS);
            let zone = zone.unwrap_or_else(|| window::zone("UTC"));
            let first_month = first_month.unwrap_or(Some(1));
            let (unit, zone, first_month) = (unit?, zone?, first_month?);
            Some(Window::Calendar(Calendar { unit, zone, first_month }))
        }
        (None, Some(rolling)) => days_or_less(&rolling).map(Window::rolling),
        (None, None) => fields.whole().refuse_field(
            "`window` is missing: minute, hour, day, week, month, quarter or year; or `rolling`, \
             such as `24h`",
        ),
    }
}

fn zone(value: &Value<'_>) -> Option<Zone> {
    let name = value.text()?;
    window::zone(&name).or_else(|| {
        let zones = window::zones();
        let near = near::nearest(&name, zones.iter().map(String::as_str));
        let hint = near.map_or_else(
            || "; a name such as `Europe/Berlin` is expected".to_owned(),
            |near| format!("; did you mean `{near}`?"),
        );
        value.refuse(format!("there is no time zone {}{hint}", value.quoted(&name)))
    })
}

/// A duration, which may be written in days.
fn days_or_less(value: &Value<'_>) -> Option<Duration> {
    let days = value.known_text().and_then(|text| text.strip_suffix('d')?.parse::<u32>().ok());
    match days {
        Some(days @ 1..=400) => Some(Duration::from_hours(24 * u64::from(days))),
        Some(_) => value.refuse("1 to 400 days are expected"),
        None => value.time_limit().filter(|length| {
            let enough = *length >= Duration::from_secs(1);
            if !enough {
                value.refuse::<()>("a second or more is expected");
            }
            enough
        }),
    }
}

fn limits(value: &Value<'_>) -> Option<Limits> {
    value.fields(|fields| {
        let count = |value: &Value<'_>| value.integer(0..=1_000_000_000_000_000);
        let limits = Limits {
            money: fields.optional("usd", dollars),
            tokens: fields.optional("tokens", count),
            requests: fields.optional("requests", count),
        };
        if !["usd", "tokens", "requests"].iter().any(|name| fields.has(name)) {
            let message = "at least one of `usd`, `tokens` and `requests` is needed";
            return fields.whole().refuse_field(message);
        }
        Some(limits)
    })
}

pub(super) fn dollars(value: &Value<'_>) -> Option<Money> {
    const MOST: i128 = 1_000_000_000_000_000_000_000;
    let amount: Money = value.parsed("dollars as decimal text, such as \"500.00\"")?;
    if (0..=MOST).contains(&amount.pico_dollars()) {
        return Some(amount);
    }
    value.refuse("0 to 1000000000 dollars are expected")
}

fn thresholds(value: &Value<'_>) -> Option<Vec<u32>> {
    let mut percentages = value.list(|value| value.integer(1..=1000))?;
    percentages.sort_unstable();
    percentages.dedup();
    Some(percentages)
}

fn exhausted(value: &Value<'_>, known: &Known<'_>) -> Option<OnExhaust> {
    if !value.is_map() {
        return value.word(&[("refuse", ())]).map(|()| OnExhaust::Refuse);
    }
    let pool = value.fields(|fields| {
        fields.required("downgrade", |value| {
            let name = value.text()?;
            model(value, name, known)
        })
    })?;
    Some(OnExhaust::Downgrade(pool.as_str().into()))
}

/// Under a hard budget in dollars nobody is asked whose price is not known.
fn blind(value: &Value<'_>, budget: &Budget, known: &Known<'_>) {
    if budget.mode != Mode::Hard || budget.limits.money.is_none() || known.unpriced.is_empty() {
        return;
    }
    let mut named = known.unpriced.clone();
    let more = named.len().saturating_sub(MOST_NAMED);
    named.truncate(MOST_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    value.warn(format!(
        "endpoints without a price are not asked for whoever is under this budget, since nothing \
         can be held for them: `{}`{more}",
        named.join("`, `")
    ));
}

/// The section `limits:`: rates, which join the budgets, and who keeps the sums of both.
pub(super) fn keeping(
    section: Option<&Value<'_>>,
    known: &Known<'_>,
    budgets: &mut Vec<Budget>,
) -> Keeping {
    let mut keeping = Keeping::default();
    let Some(section) = section else { return keeping };
    section.fields(|fields| {
        keeping.keeper = keeper(fields);
        let words = |value: &Value<'_>| value.word(WhenUnreachable::WORDS);
        fields.set("when_unreachable", &mut keeping.when_unreachable, words);
        keeping.webhook = fields.optional("webhook", webhook);
        if let Some(section) = fields.get("rates") {
            rates(&section, known, budgets);
        }
        Some(())
    });
    keeping
}

fn webhook(value: &Value<'_>) -> Option<Secret> {
    let url = value.secret()?;
    let known = ["http://", "https://"].iter().any(|scheme| url.expose().starts_with(scheme));
    if known && url::Url::parse(url.expose()).is_ok_and(|url| url.has_host()) {
        return Some(url);
    }
    value.refuse("expected an address such as `https://hooks.example.com/budgets`")
}

fn rates(section: &Value<'_>, known: &Known<'_>, budgets: &mut Vec<Budget>) {
    section.each(|name, value| {
        if let Err(reason) = plain_name(name) {
            value.refuse_field::<()>(format!("a name {reason}"));
        } else if budgets.iter().any(|budget| &*budget.name == name) {
            value.refuse_field::<()>("a budget has this name already; callers are told of both");
        } else {
            budgets.extend(rate(name, value, known).into_iter().flatten().flatten());
        }
    });
}

/// So much a minute, and so many at once: a budget each.
fn rate(name: &str, value: &Value<'_>, known: &Known<'_>) -> Option<[Option<Budget>; 2]> {
    let mut written = false;
    let (scope, a_minute, at_once) = value.fields(|fields| {
        written = ["rpm", "tpm", "concurrency"].iter().any(|name| fields.has(name));
        let scope = scope(fields, known);
        let count = |value: &Value<'_>| value.integer(0..=1_000_000_000_000);
        let limits = Limits {
            money: None,
            tokens: fields.optional("tpm", count),
            requests: fields.optional("rpm", count),
        };
        Some((scope?, limits, fields.optional("concurrency", count)))
    })?;
    if !written {
        return value.refuse_field("at least one of `rpm`, `tpm` and `concurrency` is needed");
    }
    let of = |window, limits, sort| Budget {
        name: name.into(),
        scope: scope.clone(),
        window,
        limits,
        own: None,
        mode: Mode::Hard,
        warn_at: vec![],
        on_exhaust: OnExhaust::Refuse,
        sort,
    };
    let minute = Window::rolling(Duration::from_mins(1));
    let places = Limits { requests: at_once, ..Limits::default() };
    Some([
        (a_minute != Limits::default()).then(|| of(minute, a_minute, Sort::Rate)),
        at_once.map(|_| of(Window::Always, places, Sort::Places)),
    ])
}
