//! Stage 4: which endpoints, in which order?

use std::sync::Arc;

use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::EndpointName;
use isthmus_inference::request::Request;
use isthmus_policies::plan::RoutePlan;
use tokio::time::Instant;

use super::admit::Admitted;
use crate::directory::{Directory, Endpoint, Pool};

/// A call with a plan. Only [`plan`] makes one, and [`super::dispatch`] takes nothing else.
pub struct Planned {
    pub(super) request: Arc<Request>,
    pub(super) pool: Arc<Pool>,
    pub(super) plan: RoutePlan,
    pub(super) deadline: Instant,
}

/// Makes the plan.
pub fn plan(directory: &Directory, admitted: Admitted) -> Result<Planned, Failure> {
    let Admitted { request, deadline } = admitted;
    let pool = directory.resolve(&request.model)?;
    let names = pool.endpoints.iter().map(|endpoint| endpoint.name.clone());
    let plan = RoutePlan::ordered(names, pool.fallback).map_err(|nothing| {
        Failure::new(Kind::Overloaded, format!("{nothing} for the model `{}`", request.model))
    })?;
    Ok(Planned { request, pool, plan, deadline })
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
