//! A counterexample that people can read: what does not matter is made plain, so that what is left
//! is the reason.
//!
//! A solver's counterexample is any question at all: texts like `"B"`, random facts. Each field is
//! given its plainest value, and keeps it if the question is still a counterexample. Of an endpoint
//! beyond reproach and a harmless request only that remains different which has to.

use cedar_policy::{EntityUid, PolicySet};
use isthmus_policies::class::DataClass;
use serde_json::{Value as Json, json};

use crate::proofs::ProofError;
use crate::proofs::situation::{Answer, Question, Situation, plainly};

/// A question that shows that a claim is wrong.
#[derive(Debug, Clone)]
pub struct Example {
    /// The question.
    pub situation: Situation,
    /// Those of its fields that are not plain: the reason. `principal` and `endpoint` among them
    /// mean that the names matter.
    pub matters: Vec<&'static str>,
    /// The rules that allow it, or that fail.
    pub rules: Vec<String>,
    /// The rules of the other set of policies that deny it, where two are compared.
    pub against: Vec<String>,
}

/// Fields that say one thing together, and values for them, the plainest first.
struct Knob {
    side: Side,
    fields: &'static [&'static str],
    values: Vec<Vec<Json>>,
}

#[derive(Clone, Copy)]
enum Side {
    Request,
    Endpoint,
}

/// Rounds of making plain: one field may have to wait for another.
const ROUNDS: usize = 4;

/// Names of somebody and something that no policy speaks of.
const NOBODY: &str = "App::\"some app\"";
const NOTHING: &str = "Endpoint::\"some endpoint\"";

// === impl Example ===

impl Example {
    /// Makes the situation as plain as it may be while it `shows` what it should. That it does not
    /// show it even as it is would be a fault of the solver's.
    pub(super) fn of(
        mut situation: Situation,
        shows: &dyn Fn(&Question) -> bool,
    ) -> Result<Self, ProofError> {
        let shows = |situation: &Situation| situation.question().is_some_and(|it| shows(&it));
        if !shows(&situation) {
            let message = "the solver's counterexample is none when policies are asked";
            return Err(ProofError::Failed(message.to_owned()));
        }
        let knobs = knobs();
        let mut matters = vec![];
        for _ in 0..ROUNDS {
            let before = (situation.request.clone(), situation.endpoint.clone());
            matters = made_anonymous(&mut situation, &shows);
            for knob in &knobs {
                knob.turn(&mut situation, &shows);
                matters.extend(knob.not_plain(&situation));
            }
            if before == (situation.request.clone(), situation.endpoint.clone()) {
                break;
            }
        }
        Ok(Self { situation, matters, rules: vec![], against: vec![] })
    }

    /// How a set of policies answers it.
    pub(super) fn put_to(&self, policies: &PolicySet) -> Result<Answer, ProofError> {
        let question = self.situation.question();
        let answer = question.map(|question| question.put_to(policies));
        answer.ok_or_else(|| ProofError::Failed("the example is no question".to_owned()))
    }

    /// For programs.
    pub fn to_json(&self) -> Json {
        let members = |fields: &serde_json::Map<String, Json>| -> serde_json::Map<String, Json> {
            fields.iter().map(|(name, value)| (name.clone(), plainly(value))).collect()
        };
        let Situation { principal, resource, request, endpoint, .. } = &self.situation;
        json!({
            "action": self.situation.action(),
            "app": principal.id().unescaped(),
            "request": members(request),
            "endpoint": { "name": resource.id().unescaped(), "facts": members(endpoint) },
            "matters": self.matters,
            "rules": self.rules,
            "against": self.against,
        })
    }
}

/// Takes the names away, where they do not matter; says which do.
fn made_anonymous(
    situation: &mut Situation,
    shows: &dyn Fn(&Situation) -> bool,
) -> Vec<&'static str> {
    let mut matters = vec![];
    let (Ok(nobody), Ok(nothing)) = (NOBODY.parse::<EntityUid>(), NOTHING.parse::<EntityUid>())
    else {
        return matters;
    };
    let stranger = Situation { principal: nobody, people: vec![], ..situation.clone() };
    if shows(&stranger) {
        *situation = stranger;
    } else {
        matters.push("principal");
    }
    let unnamed = Situation { resource: nothing, account: vec![], ..situation.clone() };
    if shows(&unnamed) {
        *situation = unnamed;
    } else {
        matters.push("endpoint");
    }
    matters
}

// === impl Knob ===

