//! Answers in a Redis that several gateways share.
//!
//! Whatever goes wrong there is a miss, and no call waits for it longer than [`PATIENCE`]. After a
//! failure it is left in peace for a moment, so that a Redis that is down does not cost every call
//! that time. It sees answers as they are.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use isthmus_inference::secret::Secret;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult, cmd};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::key::Key;
use super::remembered::Remembered;
use crate::telemetry::events::cache::{MemoryReachable, MemoryUnreachable};

/// Answers in a Redis.
pub(super) struct Redis {
    connection: ConnectionManager,
    /// Answers on their way there; more are not kept.
    writing: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
    most: usize,
}

/// Why a Redis cannot be used. Never says where it is.
#[derive(Debug, thiserror::Error)]
#[error("cache.url: {0}")]
pub struct RedisError(String);

#[derive(Default)]
struct State {
    /// Until when it is not asked.
    rests_until: Option<Instant>,
    unreachable: bool,
}

/// How long a call waits for an answer that may be remembered.
pub const PATIENCE: Duration = Duration::from_millis(25);
/// How long it may take to keep one; nobody waits for that.
const WRITING: Duration = Duration::from_secs(2);
/// For how long it is not asked after a failure.
const REST: Duration = Duration::from_secs(1);
/// How many answers may be on their way.
const MOST_WRITING: usize = 64;
/// What a value may have beside the answer: its head.
const HEAD: usize = 1 << 20;

impl Redis {
    /// Does not connect yet.
    pub(super) fn new(url: &Secret, most: usize) -> Result<Self, RedisError> {
        let wrong = |error: redis::RedisError| RedisError(error.to_string());
        let client = Client::open(url.expose()).map_err(wrong)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(WRITING))
            .set_response_timeout(Some(WRITING))
            .set_number_of_retries(1);
        let connection = ConnectionManager::new_lazy_with_config(client, config).map_err(wrong)?;
        let writing = Arc::new(Semaphore::new(MOST_WRITING));
        Ok(Self { connection, writing, state: Arc::default(), most })
    }

    pub(super) async fn find(&self, key: &Key) -> Option<Remembered> {
        if self.rests() {
            return None;
        }
        let mut connection = self.connection.clone();
        let mut command = cmd("GET");
        command.arg(name(key));
        let asked = command.query_async::<Option<Vec<u8>>>(&mut connection);
        let found = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(found) => found.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} ms", PATIENCE.as_millis())),
        };
        told(&self.state, found.as_ref().err());
        let value = found.ok()??;
        (value.len() <= self.most + HEAD).then_some(())?;
        Remembered::from_bytes(&Bytes::from(value))
    }

    pub(super) fn keep(&self, key: Key, answer: Arc<Remembered>, ttl: Duration) {
        let Ok(writing) = Arc::clone(&self.writing).try_acquire_owned() else { return };
        if self.rests() {
            return;
        }
        let (mut connection, state) = (self.connection.clone(), Arc::clone(&self.state));
        tokio::spawn(async move {
            let _writing = writing;
            let Some(value) = answer.to_bytes() else { return };
            let mut command = cmd("SET");
            let milliseconds = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
            command.arg(name(&key)).arg(value).arg("PX").arg(milliseconds);
            let kept: RedisResult<()> = command.query_async(&mut connection).await;
            told(&state, kept.map_err(|error| error.to_string()).as_ref().err());
        });
    }

    fn rests(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.rests_until.is_some_and(|until| Instant::now() < until)
    }
}

/// Lets it rest after a failure. The change is told, not every failure.
fn told(state: &Mutex<State>, error: Option<&String>) {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.rests_until = error.map(|_| Instant::now() + REST);
    let was_unreachable = std::mem::replace(&mut state.unreachable, error.is_some());
    match error {
        Some(error) if !was_unreachable => MemoryUnreachable { error }.emit(),
        None if was_unreachable => MemoryReachable.emit(),
        _ => {}
    }
}

/// The format is in the name too, so that gateways of two versions do not write over each other.
fn name(key: &Key) -> String {
    format!("isthmus:answer:1:{}", key.to_hex())
}
