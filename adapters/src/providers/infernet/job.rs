//! What an Infernet node says of a job.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use isthmus_inference::failure::{Blame, Failure, Kind, Retry};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::dialect::Refused;
use crate::dialects::openai_error::{self, class};

#[derive(Deserialize)]
struct Submitted {
    id: String,
}

#[derive(Deserialize)]
struct Job {
    id: String,
    status: String,
    result: Option<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    output: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Info {
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    id: String,
    external: bool,
}

#[derive(Deserialize)]
struct Guarded {
    error: String,
    params: Option<Value>,
}

/// The longest id of a job; they are UUIDs.
const LONGEST_ID: usize = 256;

/// The id of a job that was just submitted.
pub(super) fn submitted(body: &[u8]) -> Result<String, Failure> {
    read::<Submitted>(body).and_then(|job| checked(job.id))
}

/// What a job gave; `None` while it is running.
pub(super) fn output(body: &[u8], id: &str) -> Result<Option<Value>, Failure> {
    let job = read::<Vec<Job>>(body)?.into_iter().find(|job| job.id == id).ok_or_else(|| {
        let message = "the provider has forgotten the job that it took";
        Failure::new(Kind::ProviderError, message).retried(Retry::Elsewhere)
    })?;
    let Job { status, result, .. } = job;
    match (status.as_str(), result) {
        ("running", _) => Ok(None),
        ("success", Some(Outcome { output: Some(output), .. })) => Ok(Some(output)),
        ("failed" | "failure", result) => {
            let why = result.and_then(|result| result.error);
            let why = why.as_ref().map_or("it does not say why".into(), text);
            Err(Failure::new(Kind::ProviderError, format!("the provider's job failed: {why}")))
        }
        (status, _) => Err(malformed().with_detail(format!("the job's status is `{status}`"))),
    }
}

/// The containers that take jobs from outside.
pub(super) fn containers(body: &[u8]) -> Result<Vec<String>, Failure> {
    let containers = read::<Info>(body)?.containers.into_iter();
    Ok(containers.filter(|it| it.external).map(|it| it.id).collect())
}

/// The beginning of a stream: a line with the job's id. What follows is the container's own.
pub(super) async fn begun(
    mut chunks: impl Stream<Item = Result<Bytes, Failure>> + Send + Unpin + 'static,
) -> Result<(String, BoxStream<'static, Result<Bytes, Failure>>), Failure> {
    let mut begun = BytesMut::new();
    loop {
        if let Some(end) = memchr::memchr(b'\n', &begun) {
            let id = String::from_utf8_lossy(&begun[..end]).trim().to_owned();
            let rest = begun.freeze().slice(end + 1..);
            return Ok((checked(id)?, stream::iter([Ok(rest)]).chain(chunks).boxed()));
        }
        match chunks.next().await.transpose()? {
            Some(chunk) if begun.len() <= LONGEST_ID => begun.extend_from_slice(&chunk),
            _ => return Err(malformed().with_detail("a stream without its first line")),
        }
    }
}

/// The failure that an error's status tells of. A guardian's refusal (405) is about the operator's
/// choice of containers; the node's limits say when they end by `ratelimit-reset`, in seconds.
pub(super) fn refused(refused: Refused<'_>) -> Failure {
    if refused.status == StatusCode::METHOD_NOT_ALLOWED
        && let Ok(Guarded { error, params }) = serde_json::from_slice(&refused.body)
    {
        let params = params.as_ref().map_or(String::new(), |params| format!(" ({params})"));
        let message = format!("the provider does not take this job: {error}{params}");
        let failure = Failure::new(Kind::NotFound, message).with_detail("HTTP 405, a guardian");
        return failure.blamed_on(Blame::House).retried(Retry::Elsewhere);
    }
    let reset = refused.headers.get("ratelimit-reset").and_then(|value| value.to_str().ok());
    let reset = reset.and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let mut failure = openai_error::from_response(refused);
    if failure.kind == Kind::RateLimited {
        failure.retry_after = failure.retry_after.or(reset);
    }
    failure
}

fn checked(id: String) -> Result<String, Failure> {
    let good =
        !id.is_empty() && id.len() <= LONGEST_ID && id.chars().all(|it| it.is_ascii_graphic());
    good.then_some(id).ok_or_else(|| malformed().with_detail("the job's id is none"))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|_| malformed().with_detail(class(body)))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn malformed() -> Failure {
    Failure::new(Kind::Malformed, "the provider's answer is not one of an Infernet node")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_job_runs_gives_or_fails() {
        let told = |status: &str, result: &str| {
            output(format!(r#"[{{"id":"j","status":"{status}"{result}}}]"#).as_bytes(), "j")
        };
        assert_eq!(told("running", "").unwrap(), None);
        let given = told("success", r#","result":{"container":"c","output":{"a":1}}"#).unwrap();
        assert_eq!(given, Some(serde_json::json!({ "a": 1 })));
        for status in ["failed", "failure"] {
            let failure = told(status, r#","result":{"container":"c","error":"boom"}"#);
            let failure = failure.unwrap_err();
            assert_eq!(failure.kind, Kind::ProviderError);
            assert!(failure.message.ends_with(": boom"), "{failure}");
        }
        assert_eq!(told("success", "").unwrap_err().kind, Kind::Malformed);
        assert_eq!(told("odd", "").unwrap_err().kind, Kind::Malformed);
        let gone = output(b"[]", "j").unwrap_err();
        assert_eq!((gone.kind, gone.retry), (Kind::ProviderError, Retry::Elsewhere));
    }

    #[test]
    fn a_stream_begins_with_the_jobs_id_however_it_is_cut() {
        for chunks in [&["j1\none ", "two"][..], &["j", "1", "\n", "one two"], &["j1\r\none two"]] {
            let chunks: Vec<_> = chunks.iter().map(|it| Ok(Bytes::from(*it))).collect();
            let begun = begun(stream::iter(chunks)).now_or_never().unwrap();
            let (id, text) = begun.map_err(|failure| failure.kind).ok().unwrap();
            let text: Vec<_> = text.map(Result::unwrap).collect().now_or_never().unwrap();
            assert_eq!((id.as_str(), text.concat()), ("j1", b"one two".to_vec()));
        }
        let endless = "x".repeat(LONGEST_ID + 1);
        for chunks in [&[][..], &["j1"], &["\nx"], &[&endless, "\n"], &[&endless, "x"]] {
            let chunks: Vec<_> =
                chunks.iter().map(|it| Ok(Bytes::from((*it).to_owned()))).collect();
            let begun = begun(stream::iter(chunks)).now_or_never().unwrap();
            assert_eq!(begun.err().unwrap().kind, Kind::Malformed);
        }
    }
}
