//! Policies over a catalogue on a day, and what they say of a request.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use cedar_policy::{
    AuthorizationError, Authorizer, Entities, Entity, EntityUid, Request, RestrictedExpression,
};
use isthmus_inference::date::Date;

use crate::endpoint_set::EndpointSet;
use crate::permit::bundle::{Bundle, schema};
use crate::permit::entities::Described;
use crate::permit::regions::{around, within};
use crate::permit::words::{TYPES, text, texts, uid, word};
use crate::question::{Action, Context, Principal};

/// A bundle over a catalogue on one day. The facts are Cedar's already, so that a decision converts
/// only what it is asked.
#[derive(Debug, Clone)]
pub struct Permit {
    bundle: Arc<Bundle>,
    /// By their numbers.
    endpoints: Vec<EntityUid>,
    entities: Entities,
    lapses: Option<Date>,
}

/// A catalogue that no permit can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the endpoints do not fit the policies' schema: {0}")]
pub struct CatalogueError(String);

/// What may serve a request, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The endpoints that may.
    pub allowed: EndpointSet,
    /// What was found of each endpoint, by its number.
    pub verdicts: Box<[Verdict]>,
}

/// What was found of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may serve the request.
    pub allowed: bool,
    /// The deciding rules, by their numbers in [`Bundle::rules`]: those that permit, or those that
    /// forbid or could not be evaluated. None at all: nothing permits it.
    pub rules: Box<[u16]>,
    /// What went wrong on the way, which denies.
    pub error: Option<Box<str>>,
}

/// A request in Cedar's terms.
struct Question {
    app: EntityUid,
    action: EntityUid,
    context: cedar_policy::Context,
    /// The endpoints, and who asks.
    entities: Entities,
}

static AUTHORIZER: LazyLock<Authorizer> = LazyLock::new(Authorizer::new);

// === impl Permit ===

impl Permit {
    /// Takes the facts of a catalogue as they count on this day. An endpoint's number is its place
    /// in the catalogue; no two have the same name.
    pub fn new(
        bundle: Arc<Bundle>,
        catalogue: &[Described],
        day: Date,
    ) -> Result<Self, CatalogueError> {
        let failed = |error: &dyn std::fmt::Display| CatalogueError(error.to_string());
        let endpoints: Vec<EntityUid> = catalogue.iter().map(Described::uid).collect();
        let mut seen = HashSet::new();
        if let Some(twice) = endpoints.iter().find(|endpoint| !seen.insert(*endpoint)) {
            return Err(failed(&format_args!("{twice} is there twice")));
        }
        let providers: HashSet<EntityUid> = catalogue.iter().map(Described::provider_uid).collect();
        let mut entities: Vec<Entity> = providers.into_iter().map(Entity::with_uid).collect();
        for described in catalogue {
            entities.push(described.entity(day).map_err(|error| failed(&error))?);
        }
        let entities = Entities::from_entities(entities, Some(schema()));
        let entities = entities.map_err(|error| failed(&error))?;
        let ends = catalogue.iter().flat_map(|described| described.facts.ends());
        let lapses = ends.filter(|end| *end >= day).min().and_then(Date::next);
        Ok(Self { bundle, endpoints, entities, lapses })
    }

    /// What may serve this request. Takes about a millisecond for 30 endpoints and 20 policies.
    pub fn decide(&self, principal: &Principal, action: Action, context: &Context) -> Decision {
        let question = self.question(principal, action, context);
        let verdicts: Box<[Verdict]> = match &question {
            Ok(question) => {
                self.endpoints.iter().map(|endpoint| self.judge(question, endpoint)).collect()
            }
            Err(error) => self.endpoints.iter().map(|_| Verdict::failed(error)).collect(),
        };
        let allowed = verdicts.iter().enumerate().filter(|(_, verdict)| verdict.allowed);
        Decision { allowed: allowed.map(|(number, _)| number).collect(), verdicts }
    }

    /// The policies that decide.
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// The first day on which a fact that counts now counts no more: from then on, another permit
    /// has to be made.
    pub fn lapses(&self) -> Option<Date> {
        self.lapses
    }

    fn question(
        &self,
        principal: &Principal,
        action: Action,
        context: &Context,
    ) -> Result<Question, String> {
        let organisation = uid(&TYPES.organisation, &principal.organisation);
        let team = uid(&TYPES.team, &principal.team);
        let app = uid(&TYPES.app, &principal.app);
        let who = [
            Entity::new_no_attrs(app.clone(), HashSet::from([team.clone()])),
            Entity::new_no_attrs(team, HashSet::from([organisation.clone()])),
            Entity::with_uid(organisation),
        ];
        let entities = self.entities.clone().add_entities(who, None);
        let context = cedar_policy::Context::from_pairs(values(context));
        Ok(Question {
            app,
            action: uid(&TYPES.action, action.as_str()),
            context: context.map_err(|error| error.to_string())?,
            entities: entities.map_err(|error| error.to_string())?,
        })
    }

    fn judge(&self, question: &Question, endpoint: &EntityUid) -> Verdict {
        let Question { app, action, context, entities } = question;
        let request =
            Request::new(app.clone(), action.clone(), endpoint.clone(), context.clone(), None);
        let request = match request {
            Ok(request) => request,
            Err(error) => return Verdict::failed(&error.to_string()),
        };
        let response = AUTHORIZER.is_authorized(&request, self.bundle.policy_set(), entities);
        let diagnostics = response.diagnostics();
        let errors: Vec<&AuthorizationError> = diagnostics.errors().collect();
        let permitted = response.decision() == cedar_policy::Decision::Allow;
        let allowed = permitted && errors.is_empty();
        // Permits decide nothing where an error denies.
        let reasons = diagnostics.reason().filter(|_| allowed || !permitted);
        let failed = errors.iter().map(|error| {
            let AuthorizationError::PolicyEvaluationError(error) = error;
            error.policy_id()
        });
        let rules: BTreeSet<u16> =
            reasons.chain(failed).filter_map(|id| self.bundle.number(id)).collect();
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let error = (!texts.is_empty()).then(|| texts.join("; ").into());
        Verdict { allowed, rules: rules.into_iter().collect(), error }
    }
}

/// The context as the schema's `Request`.
fn values(context: &Context) -> HashMap<String, RestrictedExpression> {
    let class = |class: crate::class::DataClass| word(&TYPES.data_class, class.as_str());
    let labels = RestrictedExpression::new_set(context.class.labels().map(class));
    let allowed = context.allowed_regions.as_ref().map(within).unwrap_or_default();
    let restricted = context.allowed_regions.is_some();
    [
        ("data_class", class(context.class.strictest())),
        ("labels", labels),
        ("declared", RestrictedExpression::new_bool(context.declared)),
        ("subject_regions", texts(around(&context.subject_regions))),
        ("allowed_regions", texts(allowed)),
        ("regions_restricted", RestrictedExpression::new_bool(restricted)),
        ("purpose", text(&context.purpose)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

// === impl Verdict ===

impl Verdict {
    fn failed(error: &str) -> Self {
        Self { allowed: false, rules: Box::default(), error: Some(error.into()) }
    }
}
