//! Stage 4: which endpoints, in which order?

use std::sync::Arc;

use isthmus_adapters::dialects::needs::needs;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::EndpointName;
use isthmus_inference::request::Request;
use isthmus_policies::plan::RoutePlan;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::admit::Admitted;
use super::declared::{ALLOWED_REGIONS, DATA_CLASS, SUBJECT_REGIONS};
use super::settle::Ticket;
use crate::directory::{Directory, Endpoint, Pool};

/// A call with a plan. Only [`plan`] makes one, and [`super::dispatch`] takes nothing else.
pub struct Planned {
    pub(super) request: Arc<Request>,
    pub(super) pool: Arc<Pool>,
    pub(super) plan: RoutePlan,
    pub(super) deadline: Instant,
    /// Held until the plan is carried out.
    _room: OwnedSemaphorePermit,
}

/// Makes the plan.
pub fn plan(
    directory: &Directory,
    admitted: Admitted,
    ticket: &mut Ticket,
) -> Result<Planned, Failure> {
    kept(&admitted)?;
    let Admitted { request, room, deadline, .. } = admitted;
    let pool = directory.resolve(&request.model)?;
    ticket.planned(&pool);
    narrowed(&request, &pool)?;
    let names = able(&request, &pool)?.into_iter().map(|endpoint| endpoint.name.clone());
    let plan = RoutePlan::ordered(names, pool.fallback).map_err(|nothing| {
        Failure::new(Kind::Overloaded, format!("{nothing} for the model `{}`", request.model))
    })?;
    Ok(Planned { request, pool, plan, deadline, _room: room })
}

/// As long as no policy keeps data from where it must not go, a call of which somebody relies on it
/// is refused: the only answer that does not break the promise.
fn kept(admitted: &Admitted) -> Result<(), Failure> {
    let Admitted { context, classified, .. } = admitted;
    let restricted = context.allowed_regions.is_some() || !context.subject_regions.is_empty();
    if !classified.relied_upon && !restricted {
        return Ok(());
    }
    let (param, what) = match (classified.relied_upon, &context.allowed_regions) {
        (true, _) => (DATA_CLASS, format!("data of the class {}", context.class)),
        (false, Some(_)) => (ALLOWED_REGIONS, "data of some regions".to_owned()),
        (false, None) => (SUBJECT_REGIONS, "data of people of some regions".to_owned()),
    };
    let message = format!(
        "this version cannot restrict where {what} may go, so the request was not sent; only `public` is understood"
    );
    Err(Failure::invalid(param, message))
}

/// The endpoints that can do what the request needs, as far as the operator has said what they can.
fn able<'p>(request: &Request, pool: &'p Pool) -> Result<Vec<&'p Arc<Endpoint>>, Failure> {
    let told = pool.endpoints.iter().any(|endpoint| endpoint.capabilities.is_some());
    if !told {
        return Ok(pool.endpoints.iter().collect());
    }
    let needed = needs(request);
    let missing = |endpoint: &Endpoint| needed.without(endpoint.capabilities.unwrap_or(needed));
    let able: Vec<_> =
        pool.endpoints.iter().filter(|endpoint| missing(endpoint).is_empty()).collect();
    if !able.is_empty() {
        return Ok(able);
    }
    let lacking = pool
        .endpoints
        .iter()
        .map(|endpoint| format!("`{}` lacks {}", endpoint.name, missing(endpoint)));
    let message = format!(
        "no endpoint of the model `{}` can do what the request needs: {}",
        request.model,
        lacking.collect::<Vec<_>>().join("; ")
    );
    Err(Failure::new(Kind::Unsupported, message).with_param("model"))
}

/// OpenRouter's `provider` object narrows where a request may go. An endpoint of OpenRouter's own
/// understands it; the house does not yet, and ignoring it would send data where it must not go.
fn narrowed(request: &Request, pool: &Pool) -> Result<(), Failure> {
    let mut named = request.outline.named(&request.body, "provider");
    let narrows = named.any(|member| narrows(&request.body[member.value.clone()]));
    if !narrows || pool.endpoints.iter().all(|endpoint| endpoint.narrows) {
        return Ok(());
    }
    let message = "this version cannot narrow routing by `provider`, so the request was not sent; leave it out, or ask for a model of OpenRouter's";
    Err(Failure::invalid("provider", message))
}

/// Whether the object holds anything but `require_parameters`, which every adapter keeps by itself.
fn narrows(provider: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Kept {
        #[serde(rename = "require_parameters")]
        _require_parameters: Option<bool>,
    }
    provider.starts_with(b"{") && serde_json::from_slice::<Kept>(provider).is_err()
}

// === impl Planned ===

impl Planned {
    /// The endpoints in the order of the plan.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        let endpoints = &self.pool.endpoints;
        let find = |name: &EndpointName| endpoints.iter().find(|endpoint| endpoint.name == *name);
        self.plan.endpoints().iter().filter_map(find)
    }
}
