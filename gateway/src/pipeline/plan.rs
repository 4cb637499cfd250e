//! Stage 4: which endpoints may have it, and which of those is asked first?
//!
//! * [`refuse`]: why there is no plan, in words for the caller

mod refuse;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use isthmus_adapters::dialects::needs::needs;
use isthmus_inference::capability::Capabilities;
use isthmus_inference::failure::Failure;
use isthmus_inference::request::Request;
use isthmus_policies::chance::Chance;
use isthmus_policies::live::Gate;
use isthmus_policies::narrow::{NarrowError, Narrowing};
use isthmus_policies::plan::{Candidate, NoRoute, Permits, RoutePlan, Situation};
use isthmus_policies::retry::{Next, Progress};
use smallvec::SmallVec;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::admit::Admitted;
use super::settle::Ticket;
use crate::app::App;
use crate::calendar::moment;
use crate::permits::{Judged, Question};
use crate::pool::{Endpoint, Pool};

/// A call with a plan. Only [`plan`] makes one, and [`super::dispatch`] takes nothing else.
pub struct Planned {
    pub(super) request: Arc<Request>,
    pub(super) pool: Arc<Pool>,
    pub(super) deadline: Instant,
    route: RoutePlan,
    /// Held until the plan is carried out.
    _room: OwnedSemaphorePermit,
}

/// When a second copy of a request goes to whom, if the first choice is slow.
pub(super) struct Hedge<'p> {
    /// How long the first choice may take to give its first piece.
    pub(super) after: Duration,
    /// Who gets the copy.
    pub(super) partner: &'p Arc<Endpoint>,
}

/// Makes the plan: permit first, preference among those who are left.
pub async fn plan(app: &App, admitted: Admitted, ticket: &mut Ticket) -> Result<Planned, Failure> {
    let pool = app.directory.resolve(&admitted.request.model)?;
    ticket.planned(&pool);
    let narrowing = narrowing(&admitted.request, admitted.objective.as_deref(), &pool)?;
    let principal = Arc::clone(&admitted.principal);
    let question = Question { principal, context: Arc::clone(&admitted.context) };
    let judged = app.permits.judge(&pool, question, admitted.key_hash).await?;
    ticket.judged(&judged);
    let route = route(&pool, &admitted, &judged, narrowing.as_ref(), ticket)?;
    let Admitted { request, room, deadline, .. } = admitted;
    Ok(Planned { request, pool, deadline, route, _room: room })
}

