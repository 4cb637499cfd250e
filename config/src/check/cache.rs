//! `cache:`, and what a pool says of it.

use std::collections::BTreeSet;

use crate::check::keeper::keeper;
use crate::reader::Value;
use crate::settings::cache::{Cache, PoolCache, Scope};

/// The least and the most that is remembered, in bytes.
const MEMORY: std::ops::RangeInclusive<u64> = 1 << 16..=1 << 40;
/// The same of one answer: the most is what one value of a Redis should hold.
const ANSWER: std::ops::RangeInclusive<u64> = 1 << 10..=64 << 20;

/// Who remembers answers.
pub(super) fn cache(section: Option<&Value<'_>>) -> Cache {
    let mut cache = Cache::default();
    let Some(section) = section else { return cache };
    section.fields(|fields| {
        cache.keeper = keeper(fields);
        fields.set("max_bytes", &mut cache.max_bytes, |value| value.size(MEMORY));
        let answer = fields.get("max_answer_bytes");
        if let Some(most) = answer.as_ref().and_then(|value| value.size(ANSWER)) {
            cache.max_answer_bytes = usize::try_from(most).unwrap_or(usize::MAX);
        }
        if let Some(value) = answer.filter(|_| cache.max_answer_bytes as u64 > cache.max_bytes) {
            value.refuse::<()>("one answer cannot be larger than `max_bytes`, which is for all");
        }
        fields.set("ttl", &mut cache.ttl, Value::time_limit);
        fields.set("scope", &mut cache.scope, |value| value.word(Scope::WORDS));
        Some(())
    });
    cache
}

/// Whether a pool's answers are remembered: `true`, `false`, or with fields of its own.
pub(super) fn of_pool(value: &Value<'_>) -> Option<Option<PoolCache>> {
    if !value.is_map() {
        return value.boolean().map(|remembered| remembered.then(PoolCache::default));
    }
    value.fields(|fields| {
        let ttl = fields.optional("ttl", Value::time_limit);
        let apps = fields.optional("apps", |value| names(value, "app"));
        let keys = fields.optional("keys", |value| names(value, "key"));
        Some(Some(PoolCache { ttl, apps, keys }))
    })
}

fn names(value: &Value<'_>, what: &str) -> Option<BTreeSet<String>> {
    let names = value.list(Value::text)?;
    if names.is_empty() {
        let message = format!("at least one {what} is needed; `cache: false` is for none");
        return value.refuse(message);
    }
    Some(names.into_iter().collect())
}
