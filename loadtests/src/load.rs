//! The generator: connections that send one request again and again, and note what comes back.
//!
//! It runs on one thread. A worker owns a connection; all share the schedule and the tally.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::events::EventCounter;
use crate::http1::{Malformed, ResponseReader};
use crate::schedule::{Pace, Schedule, wait_until};
use crate::tally::Tally;

/// What to send, and what a whole answer to it holds.
#[derive(Debug, Clone)]
pub struct Job {
    /// The socket to connect to.
    pub address: SocketAddr,
    /// The request as HTTP/1.1 bytes.
    pub request: Bytes,
    /// What the answer must hold, so that a fast but empty answer counts as a failure.
    pub expects: Expectation,
}

/// The least that a whole answer holds.
#[derive(Debug, Clone, Copy)]
pub enum Expectation {
    /// A body of at least so many bytes.
    Body(u64),
    /// A stream of at least so many events, closed by its language's end.
    Stream(u64),
}

/// How hard and how long to send.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Connections, each with at most one request on its way.
    pub connections: usize,
    /// What starts a request.
    pub pace: Pace,
    /// How long to send before anything counts.
    pub warm_up: Duration,
    /// How long to count.
    pub measured: Duration,
}

/// A run's tally, and what a meter showed as its window opened and closed.
#[derive(Debug)]
pub struct Outcome<Reading> {
    /// What happened inside the window.
    pub tally: Tally,
    /// The meter as the window opened.
    pub opened: Reading,
    /// The meter as the window closed.
    pub closed: Reading,
}

/// One client connection.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    buffer: Box<[u8]>,
}

/// Why an exchange did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The socket failed, or was closed before the answer was whole.
    #[error("connection: {0}")]
    Socket(#[from] std::io::Error),
    /// The answer was no HTTP.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The answer was whole, and an error.
    #[error("status {0}")]
    Status(u16),
    /// The answer was whole, but less than expected.
    #[error("the answer is incomplete: {0}")]
    Incomplete(String),
    /// The answer took too long.
    #[error("no whole answer within {PATIENCE:?}")]
    TooSlow,
}

/// An answer as far as it was read.
#[derive(Debug, Default)]
pub struct Progress {
    reader: ResponseReader,
    body_bytes: u64,
    events: EventCounter,
}

/// What all workers of a run share.
struct Run {
    job: Job,
    schedule: Schedule,
    tally: Mutex<Tally>,
}

/// An exchange that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a worker waits after a connection failed, so that a dead target is not hammered.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(50);
/// Room for one read; larger than what a proxy writes at once.
const READ_BUFFER: usize = 64 * 1024;

/// Runs a plan to its end; `meter` is read as the window opens and as it closes.
pub async fn run<Reading>(job: Job, plan: Plan, meter: impl Fn() -> Reading) -> Outcome<Reading> {
    let schedule = Schedule::new(plan.pace, Instant::now(), plan.warm_up, plan.measured);
    let run = Arc::new(Run { job, schedule, tally: Mutex::default() });
    let mut workers = JoinSet::new();
    for index in 0..plan.connections {
        let run = Arc::clone(&run);
        workers.spawn(async move { run.work(run.schedule.joins(index, plan.connections)).await });
    }
    tokio::time::sleep_until(run.schedule.opens()).await;
    let opened = meter();
    tokio::time::sleep_until(run.schedule.closes()).await;
    let closed = meter();
    workers.join_all().await;
    let tally = run.tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Outcome { tally, opened, closed }
}

// === impl Run ===

