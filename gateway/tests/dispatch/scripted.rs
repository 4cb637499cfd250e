//! A house with endpoints that do as they are told.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use http::HeaderMap;
use http_body_util::Full;
use isthmus_adapters::adapter::{
    Adapter, Answer, AnswerStream, Attempt, Content, Piece, Timeouts, Whole,
};
use isthmus_adapters::tokens::Tokenizer;
use isthmus_config::settings::Settings;
use isthmus_config::settings::charging::Charging;
use isthmus_gateway::app::{App, Built};
use isthmus_gateway::calendar::unix_milliseconds;
use isthmus_gateway::directory::Directory;
use isthmus_gateway::pipeline::settle::attempts::{Attempted, Fate, Reason};
use isthmus_gateway::pipeline::settle::{Outcome, Reaper, Ticket};
use isthmus_gateway::pipeline::{self, Call};
use isthmus_gateway::pool::{Endpoint, EndpointParts, Learnt, Pool};
use isthmus_gateway::quota::Quota;
use isthmus_gateway::telemetry::metrics::Metrics;
use isthmus_inference::answer::FinishReason;
use isthmus_inference::capability::Capabilities;
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::money::{Money, Price, Rate};
use isthmus_inference::request::{Dialect, Operation};
use isthmus_inference::stream::Event;
use isthmus_inference::tariff::Tariff;
use isthmus_inference::usage::Usage;
use isthmus_ledger::journal::Journal;
use isthmus_policies::facts::Facts;
use isthmus_policies::hedge::{HedgeAfter, HedgeRules};
use isthmus_policies::monitor::Limits;
use isthmus_policies::plan::Strategy;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What an endpoint does when it is called.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Answer,
    Fail(Failure),
    Stream,
    StreamThatBreaks(Failure),
    Stall,
    /// Answers after a while.
    AnswerAfter(Duration),
    /// Fails after a while.
    FailAfter(Duration, Failure),
    /// Says this after a while, for ten tokens.
    SayAfter(Duration, &'static str),
    /// Says these events and comes to an end, for ten tokens.
    StreamOf(&'static [&'static str]),
    /// Says these events and then nothing more.
    StreamThatStalls(&'static [&'static str]),
    /// Goes on with an answer by this text, for ten tokens.
    GoOn(&'static str),
}

/// What a caller is told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) endpoint: String,
    pub(crate) attempts: u32,
    /// Each attempt's endpoint, with why it was tried and how it ended.
    pub(crate) lines: Vec<(String, Reason, Fate)>,
    /// In pico-dollars.
    pub(crate) cost: Option<i128>,
    /// How many tokens the prompt was expected to be.
    pub(crate) expected_input: u64,
}

/// How long one attempt may take here.
pub(crate) const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);

type Calls = Arc<Mutex<Vec<&'static str>>>;

struct Scripted {
    name: &'static str,
    steps: Mutex<VecDeque<Step>>,
    calls: Calls,
    cancelled: Calls,
    tokenizer: Option<Arc<dyn Tokenizer>>,
}

