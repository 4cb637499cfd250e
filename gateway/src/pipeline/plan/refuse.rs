//! Why there is no plan, in words for the caller: which rules, which bounds, and what to do.

use std::collections::BTreeMap;
use std::time::Duration;

use isthmus_inference::capability::Capabilities;
use isthmus_inference::failure::{Blame, Failure, Kind};
use isthmus_inference::request::Request;
use isthmus_policies::permit::{Rule, Verdict};
use isthmus_policies::plan::NoRoute;

use crate::permits::Judged;
use crate::pool::{Endpoint, Pool};

/// Endpoints that are named in a refusal; a pool may have hundreds.
const MOST_NAMED: usize = 20;

/// The failure that this means.
pub(super) fn failure(none: NoRoute, pool: &Pool, judged: &Judged, request: &Request) -> Failure {
    let model = &request.model;
    match none {
        NoRoute::Nobody => unable(pool, |_| Capabilities::default()),
        NoRoute::Denied => denied(pool, judged),
        NoRoute::Narrowed { by } => {
            let message =
                format!("{none} for the model `{model}`; ask for less, or of another model");
            Failure::new(Kind::Forbidden, message).with_param(by)
        }
        NoRoute::Unavailable { retry_after } => {
            let failure = Failure::new(Kind::Overloaded, format!("{none} for the model `{model}`"));
            failure.with_retry_after(retry_after.unwrap_or(Duration::from_secs(1)))
        }
        NoRoute::Infeasible { .. } => {
            let message = format!("{none}, and the operator does not relax them (model `{model}`)");
            Failure::new(Kind::Overloaded, message).blamed_on(Blame::House)
        }
        NoRoute::TooLate => {
            let message = "the time for the request was over before it could be sent";
            Failure::new(Kind::Timeout, message).blamed_on(Blame::Caller)
        }
    }
}

/// Nobody has all the capabilities that are needed.
pub(super) fn unable(pool: &Pool, lacks: impl Fn(&Endpoint) -> Capabilities) -> Failure {
    let lacking = pool.endpoints.iter().take(MOST_NAMED);
    let lacking = lacking.map(|endpoint| format!("`{}` lacks {}", endpoint.name, lacks(endpoint)));
    let message = format!(
        "no endpoint of the model `{}` can do what the request needs: {}",
        pool.name,
        lacking.collect::<Vec<_>>().join("; ")
    );
    Failure::new(Kind::Unsupported, message).with_param("model")
}

/// Policy permits none: the rules that decided, each with its reason and the endpoints that it kept
/// the request from.
fn denied(pool: &Pool, judged: &Judged) -> Failure {
    let rules = judged.edition.bundle().rules();
    let mut kept: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (endpoint, verdict) in pool.endpoints.iter().zip(&judged.permitted.route.verdicts) {
        for reason in reasons(verdict, rules) {
            kept.entry(reason).or_default().push(endpoint.name.as_str());
        }
    }
    let lines = kept.into_iter().map(|(reason, mut endpoints)| {
        let more = endpoints.len().saturating_sub(MOST_NAMED);
        endpoints.truncate(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{reason} (`{}`{more})", endpoints.join("`, `"))
    });
    let message = format!(
        "policy {} permits no endpoint of the model `{}` for this request: {}",
        judged.edition.version(),
        pool.name,
        lines.collect::<Vec<_>>().join("; ")
    );
    Failure::new(Kind::PolicyDenied, message)
}

/// What kept one endpoint from the request.
fn reasons(verdict: &Verdict, rules: &[Rule]) -> Vec<String> {
    let decided = verdict.rules.iter().filter_map(|number| rules.get(usize::from(*number)));
    let mut reasons: Vec<String> = decided.map(told).collect();
    if verdict.error.is_some() {
        reasons.push("a rule could not be evaluated, which denies".to_owned());
    }
    if reasons.is_empty() && !verdict.allowed {
        reasons.push("no rule permits it".to_owned());
    }
    reasons
}

fn told(rule: &Rule) -> String {
    let reason = rule.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let law = rule.law.as_ref().map(|law| format!(" [{law}]")).unwrap_or_default();
    format!("{}{law}{reason}", rule.id)
}
