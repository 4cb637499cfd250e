//! An example in words.

use std::fmt;

use serde_json::Value as Json;

use crate::proofs::example::Example;
use crate::proofs::situation::{Situation, plainly};

/// Three lines: what is asked, of which endpoint, and who allows it.
impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "request   {}", self.request())?;
        writeln!(f, "endpoint  {}", self.endpoint())?;
        write!(f, "rules     {}", self.rules.join(", "))?;
        match self.against.as_slice() {
            [] => Ok(()),
            against => write!(f, "; against {}", against.join(", ")),
        }
    }
}

// === impl Example ===

impl Example {
    fn request(&self) -> String {
        let of = |field| self.of_request(field);
        let mut parts = vec![format!("data of class {}", text(&of("data_class")))];
        if list(&of("labels")).len() > 1 {
            parts.push(format!("with the labels {}", list(&of("labels")).join(", ")));
        }
        if of("declared") == Json::Bool(false) {
            parts.push("which nobody declared".to_owned());
        }
        if self.matters("subject_regions") {
            parts.push(format!("of people in {}", regions(&of("subject_regions"))));
        }
        if of("regions_restricted") == Json::Bool(true) {
            parts.push(format!("to stay within {}", regions(&of("allowed_regions"))));
        }
        if self.matters("purpose") {
            parts.push(format!("for the purpose {}", of("purpose")));
        }
        if self.matters("principal") {
            parts.push(format!("asked by {}", people(&self.situation)));
        }
        parts.join(", ")
    }

    fn endpoint(&self) -> String {
        let mut parts = vec![];
        if self.matters("endpoint") {
            let accounts = self.situation.account.iter().map(|account| text(&plainly(account)));
            let accounts: Vec<_> = accounts.collect();
            let name = self.situation.resource.id().unescaped();
            parts.push(match accounts.as_slice() {
                [] => format!("{name:?}"),
                accounts => format!("{name:?} of {}", accounts.join(", ")),
            });
        }
        let facts = self.situation.endpoint.iter();
        let facts = facts.filter(|(name, _)| self.matters(name));
        parts.extend(facts.filter_map(|(name, value)| fact(name, &plainly(value))));
        match parts.as_slice() {
            [] => "any, even one beyond reproach".to_owned(),
            parts => format!("{}; beyond reproach otherwise", parts.join(", ")),
        }
    }

    fn of_request(&self, field: &str) -> Json {
        self.situation.request.get(field).map(plainly).unwrap_or_default()
    }

    fn matters(&self, field: &str) -> bool {
        self.matters.contains(&field)
    }
}

/// A fact that matters; `None` for one that another says already.
fn fact(name: &str, value: &Json) -> Option<String> {
    Some(match (name, value) {
        ("trust_rank", _) => return None,
        ("in_process", Json::Bool(true)) => "runs in the gateway's own process".to_owned(),
        ("network", _) => format!("{} network", text(value)),
        ("operator", _) => format!("operated by {value}"),
        ("jurisdiction", _) => format!("under the law of {value}"),
        ("parent_jurisdiction", _) => format!("its parent company under the law of {value}"),
        ("processing_regions", _) => format!("processes in {}", places(value)),
        ("storage_regions", _) => format!("stores in {}", places(value)),
        ("certifications", _) if list(value).is_empty() => "no certificate in date".to_owned(),
        ("certifications", _) => format!("certified as {}", list(value).join(", ")),
        ("retention_days", _) if value.as_i64() == Some(i64::MAX) => {
            "keeps data for nobody knows how long".to_owned()
        }
        ("retention_days", _) => format!("keeps data for {value} days"),
        ("zero_data_retention", Json::Bool(false)) => "no zero data retention".to_owned(),
        ("trains_on_data", Json::Bool(true)) => "may train on the data".to_owned(),
        ("baa", Json::Bool(false)) => "no business associate agreement".to_owned(),
        ("export_cleared", Json::Bool(false)) => "not cleared for controlled exports".to_owned(),
        ("trust", _) => format!("trust {}", text(value)),
        ("tee", _) => format!("TEE {}", text(value)),
        ("quantisation_bits", _) if value.as_i64() == Some(0) => "unknown quantisation".to_owned(),
        ("quantisation_bits", _) => format!("weights of {value} bits"),
        ("status", _) => format!("status {}", text(value)),
        _ => format!("{name} {value}"),
    })
}

fn people(situation: &Situation) -> String {
    let name = |uid: &Json| {
        let kind = uid.get("type").map(text).unwrap_or_default().to_lowercase();
        format!("{kind} {}", uid.get("id").cloned().unwrap_or_default())
    };
    let uids = situation.people.iter().filter_map(|person| person.get("uid"));
    let named: Vec<_> = uids.map(|uid| name(uid.get("__entity").unwrap_or(uid))).collect();
    named.join(", ")
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(value: &Json) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn regions(value: &Json) -> String {
    match list(value).as_slice() {
        [] => "no region at all".to_owned(),
        regions => regions.join(", "),
    }
}

fn places(value: &Json) -> String {
    match list(value).as_slice() {
        [] => "no recorded region".to_owned(),
        places => places.join(", "),
    }
}