/// Tells of a call that was dropped before it was answered.
struct Cancelled(Option<(&'static str, Calls)>);

/// A call that is being answered.
pub(crate) struct Begun {
    pub(crate) endpoint: String,
    pub(crate) answer: pipeline::dispatch::Answer,
}

/// The rules of a house's pool.
#[derive(Default)]
pub(crate) struct Rules {
    /// What the operator says that each endpoint can do.
    pub(crate) capabilities: Option<fn(&str) -> Option<Capabilities>>,
    /// Places at each endpoint.
    pub(crate) places: Option<u32>,
    /// After which time a second copy of a request is sent.
    pub(crate) hedge: Option<Duration>,
    /// Whether streams that break are gone on with, by any endpoint.
    pub(crate) splice: bool,
    /// The tokenizer of all models, if there is one.
    pub(crate) tokenizer: Option<Arc<dyn Tokenizer>>,
}

pub(crate) struct House {
    pub(crate) app: Arc<App>,
    reaper: Option<Reaper>,
    calls: Calls,
    cancelled: Calls,
}

impl House {
    /// A house with one pool, `chat`, of these endpoints.
    pub(crate) fn new(endpoints: &[(&'static str, Vec<Step>)]) -> Self {
        Self::under(&Rules::default(), endpoints)
    }

    /// The same under these rules.
    pub(crate) fn under(rules: &Rules, endpoints: &[(&'static str, Vec<Step>)]) -> Self {
        Self::changed(rules, endpoints, |_| {})
    }

    /// The same under other settings too.
    pub(crate) fn changed(
        rules: &Rules,
        endpoints: &[(&'static str, Vec<Step>)],
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let cancelled = Calls::default();
        let metrics = Arc::new(Metrics::new().unwrap());
        let calls = Calls::default();
        let endpoints = endpoints.iter().map(|(name, steps)| {
            let steps = Mutex::new(steps.clone().into());
            let (calls, cancelled) = (Arc::clone(&calls), Arc::clone(&cancelled));
            let tokenizer = rules.tokenizer.clone();
            let adapter = Arc::new(Scripted { name, steps, calls, cancelled, tokenizer });
            Arc::new(Endpoint::new(EndpointParts {
                name: (*name).into(),
                provider: "scripted".into(),
                kind: "openai".into(),
                model: "model".into(),
                adapter,
                narrows: false,
                charging: Charging::Tokens(Tariff::flat(price(), "test").into()),
                capabilities: rules.capabilities.and_then(|of| of(name)),
                continues: rules.splice,
                in_process: false,
                facts: Arc::new(Facts::default()),
                limits: Limits {
                    concurrency: rules.places.and_then(NonZeroU32::new),
                    ..Limits::default()
                },
                timeouts: Timeouts {
                    connect: ATTEMPT_LIMIT,
                    first_byte: ATTEMPT_LIMIT,
                    between_chunks: ATTEMPT_LIMIT,
                    total: ATTEMPT_LIMIT,
                },
                metrics: metrics.endpoint(name, "scripted"),
            }))
        });
        let pool = Pool {
            name: "chat".into(),
            label: "chat".into(),
            endpoints: endpoints.collect(),
            strategy: Strategy {
                hedge: rules.hedge.map(|after| HedgeRules {
                    after: HedgeAfter::Fixed(after),
                    max_extra_cost_percent: 100.0,
                }),
                splice: rules.splice,
                ..Strategy::default()
            },
            baseline: None,
            learnt: Learnt::default(),
        };
        let mut settings = isthmus_config::zero(&|_| None).unwrap().settings;
        change(&mut settings);
        let directory = Directory::new(vec![pool], BTreeMap::new(), &settings);
        let (budgets, keeping) = (settings.budgets.clone(), &settings.keeping);
        let (quota, _) = Quota::new(budgets, keeping, "here", vec![], Arc::new(unix_milliseconds));
        let joined = App::join(&settings, directory, metrics, vec![], Journal::nowhere(), quota);
        let Built { app, reaper, .. } = joined.unwrap();
        Self { app, reaper: Some(reaper), calls, cancelled }
    }

    pub(crate) async fn ask(&self) -> Result<Told, Failure> {
        self.asked("chat", Duration::from_secs(60)).await
    }

    pub(crate) async fn ask_within(&self, time: Duration) -> Result<Told, Failure> {
        self.asked("chat", time).await
    }

    pub(crate) async fn ask_for(&self, model: &str) -> Result<Told, Failure> {
        self.asked(model, Duration::from_secs(60)).await
    }

    /// The endpoints in the order in which they were called.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }

    /// The endpoints whose calls were dropped before they were answered.
    pub(crate) fn cancelled(&self) -> Vec<&'static str> {
        self.cancelled.lock().unwrap().clone()
    }

    pub(crate) fn metrics(&self) -> String {
        String::from_utf8(self.app.metrics.render().unwrap()).unwrap()
    }

    /// Lets the reaper work until it has nothing left to do.
    pub(crate) async fn reap(&mut self) {
        let finish = CancellationToken::new();
        finish.cancel();
        self.reaper.take().unwrap().run(Arc::clone(&self.app.metrics), finish).await;
    }

    /// Asks with more members in the request's body.
    pub(crate) async fn ask_with(&self, members: &str) -> Result<Told, Failure> {
        self.sent("chat", members, Duration::from_secs(60)).await
    }

    async fn asked(&self, model: &str, time: Duration) -> Result<Told, Failure> {
        self.sent(model, r#""n":1"#, time).await
    }

    async fn sent(&self, model: &str, members: &str, time: Duration) -> Result<Told, Failure> {
        let members = format!(",{members}");
        let (answer, ticket) = self.run(model, &members, HeaderMap::new(), time).await;
        let told = answer.map(|answer| {
            let attempts = &ticket.record().attempts;
            let line = |at: &Attempted| (at.endpoint.name.to_string(), at.reason, at.fate);
            Told {
                endpoint: answer.endpoint.name.to_string(),
                attempts: attempts.made(),
                lines: attempts.iter().map(line).collect(),
                cost: attempts.cost().map(Money::pico_dollars),
                expected_input: attempts.current().map_or(0, |at| at.expected_input),
            }
        });
        let outcome = told.as_ref().err().map_or(Outcome::Answered, Outcome::Failed);
        drop(ticket.settle(&self.app.metrics, outcome));
        told
    }

    /// Asks, and keeps the answer open.
    pub(crate) async fn begin(&self) -> Begun {
        let (answer, ticket) =
            self.run("chat", r#","n":1"#, HeaderMap::new(), Duration::from_secs(60)).await;
        let answer = answer.unwrap();
        drop(ticket.settle(&self.app.metrics, Outcome::Answered));
        Begun { endpoint: answer.endpoint.name.to_string(), answer }
    }

    /// Asks with these further members, each behind a comma, and leaves the ticket open.
    pub(crate) async fn run(
        &self,
        model: &str,
        members: &str,
        headers: HeaderMap,
        time: Duration,
    ) -> (Result<pipeline::dispatch::Answer, Failure>, Ticket) {
        let messages = r#"[{"role":"user","content":"x"}]"#;
        let body = format!(r#"{{"model":"{model}","messages":{messages}{members}}}"#);
        let arrived = Instant::now();
        let call = Call {
            id: "test".into(),
            arrived,
            operation: Operation::Chat,
            dialect: Dialect::OpenAi,
            headers,
            query: None,
            deadline: arrived + time,
        };
        let mut ticket = Ticket::open(&self.app.metrics, &self.app.reaper, &call);
        let body = Full::new(Bytes::from(body));
        let answer = pipeline::run(&self.app, Box::new(call), body, &mut ticket).await;
        (answer, ticket)
    }
}

/// What all endpoints charge: a dollar for a million tokens, in and out.
fn price() -> Price {
    let rate: Rate = "1".parse().unwrap();
    Price { input: rate, output: rate, ..Price::default() }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let Some((name, cancelled)) = self.0.take() {
            cancelled.lock().unwrap().push(name);
        }
    }
}

impl Adapter for Scripted {
    fn call(&self, _: Attempt) -> BoxFuture<'_, Result<Answer, Failure>> {
        self.calls.lock().unwrap().push(self.name);
        let step = self.steps.lock().unwrap().pop_front().unwrap_or(Step::Stall);
        let cancelled = Cancelled(Some((self.name, Arc::clone(&self.cancelled))));
        async move {
            // All of it, not the part that is changed below: dropping it is what tells.
            let mut cancelled = cancelled;
            let answer = match step {
                Step::AnswerAfter(time) => {
                    tokio::time::sleep(time).await;
                    Step::Answer
                }
                Step::FailAfter(time, failure) => {
                    tokio::time::sleep(time).await;
                    Step::Fail(failure)
                }
                Step::SayAfter(time, text) => {
                    tokio::time::sleep(time).await;
                    Step::SayAfter(time, text)
                }
                step => step,
            };
            if !matches!(answer, Step::Stall) {
                cancelled.0 = None;
            }
            match answer {
                Step::Answer => {
                    let content = Content::Relay(Bytes::from_static(b"{}"));
                    Ok(Whole::new(content, Usage::default()).into())
                }
                Step::SayAfter(_, text) => {
                    let content = Content::Relay(Bytes::from_static(text.as_bytes()));
                    let whole = Whole::new(content, ten_tokens());
                    Ok(Whole { dropped: vec!["seed".into()], ..whole }.into())
                }
                Step::StreamOf(events) => Ok(all_of(events)),
                Step::StreamThatStalls(events) => {
                    let pieces = relayed(events).chain(stream::pending()).boxed();
                    Ok(stream_of(pieces))
                }
                Step::GoOn(text) => Ok(gone_on(text)),
                Step::Fail(failure) => Err(failure),
                Step::Stream => Ok(streamed(Ok(Piece::Relay(Bytes::from_static(b"data: {}\n\n"))))),
                Step::StreamThatBreaks(failure) => Ok(streamed(Err(failure))),
                Step::Stall | Step::AnswerAfter(_) | Step::FailAfter(..) => {
                    std::future::pending().await
                }
            }
        }
        .boxed()
    }

    fn tokenizer(&self, _: &UpstreamModel) -> Option<Arc<dyn Tokenizer>> {
        self.tokenizer.clone()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Failure>> {
        async { Ok(vec![]) }.boxed()
    }
}

fn streamed(piece: Result<Piece, Failure>) -> Answer {
    stream_of(stream::iter([piece]).boxed())
}

fn stream_of(pieces: BoxStream<'static, Result<Piece, Failure>>) -> Answer {
    Answer::Stream(AnswerStream { pieces, upstream_request_id: None, dropped: vec![] })
}

fn relayed(
    events: &'static [&'static str],
) -> impl Stream<Item = Result<Piece, Failure>> + Send + 'static {
    stream::iter(events).map(|event| Ok(Piece::Relay(Bytes::from_static(event.as_bytes()))))
}

/// A stream that comes to its end, with its usage.
fn all_of(events: &'static [&'static str]) -> Answer {
    let event = r#"data: {"id":"old","created":1,"choices":[],"usage":{"total_tokens":10}}"#;
    let usage = Piece::Usage {
        usage: ten_tokens(),
        event: format!("{event}\n\n").into(),
        only_usage: true,
        so_far: false,
    };
    let done = Piece::Done { event: Some(Bytes::from_static(b"data: [DONE]\n\n")) };
    stream_of(relayed(events).chain(stream::iter([Ok(usage), Ok(done)])).boxed())
}

/// The rest of an answer, as whoever goes on tells it.
fn gone_on(text: &str) -> Answer {
    let text = Event::Text { choice: 0, text: text.to_owned(), logprobs: vec![] };
    let reason = FinishReason::Stop;
    let finish = Event::Finish { choice: 0, reason, stop_sequence: None };
    let events = [text, finish, Event::Usage(ten_tokens())].map(|event| Ok(Piece::Event(event)));
    stream_of(stream::iter(events).chain(stream::iter([Ok(Piece::Done { event: None })])).boxed())
}

fn ten_tokens() -> Usage {
    Usage { uncached_input: 7, text_output: 3, ..Usage::default() }
}
