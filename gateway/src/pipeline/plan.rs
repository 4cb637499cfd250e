//! Stage 5: which endpoints may have it, and which of those is asked first?
//!
//! * [`refuse`]: why there is no plan, in words for the caller

mod refuse;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use isthmus_adapters::dialects::needs::needs;
use isthmus_adapters::tokens;
use isthmus_inference::capability::Capabilities;
use isthmus_inference::date::Date;
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::ModelName;
use isthmus_inference::request::Request;
use isthmus_policies::affinity::Prompt;
use isthmus_policies::chance::Chance;
use isthmus_policies::live::Gate;
use isthmus_policies::moment::Moment;
use isthmus_policies::narrow::{NarrowError, Narrowing};
use isthmus_policies::plan::{Candidate, NoRoute, Permits, RoutePlan, Situation};
use isthmus_policies::question::{Context, Principal};
use isthmus_policies::recorded::Narrowed;
use isthmus_policies::retry::{Next, Progress};
use isthmus_policies::terms::Demand;
use smallvec::SmallVec;
use tokio::time::Instant;

use super::admit::Admitted;
use super::settle::Ticket;
use super::settle::considered::Considered;
use crate::app::App;
use crate::calendar::moment;
use crate::permits::{Judged, Question};
use crate::pool::{Endpoint, Pool, Rates, Reading};

/// A call with a plan. Only [`plan`] makes one, boxed, since it is handed on from stage to stage; and
/// [`super::dispatch`] takes nothing else.
pub struct Planned {
    pub(super) request: Arc<Request>,
    pub(super) pool: Arc<Pool>,
    pub(super) deadline: Instant,
    route: RoutePlan,
    /// What is expected of the request.
    demand: Demand,
    /// What it was made for, should another pool have to serve it. The room that its body takes is held
    /// until the plan is carried out.
    admitted: Admitted,
}

/// When a second copy of a request goes to whom, if the first choice is slow.
pub(super) struct Hedge<'p> {
    /// How long the first choice may take to give its first piece.
    pub(super) after: Duration,
    /// Who gets the copy.
    pub(super) partner: &'p Arc<Endpoint>,
}

/// What a plan is asked for.
pub struct Asked<'a> {
    /// The request.
    pub request: &'a Arc<Request>,
    /// By when the caller must have an answer.
    pub deadline: Instant,
    /// Who asks.
    pub principal: &'a Arc<Principal>,
    /// What policy may know of the request.
    pub context: &'a Arc<Context>,
    /// Tells keys apart.
    pub key_hash: u64,
    /// Tells apps apart.
    pub app_hash: u64,
    /// The caller's own objective.
    pub objective: Option<&'a str>,
}

/// A plan, and what it was weighed by.
struct Weighed<'p> {
    now: Moment,
    today: Date,
    time_left: Duration,
    reading: Reading,
    incumbent: Option<usize>,
    seed: u64,
    candidates: SmallVec<[Candidate<'p>; 4]>,
    plan: Result<RoutePlan, NoRoute>,
}

/// Makes the plan: permit first, preference among those who are left.
pub async fn plan(
    app: &App,
    admitted: Admitted,
    ticket: &mut Ticket,
) -> Result<Box<Planned>, Failure> {
    let pool = app.directory.resolve(&admitted.request.model)?;
    within(app, pool, admitted, ticket).await
}

async fn within(
    app: &App,
    pool: Arc<Pool>,
    admitted: Admitted,
    ticket: &mut Ticket,
) -> Result<Box<Planned>, Failure> {
    ticket.planned(&pool);
    let asked = admitted.asked();
    let (narrowed, narrowing) = narrowed(&asked, &pool)?;
    let judged = judge(app, &pool, &asked).await?;
    ticket.judged(&judged);
    app.metrics.judged(!judged.permitted.route.allowed.is_empty());
    if !judged.permitted.route.allowed.is_empty() && pool.learnt.counts_first(asked.request) {
        count_first(&pool, asked.request).await;
    }
    let rates: SmallVec<[_; 4]> = pool.rates().collect();
    let weighed = weigh(&pool, &rates, &asked, &judged, &narrowing)?;
    ticket.expected(weighed.reading);
    let (now, plan) = (weighed.now, weighed.plan);
    let demand = weighed.reading.demand;
    if app.decisions.is_open() {
        ticket.considered(weighed.considered(app, &pool, &asked, &judged, narrowed));
    }
    drop(weighed);
    let route = plan.map_err(|none| refuse::failure(none, &pool, &judged, asked.request))?;
    pool.learnt.keep_incumbent(route.reference);
    pool.learnt.planned(now, pool.strategy.hedge.as_ref(), &route);
    let (request, deadline) = (Arc::clone(&admitted.request), admitted.deadline);
    Ok(Box::new(Planned { request, pool, deadline, route, demand, admitted }))
}

/// What a plan would rest on, and be, if this were asked now. Nothing comes of it, and a pool's first
/// request is not counted for it.
pub async fn consider(app: &App, asked: &Asked<'_>) -> Result<Considered, Failure> {
    let pool = app.directory.resolve(&asked.request.model)?;
    let (narrowed, narrowing) = narrowed(asked, &pool)?;
    let judged = judge(app, &pool, asked).await?;
    let rates: SmallVec<[_; 4]> = pool.rates().collect();
    let weighed = weigh(&pool, &rates, asked, &judged, &narrowing)?;
    Ok(weighed.considered(app, &pool, asked, &judged, narrowed))
}

