//! What policy permits: the edition in force, one on trial, one in the shadow; and how policies
//! come in while the house runs.
//!
//! A call asks once, at its plan, for every action that its plan may hold. Answers that were given
//! before cost a look-up; a new one takes milliseconds and is found on a thread that serves nobody.

mod edition;
mod trial;
mod watch;

use std::sync::Arc;

use arc_swap::ArcSwap;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_policies::endpoint_set::EndpointSet;
use isthmus_policies::permit::CatalogueError;
use isthmus_policies::rollout::{Comparison, Side};

pub use edition::{Edition, Permitted, PoolPermit, Question};
pub use trial::{Shadow, Trial};
pub use watch::{Unusable, Watch};

use crate::pool::Pool;
use crate::telemetry::events::policies::EditionsDiffer;

/// All editions that are asked.
pub struct Permits {
    editions: ArcSwap<Editions>,
}

/// The editions at one moment; replaced as a whole.
#[derive(Clone)]
pub struct Editions {
    /// The one in force.
    pub live: Arc<Edition>,
    /// One that decides for some keys, until it is in force for all or withdrawn.
    pub trial: Option<Arc<Trial>>,
    /// One that decides for nobody and is compared.
    pub shadow: Option<Arc<Shadow>>,
}

/// What was answered to a call.
pub struct Judged {
    /// The edition that decided.
    pub edition: Arc<Edition>,
    /// Its answer.
    pub permitted: Arc<Permitted>,
}

// === impl Permits ===

impl Permits {
    /// One edition in force, and nothing else.
    pub fn new(live: Edition) -> Self {
        let editions = Editions { live: Arc::new(live), trial: None, shadow: None };
        Self { editions: ArcSwap::from_pointee(editions) }
    }

    /// The editions at this moment.
    pub fn editions(&self) -> Arc<Editions> {
        self.editions.load_full()
    }

    /// Puts others in their place.
    pub fn replace(&self, editions: Editions) {
        self.editions.store(Arc::new(editions));
    }

    /// What may be done for a call. `key_hash` decides whether an edition on trial counts for it.
    pub async fn judge(
        &self,
        pool: &Pool,
        question: Question,
        key_hash: u64,
    ) -> Result<Judged, Failure> {
        let editions = self.editions.load();
        if editions.trial.is_none() && editions.shadow.is_none() {
            let edition = Arc::clone(&editions.live);
            let (permitted, _) = answer(&edition, pool, &question).await?;
            return Ok(Judged { edition, permitted });
        }
        let editions = Arc::clone(&editions);
        editions.judge_and_compare(pool, &question, key_hash).await
    }
}

// === impl Editions ===

impl Editions {
    async fn judge_and_compare(
        &self,
        pool: &Pool,
        question: &Question,
        key_hash: u64,
    ) -> Result<Judged, Failure> {
        let (live, _) = answer(&self.live, pool, question).await?;
        if let Some(shadow) = &self.shadow {
            let other = self.compare(&shadow.edition, pool, question, &live).await?;
            shadow.count(compared(&live, &other));
        }
        let Some(trial) = &self.trial else {
            return Ok(Judged { edition: Arc::clone(&self.live), permitted: live });
        };
        let candidate = self.compare(&trial.edition, pool, question, &live).await?;
        trial.count(compared(&live, &candidate));
        Ok(match trial.rules.side(key_hash) {
            Side::Live => Judged { edition: Arc::clone(&self.live), permitted: live },
            Side::Candidate => Judged { edition: Arc::clone(&trial.edition), permitted: candidate },
        })
    }

    /// Another edition's answer. A difference is told when it is found, once for each question.
    async fn compare(
        &self,
        other: &Arc<Edition>,
        pool: &Pool,
        question: &Question,
        live: &Permitted,
    ) -> Result<Arc<Permitted>, Failure> {
        let (answered, is_new) = answer(other, pool, question).await?;
        if is_new && !compared(live, &answered).same {
            let only = |one: &Permitted, without: &Permitted| {
                let numbers = one.any().filter(|number| !without.any().any(|has| has == *number));
                let names = numbers.map(|number| pool.endpoints[number].name.to_string());
                names.collect::<Vec<_>>().join(",")
            };
            EditionsDiffer {
                live: self.live.version(),
                other: other.version(),
                model: pool.name.as_str(),
                app: &question.principal.app,
                class: question.context.class.to_string(),
                gained: only(&answered, live),
                lost: only(live, &answered),
            }
            .emit();
        }
        Ok(answered)
    }
}

/// An edition's answer, from memory or from a thread that may take its time; and whether it is new.
async fn answer(
    edition: &Arc<Edition>,
    pool: &Pool,
    question: &Question,
) -> Result<(Arc<Permitted>, bool), Failure> {
    let permit = edition.pool(&pool.name, || pool.catalogue()).map_err(|error| broken(&error))?;
    if let Some(permitted) = permit.remembered(question) {
        return Ok((permitted, false));
    }
    let question = question.clone();
    let found = tokio::task::spawn_blocking(move || permit.find(&question)).await;
    let found = found.map_err(|error| {
        Failure::new(Kind::Internal, "the policies could not be evaluated").with_detail(error)
    });
    Ok((found?, true))
}

fn broken(error: &CatalogueError) -> Failure {
    let message = "the policies cannot be laid over this model's endpoint, so nothing is permitted";
    Failure::new(Kind::Internal, message).with_detail(error)
}

fn compared(live: &Permitted, candidate: &Permitted) -> Comparison {
    let permits = |set: &EndpointSet| !set.is_empty();
    Comparison {
        live_permits: permits(&live.route.allowed),
        candidate_permits: permits(&candidate.route.allowed),
        same: live.route.allowed == candidate.route.allowed
            && live.fallback.allowed == candidate.fallback.allowed
            && live.hedge.allowed == candidate.hedge.allowed,
    }
}
