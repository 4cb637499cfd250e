//! The AWS credential chain, link by link, against the servers that it asks.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use isthmus_adapters::auth::Authorise;
use isthmus_adapters::auth::aws::{AwsSettings, authorise, region};
use isthmus_inference::secret::Secret;
use serde_json::json;
use tempfile::TempDir;

use crate::credentials::{authorization, environment, file, form, pass, reason, shown};
use crate::upstream::{Seen, Step, Upstream, json as answer, whole};

/// What signs in this environment, when the settings say nothing.
fn surrounded_by(variables: &[(&str, &str)]) -> Arc<dyn Authorise> {
    authorise("bedrock", &AwsSettings::default(), "eu-central-1", &environment(variables)).unwrap()
}

/// The id of the key that a request is signed with.
async fn signed_with(by: &Arc<dyn Authorise>) -> String {
    let shown = authorization(by).await;
    let scope = shown.strip_prefix("AWS4-HMAC-SHA256 Credential=").unwrap();
    assert!(scope.contains("/eu-central-1/bedrock/aws4_request"), "{scope}");
    scope.split('/').next().unwrap().to_owned()
}

/// The moment so many seconds from now, as AWS writes it.
fn from_now(seconds: u64) -> String {
    let moment = SystemTime::now() + Duration::from_secs(seconds);
    DateTime::from(moment).fmt(Format::DateTime).unwrap()
}

/// Keys as metadata servers write them.
fn metadata_keys(id: &str, seconds: u64) -> String {
    json!({
        "Code": "Success",
        "Type": "AWS-HMAC",
        "AccessKeyId": id,
        "SecretAccessKey": "its-secret-key",
        "Token": format!("token-of-{id}"),
        "Expiration": from_now(seconds),
    })
    .to_string()
}

/// STS: each role's keys are named after it, and who asked is kept in the token.
fn sts(seen: &Seen) -> Vec<Step> {
    let form = form(seen);
    let role = form["RoleArn"].rsplit('/').next().unwrap();
    let by = match form.get("WebIdentityToken") {
        Some(token) => token.clone(),
        None => {
            let shown = seen.header("authorization").unwrap();
            assert!(shown.contains("/sts/aws4_request"), "{shown}");
            shown.split(['=', '/']).nth(1).unwrap().to_owned()
        }
    };
    let action = &form["Action"];
    let xml = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <Credentials><AccessKeyId>KEY-{role}</AccessKeyId>\
         <SecretAccessKey>its/secret+key=</SecretAccessKey>\
         <SessionToken>{role}-by-{by}</SessionToken><Expiration>{}</Expiration></Credentials>\
         </{action}Result></{action}Response>",
        from_now(3600),
    );
    whole(200, "content-type: text/xml\r\n", &xml)
}

/// An environment with these profiles whose STS is this server.
fn with_profiles<'a>(config: &'a Path, endpoint: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("AWS_CONFIG_FILE", config.to_str().unwrap()), ("AWS_ENDPOINT_URL_STS", endpoint)]
}

#[tokio::test]
async fn keys_in_the_settings_win() {
    let settings = AwsSettings {
        access_key_id: Some(Secret::from("OURKEY-ID")),
        secret_access_key: Some(Secret::from("our-secret-key")),
        session_token: Some(Secret::from("our-token")),
        ..AwsSettings::default()
    };
    let others = environment(&[
        ("AWS_ACCESS_KEY_ID", "OTHER"),
        ("AWS_SECRET_ACCESS_KEY", "other"),
        ("AWS_BEARER_TOKEN_BEDROCK", "other"),
    ]);
    let by = authorise("bedrock", &settings, "eu-central-1", &others).unwrap();
    assert_eq!(signed_with(&by).await, "OURKEY-ID");
    assert_eq!(shown(&by).await.unwrap()["x-amz-security-token"], "our-token");
    assert_eq!(by.secrets().len(), 3);
    assert!(!format!("{settings:?}").contains("our-"));

    let half = AwsSettings { secret_access_key: None, ..settings };
    assert!(authorise("bedrock", &half, "eu-central-1", &others).is_err());
}

#[tokio::test]
async fn an_api_key_is_shown_instead_of_a_signature() {
    let by = surrounded_by(&[("AWS_BEARER_TOKEN_BEDROCK", "ABSKkey"), ("AWS_ACCESS_KEY_ID", "A")]);
    assert_eq!(authorization(&by).await, "Bearer ABSKkey");
    let settings = AwsSettings { bearer: Some(Secret::from("mine")), ..AwsSettings::default() };
    let by = authorise("bedrock", &settings, "eu-central-1", &environment(&[])).unwrap();
    assert_eq!(authorization(&by).await, "Bearer mine");
}