impl Knob {
    /// Sets the plainest value with which the situation still shows what it should.
    fn turn(&self, situation: &mut Situation, shows: &dyn Fn(&Situation) -> bool) {
        for values in &self.values {
            let mut turned = situation.clone();
            let members = match self.side {
                Side::Request => &mut turned.request,
                Side::Endpoint => &mut turned.endpoint,
            };
            for (field, value) in self.fields.iter().zip(values) {
                if let Some(member) = members.get_mut(*field) {
                    *member = value.clone();
                }
            }
            if shows(&turned) {
                *situation = turned;
                return;
            }
        }
    }

    /// Its fields, those that do not have their plainest value.
    fn not_plain(&self, situation: &Situation) -> impl Iterator<Item = &'static str> {
        let members = match self.side {
            Side::Request => &situation.request,
            Side::Endpoint => &situation.endpoint,
        };
        let plainest = self.values.first().map(Vec::as_slice).unwrap_or_default();
        let differs = |(field, value): (&&'static str, &Json)| {
            let is = members.get(*field)?;
            (plainly(is) != plainly(value)).then_some(*field)
        };
        self.fields.iter().zip(plainest).filter_map(differs).collect::<Vec<_>>().into_iter()
    }
}

fn knobs() -> Vec<Knob> {
    let one = |side, fields, values: &[Json]| {
        let values = values.iter().map(|value| vec![value.clone()]).collect();
        Knob { side, fields, values }
    };
    let trust = [("attested", 2), ("audited", 1), ("unverified", 0)];
    let trust = trust.map(|(word, rank)| vec![entity("Trust", word), json!(rank)]);
    let regions = [json!(["DE"]), json!([]), json!(["US"])];
    let (request, endpoint) = (Side::Request, Side::Endpoint);
    vec![
        Knob { side: request, fields: &["data_class", "labels"], values: classes() },
        Knob {
            side: request,
            fields: &["regions_restricted", "allowed_regions"],
            values: vec![
                vec![json!(false), json!([])],
                vec![json!(true), json!(["DE"])],
                vec![json!(true), json!([])],
            ],
        },
        one(request, &["declared"], &[json!(true)]),
        one(request, &["subject_regions"], &[json!([]), json!(["DE", "EU"])]),
        one(request, &["purpose"], &[json!("")]),
        one(endpoint, &["in_process"], &[json!(false)]),
        one(endpoint, &["network"], &words("Network", &["hyperscaler", "vendor"])),
        one(endpoint, &["operator"], &[json!("Example")]),
        one(endpoint, &["jurisdiction"], &[json!("DE"), json!("US")]),
        one(endpoint, &["parent_jurisdiction"], &[json!("DE"), json!("US")]),
        one(endpoint, &["processing_regions"], &regions),
        one(endpoint, &["storage_regions"], &regions),
        one(endpoint, &["certifications"], &[json!(["iso27001", "soc2"]), json!([])]),
        one(endpoint, &["retention_days"], &[json!(0), json!(30), json!(i64::MAX)]),
        one(endpoint, &["zero_data_retention"], &[json!(true)]),
        one(endpoint, &["trains_on_data"], &[json!(false)]),
        one(endpoint, &["baa"], &[json!(true)]),
        one(endpoint, &["export_cleared"], &[json!(true)]),
        Knob { side: endpoint, fields: &["trust", "trust_rank"], values: trust.to_vec() },
        one(endpoint, &["tee"], &words("Tee", &["gpu", "cpu"])),
        one(endpoint, &["quantisation_bits"], &[json!(16), json!(8), json!(4), json!(0)]),
        one(endpoint, &["status"], &words("Status", &["ga", "preview"])),
        one(endpoint, &["model"], &[json!("example")]),
    ]
}

/// Each class alone, then each with a milder one beside it.
fn classes() -> Vec<Vec<Json>> {
    let words: Vec<_> =
        DataClass::WORDS.iter().map(|(word, _)| entity("DataClass", word)).collect();
    let alone = words.iter().map(|class| vec![class.clone(), json!([class])]);
    let both = words.iter().enumerate().flat_map(|(rank, class)| {
        words[..rank].iter().map(move |milder| vec![class.clone(), json!([milder, class])])
    });
    alone.chain(both).collect()
}

fn words(kind: &str, words: &[&str]) -> Vec<Json> {
    words.iter().map(|word| entity(kind, word)).collect()
}

fn entity(kind: &str, word: &str) -> Json {
    json!({ "__entity": { "type": kind, "id": word } })
}
