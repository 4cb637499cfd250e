//! A node of Ritual's Infernet: containers that are given a job and asked for its result.
//!
//! What a container takes and gives is its own affair; the operator maps a chat onto it:
//!
//! ```yaml
//! kind: infernet
//! base_url: http://203.0.113.9:4000
//! containers: [llm]                      # of several, each takes what the one before gave
//! data: { prompt: { from: prompt } }     # what the first one takes
//! answer: { text: output }               # where the text is in what the last one gives
//! streams: true                          # the container can stream: plain text, without frames
//! ```
//!
//! With `answer` a job is submitted and polled; with `streams` streamed calls go to the node's stream
//! instead; with `streams` alone all do.
//!
//! Facts are those of infernet-node 1.4.0, seen at work, where it differs from its OpenAPI document:
//! a job that did not succeed is `failed` there, not `failure`; both are understood. A stream that
//! fails ends like one that is done, and the node ends each after 60 seconds. The node has no users: it
//! shows jobs to whoever comes from the same IP address. A job goes on though its caller leaves. Nothing
//! is signed: an answer's origin is known by its transport alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use http::{HeaderMap, Method};
use isthmus_inference::capability::Capability;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::request::Operation;
use serde_json::{Map, Value, json};

use crate::adapter::{Adapter, Answer, AnswerStream, Attempt, Timeouts};
use crate::dialect::Encoded;
use crate::dialects::caller;
use crate::http_adapter::{Auth, LISTING, Line, Outgoing};
use crate::http_client::Target;
use crate::mapping::{AnswerFields, Mapping, Said, TextPieces, answer_with};
use crate::providers::table::custom;
use crate::registry::{About, BuildError, Provider, ProviderOption, Shape};
use crate::settings::AccountSettings;
use crate::timeouts::{Deadlines, Paced};

mod job;

/// Infernet's nodes.
pub static INFERNET: Provider = Provider {
    options: &[
        option("containers", "the containers of a job, in order: a list of their ids"),
        option("data", "what goes into the fields that the first container takes"),
        option("answer", "where the text is in what the last container gives"),
        option("streams", "whether the container can stream: true or false"),
    ],
    about: About {
        dialects: &["Infernet jobs, with a container's own fields"],
        relays: &[],
        credential: "none: nodes have no users",
        capabilities: &[Capability::Chat],
        limits: &[
            "What a caller asks for and no field of the container takes is refused, not dropped.",
            "Nodes show jobs to whoever comes from the same IP address.",
            "A stream ends after 60 seconds, and one that fails ends like one that is done.",
            "A job goes on though its caller leaves.",
            "Nothing that it answers is signed: facts must claim no more than transport.",
        ],
    },
    ..custom("infernet", "Ritual Infernet", build)
};

/// One node, ready to be called.
struct Infernet {
    line: Line,
    jobs: Target,
    stream: Target,
    info: Target,
    containers: Vec<String>,
    data: Mapping,
    answer: Option<AnswerFields>,
    streams: bool,
}

/// How long a job is left alone before it is asked for first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

const fn option(name: &'static str, help: &'static str) -> ProviderOption {
    ProviderOption { name, variables: &[], shape: Shape::Json, help }
}

fn build(settings: &AccountSettings) -> Result<Arc<dyn Adapter>, BuildError> {
    let refuse = |message: &str| Err(BuildError(message.to_owned()));
    let containers: Vec<String> = settings.json("containers")?.unwrap_or_default();
    let Some(data) = settings.json::<Mapping>("data")? else { return refuse("`data` is missing") };
    data.check().map_err(|error| BuildError(format!("`data`: {error}")))?;
    let answer = settings.json("answer")?;
    let streams = settings.json("streams")?.unwrap_or(false);
    match (containers.len(), &answer) {
        (0, _) => return refuse("`containers` is missing or empty"),
        (2.., _) if streams => return refuse("a node streams from a single container only"),
        (_, None) if !streams => return refuse("give `answer`, `streams: true` or both"),
        _ => {}
    }
    Ok(Arc::new(Infernet {
        line: Line::new(settings, &Auth::Bearer, HeaderMap::new())?,
        jobs: settings.target("/api/jobs")?,
        stream: settings.target("/api/jobs/stream")?,
        info: settings.target("/info")?,
        containers,
        data,
        answer,
        streams,
    }))
}

