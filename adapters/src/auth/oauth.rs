//! OAuth access tokens on requests, wherever they come from.

use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use isthmus_inference::failure::Failure;
use isthmus_inference::secret::Secret;
use serde::{Deserialize, Deserializer};

use crate::auth::fetch::Reply;
use crate::auth::refreshing::{Fresh, Obtain, Refreshing, Unobtained};
use crate::auth::{Authorise, Outgoing, bearer, sensitive};

/// An access token as it is shown.
pub struct Token {
    secret: Secret,
    headers: HeaderMap,
}

/// Shows the access token that a source obtains and renews.
pub struct OAuth<S: Obtain<Credential = Token>> {
    token: Refreshing<S>,
}

/// A token endpoint's answer (RFC 6749, section 5.1).
#[derive(Deserialize)]
pub(super) struct Granted {
    access_token: Secret,
    /// In seconds. Azure's metadata service writes it as text.
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    /// In seconds since 1970, where App Service leaves out `expires_in`.
    #[serde(default, deserialize_with = "seconds")]
    expires_on: Option<u64>,
}

// === impl Token ===

impl Token {
    /// A token that is shown as `authorization: Bearer …`.
    pub(super) fn new(secret: Secret) -> Result<Self, Unobtained> {
        let value = bearer(&secret).map_err(|unfit| Unobtained(unfit.to_string()))?;
        let headers = [(AUTHORIZATION, value)].into_iter().collect();
        Ok(Self { secret, headers })
    }

    /// Adds another header that goes with it.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Result<Self, Unobtained> {
        let value = sensitive(value).map_err(|_| Unobtained(format!("`{name}` cannot be sent")))?;
        self.headers.insert(name, value);
        Ok(self)
    }
}

// === impl OAuth ===

impl<S: Obtain<Credential = Token>> OAuth<S> {
    /// Shows what this holds.
    pub fn new(token: Refreshing<S>) -> Self {
        Self { token }
    }
}

impl<S: Obtain<Credential = Token>> Authorise for OAuth<S> {
    fn authorise<'a>(&'a self, request: Outgoing<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        async {
            let token = self.token.get().await?;
            for (name, value) in &token.headers {
                request.headers.insert(name, value.clone());
            }
            Ok(())
        }
        .boxed()
    }

    fn secrets(&self) -> Vec<Secret> {
        self.token.known().iter().map(|token| token.secret.clone()).collect()
    }

    fn refused(&self) {
        self.token.refused();
    }
}

// === impl Granted ===

impl Granted {
    /// The token in a reply, and how long it lasts. RFC 6749 lets an endpoint leave that out; an
    /// hour is what all those met here give.
    pub(super) fn read(reply: &Reply, now: SystemTime) -> Result<Fresh<Secret>, Unobtained> {
        const USUAL: Duration = Duration::from_secs(3600);
        let granted: Self = reply.read()?;
        let until = |moment| {
            let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(moment);
            moment.duration_since(now).unwrap_or_default()
        };
        let lasts = granted.expires_in.map(Duration::from_secs);
        let lasts = lasts.or(granted.expires_on.map(until)).unwrap_or(USUAL);
        Ok(Fresh { credential: granted.access_token, lasts: Some(lasts) })
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(u64),
        Text(String),
    }
    match Option::deserialize(deserializer)? {
        None => Ok(None),
        Some(Seconds::Number(number)) => Ok(Some(number)),
        Some(Seconds::Text(text)) => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}
