//! Stage 4: do we know the answer?
//!
//! An answer that was given before is given again where the operator wants that, the caller does not
//! decline, and policy permits to read it: the endpoint that gave it has to pass the permit of
//! `cache_read` for whoever asks now. Nothing is ever read or kept for secrets.
//!
//! * [`keep`]: an answer on its way out, gathered to be remembered
//! * [`wish`]: what the caller allows

pub mod keep;
mod wish;

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use isthmus_adapters::adapter::{self, AnswerStream, Whole};
use isthmus_adapters::dialects::caller;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::money::Money;
use isthmus_inference::request::{Operation, Request};
use isthmus_inference::usage::Usage;
use isthmus_ledger::entry::{CacheUse, ExchangeId};
use isthmus_ledger::journal::Written;
use isthmus_policies::class::DataClass;
use tokio::time::Instant;

use super::admit::Admitted;
use super::dispatch::{Answer, Content, Place, Streamed};
use super::settle::{Held, Ticket};
use crate::app::App;
use crate::cache::flights::Came;
use crate::cache::key::Key;
use crate::cache::remembered::{Again, Remembered};
use crate::cache::stamp::Fresh;
use crate::cache::{Memory, Rules};
use crate::calendar::unix_milliseconds;
use crate::ids;
use crate::keyring::{Tenant, now};
use crate::permits::{Judged, Question};
use crate::pool::{Endpoint, Pool};
use keep::Keep;
pub(super) use wish::Wish;

/// What memory says.
pub enum Recalled {
    /// It knows the answer.
    Known(Answer),
    /// It does not. If the answer is to be remembered, there is who gathers it.
    Unknown(Admitted, Option<Box<Keep>>),
}

/// What memory did for a call.
#[derive(Debug, Default)]
pub enum Cache {
    /// It was not asked.
    #[default]
    Off,
    /// It did not know the answer.
    Miss,
    /// It did.
    Hit(Hit),
}

/// An answer that was given again.
#[derive(Debug)]
pub struct Hit {
    /// Who gave it.
    pub endpoint: Arc<Endpoint>,
    /// What it took then.
    pub usage: Usage,
    /// What that cost then; `None` where nobody knew a price.
    pub avoided: Option<Money>,
}

/// What is known of a call before memory is asked.
struct Asking<'a> {
    rules: &'a Rules,
    pool: Arc<Pool>,
    judged: Judged,
    key: Key,
}

/// Looks whether the answer is known. If somebody is just being given it, waits for that.
pub async fn recall(app: &App, admitted: Admitted, ticket: &mut Ticket) -> Recalled {
    let Some(memory) = &app.memory else { return Recalled::Unknown(admitted, None) };
    let wish = admitted.wish;
    let asking = match wish.keeps {
        true => {
            let key = ticket.record().tenant.as_ref().map_or("", Tenant::name);
            asking(app, memory, &admitted, key).await
        }
        false => None,
    };
    let Some(asking) = asking else { return Recalled::Unknown(admitted, None) };
    ticket.cached(Cache::Miss);
    let mut turn = None;
    if wish.reads {
        let found = ticket.waiting(memory.find(&asking.key)).await;
        if let Some(answer) = asking.known(found, app, &admitted, ticket) {
            return Recalled::Known(answer);
        }
        // Nobody waits so long that no time is left to ask.
        let patience =
            Instant::now() + admitted.deadline.saturating_duration_since(Instant::now()) / 2;
        let found = match ticket.waiting(memory.flights.board(asking.key, patience)).await {
            Came::Answer(answer) => Some(answer),
            Came::Turn(mine) => {
                // Somebody may have been answered between the look and the turn.
                turn = Some(mine);
                memory.find_here(&asking.key)
            }
            Came::Alone => None,
        };
        if let Some(answer) = asking.known(found.clone(), app, &admitted, ticket) {
            if let (Some(turn), Some(found)) = (turn, found) {
                turn.answered(found);
            }
            return Recalled::Known(answer);
        }
    }
    let Asking { rules, key, .. } = asking;
    let keep = Keep::new(Arc::clone(memory), key, rules.ttl, turn);
    Recalled::Unknown(admitted, Some(Box::new(keep)))
}

