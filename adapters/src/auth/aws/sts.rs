//! Temporary keys from AWS's Security Token Service (its API reference, version 2011-06-15).

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use http::Method;
use isthmus_inference::secret::Secret;

use crate::auth::Outgoing;
use crate::auth::aws::domain;
use crate::auth::environment::Environment;
use crate::auth::expiry::until;
use crate::auth::fetch::{Question, Reply, element, read_file};
use crate::auth::refreshing::{Fresh, Unobtained};
use crate::auth::sigv4::{AwsKeys, Scope, sign};

/// The service, where one account reaches it.
pub(super) struct Sts {
    url: String,
    region: String,
}

/// A role that keys may assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session: Option<String>,
    pub(super) external_id: Option<String>,
    /// In seconds.
    pub(super) duration: Option<String>,
}

/// A role that another identity provider's token may assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WebIdentity {
    pub(super) token_file: PathBuf,
    pub(super) arn: String,
    pub(super) session: Option<String>,
}

/// Names our sessions in the account's audit trail, unless the operator does.
const SESSION: &str = "isthmus";
/// The region whose STS is asked when none is known; every account has it.
const USUAL_REGION: &str = "us-east-1";

/// The web identity that Kubernetes hands to a pod, if it does.
pub(super) fn surrounding_identity(environment: &Environment) -> Option<WebIdentity> {
    Some(WebIdentity {
        token_file: environment.get("AWS_WEB_IDENTITY_TOKEN_FILE")?.into(),
        arn: environment.get("AWS_ROLE_ARN")?,
        session: environment.get("AWS_ROLE_SESSION_NAME"),
    })
}

// === impl Sts ===

impl Sts {
    pub(super) fn new(region: Option<String>, environment: &Environment) -> Self {
        let region = region.unwrap_or_else(|| USUAL_REGION.to_owned());
        let named = Some(environment)
            .filter(|environment| !environment.says_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))
            .and_then(|known| known.first(&["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"]));
        let usual = || format!("https://sts.{region}.{}/", domain(&region));
        let url = named.unwrap_or_else(usual);
        Self { url, region }
    }

    /// `AssumeRole`, signed with these keys.
    pub(super) async fn assume(
        &self,
        role: &Role,
        keys: &AwsKeys,
    ) -> Result<Fresh<AwsKeys>, Unobtained> {
        let mut form = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", role.arn.as_str()),
            ("RoleSessionName", role.session.as_deref().unwrap_or(SESSION)),
        ];
        form.extend(role.external_id.as_deref().map(|id| ("ExternalId", id)));
        form.extend(role.duration.as_deref().map(|seconds| ("DurationSeconds", seconds)));
        let mut question = Question::form(self.url.as_str(), &form);
        let scope = Scope { region: &self.region, service: "sts" };
        let mut outgoing = Outgoing {
            method: &Method::POST,
            url: &question.url,
            headers: &mut question.headers,
            body: &question.body,
        };
        sign(&mut outgoing, keys, scope, SystemTime::now()).map_err(Unobtained)?;
        let mut secrets = vec![&keys.access_key_id, &keys.secret_access_key];
        secrets.extend(&keys.session_token);
        temporary_keys(&question.ask().await?.granted(&secrets)?)
    }

    /// `AssumeRoleWithWebIdentity`, which is not signed. The token is read anew each time: whoever
    /// puts it there replaces it.
    pub(super) async fn with_web_identity(
        &self,
        identity: &WebIdentity,
    ) -> Result<Fresh<AwsKeys>, Unobtained> {
        let token = Secret::from(read_file(Path::new(&identity.token_file)).await?.trim());
        let form = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", identity.arn.as_str()),
            ("RoleSessionName", identity.session.as_deref().unwrap_or(SESSION)),
            ("WebIdentityToken", token.expose()),
        ];
        let reply = Question::form(self.url.as_str(), &form).ask().await?;
        temporary_keys(&reply.granted(&[&token])?)
    }
}

/// The keys in STS's answer, which is XML. None of their characters needs escaping there.
fn temporary_keys(reply: &Reply) -> Result<Fresh<AwsKeys>, Unobtained> {
    let missing = |name: &str| Unobtained(format!("STS gave no `{name}`"));
    let xml = reply.text()?;
    let keys = element(xml, "Credentials").ok_or_else(|| missing("Credentials"))?;
    let part = |name| element(keys, name).ok_or_else(|| missing(name));
    let credential = AwsKeys {
        access_key_id: part("AccessKeyId")?.into(),
        secret_access_key: part("SecretAccessKey")?.into(),
        session_token: Some(part("SessionToken")?.into()),
    };
    let lasts = until(part("Expiration")?, SystemTime::now())?;
    Ok(Fresh { credential, lasts: Some(lasts) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_asked_in_its_region_unless_another_place_is_named() {
        let none: &[(&'static str, &'static str)] = &[];
        for (region, variables, url) in [
            (None, none, "https://sts.us-east-1.amazonaws.com/"),
            (Some("eu-central-1"), none, "https://sts.eu-central-1.amazonaws.com/"),
            (Some("us-gov-west-1"), none, "https://sts.us-gov-west-1.amazonaws.com/"),
            (Some("cn-north-1"), none, "https://sts.cn-north-1.amazonaws.com.cn/"),
            (Some("eusc-de-east-1"), none, "https://sts.eusc-de-east-1.amazonaws.eu/"),
            (Some("us-iso-east-1"), none, "https://sts.us-iso-east-1.c2s.ic.gov/"),
            (
                None,
                &[("AWS_ENDPOINT_URL", "http://a"), ("AWS_ENDPOINT_URL_STS", "http://b")],
                "http://b",
            ),
            (
                None,
                &[
                    ("AWS_ENDPOINT_URL", "http://a"),
                    ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
                ],
                "https://sts.us-east-1.amazonaws.com/",
            ),
        ] {
            let environment = Environment::new(move |name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            });
            assert_eq!(Sts::new(region.map(str::to_owned), &environment).url, url);
        }
    }
}
