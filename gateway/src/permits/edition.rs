//! One version of the policies over all that can be asked for, and what it has answered so far.
//!
//! Answers are kept within their edition. When another edition comes into force, its answers begin
//! empty, so a stale one cannot be given.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use foldhash::quality::RandomState;
use isthmus_inference::date::Date;
use isthmus_inference::ident::ModelName;
use isthmus_policies::permit::{Bundle, CatalogueError, Decision, Described, Permit};
use isthmus_policies::question::{Action, Context, Principal};
use moka::sync::Cache;

/// A bundle of policies on one day.
pub struct Edition {
    bundle: Arc<Bundle>,
    day: Date,
    /// By the pool's name.
    pools: HashMap<ModelName, Arc<PoolPermit>, RandomState>,
    /// Of models that are asked for as `provider/model`, made when somebody asks.
    guests: Cache<ModelName, Arc<PoolPermit>>,
}

/// What one edition says of the endpoints of one pool.
pub struct PoolPermit {
    permit: Permit,
    answered: Cache<Question, Arc<Permitted>, RandomState>,
}

/// What is asked of a pool's permit. Equal questions have equal answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// Who asks.
    pub principal: Arc<Principal>,
    /// What is known of the request.
    pub context: Arc<Context>,
}

/// Which endpoints of a pool may be contacted, and in which way. Numbers are places in the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permitted {
    /// As the first choice.
    pub route: Decision,
    /// After another failed, and to continue its broken stream.
    pub fallback: Decision,
    /// Beside a slow first choice.
    pub hedge: Decision,
    /// For an answer that it gave before.
    pub cache_read: Decision,
}

/// Answers kept for each pool. Questions differ by app and by class of data, of which there are few;
/// an answer for 30 endpoints takes some 4 KiB.
const MOST_ANSWERS: u64 = 1024;
/// Answers kept for a model that is asked for as `provider/model`.
const MOST_ANSWERS_OF_A_GUEST: u64 = 64;
/// How many such models are kept at once: callers choose the names.
const MOST_GUESTS: u64 = 512;

// === impl Permitted ===

impl Permitted {
    /// The endpoints that may be contacted in any way.
    pub fn any(&self) -> impl Iterator<Item = usize> {
        let ways = [&self.route.allowed, &self.fallback.allowed, &self.hedge.allowed];
        let count = self.route.verdicts.len();
        (0..count).filter(move |number| ways.iter().any(|way| way.has(*number)))
    }
}

// === impl Edition ===

impl Edition {
    /// Lays the policies over every pool.
    pub fn new<'p>(
        bundle: Arc<Bundle>,
        pools: impl IntoIterator<Item = (&'p ModelName, &'p [Described])>,
        day: Date,
    ) -> Result<Self, CatalogueError> {
        let mut permits = HashMap::default();
        for (name, catalogue) in pools {
            let permit = Permit::new(Arc::clone(&bundle), catalogue, day)?;
            permits.insert(name.clone(), Arc::new(PoolPermit::new(permit, MOST_ANSWERS)));
        }
        Ok(Self { bundle, day, pools: permits, guests: Cache::new(MOST_GUESTS) })
    }

    /// The policies.
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// The version of the policies.
    pub fn version(&self) -> &str {
        self.bundle.version()
    }

    /// The day on which facts are looked at.
    pub fn day(&self) -> Date {
        self.day
    }

    /// The permit of a pool. `catalogue` is asked for one that is not written down.
    pub fn pool(
        &self,
        name: &ModelName,
        catalogue: impl FnOnce() -> Vec<Described>,
    ) -> Result<Arc<PoolPermit>, CatalogueError> {
        if let Some(pool) = self.pools.get(name).cloned().or_else(|| self.guests.get(name)) {
            return Ok(pool);
        }
        let permit = Permit::new(Arc::clone(&self.bundle), &catalogue(), self.day)?;
        let guest = Arc::new(PoolPermit::new(permit, MOST_ANSWERS_OF_A_GUEST));
        self.guests.insert(name.clone(), Arc::clone(&guest));
        Ok(guest)
    }
}

impl fmt::Debug for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Edition({}, {})", self.version(), self.day)
    }
}

// === impl PoolPermit ===

impl PoolPermit {
    fn new(permit: Permit, most_answers: u64) -> Self {
        let answered = Cache::builder().max_capacity(most_answers);
        Self { permit, answered: answered.build_with_hasher(RandomState::default()) }
    }

    /// The answer, if the question was asked before.
    pub fn remembered(&self, question: &Question) -> Option<Arc<Permitted>> {
        self.answered.get(question)
    }

    /// Finds the answer and remembers it. Takes some milliseconds: not for a reactor.
    pub fn find(&self, question: &Question) -> Arc<Permitted> {
        let decide = |action| self.permit.decide(&question.principal, action, &question.context);
        let found = Arc::new(Permitted {
            route: decide(Action::Route),
            fallback: decide(Action::Fallback),
            hedge: decide(Action::Hedge),
            cache_read: decide(Action::CacheRead),
        });
        self.answered.insert(question.clone(), Arc::clone(&found));
        found
    }
}
