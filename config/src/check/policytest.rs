//! `*.policytest.yaml`: a catalogue, a day, and cases with the expected answers.

use std::collections::BTreeSet;

use isthmus_inference::ident::EndpointName;
use isthmus_policies::class::{Class, DataClass};
use isthmus_policies::classify::UNCLASSIFIED;
use isthmus_policies::permit::Described;
use isthmus_policies::policytest::{Case, Denial, Suite, matches};
use isthmus_policies::question::{Action, Context, Principal};

use crate::check::catalogue;
use crate::check::names;
use crate::reader::{Fields, Value};

/// Reads the catalogue of another file; `None` after complaints of that one.
type Open<'a> = &'a dyn Fn(&str) -> Option<Vec<Described>>;

/// Reads a whole file of tests.
pub(crate) fn suite(root: &Value<'_>, file: &str, open: Open) -> Option<Suite> {
    root.fields(|fields| {
        fields.allow_prefix("x-");
        let today = fields.required("today", |value| value.parsed("a date such as 2026-11-28"));
        let catalogue = fields.required("catalogue", |value| {
            if value.is_map() { catalogue::written(value) } else { open(&value.text()?) }
        });
        let coverage = fields.optional("coverage", coverage);
        let known = catalogue.as_deref().map(names_of);
        let cases = fields.required("cases", |value| cases(value, known.as_ref()));
        Some(Suite {
            file: file.to_owned(),
            today: today?,
            catalogue: catalogue?,
            cases: cases?,
            every_policy_decides: coverage.unwrap_or(true),
        })
    })
}

fn names_of(catalogue: &[Described]) -> BTreeSet<String> {
    catalogue.iter().map(|endpoint| endpoint.name.to_string()).collect()
}

fn coverage(value: &Value<'_>) -> Option<bool> {
    value.fields(|fields| fields.optional("every_policy_decides_at_least_once", Value::boolean))
}

/// `known` are the catalogue's names, if it could be read.
fn cases(value: &Value<'_>, known: Option<&BTreeSet<String>>) -> Option<Vec<Case>> {
    let mut taken = BTreeSet::new();
    let cases = value.list(|value| {
        let case = case(value, known)?;
        if !taken.insert(case.name.clone()) {
            return value.refuse(format!("there is a case of the name {:?} already", case.name));
        }
        Some(case)
    })?;
    if cases.is_empty() { value.refuse_field("a file of tests needs a case") } else { Some(cases) }
}

fn case(value: &Value<'_>, known: Option<&BTreeSet<String>>) -> Option<Case> {
    value.fields(|fields| {
        let name = fields.required("name", Value::text);
        let question = fields.required("request", question);
        let allowed = fields.required("allowed", |value| {
            Some(value.list(|value| endpoint(value, known))?.into_iter().collect())
        });
        let denied = fields.optional("denied", |value| denied(value, known, allowed.as_ref()));
        let (principal, action, context) = question?;
        Some(Case {
            name: name?,
            line: value.line(),
            principal,
            action,
            context,
            allowed: allowed?,
            denied: denied.unwrap_or_default(),
        })
    })
}

fn endpoint(value: &Value<'_>, known: Option<&BTreeSet<String>>) -> Option<EndpointName> {
    let name = value.text()?;
    match known {
        Some(known) if !known.contains(&name) => names::unknown(value, "endpoint", &name, known),
        _ => Some(name.as_str().into()),
    }
}

/// Names or patterns, each with the rules that must deny.
fn denied(
    value: &Value<'_>,
    known: Option<&BTreeSet<String>>,
    allowed: Option<&BTreeSet<EndpointName>>,
) -> Option<Vec<Denial>> {
    let mut denied = vec![];
    value.each(|pattern, rules| denied.extend(denial(pattern, rules, known, allowed)))?;
    Some(denied)
}

fn denial(
    pattern: &str,
    rules: &Value<'_>,
    known: Option<&BTreeSet<String>>,
    allowed: Option<&BTreeSet<EndpointName>>,
) -> Option<Denial> {
    let meant = |name: &str| matches(pattern, name);
    if known.is_some_and(|known| !known.iter().any(|name| meant(name))) {
        return rules.refuse_field("no endpoint of the catalogue is meant by this");
    }
    if let Some(name) = allowed.into_iter().flatten().find(|name| meant(name.as_str())) {
        return rules.refuse_field(format!("`{name}` stands in `allowed` as well"));
    }
    Some(Denial { endpoints: pattern.to_owned(), rules: rules.list(Value::text)? })
}

fn question(value: &Value<'_>) -> Option<(Principal, Action, Context)> {
    value.fields(|fields| {
        let principal = principal(fields);
        let action = fields.optional("action", |value| value.word(Action::WORDS));
        let class = fields.optional("data_class", class);
        let declared = fields.optional("declared", Value::boolean);
        let subject_regions = fields.optional("subject_regions", regions);
        let allowed_regions = fields.optional("allowed_regions", regions);
        let purpose = fields.optional("purpose", Value::text);
        let context = Context {
            class: class.unwrap_or(Class::only(UNCLASSIFIED)),
            declared: declared.unwrap_or(class.is_some()),
            subject_regions: subject_regions.unwrap_or_default(),
            allowed_regions,
            purpose: purpose.unwrap_or_default(),
        };
        Some((principal, action.unwrap_or(Action::Route), context))
    })
}

fn principal(fields: &mut Fields<'_, '_>) -> Principal {
    let mut principal = Principal::anybody();
    fields.set("organisation", &mut principal.organisation, Value::text);
    fields.set("team", &mut principal.team, Value::text);
    fields.set("app", &mut principal.app, Value::text);
    principal
}

/// One word, or a list of all that apply.
fn class(value: &Value<'_>) -> Option<Class> {
    let word = |value: &Value<'_>| value.word(DataClass::WORDS);
    let labels = if value.is_list() { value.list(word)? } else { vec![word(value)?] };
    let class = labels.into_iter().map(Class::only).reduce(Class::and);
    class.or_else(|| value.refuse("at least one data class applies"))
}

fn regions(value: &Value<'_>) -> Option<BTreeSet<String>> {
    Some(value.list(Value::text)?.into_iter().collect())
}
