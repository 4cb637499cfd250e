//! A JSON object posted to an address that the operator chose, so that somebody takes notice.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use isthmus_inference::secret::Secret;
use tokio::time::timeout;

use crate::http_client::{self, Target};

/// Nobody took notice. Never says of which address, since addresses hold tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// The address cannot be asked.
    #[error("the address is none that can be posted to")]
    Address,
    /// Nobody answered.
    #[error("no answer: {0}")]
    Unanswered(String),
    /// Somebody refused.
    #[error("refused with status {0}")]
    Refused(StatusCode),
}

/// How long the other side may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Posts an object. What is answered beyond the status is not read.
pub async fn post(address: &Secret, object: String) -> Result<(), Undelivered> {
    let target = Target::exactly(address.expose()).map_err(|_| Undelivered::Address)?;
    let json = HeaderValue::from_static("application/json");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, json)]);
    let body = Bytes::from(object);
    let exchange = async {
        let sent = http_client::send(Method::POST, &target, headers, body, LIMIT).await;
        let mut answer = sent.map_err(|failure| Undelivered::Unanswered(failure.message))?;
        // A short answer leaves its connection fit for the next notice.
        let _rest = answer.body.next().await;
        Ok(answer.status)
    };
    let late = || Undelivered::Unanswered(format!("none within {LIMIT:?}"));
    match timeout(LIMIT, exchange).await.unwrap_or_else(|_| Err(late()))? {
        status if status.is_success() => Ok(()),
        status => Err(Undelivered::Refused(status)),
    }
}
