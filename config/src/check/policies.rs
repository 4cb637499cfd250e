//! `policies:`, where the files are that say which endpoints may have a request, how a change of them
//! comes into force, and what is kept of their decisions.

use std::path::PathBuf;

use isthmus_policies::rollout::RolloutRules;

use crate::check::classification::classification;
use crate::reader::Value;
use crate::settings::classification::Classification;
use crate::settings::{DecisionLog, Policies};

/// Reads the section if it is there.
pub(super) fn policies(section: Option<&Value<'_>>) -> (Policies, Classification) {
    let (mut policies, mut classified) = (Policies::default(), Classification::default());
    let Some(section) = section else { return (policies, classified) };
    section.fields(|fields| {
        policies.dir = fields.optional("dir", directory);
        policies.shadow_dir = fields.optional("shadow_dir", directory);
        fields.set("rollout", &mut policies.rollout, rollout);
        // Where policies decide, it is kept how.
        policies.decision_log.enabled = policies.dir.is_some();
        let usual = policies.decision_log;
        fields.set("decision_log", &mut policies.decision_log, |value| decision_log(value, usual));
        classified = classification(fields, policies.dir.is_some());
        Some(())
    });
    (policies, classified)
}

fn directory(value: &Value<'_>) -> Option<PathBuf> {
    value.text().map(PathBuf::from)
}

/// How a change comes into force: for a share of the keys first, unless that denies too much.
fn rollout(value: &Value<'_>) -> Option<RolloutRules> {
    let mut rules = RolloutRules::default();
    value.fields(|fields| {
        fields.set("percent", &mut rules.percent, |value| value.integer(0..=100));
        fields.set("hold", &mut rules.hold, Value::duration);
        let most = &mut rules.most_newly_denied_percent;
        fields.set("max_newly_denied_percent", most, Value::number);
        fields.set("min_requests", &mut rules.least_requests, |value| value.integer(1..=u64::MAX));
        Some(())
    })?;
    if rules.percent < 100 && rules.hold.is_zero() {
        return value
            .refuse("`percent` needs `hold`, the time that the trial lasts, such as `10m`");
    }
    Some(rules)
}

/// `true`, `false`, or for how many days decisions are kept.
fn decision_log(value: &Value<'_>, usual: DecisionLog) -> Option<DecisionLog> {
    if !value.is_map() {
        return value.boolean().map(|enabled| DecisionLog { enabled, ..usual });
    }
    let mut log = DecisionLog { enabled: true, ..usual };
    value.fields(|fields| {
        fields.set("enabled", &mut log.enabled, Value::boolean);
        fields.set("keep_days", &mut log.keep_days, |value| value.integer(1..=36_500));
        Some(log)
    })
}