/// What memory is asked for; `None` if it is not to be.
async fn asking<'a>(
    app: &App,
    memory: &'a Arc<Memory>,
    admitted: &Admitted,
    key: &str,
) -> Option<Asking<'a>> {
    let Admitted { request, principal, context, .. } = admitted;
    let rules = memory.rules(&request.model, &principal.app, key)?;
    let secret = context.class.has(DataClass::Secret);
    // Counting tokens costs nothing. What cannot be written down is refused a few steps later.
    if secret || request.operation == Operation::CountTokens || !app.journal.is_open() {
        return None;
    }
    let pool = app.directory.resolve(&request.model).ok()?;
    let question = Question { principal: Arc::clone(principal), context: Arc::clone(context) };
    let judged = app.permits.judge(&pool, question, admitted.key_hash).await.ok()?;
    let key = Key::of(request, principal, memory.scope, judged.edition.version())?;
    Some(Asking { rules, pool, judged, key })
}

impl Asking<'_> {
    /// The answer that was found, if it may be read.
    fn known(
        &self,
        found: Option<Arc<Remembered>>,
        app: &App,
        admitted: &Admitted,
        ticket: &mut Ticket,
    ) -> Option<Answer> {
        let found = found?;
        let head = found.head();
        let mut endpoints = self.pool.endpoints.iter();
        let number = endpoints.position(|endpoint| endpoint.name.as_str() == head.endpoint)?;
        self.judged.permitted.cache_read.allowed.has(number).then_some(())?;
        let endpoint = Arc::clone(&self.pool.endpoints[number]);
        let answer = again(&found, &admitted.request, &endpoint)?;
        ticket.planned(&self.pool);
        ticket.judged(&self.judged);
        ticket.dropped(&mut head.dropped.clone());
        // Nothing is held for it, but that it was is written down.
        let exchange = ExchangeId::new(unix_milliseconds(), fastrand::u128(..));
        let (about, journal) = (ticket.record().about(), app.journal.clone());
        ticket.held(Held { exchange, about, journal }, Written::at_once());
        let (usage, avoided) = (head.usage, head.cost);
        ticket.cached(Cache::Hit(Hit { endpoint, usage, avoided }));
        Some(answer)
    }
}

/// The answer as if it were a new one.
fn again(found: &Remembered, request: &Arc<Request>, endpoint: &Arc<Endpoint>) -> Option<Answer> {
    let id = ids::fresh(caller(request.dialect).id_prefix(request.operation));
    let fresh = Fresh::new(request.dialect, &id, now().unsigned_abs());
    let content = match found.again(&fresh) {
        Again::Whole(answer) => {
            let content = adapter::Content::Relay(answer);
            Content::Whole(Box::new(Whole::new(content, found.head().usage)))
        }
        Again::Stream(pieces) => {
            let mut pieces = pieces.into_iter();
            let first = pieces.next()?;
            let rest = pieces.map(Ok::<_, Failure>).chain([Err(never())]);
            let pieces = stream::iter(rest).boxed();
            let rest = AnswerStream { pieces, upstream_request_id: None, dropped: vec![] };
            let place = Place::nowhere();
            Content::Stream(Box::new(Streamed { first, rest, place, spare: None }))
        }
    };
    let (endpoint, request) = (Arc::clone(endpoint), Arc::clone(request));
    Some(Answer { endpoint, request, content, id: Some(id), keep: None })
}

/// What follows the last piece, which nobody asks for.
fn never() -> Failure {
    Failure::new(Kind::Internal, "the remembered answer has no end")
}

// === impl Cache ===

impl Cache {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Miss => "miss",
            Self::Hit(_) => "hit",
        }
    }

    /// The answer that was given again, if it was.
    pub fn hit(&self) -> Option<&Hit> {
        match self {
            Self::Hit(hit) => Some(hit),
            Self::Off | Self::Miss => None,
        }
    }

    /// The same for the ledger.
    pub fn written(&self) -> CacheUse {
        match self {
            Self::Off => CacheUse::Off,
            Self::Miss => CacheUse::Miss,
            Self::Hit(hit) => CacheUse::Hit(hit.avoided.unwrap_or(Money::ZERO)),
        }
    }
}
