//! The credentials of an EC2 instance, by version 2 of its metadata service: a session token first,
//! then the role's name, then its keys.

use std::time::SystemTime;

use http::{HeaderName, HeaderValue, Method};

use crate::auth::aws::keys::Written;
use crate::auth::environment::Environment;
use crate::auth::fetch::{METADATA, Question};
use crate::auth::refreshing::{Fresh, Unobtained};
use crate::auth::sigv4::AwsKeys;

/// The service, unless `AWS_EC2_METADATA_SERVICE_ENDPOINT` names another.
const IPV4: &str = "http://169.254.169.254";
/// The same over IPv6, for `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE`.
const IPV6: &str = "http://[fd00:ec2::254]";
const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const TOKEN_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const ROLES: &str = "latest/meta-data/iam/security-credentials/";

/// Asks for the keys of the instance's role.
pub(super) async fn ask(environment: &Environment) -> Result<Fresh<AwsKeys>, Unobtained> {
    if environment.says_true("AWS_EC2_METADATA_DISABLED") {
        return Err(Unobtained("AWS_EC2_METADATA_DISABLED is set".to_owned()));
    }
    let base = endpoint(environment);
    let base = base.trim_end_matches('/');
    let mut session = Question::new(Method::PUT, format!("{base}/latest/api/token"));
    // It is used at once, three times.
    session.headers.insert(TOKEN_TTL, HeaderValue::from_static("60"));
    let session = session.within(METADATA).ask().await?.granted(&[])?;
    let get = async |path: &str| {
        let question = Question::get(format!("{base}/{path}")).within(METADATA);
        question.header(TOKEN, session.text()?)?.ask().await?.granted(&[])
    };
    let roles = get(ROLES).await?;
    let role = roles.text()?.lines().next().unwrap_or_default();
    if role.is_empty() {
        return Err(Unobtained("the instance has no role".to_owned()));
    }
    let written: Written = get(&format!("{ROLES}{role}")).await?.read()?;
    written.keys("the instance", SystemTime::now())
}

fn endpoint(environment: &Environment) -> String {
    environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| {
        let mode = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").unwrap_or_default();
        if mode.eq_ignore_ascii_case("ipv6") { IPV6.to_owned() } else { IPV4.to_owned() }
    })
}