async fn judge(app: &App, pool: &Pool, asked: &Asked<'_>) -> Result<Judged, Failure> {
    let (principal, context) = (Arc::clone(asked.principal), Arc::clone(asked.context));
    app.permits.judge(pool, Question { principal, context }, asked.key_hash).await
}

/// The tokens of a pool's first request are counted, where a tokenizer is known: what a request will cost
/// should be known before anybody has reported. A request that cannot be read is refused later.
async fn count_first(pool: &Pool, request: &Arc<Request>) {
    if let Some(tokenizer) = pool.tokenizer() {
        let counted = tokens::count(Arc::clone(request), Arc::clone(tokenizer)).await;
        if let Ok(counted) = counted {
            pool.learnt.counted(request, counted);
        }
    }
}

/// Decides on what is known at this moment.
fn weigh<'p>(
    pool: &Pool,
    rates: &'p [Arc<Rates>],
    asked: &Asked<'_>,
    judged: &Judged,
    narrowing: &Narrowing,
) -> Result<Weighed<'p>, Failure> {
    let arrived = Instant::now();
    let now = moment(arrived);
    let alone = pool.endpoints.len() == 1;
    let reading = pool.learnt.read(now, asked.request, asked.app_hash, alone);
    let able = able(asked.request, pool)?;
    let candidates: SmallVec<[Candidate<'_>; 4]> = able
        .iter()
        .map(|number| Candidate {
            number: *number,
            offer: &rates[*number].offer,
            live: pool.endpoints[*number].monitor.view(now, reading.demand.prompt(*number)),
        })
        .collect();
    let permitted = &judged.permitted;
    let seed = fastrand::u64(..);
    let situation = Situation {
        now,
        today: judged.edition.day(),
        time_left: asked.deadline.saturating_duration_since(arrived),
        demand: &reading.demand,
        candidates: &candidates,
        permits: Permits {
            route: &permitted.route.allowed,
            fallback: &permitted.fallback.allowed,
            hedge: &permitted.hedge.allowed,
        },
        narrowing: Some(narrowing).filter(|narrowing| !narrowing.is_none()),
        incumbent: pool.learnt.incumbent(),
        chance: Chance::new(seed),
    };
    let plan = pool.strategy.plan(&situation).or_else(|none| match none {
        NoRoute::Unavailable { .. } => in_bad_times(pool, &situation).ok_or(none),
        _ => Err(none),
    });
    let Situation { today, time_left, incumbent, .. } = situation;
    Ok(Weighed { now, today, time_left, reading, incumbent, seed, candidates, plan })
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
fn narrowed(asked: &Asked<'_>, pool: &Pool) -> Result<(Narrowed, Narrowing), Failure> {
    let request = asked.request;
    let mut written = request.outline.named(&request.body, "provider");
    let object = written.next().map(|member| &request.body[member.value.clone()]);
    if written.next().is_some() {
        let message = "`provider` is there twice; only one can be kept";
        return Err(Failure::invalid("provider", message));
    }
    let theirs = || pool.endpoints.iter().all(|endpoint| endpoint.narrows);
    let object = object.filter(|object| object.starts_with(b"{") && !theirs());
    let narrowed = Narrowed {
        provider: object.map(|object| String::from_utf8_lossy(object).into_owned()),
        objective: asked.objective.map(str::to_owned),
    };
    let wrong = |error: NarrowError| Failure::invalid(&error.param, error.message);
    let narrowing = narrowed.read().map_err(wrong)?;
    Ok((narrowed, narrowing))
}

// === impl Weighed ===

impl Weighed<'_> {
    /// All of it, to be kept.
    fn considered(
        &self,
        app: &App,
        pool: &Arc<Pool>,
        asked: &Asked<'_>,
        judged: &Judged,
        narrowed: Narrowed,
    ) -> Considered {
        let lives = self.candidates.iter().map(|candidate| (candidate.number, candidate.live));
        Considered {
            sink: app.decisions.clone(),
            pool: Arc::clone(pool),
            edition: Arc::clone(&judged.edition),
            permitted: Arc::clone(&judged.permitted),
            principal: Arc::clone(asked.principal),
            context: Arc::clone(asked.context),
            now: self.now,
            today: self.today,
            time_left: self.time_left,
            demand: self.reading.demand,
            narrowed,
            incumbent: self.incumbent,
            chance: self.seed,
            lives: lives.collect(),
            plan: self.plan,
        }
    }
}

// === impl Planned ===

impl Planned {
    /// The same request, served by another pool: all is decided anew.
    pub(super) async fn instead(
        self: Box<Self>,
        app: &App,
        pool: &ModelName,
        ticket: &mut Ticket,
    ) -> Result<Box<Self>, Failure> {
        within(app, app.directory.resolve(pool)?, self.admitted, ticket).await
    }

    /// The same plan without endpoints that may not be asked after all; `None` where nobody is left.
    pub(super) fn only(mut self: Box<Self>, may: impl Fn(&Endpoint) -> bool) -> Option<Box<Self>> {
        self.route = self.route.only(|number| may(&self.pool.endpoints[number]))?;
        Some(self)
    }

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

    /// The prompt, as one of the pool's endpoints sees it.
    pub(super) fn prompt(&self, endpoint: &Endpoint) -> Prompt {
        self.pool.prompt(&self.demand, endpoint)
    }

    /// The prompt, as whoever has none of it in a cache sees it.
    pub(super) fn whole_prompt(&self) -> Prompt {
        Prompt::new(self.demand.input_tokens)
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