#[tokio::test]
async fn keys_in_the_environment_sign_unless_a_profile_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[dev]\naws_access_key_id = PROFILE\naws_secret_access_key = s\nregion = eu-west-3";
    let path = file(&folder, "credentials", text);
    let variables = [
        ("AWS_ACCESS_KEY_ID", "SURROUNDING"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_SHARED_CREDENTIALS_FILE", path.to_str().unwrap()),
    ];
    assert_eq!(signed_with(&surrounded_by(&variables)).await, "SURROUNDING");
    let environment = environment(&variables);
    let settings = AwsSettings { profile: Some("dev".into()), ..AwsSettings::default() };
    let by = authorise("bedrock", &settings, "eu-central-1", &environment).unwrap();
    assert_eq!(signed_with(&by).await, "PROFILE");
    assert_eq!(region(&settings, &environment).as_deref(), Some("eu-west-3"));
}

#[test]
fn the_region_is_found_in_order() {
    let folder = tempfile::tempdir().unwrap();
    file(&folder, ".aws/config", "[default]\nregion = from-profile");
    file(&folder, "elsewhere", "[profile x]\nregion = from-elsewhere");
    let home = folder.path().to_str().unwrap();
    let mut variables =
        vec![("HOME", home), ("AWS_CONFIG_FILE", "~/elsewhere"), ("AWS_PROFILE", "x")];
    let mut settings = AwsSettings::default();
    let find = |settings: &AwsSettings, variables: &[(&str, &str)]| {
        region(settings, &environment(variables)).unwrap()
    };
    assert_eq!(find(&settings, &variables), "from-elsewhere");
    variables.truncate(1);
    assert_eq!(find(&settings, &variables), "from-profile");
    variables.push(("AWS_DEFAULT_REGION", "from-default"));
    assert_eq!(find(&settings, &variables), "from-default");
    variables.push(("AWS_REGION", "from-region"));
    assert_eq!(find(&settings, &variables), "from-region");
    settings.region = Some("from-settings".into());
    assert_eq!(find(&settings, &variables), "from-settings");
    assert_eq!(region(&AwsSettings::default(), &environment(&[])), None);
}

#[tokio::test]
async fn a_profile_assumes_its_roles_one_after_the_other() {
    let mut server = Upstream::start(sts).await;
    let folder = tempfile::tempdir().unwrap();
    let config = file(
        &folder,
        "config",
        "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = s\n\
         [profile inner]\nrole_arn = arn:aws:iam::1:role/inner\nsource_profile = base\n\
         external_id = 42\n\
         [default]\nrole_arn = arn:aws:iam::2:role/outer\nsource_profile = inner\n",
    );
    let endpoint = format!("http://{}", server.address);
    let by = surrounded_by(&with_profiles(&config, &endpoint));
    assert_eq!(signed_with(&by).await, "KEY-outer");
    let headers = shown(&by).await.unwrap();
    assert_eq!(headers["x-amz-security-token"], "outer-by-KEY-inner");
    let inner = server.next_seen().await;
    assert!(inner.header("authorization").unwrap().contains("Credential=BASE/"));
    assert_eq!(form(&inner)["ExternalId"], "42");
    let outer = server.next_seen().await;
    assert_eq!(outer.header("x-amz-security-token"), Some("inner-by-BASE"));
}

#[tokio::test]
async fn a_pod_shows_its_web_identity() {
    let server = Upstream::start(sts).await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "jwt-of-the-pod\n");
    let endpoint = format!("http://{}", server.address);
    let by = surrounded_by(&[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod"),
        ("AWS_ENDPOINT_URL_STS", &endpoint),
    ]);
    assert_eq!(signed_with(&by).await, "KEY-pod");
    assert_eq!(shown(&by).await.unwrap()["x-amz-security-token"], "pod-by-jwt-of-the-pod");
}