impl Run {
    async fn work(&self, joins: Instant) {
        tokio::time::sleep_until(joins).await;
        let mut connection = None;
        while let Some(intended) = self.schedule.take(Instant::now()) {
            wait_until(intended).await;
            let exchange = self.exchange(&mut connection, intended);
            let ended = match tokio::time::timeout(PATIENCE, exchange).await {
                Ok(ended) => ended,
                Err(_) => Err(Broken::TooSlow),
            };
            if let Err(broken) = ended {
                self.note(|tally| tally.fail(broken.to_string()));
                connection = None;
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }

    async fn exchange(
        &self,
        kept: &mut Option<Connection>,
        intended: Instant,
    ) -> Result<(), Broken> {
        let connection = match kept {
            Some(connection) => connection,
            None => kept.insert(Connection::open(self.job.address).await?),
        };
        let sent = Instant::now();
        connection.send(&self.job.request).await?;
        let mut progress = Progress::default();
        let mut last_chunk = None;
        while !progress.reader.is_done() {
            let seen = connection.read(&mut progress).await?;
            let now = Instant::now();
            if seen > 0 {
                self.note_read(seen, last_chunk.replace(now), intended, now);
            }
        }
        progress.check(self.job.expects)?;
        self.note_answer(intended, sent);
        Ok(())
    }

    fn note_read(&self, seen: u64, last: Option<Instant>, intended: Instant, now: Instant) {
        if !self.schedule.counts(now) {
            return;
        }
        self.note(|tally| {
            tally.chunks += seen;
            tally.reads += 1;
            match last {
                Some(last) => tally.gap.record(now - last),
                None => tally.first_chunk.record(now - intended),
            }
        });
    }

    fn note_answer(&self, intended: Instant, sent: Instant) {
        let now = Instant::now();
        self.note(|tally| {
            // Throughput counts what ended inside the window, latency what was meant to start
            // there: the slow answers at its end belong to it.
            tally.requests += u64::from(self.schedule.counts(now));
            if self.schedule.counts(intended) {
                tally.latency.record(now - intended);
                tally.lateness.record(sent - intended);
            }
        });
    }

    fn note(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

// === impl Connection ===

impl Connection {
    /// Connects, with small writes sent at once.
    pub async fn open(address: SocketAddr) -> Result<Self, Broken> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: vec![0; READ_BUFFER].into() })
    }

    /// Sends a whole request.
    pub async fn send(&mut self, request: &[u8]) -> Result<(), Broken> {
        Ok(self.socket.write_all(request).await?)
    }

    /// Reads once and returns how many chunks that completed: events of a stream, or the bytes of
    /// a body as one.
    pub async fn read(&mut self, progress: &mut Progress) -> Result<u64, Broken> {
        let length = self.socket.read(&mut self.buffer).await?;
        if length == 0 {
            let early = std::io::Error::other("closed before the answer was complete");
            return Err(Broken::Socket(early));
        }
        progress.feed(&self.buffer[..length])
    }

    /// Gives up the read buffer: a connection that is only held needs none.
    pub(crate) fn into_socket(self) -> TcpStream {
        self.socket
    }
}

// === impl Progress ===

impl Progress {
    fn feed(&mut self, bytes: &[u8]) -> Result<u64, Broken> {
        let Self { reader, body_bytes, events } = self;
        let (events_before, bytes_before) = (events.events, *body_bytes);
        reader.feed(bytes, |part| {
            *body_bytes += part.len() as u64;
            events.feed(part);
        })?;
        let streamed = events.events - events_before;
        Ok(if streamed > 0 { streamed } else { u64::from(bytes_before == 0 && *body_bytes > 0) })
    }

    /// Whether the status, once known, is a success.
    pub(crate) fn check_status(&self) -> Result<(), Broken> {
        match self.reader.status() {
            0 | 200 => Ok(()),
            status => Err(Broken::Status(status)),
        }
    }

    fn check(&self, expects: Expectation) -> Result<(), Broken> {
        self.check_status()?;
        let lack = match expects {
            Expectation::Body(least) if self.body_bytes < least => {
                format!("a body of {} bytes where {least} were due", self.body_bytes)
            }
            Expectation::Stream(_) if self.events.error => "an error event".to_owned(),
            Expectation::Stream(_) if !self.events.done => "no end of the stream".to_owned(),
            Expectation::Stream(least) if self.events.events < least => {
                format!("{} events where {least} were due", self.events.events)
            }
            Expectation::Body(_) | Expectation::Stream(_) => return Ok(()),
        };
        Err(Broken::Incomplete(lack))
    }
}
