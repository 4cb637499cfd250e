//! One concrete question: who asks, what for, with which data, of which endpoint.

use std::collections::BTreeSet;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request,
};
use cedar_policy_symcc::Env;
use isthmus_policies::permit;
use serde_json::{Map, Value as Json, json};

use crate::proofs::ProofError;

/// A question with everything that policies may look at, in Cedar's JSON.
#[derive(Debug, Clone)]
pub struct Situation {
    pub(super) principal: EntityUid,
    pub(super) action: EntityUid,
    pub(super) resource: EntityUid,
    /// The context.
    pub(super) request: Map<String, Json>,
    /// The facts of the endpoint.
    pub(super) endpoint: Map<String, Json>,
    /// What the endpoint is part of.
    pub(super) account: Vec<Json>,
    /// Who asks, and what they are part of.
    pub(super) people: Vec<Json>,
}

/// A situation in the form in which policies are asked.
pub(super) struct Question {
    request: Request,
    entities: Entities,
}

/// How a set of policies answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Whether Cedar allows it, which passes over policies that fail.
    pub(super) allowed: bool,
    /// Whether a policy failed. Then the house denies.
    pub(super) failed: bool,
    /// The rules that decided.
    pub(super) rules: BTreeSet<String>,
}

/// The kinds of entities that ask; the others are words.
const PEOPLE: [&str; 3] = ["App", "Team", "Organisation"];

// === impl Situation ===

impl Situation {
    /// What the solver found.
    pub(super) fn of(found: &Env) -> Result<Self, ProofError> {
        Self::read(found).ok_or_else(|| {
            ProofError::Failed("the solver's counterexample cannot be read".to_owned())
        })
    }

    fn read(found: &Env) -> Option<Self> {
        let request = &found.request;
        let resource = request.resource()?.clone();
        let mut endpoint = found.entities.get(&resource)?.to_json_value().ok()?;
        let is_person =
            |entity: &&Entity| PEOPLE.contains(&entity.uid().type_name().to_string().as_str());
        let people = found.entities.iter().filter(is_person).map(Entity::to_json_value);
        Some(Self {
            principal: request.principal()?.clone(),
            action: request.action()?.clone(),
            request: object(request.context()?.to_json_value().ok()?)?,
            account: endpoint["parents"].take().as_array().cloned().unwrap_or_default(),
            endpoint: object(endpoint["attrs"].take())?,
            people: people.collect::<Result<_, _>>().ok()?,
            resource,
        })
    }

    /// The question, if the schema has such a one.
    pub(super) fn question(&self) -> Option<Question> {
        let schema = permit::schema();
        let context = Json::Object(self.request.clone());
        let context = Context::from_json_value(context, Some((schema, &self.action))).ok()?;
        let (principal, action) = (self.principal.clone(), self.action.clone());
        let request =
            Request::new(principal, action, self.resource.clone(), context, Some(schema)).ok()?;
        let mut entities = self.people.clone();
        entities.push(json!({
            "uid": self.resource.to_json_value().ok()?,
            "attrs": self.endpoint,
            "parents": self.account,
        }));
        let entities = Entities::from_json_value(Json::Array(entities), Some(schema)).ok()?;
        Some(Question { request, entities })
    }

    /// What the endpoint is asked to do, in the policies' word for it.
    pub fn action(&self) -> &str {
        self.action.id().unescaped()
    }
}

fn object(json: Json) -> Option<Map<String, Json>> {
    match json {
        Json::Object(members) => Some(members),
        _ => None,
    }
}

// === impl Question ===

impl Question {
    /// How these policies answer it.
    pub(super) fn put_to(&self, policies: &PolicySet) -> Answer {
        let response = Authorizer::new().is_authorized(&self.request, policies, &self.entities);
        let failed = response.diagnostics().errors().next().is_some();
        let rules = response.diagnostics().reason();
        let named = |id| policies.annotation(id, "id").map(str::to_owned);
        Answer {
            allowed: response.decision() == Decision::Allow,
            failed,
            rules: rules.filter_map(named).collect(),
        }
    }
}

/// A value as people write it: a word instead of a reference to the entity of that word.
pub(super) fn plainly(value: &Json) -> Json {
    let reference = value.get("__entity").unwrap_or(value);
    match (reference.get("type"), reference.get("id"), value) {
        (Some(_), Some(id), _) => id.clone(),
        (.., Json::Array(items)) => items.iter().map(plainly).collect(),
        _ => value.clone(),
    }
}
