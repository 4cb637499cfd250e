//! AWS Signature Version 4, made by the SDK's own crate.
//!
//! A signature covers the path as it is sent, percent-encoded once more ("double encoding", which
//! every service but S3 wants): a model's `v1:0`, sent as `v1%3A0`, is signed as `v1%253A0`.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as sign_http};
use aws_sigv4::sign::v4::SigningParams;
use http::{HeaderName, HeaderValue};
use isthmus_inference::secret::Secret;

use crate::auth::Outgoing;

/// What signs for an AWS account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsKeys {
    /// Names the secret key; it travels in clear.
    pub access_key_id: Secret,
    /// Signs; it never travels.
    pub secret_access_key: Secret,
    /// Shows that temporary keys are genuine; goes along as `x-amz-security-token`.
    pub session_token: Option<Secret>,
}

/// Where a signature holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// Such as `eu-central-1`.
    pub region: &'a str,
    /// The service's name in signatures: `bedrock` for Bedrock's runtime, `sts` for STS.
    pub service: &'a str,
}

/// Headers that are signed where they are there. Others may be changed by proxies on the way.
const SIGNED: [&str; 2] = ["accept", "content-type"];
/// The beginning of the names of AWS's own headers, which are signed too.
const AMAZON: &str = "x-amz-";

/// Signs the request: adds `x-amz-date`, `x-amz-security-token` for temporary keys, and
/// `authorization`. The error is for the log and holds nothing secret.
pub fn sign(
    request: &mut Outgoing<'_>,
    keys: &AwsKeys,
    scope: Scope<'_>,
    now: SystemTime,
) -> Result<(), String> {
    let identity = credentials(keys).into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let mut signed = Vec::new();
    for (name, value) in request.headers.iter() {
        if SIGNED.contains(&name.as_str()) || name.as_str().starts_with(AMAZON) {
            let value = value.to_str().map_err(|_| format!("`{name}` is not plain text"))?;
            signed.push((name.as_str(), value));
        }
    }
    let body = request.body.whole();
    let body = SignableBody::Bytes(&body);
    let (method, headers) = (request.method.as_str(), signed.into_iter());
    let signable = SignableRequest::new(method, request.url, headers, body);
    let signable = signable.map_err(|error| chain(&error))?;
    let signature = sign_http(signable, &parameters).map_err(|error| chain(&error))?;
    let (additions, _) = signature.into_parts();
    for (name, value) in additions.headers() {
        let mut shown = HeaderValue::from_str(value).map_err(|_| format!("`{name}` is unfit"))?;
        shown.set_sensitive(name != "x-amz-date");
        let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
        request.headers.insert(name, shown);
    }
    Ok(())
}

fn credentials(keys: &AwsKeys) -> Credentials {
    let mut builder = Credentials::builder()
        .access_key_id(keys.access_key_id.expose())
        .secret_access_key(keys.secret_access_key.expose())
        .provider_name("isthmus");
    if let Some(token) = &keys.session_token {
        builder = builder.session_token(token.expose());
    }
    builder.build()
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, Method};
    use serde::Deserialize;

    use super::*;
    use crate::pieces::Pieces;

    /// A signature as botocore made it, for the keys below at [`WHEN`].
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        method: String,
        url: String,
        region: String,
        body: String,
        session_token: Option<String>,
        authorization: String,
    }

    const VECTORS: &str = include_str!("../../tests/data/sigv4.json");
    /// 2026-11-23T03:09:07Z
    const WHEN: u64 = 1_795_403_347;

    fn keys(session_token: Option<&str>) -> AwsKeys {
        AwsKeys {
            access_key_id: "AKIDEXAMPLEEXAMPLE00".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: session_token.map(Secret::from),
        }
    }

    #[test]
    fn signatures_are_those_of_botocore() {
        let vectors: Vec<Vector> = serde_json::from_str(VECTORS).unwrap();
        assert!(vectors.len() >= 9);
        for vector in vectors {
            let method = Method::from_bytes(vector.method.as_bytes()).unwrap();
            let body = vector.body.into();
            let mut headers = HeaderMap::new();
            headers.insert("accept", HeaderValue::from_static("application/json"));
            // A proxy may change it, so it is not signed.
            headers.insert("user-agent", HeaderValue::from_static("isthmus"));
            if method == Method::POST {
                headers.insert("content-type", HeaderValue::from_static("application/json"));
            }
            let (url, headers_in) = (vector.url.as_str(), &mut headers);
            let mut request = Outgoing { method: &method, url, headers: headers_in, body: &body };
            let keys = keys(vector.session_token.as_deref());
            let scope = Scope { region: &vector.region, service: "bedrock" };
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(WHEN);
            sign(&mut request, &keys, scope, now).unwrap();

            assert_eq!(headers["authorization"], vector.authorization, "{}", vector.name);
            assert_eq!(headers["x-amz-date"], "20261123T030907Z");
            let token = headers.get("x-amz-security-token").map(|v| v.to_str().unwrap());
            assert_eq!(token, vector.session_token.as_deref());
            let printed = format!("{headers:?} {keys:?}");
            assert!(!printed.contains("Signature") && !printed.contains("EXAMPLE"), "{printed}");
        }
    }

    #[test]
    fn signing_again_replaces_the_signature() {
        let (method, body, mut headers) = (Method::GET, Pieces::default(), HeaderMap::new());
        let scope = Scope { region: "eu-central-1", service: "bedrock" };
        let mut sign_at = |second| {
            let url = "https://example.com/";
            let mut request = Outgoing { method: &method, url, headers: &mut headers, body: &body };
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            sign(&mut request, &keys(Some("token")), scope, now).unwrap();
            headers.clone()
        };
        let (first, second) = (sign_at(WHEN), sign_at(WHEN + 1));
        assert_eq!(first.len(), second.len());
        assert_eq!(second, {
            sign_at(WHEN);
            sign_at(WHEN + 1)
        });
        assert_ne!(first, second);
    }
}
