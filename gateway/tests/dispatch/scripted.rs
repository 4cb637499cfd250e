//! A house with endpoints that do as they are told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use http::HeaderMap;
use http_body_util::Full;
use isthmus_adapters::adapter::{
    Adapter, Answer, AnswerStream, Attempt, Content, Piece, Timeouts, Whole,
};
use isthmus_gateway::app::App;
use isthmus_gateway::directory::{Directory, Endpoint, Pool, Prices, Shown};
use isthmus_gateway::pipeline::settle::{Outcome, Reaper, Ticket};
use isthmus_gateway::pipeline::{self, Call};
use isthmus_gateway::telemetry::metrics::Metrics;
use isthmus_inference::capability::Capabilities;
use isthmus_inference::failure::Failure;
use isthmus_inference::request::{Dialect, Operation};
use isthmus_inference::usage::Usage;
use isthmus_policies::retry::RetryRules;
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
}

/// What a caller is told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) endpoint: String,
    pub(crate) attempts: u32,
}

/// How long one attempt may take here.
pub(crate) const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);

type Calls = Arc<Mutex<Vec<&'static str>>>;

struct Scripted {
    name: &'static str,
    steps: Mutex<VecDeque<Step>>,
    calls: Calls,
}

pub(crate) struct House {
    app: Arc<App>,
    reaper: Option<Reaper>,
    calls: Calls,
}

impl House {
    /// A house with one pool, `chat`, of these endpoints.
    pub(crate) fn new(endpoints: &[(&'static str, Vec<Step>)]) -> Self {
        Self::limited(endpoints, |_| None)
    }

    /// The same, with what the operator says that each can do.
    pub(crate) fn limited(
        endpoints: &[(&'static str, Vec<Step>)],
        capabilities: fn(&str) -> Option<Capabilities>,
    ) -> Self {
        let metrics = Arc::new(Metrics::new().unwrap());
        let calls = Calls::default();
        let endpoints = endpoints.iter().map(|(name, steps)| {
            let steps = Mutex::new(steps.clone().into());
            let adapter = Arc::new(Scripted { name, steps, calls: Arc::clone(&calls) });
            Arc::new(Endpoint {
                name: (*name).into(),
                provider: "scripted".into(),
                model: "model".into(),
                shown: Shown::of(name, "scripted", "model"),
                adapter,
                narrows: false,
                price: None,
                capabilities: capabilities(name),
                timeouts: Timeouts {
                    connect: ATTEMPT_LIMIT,
                    first_byte: ATTEMPT_LIMIT,
                    between_chunks: ATTEMPT_LIMIT,
                    total: ATTEMPT_LIMIT,
                },
                metrics: metrics.endpoint(name, "scripted"),
            })
        });
        let pool = Pool {
            name: "chat".into(),
            label: "chat".into(),
            endpoints: endpoints.collect(),
            fallback: true,
            retry: RetryRules::default(),
        };
        let directory = Directory::new(vec![pool], BTreeMap::new(), Prices::new());
        let settings = isthmus_config::zero(&|_| None).unwrap().settings;
        let (app, reaper) = App::new(&settings, directory, metrics, vec![]);
        Self { app, reaper: Some(reaper), calls }
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
        let messages = r#"[{"role":"user","content":"x"}]"#;
        let body = format!(r#"{{"model":"{model}","messages":{messages},{members}}}"#);
        let arrived = Instant::now();
        let call = Call {
            id: "test".into(),
            arrived,
            operation: Operation::Chat,
            dialect: Dialect::OpenAi,
            headers: HeaderMap::new(),
            query: None,
            deadline: arrived + time,
        };
        let mut ticket = Ticket::open(&self.app.metrics, &self.app.reaper, &call);
        let body = Full::new(Bytes::from(body));
        let answer = pipeline::run(&self.app, call, body, &mut ticket).await;
        let told = answer.map(|answer| Told {
            endpoint: answer.endpoint.name.to_string(),
            attempts: ticket.record().attempts,
        });
        let outcome = told.as_ref().err().map_or(Outcome::Answered, Outcome::Failed);
        ticket.settle(&self.app.metrics, outcome);
        told
    }
}

impl Adapter for Scripted {
    fn call(&self, _: Attempt) -> BoxFuture<'_, Result<Answer, Failure>> {
        self.calls.lock().unwrap().push(self.name);
        let step = self.steps.lock().unwrap().pop_front().unwrap_or(Step::Stall);
        async move {
            match step {
                Step::Answer => Ok(Answer::Whole(Whole {
                    content: Content::Relay(Bytes::from_static(b"{}")),
                    usage: Usage::default(),
                    upstream_request_id: None,
                    dropped: vec![],
                })),
                Step::Fail(failure) => Err(failure),
                Step::Stream => Ok(streamed(Ok(Piece::Relay(Bytes::from_static(b"data: {}\n\n"))))),
                Step::StreamThatBreaks(failure) => Ok(streamed(Err(failure))),
                Step::Stall => std::future::pending().await,
            }
        }
        .boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Failure>> {
        async { Ok(vec![]) }.boxed()
    }
}

fn streamed(piece: Result<Piece, Failure>) -> Answer {
    let pieces = stream::iter([piece]).boxed();
    Answer::Stream(AnswerStream { pieces, upstream_request_id: None, dropped: vec![] })
}
