//! What a request may take of the budgets that it touches, and what is done where it does not fit: an
//! account whose budget is used up is not asked, another pool serves it, or the caller is refused.

use std::collections::BTreeMap;

use isthmus_inference::failure::{Blame, Failure, Kind};
use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use isthmus_policies::budget::scope::Shares;
use isthmus_policies::budget::{Amounts, OwnLimits, Subject};

use super::plan::Planned;
use super::reserve::most;
use super::settle::{Record, Ticket};
use crate::app::App;
use crate::keyring::Tenant;
use crate::pool::{Endpoint, Pool};
use crate::quota::refusal::Refusal;
use crate::quota::{Instead, Notes};

/// How often one request is planned anew. Each time an account or a budget is out of the question.
const MOST_CHANGES: usize = 8;

/// Holds what the plan may take, or makes one that fits.
pub(super) async fn within_budgets(
    app: &App,
    mut planned: Box<Planned>,
    ticket: &mut Ticket,
) -> Result<Box<Planned>, Failure> {
    if !app.quota.concerns(&subject(ticket.record(), &planned.pool)) {
        return Ok(planned);
    }
    let mut downgraded = None;
    for _ in 0..MOST_CHANGES {
        planned = priced(app, planned, ticket)?;
        let expected = most(&planned, ticket);
        let reserved = {
            let shares = expected_shares(&planned, &expected);
            app.quota.reserve(&subject(ticket.record(), &planned.pool), &shares).await
        };
        match reserved {
            Ok(mut reservation) => match reservation.instead.take() {
                Some(Instead { budget, pool })
                    if downgraded.is_none() && pool != planned.pool.name =>
                {
                    reservation.release();
                    downgraded = Some(budget);
                    planned = Box::pin(planned.instead(app, &pool, ticket)).await?;
                }
                _ => {
                    reservation.notes.downgraded = downgraded;
                    ticket.reserved(reservation);
                    return Ok(planned);
                }
            },
            Err(refusal) => {
                let changed = otherwise(app, planned, *refusal, &mut downgraded, ticket);
                planned = Box::pin(changed).await?;
            }
        }
    }
    let message = "each endpoint and pool that may serve this request has a budget that is used up";
    Err(Failure::new(Kind::QuotaExhausted, message).blamed_on(Blame::Caller))
}

/// What can be done about a refusal.
async fn otherwise(
    app: &App,
    planned: Box<Planned>,
    refusal: Refusal,
    downgraded: &mut Option<Box<str>>,
    ticket: &mut Ticket,
) -> Result<Box<Planned>, Failure> {
    let Refusal { failure, budget, downgrade, provider, rates } = refusal;
    ticket.noted(Notes { rates, downgraded: downgraded.clone(), ..Notes::default() });
    if let Some(pool) = downgrade.filter(|pool| *pool != planned.pool.name) {
        *downgraded = Some(budget);
        return planned.instead(app, &pool, ticket).await;
    }
    match provider {
        Some(provider) => {
            planned.only(|endpoint| endpoint.provider.as_str() != &*provider).ok_or(failure)
        }
        None => Err(failure),
    }
}

/// Under a hard budget in dollars nobody is asked whose price is not known: nothing could be held.
fn priced(app: &App, planned: Box<Planned>, ticket: &Ticket) -> Result<Box<Planned>, Failure> {
    let subject = subject(ticket.record(), &planned.pool);
    let Some(budget) = app.quota.needs_prices(&subject) else { return Ok(planned) };
    let known = |endpoint: &Endpoint| cost(endpoint, &Usage::default()).is_some();
    if planned.endpoints().all(|endpoint| known(endpoint)) {
        return Ok(planned);
    }
    let failure = app.quota.unpriced(budget, planned.pool.name.as_str());
    planned.only(known).ok_or(failure)
}

/// What the plan may take: as much as at its dearest endpoint, and at each account as at its dearest
/// there. A second copy beside a slow first one is paid for too.
fn expected_shares<'p>(planned: &'p Planned, expected: &Usage) -> Shares<'p> {
    let mut shares = Shares::default();
    let amounts = |endpoint: &Endpoint| Amounts {
        money: cost(endpoint, expected).unwrap_or(Money::ZERO),
        tokens: expected.total(),
        requests: 1,
    };
    for endpoint in planned.endpoints() {
        let at_account = shares.by_provider.entry(endpoint.provider.as_str()).or_default();
        *at_account = at_account.max(amounts(endpoint));
        shares.whole = shares.whole.max(amounts(endpoint));
    }
    if let Some(hedge) = planned.hedge() {
        let second = Amounts { requests: 0, ..amounts(hedge.partner) };
        *shares.by_provider.entry(hedge.partner.provider.as_str()).or_default() += second;
        shares.whole += second;
    }
    shares
}

/// What an exchange took.
pub(super) fn actual_shares(record: &Record) -> Shares<'_> {
    let mut by_provider: BTreeMap<&str, Amounts> = BTreeMap::new();
    let mut whole = Amounts::default();
    for attempted in record.attempts.iter() {
        let endpoint = &attempted.endpoint;
        let at_account = by_provider.entry(endpoint.provider.as_str()).or_default();
        at_account.requests = 1;
        whole.requests = 1;
        if attempted.consumed() {
            let usage = attempted.usage_or_estimate();
            let money = attempted.cost().unwrap_or(Money::ZERO);
            let took = Amounts { money, tokens: usage.total(), requests: 0 };
            *at_account += took;
            whole += took;
        }
    }
    Shares { whole, by_provider }
}

/// What tokens cost at an endpoint; the engine in this process is free where nobody says otherwise.
fn cost(endpoint: &Endpoint, usage: &Usage) -> Option<Money> {
    endpoint.list_cost(usage).or(endpoint.in_process.then_some(Money::ZERO))
}

/// Whose request it is, as budgets see it.
fn subject<'a>(record: &'a Record, pool: &'a Pool) -> Subject<'a> {
    let principal = record.tenant.as_ref().map(|tenant| &**tenant.principal());
    Subject {
        organisation: principal.map_or("", |it| it.organisation.as_str()),
        team: principal.map_or("", |it| it.team.as_str()),
        app: principal.map_or("", |it| it.app.as_str()),
        key: record.tenant.as_ref().and_then(|tenant| tenant.key_id()).unwrap_or_default(),
        model: pool.name.as_str(),
        label: &pool.label,
        tags: &record.tags,
        own: record.tenant.as_ref().map_or(&OwnLimits::NONE, Tenant::limits),
    }
}
