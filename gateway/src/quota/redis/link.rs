//! A connection to one start of one server. It does not mend itself: whoever is behind a new one may
//! not know what the old one knew, so the server is asked for its name each time.

use std::fmt;
use std::time::Duration;

use isthmus_inference::secret::Secret;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult, Script, Value, cmd};

use super::Rules;
use super::batch::{Batch, Reply};
use crate::telemetry::events::budgets::SumsMayBeEvicted;

/// A connection.
pub(super) struct Link {
    connection: MultiplexedConnection,
    script: Script,
    /// By which this start of the server knows itself.
    run: String,
    /// What its clock said: Unix milliseconds.
    pub(super) clock: i64,
}

/// Why Redis cannot be asked. Never says where it is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LinkError(pub(super) String);

/// When a batch is sent, and in which order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sending {
    /// Greater than that of all before.
    pub(super) sequence: u64,
    /// What the clock says of which the windows were found.
    pub(super) now: i64,
    /// By how much Redis' clock may differ, in milliseconds.
    pub(super) tolerance: i64,
}

/// How long a connection and an answer may take. Calls wait for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

impl Link {
    /// Connects.
    pub(super) async fn open(address: Secret) -> Result<Self, LinkError> {
        let client = Client::open(address.expose()).map_err(LinkError::of)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = connection.map_err(LinkError::of)?;
        let info: String = cmd("INFO").query_async(&mut connection).await.map_err(LinkError::of)?;
        let named = |name: &str| {
            let mut lines = info.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let run = named("run_id").ok_or_else(|| LinkError::of("INFO has no run_id"))?;
        if named("maxmemory_policy").is_some_and(|policy| policy != "noeviction") {
            SumsMayBeEvicted.emit();
        }
        let run = run.to_owned();
        let time = cmd("TIME").query_async(&mut connection).await;
        let (seconds, micros): (i64, i64) = time.map_err(LinkError::of)?;
        let (script, clock) =
            (Script::new(include_str!("../script.lua")), seconds * 1000 + micros / 1000);
        Ok(Self { connection, script, run, clock })
    }

    /// Sends a batch, and reads what came of it.
    pub(super) async fn send(
        &mut self,
        batch: &Batch,
        rules: &Rules,
        sending: Sending,
    ) -> Result<Reply, LinkError> {
        let mut call = self.script.key(format!("{}:budgets", rules.prefix));
        for key in batch.keys() {
            call.key(format!("{}:{key}", rules.prefix));
        }
        call.arg(&rules.node)
            .arg(sending.sequence)
            .arg(&self.run)
            .arg(sending.now)
            .arg(sending.tolerance)
            .arg(u64::try_from(rules.warm_up.as_millis()).unwrap_or(u64::MAX))
            .arg(batch.body());
        let answered: RedisResult<Vec<Value>> = call.invoke_async(&mut self.connection).await;
        let words = answered.map_err(LinkError::of)?.into_iter();
        let words = words.map(|value| redis::from_redis_value(value).map_err(LinkError::of));
        let words: Vec<String> = words.collect::<Result<_, _>>()?;
        batch.read(&words).ok_or_else(|| LinkError::of("the script's answer is cut"))
    }
}

impl LinkError {
    pub(super) fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}