#[tokio::test]
async fn what_sts_refuses_goes_to_the_log_without_the_token() {
    let server = Upstream::start(|_| {
        let said = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code>\
                    <Message>bad jwt-of-the-pod</Message></Error></ErrorResponse>";
        whole(400, "", said)
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "jwt-of-the-pod");
    let endpoint = format!("http://{}", server.address);
    let by = surrounded_by(&[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod"),
        ("AWS_ENDPOINT_URL_STS", &endpoint),
    ]);
    let reason = reason(&by).await;
    assert!(reason.ends_with("answered 400: InvalidIdentityToken: bad •••"), "{reason}");
}

#[tokio::test]
async fn a_container_shows_its_token_anew_each_time_and_keys_are_renewed_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "pod-token-1");
    let mut server = Upstream::start(|seen| match seen.header("authorization") {
        Some("pod-token-1") => answer(200, &metadata_keys("FIRST", 3600)),
        Some("pod-token-2") => answer(200, &metadata_keys("SECOND", 9999)),
        _ => answer(401, r#"{"code":"Denied","message":"no"}"#),
    })
    .await;
    let url = format!("http://{}/v1/credentials", server.address);
    let by = surrounded_by(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap()),
    ]);
    assert_eq!(signed_with(&by).await, "FIRST");
    assert_eq!(server.next_seen().await.line, "GET /v1/credentials");
    file(&folder, "token", "pod-token-2");
    pass(3400).await;
    assert_eq!(signed_with(&by).await, "FIRST");
    server.next_seen().await;
    while signed_with(&by).await == "FIRST" {
        tokio::task::yield_now().await;
    }
    assert_eq!(signed_with(&by).await, "SECOND");
    assert!(by.secrets().contains(&Secret::from("token-of-FIRST")), "it may still be under way");
}

#[tokio::test]
async fn an_instance_gives_its_roles_keys_for_a_session_token() {
    let mut server = Upstream::start(|seen| {
        let session = seen.header("x-aws-ec2-metadata-token") == Some("session");
        match seen.line.as_str() {
            "PUT /latest/api/token" => {
                assert!(seen.header("x-aws-ec2-metadata-token-ttl-seconds").is_some());
                whole(200, "", "session")
            }
            "GET /latest/meta-data/iam/security-credentials/" if session => whole(200, "", "role"),
            "GET /latest/meta-data/iam/security-credentials/role" if session => {
                answer(200, &metadata_keys("INSTANCE", 20_000))
            }
            _ => whole(401, "", ""),
        }
    })
    .await;
    let endpoint = format!("http://{}/", server.address);
    let by = surrounded_by(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint)]);
    assert_eq!(signed_with(&by).await, "INSTANCE");
    assert_eq!(shown(&by).await.unwrap()["x-amz-security-token"], "token-of-INSTANCE");
    for _ in 0..3 {
        server.next_seen().await;
    }
}

#[tokio::test]
async fn an_instance_without_a_role_says_so() {
    let server = Upstream::start(|seen| match seen.line.as_str() {
        "PUT /latest/api/token" => whole(200, "", "session"),
        _ => whole(404, "", ""),
    })
    .await;
    let endpoint = format!("http://{}", server.address);
    let reason = reason(&surrounded_by(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint)])).await;
    assert!(reason.contains("security-credentials/ answered 404"), "{reason}");
}

#[tokio::test]
async fn a_command_prints_keys() {
    let folder = tempfile::tempdir().unwrap();
    let keys = r#"{"Version": 1, "AccessKeyId": "PRINTED", "SecretAccessKey": "s"}"#;
    let printed = file(&folder, "keys.json", keys);
    let profile = |command: &str| {
        let config = format!("[default]\ncredential_process = {command}\n");
        let path = file(&folder, "config", &config);
        surrounded_by(&[("AWS_CONFIG_FILE", path.to_str().unwrap())])
    };
    let by = profile(&format!("cat \"{}\"", printed.display()));
    assert_eq!(signed_with(&by).await, "PRINTED");
    for (command, why) in [
        ("echo very-secret; exit 3", "exit status: 3"),
        ("echo very-secret", "printed no credentials"),
        ("echo '{\"Version\":1}'", "gave no keys"),
    ] {
        let reason = reason(&profile(command)).await;
        assert!(reason.contains(why) && !reason.contains("very"), "{reason}");
    }
}

#[tokio::test]
async fn the_search_ends_at_what_is_configured_and_fails() {
    let keys = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")];
    for (more, why) in [
        (("AWS_PROFILE", "nowhere"), "no AWS profile `nowhere`"),
        (("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com"), "must be https://"),
        (("AWS_EC2_METADATA_DISABLED", "true"), "AWS_EC2_METADATA_DISABLED is set"),
        (("IRRELEVANT", "x"), "AWS_ACCESS_KEY_ID, profile, web identity"),
    ] {
        let reason = reason(&surrounded_by(&[keys[0], more])).await;
        assert!(reason.contains(why), "{reason}");
    }
}

#[tokio::test]
async fn a_folder_of_no_profiles_is_no_complaint() {
    let home: TempDir = tempfile::tempdir().unwrap();
    let variables =
        [("HOME", home.path().to_str().unwrap()), ("AWS_EC2_METADATA_DISABLED", "TRUE")];
    let reason = reason(&surrounded_by(&variables)).await;
    assert!(reason.starts_with("no AWS credentials"), "{reason}");
}
