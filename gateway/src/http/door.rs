//! From the street into the pipeline and back, for every dialect: bytes in, [`Call`], bytes out.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, Request, Response, Uri};
use hyper::body::Incoming;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::RequestId;
use isthmus_inference::request::{Dialect, Operation};
use tokio::time::Instant;

use super::render;
use super::reply::Reply;
use crate::app::App;
use crate::ids;
use crate::pipeline::identify::CREDENTIAL_HEADERS;
use crate::pipeline::settle::{Outcome, Ticket};
use crate::pipeline::{self, Call};
use crate::telemetry::events::CallPanicked;

/// Takes a call from its head to its answer, in the caller's dialect.
pub async fn answer(
    app: Arc<App>,
    dialect: Dialect,
    operation: Operation,
    request: Request<Incoming>,
) -> Response<Reply> {
    let arrived = Instant::now();
    let (head, body) = request.into_parts();
    let id = request_id(&head.headers);
    let timeout = timeout(&head.headers, app.request_timeout);
    let deadline = arrived + *timeout.as_ref().unwrap_or(&app.request_timeout);
    let (id_kept, query, headers) = (id.clone(), query(&head.uri), head.headers);
    let call = Call { id: id_kept, arrived, operation, dialect, headers, query, deadline };
    let mut call = Box::new(call);
    hide_credentials(&mut call.headers);

    let mut ticket = Ticket::open(&app.metrics, &app.reaper, &call);
    let stages = async {
        timeout?;
        pipeline::run(&app, call, body, &mut ticket).await
    };
    let outcome = AssertUnwindSafe(stages).catch_unwind().await.unwrap_or_else(|_| {
        CallPanicked { request_id: &id }.emit();
        Err(Failure::new(Kind::Internal, "the gateway failed; this is a defect in it"))
    });
    match outcome {
        Ok(answer) => {
            let (response, release) = render::answer(&app, answer, ticket);
            let granted = release.granted().await;
            granted.map_or_else(|failure| render::failure(&failure, dialect, &id), |()| response)
        }
        Err(failure) => {
            let response = render::refusal(&failure, ticket.record());
            drop(ticket.settle(&app.metrics, Outcome::Failed(&failure)));
            response
        }
    }
}

/// Marks what must not print, should anyone print the head.
fn hide_credentials(headers: &mut HeaderMap) {
    for name in &CREDENTIAL_HEADERS {
        if let Some(value) = headers.get_mut(name) {
            value.set_sensitive(true);
        }
    }
}

/// The longest request id that is taken over from a caller.
const LONGEST_ID: usize = 128;

/// The caller's `x-request-id` if it is sane, else one of ours.
pub fn request_id(headers: &HeaderMap) -> RequestId {
    let theirs = headers.get(&render::REQUEST_ID).and_then(|value| value.to_str().ok());
    // Spaces and quotes could forge fields of a log line.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
    let sane = |id: &&str| !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(plain);
    match theirs.filter(sane) {
        Some(id) => id.into(),
        None => ids::fresh("req_").as_str().into(),
    }
}

/// The longest query string that is kept; those that SDKs send are a word or two.
const LONGEST_QUERY: usize = 256;

/// What stands behind the `?`, if it is of a sane length.
fn query(uri: &Uri) -> Option<String> {
    let sane = |query: &&str| !query.is_empty() && query.len() <= LONGEST_QUERY;
    uri.query().filter(sane).map(str::to_owned)
}

/// The time that the caller gives, or the house's, whichever is shorter.
fn timeout(headers: &HeaderMap, house: Duration) -> Result<Duration, Failure> {
    const NAME: &str = "x-isthmus-timeout-ms";
    static HEADER: HeaderName = HeaderName::from_static(NAME);
    let Some(value) = headers.get(&HEADER) else { return Ok(house) };
    let milliseconds = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
    match milliseconds.filter(|milliseconds| *milliseconds > 0) {
        Some(milliseconds) => Ok(house.min(Duration::from_millis(milliseconds))),
        None => Err(Failure::invalid(
            NAME,
            format!("`{NAME}` must be a whole number of milliseconds, at least 1"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn a_callers_request_id_is_echoed_unless_it_is_absurd() {
        assert_eq!(request_id(&headers("x-request-id", "abc")).as_str(), "abc");
        let ours = request_id(&headers("x-request-id", &"x".repeat(LONGEST_ID + 1)));
        assert!(ours.as_str().starts_with("req_"));
        assert_ne!(ours, request_id(&HeaderMap::new()));
        let forged = request_id(&headers("x-request-id", "a status=200"));
        assert!(forged.as_str().starts_with("req_"));
    }

    #[test]
    fn a_query_is_kept_unless_it_is_absurd() {
        let kept = |text: String| query(&format!("/v1/messages{text}").parse().unwrap());
        assert_eq!(kept("?beta=true".to_owned()).as_deref(), Some("beta=true"));
        let longest = "x".repeat(LONGEST_QUERY);
        assert_eq!(kept(format!("?{longest}")), Some(longest.clone()));
        for none in [String::new(), "?".to_owned(), format!("?{longest}x")] {
            assert_eq!(kept(none), None);
        }
    }

    #[test]
    fn a_printed_head_tells_no_key() {
        for name in &CREDENTIAL_HEADERS {
            let mut headers = headers(name.as_str(), "Bearer isk-secret");
            hide_credentials(&mut headers);
            assert!(!format!("{headers:?}").contains("secret"), "{name}");
        }
    }

    #[test]
    fn a_caller_may_shorten_its_time_and_not_lengthen_it() {
        let house = Duration::from_secs(10);
        let with = |value| timeout(&headers("x-isthmus-timeout-ms", value), house);
        assert_eq!(with("250").unwrap(), Duration::from_millis(250));
        assert_eq!(with("99999999").unwrap(), house);
        assert_eq!(timeout(&HeaderMap::new(), house).unwrap(), house);
        for wrong in ["0", "-1", "soon", ""] {
            assert_eq!(with(wrong).unwrap_err().param.as_deref(), Some("x-isthmus-timeout-ms"));
        }
    }
}