/// Decides on what is known at this moment.
fn route(
    pool: &Pool,
    admitted: &Admitted,
    judged: &Judged,
    narrowing: Option<&Narrowing>,
    ticket: &mut Ticket,
) -> Result<RoutePlan, Failure> {
    let arrived = Instant::now();
    let now = moment(arrived);
    let alone = pool.endpoints.len() == 1;
    let reading = pool.learnt.read(now, &admitted.request, admitted.app_hash, alone);
    ticket.expected(reading);
    let able = able(&admitted.request, pool)?;
    let candidates: SmallVec<[Candidate<'_>; 4]> = able
        .iter()
        .map(|number| Candidate {
            number: *number,
            offer: &pool.endpoints[*number].offer,
            live: pool.endpoints[*number].monitor.view(now, reading.demand.fresh_input(*number)),
        })
        .collect();
    let permitted = &judged.permitted;
    let situation = Situation {
        now,
        today: judged.edition.day(),
        time_left: admitted.deadline.saturating_duration_since(arrived),
        demand: &reading.demand,
        candidates: &candidates,
        permits: Permits {
            route: &permitted.route.allowed,
            fallback: &permitted.fallback.allowed,
            hedge: &permitted.hedge.allowed,
        },
        narrowing,
        incumbent: pool.learnt.incumbent(),
        chance: Chance::new(fastrand::u64(..)),
    };
    let planned = pool.strategy.plan(&situation).or_else(|none| match none {
        NoRoute::Unavailable { .. } => in_bad_times(pool, &situation).ok_or(none),
        _ => Err(none),
    });
    let route = planned.map_err(|none| refuse::failure(none, pool, judged, &admitted.request))?;
    pool.learnt.keep_incumbent(route.reference);
    pool.learnt.planned(now, pool.strategy.hedge.as_ref(), &route);
    Ok(route)
}

/// When nobody may be asked by the figures, two sorts are asked all the same: who is merely full, and
/// is waited for; and who is alone and answered when it was last asked, if only with an error. Its
/// own error is truer than one of the house's.
fn in_bad_times(pool: &Pool, situation: &Situation<'_>) -> Option<RoutePlan> {
    let alone = situation.candidates.len() == 1;
    let candidates: SmallVec<[Candidate<'_>; 4]> = situation
        .candidates
        .iter()
        .map(|candidate| {
            let answers = || pool.endpoints[candidate.number].answers.load(Relaxed);
            let asked = match candidate.live.gate {
                Gate::Full => true,
                Gate::Sick { .. } | Gate::Cooling { .. } => alone && answers(),
                Gate::Clear | Gate::Spent { .. } => false,
            };
            let mut candidate = *candidate;
            if asked {
                candidate.live.gate = Gate::Clear;
            }
            candidate
        })
        .collect();
    pool.strategy.plan(&Situation { candidates: &candidates, ..*situation }).ok()
}

/// The numbers of the endpoints that can do what the request needs, as far as the operator has said
/// what they can.
fn able(request: &Request, pool: &Pool) -> Result<SmallVec<[usize; 8]>, Failure> {
    let told = pool.endpoints.iter().any(|endpoint| endpoint.capabilities.is_some());
    let needed = if told { needs(request) } else { Capabilities::default() };
    let lacks = |endpoint: &Endpoint| needed.without(endpoint.capabilities.unwrap_or(needed));
    let able: SmallVec<[usize; 8]> = (pool.endpoints.iter().enumerate())
        .filter(|(_, endpoint)| lacks(endpoint).is_empty())
        .map(|(number, _)| number)
        .collect();
    if able.is_empty() { Err(refuse::unable(pool, lacks)) } else { Ok(able) }
}

/// What the caller narrows the request to, by OpenRouter's `provider` object and by a header. Where
/// every endpoint is one of OpenRouter's own, the object is for OpenRouter.
fn narrowing(
    request: &Request,
    objective: Option<&str>,
    pool: &Pool,
) -> Result<Option<Narrowing>, Failure> {
    let wrong = |error: NarrowError| Failure::invalid(&error.param, error.message);
    let mut written = request.outline.named(&request.body, "provider");
    let object = written.next().map(|member| &request.body[member.value.clone()]);
    if written.next().is_some() {
        return Err(Failure::invalid(
            "provider",
            "`provider` is there twice; only one can be kept",
        ));
    }
    let theirs = pool.endpoints.iter().all(|endpoint| endpoint.narrows);
    let mut narrowing = match object.filter(|object| object.starts_with(b"{") && !theirs) {
        Some(object) => Narrowing::of_provider_object(object).map_err(wrong)?,
        None => Narrowing::none(),
    };
    if let Some(word) = objective {
        narrowing = narrowing.with_objective(word).map_err(wrong)?;
    }
    Ok(Some(narrowing).filter(|narrowing| !narrowing.is_none()))
}

// === impl Planned ===

impl Planned {
    /// The second copy, if the plan has one.
    pub(super) fn hedge(&self) -> Option<Hedge<'_>> {
        let hedge = self.route.hedge.as_ref()?;
        Some(Hedge { after: hedge.after, partner: &self.pool.endpoints[hedge.partner] })
    }

    /// Whether the second copy may be sent; if so, it is paid for.
    pub(super) fn affords_hedge(&self) -> bool {
        let now = moment(Instant::now());
        self.route.hedge.is_some_and(|hedge| self.pool.learnt.hedges().spend(now, &hedge))
    }

    /// What to do after a failure.
    pub(super) fn after(&self, failure: &Failure, progress: Progress) -> Next {
        let (rules, now) = (&self.pool.strategy.retry, moment(Instant::now()));
        let mut allowance = self.pool.learnt.retries();
        rules.next_within(&mut allowance, now, progress, failure, fastrand::f64())
    }

    /// The endpoints in the order of the plan.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.route.choices().map(|number| &self.pool.endpoints[number])
    }
}
