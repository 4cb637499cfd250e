//! The house's credentials: how each kind is obtained, kept fresh and put on a request.
//!
//! ```text
//! settings ─┐
//! environment ─▶ aws · google · entra ─▶ refreshing ─▶ SigV4 · OAuth ─▶ Authorise ─▶ a request
//! files, metadata servers, token endpoints            Static ──────────┘
//! ```
//!
//! An adapter holds an [`Authorise`] and lets it finish each request just before it is sent. While
//! a credential is good nobody waits for it: it is renewed ahead of its end, in the background.
//!
//! Promises: no credential is ever printed; what a token endpoint says goes to the log only, without
//! the credential; no environment is read but the one that is handed in.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use isthmus_inference::failure::Failure;
use isthmus_inference::secret::Secret;

use crate::pieces::Pieces;

pub mod aws;
pub mod entra;
pub mod environment;
mod expiry;
mod fetch;
pub mod google;
pub mod oauth;
pub mod refreshing;
pub mod sigv4;

/// Puts the house's credential on outgoing requests.
pub trait Authorise: Send + Sync + 'static {
    /// Adds what the provider wants to see. Call it last: a signature covers the method, the URL,
    /// the headers and the body as they are now.
    fn authorise<'a>(&'a self, request: Outgoing<'a>) -> BoxFuture<'a, Result<(), Failure>>;

    /// What must be struck out of whatever the provider repeats, as of now.
    fn secrets(&self) -> Vec<Secret>;

    /// Tells that the provider has refused the credential (401, 403, an expired token), so that a
    /// new one is fetched before the old one's time.
    fn refused(&self) {}
}

/// A request that is complete but for its credential.
pub struct Outgoing<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its whole URL, percent-encoded exactly as it will be sent.
    pub url: &'a str,
    /// Its headers, to which the credential's are added.
    pub headers: &'a mut HeaderMap,
    /// Its body as it will be sent.
    pub body: &'a Pieces,
}

/// A credential that stays what it is: one header, with every request the same.
pub struct Static {
    name: HeaderName,
    value: HeaderValue,
    secret: Secret,
}

/// The text of a credential cannot stand in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credential has characters that no header can hold")]
pub struct Unfit;

// === impl Static ===

impl Static {
    /// `authorization: Bearer …`
    pub fn bearer(secret: &Secret) -> Result<Self, Unfit> {
        Ok(Self { name: AUTHORIZATION, value: bearer(secret)?, secret: secret.clone() })
    }

    /// A header of the provider's own, which holds the credential alone.
    pub fn header(name: HeaderName, secret: &Secret) -> Result<Self, Unfit> {
        Ok(Self { name, value: sensitive(secret.expose())?, secret: secret.clone() })
    }
}

impl Authorise for Static {
    fn authorise<'a>(&'a self, request: Outgoing<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        request.headers.insert(self.name.clone(), self.value.clone());
        ready(Ok(())).boxed()
    }

    fn secrets(&self) -> Vec<Secret> {
        vec![self.secret.clone()]
    }
}

/// The value of `authorization` that shows this token.
fn bearer(token: &Secret) -> Result<HeaderValue, Unfit> {
    sensitive(&format!("Bearer {}", token.expose()))
}

/// A header's value that no log shows.
fn sensitive(text: &str) -> Result<HeaderValue, Unfit> {
    let mut value = HeaderValue::from_str(text).map_err(|_| Unfit)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The headers of an empty request once this has authorised it.
    async fn authorised(by: &dyn Authorise) -> HeaderMap {
        let (method, mut headers, body) = (Method::POST, HeaderMap::new(), Pieces::default());
        let url = "https://example.com/v1";
        by.authorise(Outgoing { method: &method, url, headers: &mut headers, body: &body })
            .await
            .unwrap();
        headers
    }

    #[tokio::test]
    async fn a_static_credential_is_shown_and_never_printed() {
        let secret = Secret::from("sk-very-secret");
        let named = Static::header(HeaderName::from_static("x-api-key"), &secret).unwrap();
        let headers = authorised(&named).await;
        assert_eq!(headers["x-api-key"], "sk-very-secret");
        assert!(!format!("{headers:?}").contains("very"));

        let bearer = Static::bearer(&secret).unwrap();
        assert_eq!(authorised(&bearer).await[AUTHORIZATION], "Bearer sk-very-secret");
        assert_eq!(bearer.secrets(), [secret]);
    }

    #[test]
    fn a_credential_that_no_header_can_hold_is_refused() {
        assert_eq!(Static::bearer(&Secret::from("a\nb")).err(), Some(Unfit));
    }
}