// === impl Infernet ===

impl Adapter for Infernet {
    fn call(&self, attempt: Attempt) -> BoxFuture<'_, Result<Answer, Failure>> {
        self.attempt(attempt).boxed()
    }

    /// The containers that take jobs from outside.
    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Failure>> {
        async {
            let deadlines = Deadlines::from_now(&LISTING);
            let told = self.get(&self.info, &LISTING, deadlines).await?;
            job::containers(&told)
        }
        .boxed()
    }
}

impl Infernet {
    async fn attempt(&self, attempt: Attempt) -> Result<Answer, Failure> {
        let (request, model) = (&attempt.request, attempt.model.as_str());
        if request.operation != Operation::Chat {
            let message = "an Infernet node answers chat completions only";
            return Err(Failure::new(Kind::Unsupported, message));
        }
        let said = Said::of(&caller(request.dialect).chat(request)?, model)?;
        let data = self.data.fields(&said)?;
        let (dropped, asked) = (said.dropped().to_vec(), request.rough_tokens());
        match &self.answer {
            Some(answer) if !(request.stream && self.streams) => {
                let (output, id) = self.job(&data, &attempt.timeouts).await?;
                let told = answer.read(&output, asked)?;
                Ok(answer_with(told, model, request.stream, dropped, Some(id)))
            }
            _ => {
                let (pieces, id) = self.streamed(&data, asked, &attempt.timeouts).await?;
                if !request.stream {
                    let told = pieces.gathered().await?;
                    return Ok(answer_with(told, model, false, dropped, Some(id)));
                }
                let (pieces, upstream_request_id) = (pieces.boxed(), Some(id));
                Ok(Answer::Stream(AnswerStream { pieces, upstream_request_id, dropped }))
            }
        }
    }

    /// Submits a job and waits for what it gives; that, and the job's id.
    async fn job(
        &self,
        data: &Map<String, Value>,
        limits: &Timeouts,
    ) -> Result<(Value, String), Failure> {
        // The node says nothing before the job is done, however long that takes.
        let limits = Timeouts { first_byte: limits.total, ..*limits };
        let outgoing = Outgoing::post(&self.jobs, self.encoded(data), &limits);
        let deadlines = outgoing.deadlines;
        let id = job::submitted(&self.line.whole(outgoing, job::refused).await?.body)?;
        let target = self.jobs.clone().with_query("id", &id);
        let mut pause = FIRST_PAUSE;
        loop {
            deadlines.first_byte(tokio::time::sleep(pause)).await?;
            if let Some(output) = job::output(&self.get(&target, &limits, deadlines).await?, &id)? {
                return Ok((output, id));
            }
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }

    /// Begins a stream: its text, and the job's id.
    async fn streamed(
        &self,
        data: &Map<String, Value>,
        asked: u64,
        limits: &Timeouts,
    ) -> Result<(TextPieces, String), Failure> {
        let outgoing = Outgoing::post(&self.stream, self.encoded(data), limits);
        let deadlines = outgoing.deadlines;
        let incoming = self.line.send(outgoing, job::refused).await?;
        let (id, text) = job::begun(Paced::new(incoming.body, deadlines)).await?;
        Ok((TextPieces::new(text, asked), id))
    }

    async fn get(
        &self,
        target: &Target,
        limits: &Timeouts,
        deadlines: Deadlines,
    ) -> Result<bytes::Bytes, Failure> {
        let (method, encoded) = (Method::GET, Encoded::default());
        let outgoing = Outgoing { method, target, encoded, limits, deadlines };
        Ok(self.line.whole(outgoing, job::refused).await?.body)
    }

    fn encoded(&self, data: &Map<String, Value>) -> Encoded {
        let body = json!({ "containers": self.containers, "data": data });
        Encoded { body: body.to_string().into(), ..Encoded::default() }
    }
}
