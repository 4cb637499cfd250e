//! What the tests of all clouds' credentials share.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use isthmus_adapters::auth::environment::Environment;
use isthmus_adapters::auth::{Authorise, Outgoing};
use isthmus_adapters::pieces::Pieces;
use isthmus_inference::failure::{Failure, Kind};
use tempfile::TempDir;

use crate::upstream::Seen;

/// An environment with these variables only.
pub(crate) fn environment(variables: &[(&str, &str)]) -> Environment {
    let known: HashMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Environment::new(move |name| known.get(name).cloned())
}

/// The headers that are put on a request.
pub(crate) async fn shown(by: &Arc<dyn Authorise>) -> Result<HeaderMap, Failure> {
    let (method, mut headers) = (Method::POST, HeaderMap::new());
    let (url, body) = ("https://example.com/v1", Pieces::from(Bytes::from_static(b"{}")));
    let outgoing = Outgoing { method: &method, url, headers: &mut headers, body: &body };
    by.authorise(outgoing).await?;
    Ok(headers)
}

/// The value of `authorization` on a request.
pub(crate) async fn authorization(by: &Arc<dyn Authorise>) -> String {
    shown(by).await.unwrap()["authorization"].to_str().unwrap().to_owned()
}

/// What the log says of a request that cannot be authorised; callers hear nothing of it.
pub(crate) async fn reason(by: &Arc<dyn Authorise>) -> String {
    let failure = shown(by).await.unwrap_err();
    assert_eq!(failure.kind, Kind::UpstreamAuth);
    assert!(failure.message.contains("operator"), "{}", failure.message);
    let reason = failure.detail.unwrap();
    assert!(!failure.message.contains(&reason));
    reason
}

/// A file with this text.
pub(crate) fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

/// The fields of a form that was sent.
pub(crate) fn form(seen: &Seen) -> HashMap<String, String> {
    assert!(seen.header("content-type").unwrap().starts_with("application/x-www-form-urlencoded"));
    form_urlencoded::parse(&seen.body).into_owned().collect()
}

/// Moves the clock on; afterwards it goes on by itself, as sockets need it.
pub(crate) async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}
