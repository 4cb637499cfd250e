//! The credentials of a container: ECS tasks, EKS pods ("Container credential provider").

use std::path::Path;
use std::time::SystemTime;

use http::header::AUTHORIZATION;

use crate::auth::aws::keys::Written;
use crate::auth::environment::Environment;
use crate::auth::fetch::{METADATA, Question, read_file};
use crate::auth::refreshing::{Fresh, Unobtained};
use crate::auth::sigv4::AwsKeys;

/// Where an ECS task asks for a relative address.
const ECS: &str = "http://169.254.170.2";
/// Where the token may go in clear: this machine, ECS and EKS.
const TRUSTED: [&str; 7] = [
    "http://169.254.170.2",
    "http://169.254.170.23",
    "http://[fd00:ec2::23]",
    "http://127.0.0.1",
    "http://[::1]",
    "http://localhost",
    "https://",
];

/// What to ask, if this is a container with credentials.
pub(super) async fn question(environment: &Environment) -> Result<Option<Question>, Unobtained> {
    let relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let relative = relative.map(|path| format!("{ECS}{path}"));
    let full = || environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let Some(url) = relative.or_else(full) else { return Ok(None) };
    if !TRUSTED.iter().any(|trusted| is_at(&url, trusted)) {
        let message = "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https:// or at this machine's \
                       own metadata address";
        return Err(Unobtained(message.to_owned()));
    }
    let question = Question::get(url).within(METADATA);
    let token = match environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(read_file(Path::new(&path)).await?),
        None => environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    match token {
        Some(token) => question.header(AUTHORIZATION, token.trim()).map(Some),
        None => Ok(Some(question)),
    }
}

/// Asks.
pub(super) async fn ask(question: Question) -> Result<Fresh<AwsKeys>, Unobtained> {
    let written: Written = question.ask().await?.granted(&[])?.read()?;
    written.keys("the container", SystemTime::now())
}

/// Whether the URL begins with this origin, and not with a longer one.
fn is_at(url: &str, origin: &str) -> bool {
    let after = url.strip_prefix(origin);
    after.is_some_and(|rest| {
        origin.ends_with('/') || rest.is_empty() || rest.starts_with([':', '/'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_is_asked_at_the_address_of_ecs_with_the_token_as_it_is() {
        let environment = Environment::new(|name| match name {
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" => Some("/v2/credentials/x".to_owned()),
            "AWS_CONTAINER_AUTHORIZATION_TOKEN" => Some("the-token".to_owned()),
            _ => None,
        });
        let question = question(&environment).await.unwrap().unwrap();
        assert_eq!(question.url, "http://169.254.170.2/v2/credentials/x");
        assert_eq!(question.headers[AUTHORIZATION], "the-token");
    }

    #[test]
    fn a_token_goes_nowhere_else_in_clear() {
        for (url, trusted) in [
            ("http://169.254.170.23/v1/credentials", true),
            ("http://localhost:8080/x", true),
            ("https://example.com/x", true),
            ("http://example.com/x", false),
            ("http://localhost.example.com/x", false),
            ("http://127.0.0.1@example.com/x", false),
        ] {
            assert_eq!(TRUSTED.iter().any(|origin| is_at(url, origin)), trusted, "{url}");
        }
    }
}
