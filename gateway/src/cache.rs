//! Answers that were given before, for requests that are made again.
//!
//! * [`key`]: when two requests are the same; [`canonical`] writes JSON so that spelling does not matter
//! * [`remembered`]: an answer as it is kept, and as bytes for a Redis
//! * [`flights`]: of requests that are the same at the same time, one asks and the others wait
//! * [`local`], [`redis`]: who remembers
//! * [`stamp`]: an answer that is given again has an id and a date of its own
//!
//! What is asked of policy, and when an answer is good enough to be kept, is the pipeline's affair
//! (`pipeline/recall.rs`).

pub mod canonical;
pub mod flights;
pub mod key;
mod local;
pub mod redis;
pub mod remembered;
pub mod stamp;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use isthmus_config::settings::Settings;
use isthmus_config::settings::cache::{PoolCache, Scope};
use isthmus_config::settings::keeper::Keeper;
use isthmus_inference::ident::ModelName;

use self::redis::{Redis, RedisError};
use flights::Flights;
use key::Key;
use local::Local;
use remembered::Remembered;

/// All that is remembered, and for which pools.
pub struct Memory {
    keeper: Kept,
    rules: HashMap<ModelName, Rules>,
    /// Requests that are being answered.
    pub flights: Arc<Flights>,
    /// Who shares answers.
    pub scope: Scope,
    /// The most bytes of one answer.
    pub most: usize,
}

/// What is remembered of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// For how long.
    pub ttl: Duration,
    /// For whom.
    pub of: PoolCache,
}

enum Kept {
    Local(Local),
    Redis(Redis),
}

// === impl Memory ===

impl Memory {
    /// The memory that the operator wants; `None` if no pool has one.
    pub fn new(settings: &Settings) -> Result<Option<Arc<Self>>, RedisError> {
        let cache = &settings.cache;
        let rules =
            |pool: &PoolCache| Rules { ttl: pool.ttl.unwrap_or(cache.ttl), of: pool.clone() };
        let pools = settings.models.iter();
        let rules: HashMap<_, _> = pools
            .filter_map(|(name, pool)| Some((name.clone(), rules(pool.cache.as_ref()?))))
            .collect();
        if rules.is_empty() {
            return Ok(None);
        }
        let keeper = match &cache.keeper {
            Keeper::Local => Kept::Local(Local::new(cache.max_bytes)),
            Keeper::Redis { url } => Kept::Redis(Redis::new(url, cache.max_answer_bytes)?),
        };
        let (scope, most) = (cache.scope, cache.max_answer_bytes);
        Ok(Some(Arc::new(Self { keeper, rules, flights: Arc::default(), scope, most })))
    }

    /// What is remembered of a pool's answers to an app by the key of this name.
    pub fn rules(&self, model: &ModelName, app: &str, key: &str) -> Option<&Rules> {
        self.rules.get(model).filter(|rules| rules.of.is_for(app, key))
    }

    /// The answer that was given before. Nobody waits long for it.
    pub async fn find(&self, key: &Key) -> Option<Arc<Remembered>> {
        match &self.keeper {
            Kept::Local(local) => local.find(key),
            Kept::Redis(redis) => redis.find(key).await.map(Arc::new),
        }
    }

    /// The same, if this process has it at hand.
    pub fn find_here(&self, key: &Key) -> Option<Arc<Remembered>> {
        match &self.keeper {
            Kept::Local(local) => local.find(key),
            Kept::Redis(_) => None,
        }
    }

    /// Keeps an answer. Nobody waits for that.
    pub fn keep(&self, key: Key, answer: Arc<Remembered>, ttl: Duration) {
        match &self.keeper {
            Kept::Local(local) => local.keep(key, answer, ttl),
            Kept::Redis(redis) => redis.keep(key, answer, ttl),
        }
    }

    /// How many bytes this process remembers.
    pub fn bytes(&self) -> u64 {
        match &self.keeper {
            Kept::Local(local) => local.bytes(),
            Kept::Redis(_) => 0,
        }
    }
}
