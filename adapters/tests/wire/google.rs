//! Google's credentials, from every kind of file and from the metadata server.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use isthmus_adapters::auth::Authorise;
use isthmus_adapters::auth::google::{Google, GoogleSettings};
use isthmus_inference::secret::Secret;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::credentials::{authorization, environment, file, form, pass, reason, shown};
use crate::upstream::{Seen, Step, Upstream, json as answer, whole};

const KEY: &str = include_str!("../data/throwaway-rsa-key.pem");
const GRANTED: &str = r#"{"access_token":"ya29.granted","expires_in":3599,"token_type":"Bearer"}"#;

fn grant(_: &Seen) -> Vec<Step> {
    answer(200, GRANTED)
}

/// An account whose credentials are in this file.
fn account(path: PathBuf) -> (Google, Arc<dyn Authorise>) {
    let settings = GoogleSettings { credentials_file: Some(path), ..GoogleSettings::default() };
    let google = Google::new(settings, environment(&[]));
    let authorise = google.authorise("vertex").unwrap();
    (google, authorise)
}

fn service_account(server: &Upstream) -> Value {
    json!({
        "type": "service_account",
        "project_id": "the-project",
        "private_key_id": "key-1",
        "private_key": KEY,
        "client_email": "sa@the-project.iam.gserviceaccount.com",
        "client_id": "1234",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": format!("http://{}/token", server.address),
    })
}

#[tokio::test]
async fn a_token_in_the_settings_is_shown_as_it_is() {
    let settings =
        GoogleSettings { access_token: Some(Secret::from("ya29.x")), ..GoogleSettings::default() };
    let authorise = Google::new(settings, environment(&[])).authorise("vertex").unwrap();
    assert_eq!(authorization(&authorise).await, "Bearer ya29.x");
}

#[tokio::test]
async fn a_service_account_signs_for_its_token_once() {
    let mut server = Upstream::start(grant).await;
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "sa.json", &service_account(&server).to_string());
    let (google, authorise) = account(path);
    for _ in 0..3 {
        assert_eq!(authorization(&authorise).await, "Bearer ya29.granted");
    }
    assert_eq!(authorise.secrets(), [Secret::from("ya29.granted")]);
    assert_eq!(google.written_project().as_deref(), Some("the-project"));
    assert_eq!(google.project().await.unwrap(), "the-project");

    let seen = server.next_seen().await;
    assert_eq!(seen.line, "POST /token");
    let form = form(&seen);
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(form["assertion"].split('.').count(), 3);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_while_the_old_one_is_shown() {
    let count = AtomicUsize::new(0);
    let mut server = Upstream::start(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        answer(200, &format!(r#"{{"access_token":"token-{number}","expires_in":3600}}"#))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "sa.json", &service_account(&server).to_string());
    let (_, authorise) = account(path);
    assert_eq!(authorization(&authorise).await, "Bearer token-0");
    server.next_seen().await;
    pass(3400).await;
    assert_eq!(authorization(&authorise).await, "Bearer token-0");
    server.next_seen().await;
    while authorization(&authorise).await == "Bearer token-0" {
        tokio::task::yield_now().await;
    }
    assert_eq!(authorization(&authorise).await, "Bearer token-1");
    pass(3600).await;
    assert_eq!(authorization(&authorise).await, "Bearer token-2", "none was good, so it waited");
}

#[tokio::test]
async fn a_refusal_goes_to_the_log_without_the_assertion() {
    let server = Upstream::start(|seen| {
        let said = form(seen)["assertion"].clone();
        let body = json!({ "error": "invalid_grant", "error_description": format!("bad {said}") });
        answer(400, &body.to_string())
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "sa.json", &service_account(&server).to_string());
    let reason = reason(&account(path).1).await;
    assert!(reason.ends_with("answered 400: invalid_grant: bad •••"), "{reason}");
}

#[tokio::test]
async fn a_person_who_logged_in_is_found_where_gcloud_writes_it() {
    let mut server = Upstream::start(grant).await;
    let folder = tempfile::tempdir().unwrap();
    let login = json!({
        "type": "authorized_user",
        "client_id": "id.apps.googleusercontent.com",
        "client_secret": "d-secret",
        "refresh_token": "1//refresh",
        "quota_project_id": "who-pays",
        "token_uri": format!("http://{}/token", server.address),
    });
    let gcloud = ".config/gcloud/application_default_credentials.json";
    file(&folder, gcloud, &login.to_string());
    let home = environment(&[("HOME", folder.path().to_str().unwrap())]);
    let google = Google::new(GoogleSettings::default(), home);
    let headers = shown(&google.authorise("vertex").unwrap()).await.unwrap();
    assert_eq!(headers["authorization"], "Bearer ya29.granted");
    assert_eq!(headers["x-goog-user-project"], "who-pays");
    assert_eq!(google.project().await.unwrap(), "who-pays");
    let form = form(&server.next_seen().await);
    assert_eq!((&*form["grant_type"], &*form["refresh_token"]), ("refresh_token", "1//refresh"));
}

#[tokio::test]
async fn a_machine_at_google_asks_its_metadata_server() {
    let mut server = Upstream::start(|seen| match seen.line.as_str() {
        _ if seen.header("metadata-flavor") != Some("Google") => whole(403, "", ""),
        "GET /computeMetadata/v1/instance/service-accounts/default/token" => answer(200, GRANTED),
        "GET /computeMetadata/v1/project/project-id" => whole(200, "", "its-project"),
        _ => whole(404, "", ""),
    })
    .await;
    let host = server.address.to_string();
    let google =
        Google::new(GoogleSettings::default(), environment(&[("GCE_METADATA_HOST", &host)]));
    let authorise = google.authorise("vertex").unwrap();
    assert_eq!(authorization(&authorise).await, "Bearer ya29.granted");
    assert_eq!(google.written_project(), None);
    for _ in 0..2 {
        assert_eq!(google.project().await.unwrap(), "its-project");
    }
    for _ in 0..2 {
        server.next_seen().await;
    }
}

#[tokio::test]
async fn without_any_credentials_the_log_says_what_was_looked_for() {
    let nowhere = environment(&[("GCE_METADATA_HOST", "127.0.0.1:1")]);
    let google = Google::new(GoogleSettings::default(), nowhere);
    let reason = reason(&google.authorise("vertex").unwrap()).await;
    for word in ["credentials_file", "GOOGLE_APPLICATION_CREDENTIALS", "gcloud", "127.0.0.1:1"] {
        assert!(reason.contains(word), "{word}: {reason}");
    }
}

#[tokio::test]
async fn a_file_that_is_none_is_told_without_its_text() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["{", r#"{"type":"gdch_service_account","private_key":"very"}"#] {
        let reason = reason(&account(file(&folder, "x.json", text)).1).await;
        assert!(reason.contains("x.json") && !reason.contains("very"), "{reason}");
    }
}

/// A server that plays another identity provider, Google's STS and its IAM.
async fn federation() -> Upstream {
    Upstream::start(|seen| match seen.line.as_str() {
        "GET /subject" if seen.header("x-why") == Some("because") => {
            answer(200, r#"{"value":"their-token"}"#)
        }
        "POST /sts" => answer(200, r#"{"access_token":"federated","expires_in":3600}"#),
        "POST /iam:generateAccessToken"
            if seen.header("authorization") == Some("Bearer federated") =>
        {
            answer(200, r#"{"accessToken":"impersonated","expireTime":"2999-01-01T00:00:00Z"}"#)
        }
        _ => whole(404, "", ""),
    })
    .await
}

fn external(server: &Upstream, source: &Value, impersonate: bool) -> Value {
    let mut external = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("http://{}/sts", server.address),
        "credential_source": source,
    });
    if impersonate {
        let url = format!("http://{}/iam:generateAccessToken", server.address);
        external["service_account_impersonation_url"] = url.into();
        external["service_account_impersonation"] = json!({ "token_lifetime_seconds": 1800 });
    }
    external
}

#[tokio::test]
async fn another_providers_token_in_a_file_is_exchanged() {
    let mut server = federation().await;
    let folder = tempfile::tempdir().unwrap();
    let subject = file(&folder, "subject", "their-token\n");
    let external = external(&server, &json!({ "file": subject }), false);
    let (_, authorise) = account(file(&folder, "x.json", &external.to_string()));
    assert_eq!(authorization(&authorise).await, "Bearer federated");
    let form = form(&server.next_seen().await);
    assert_eq!(form["subject_token"], "their-token");
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(form["audience"], external["audience"]);
}

#[tokio::test]
async fn another_providers_token_from_a_url_may_impersonate_a_service_account() {
    let mut server = federation().await;
    let folder = tempfile::tempdir().unwrap();
    let source = json!({
        "url": format!("http://{}/subject", server.address),
        "headers": { "x-why": "because" },
        "format": { "type": "json", "subject_token_field_name": "value" },
    });
    let external = external(&server, &source, true);
    let (_, authorise) = account(file(&folder, "x.json", &external.to_string()));
    assert_eq!(authorization(&authorise).await, "Bearer impersonated");
    server.next_seen().await;
    assert_eq!(form(&server.next_seen().await)["subject_token"], "their-token");
    assert_eq!(server.next_seen().await.json()["lifetime"], "1800s");
}

#[tokio::test]
async fn a_source_of_subject_tokens_that_is_not_supported_is_named() {
    let server = federation().await;
    let folder = tempfile::tempdir().unwrap();
    let external = external(&server, &json!({ "executable": { "command": "x" } }), false);
    let reason = reason(&account(file(&folder, "x.json", &external.to_string())).1).await;
    assert!(reason.contains("`file` or `url`"), "{reason}");
}

#[tokio::test]
async fn a_service_account_is_impersonated_by_other_credentials() {
    let server = Upstream::start(|seen| match seen.line.as_str() {
        "POST /token" => answer(200, GRANTED),
        "POST /iam" if seen.header("authorization") == Some("Bearer ya29.granted") => {
            answer(200, r#"{"accessToken":"impersonated","expireTime":"2999-01-01T00:00:00Z"}"#)
        }
        _ => whole(404, "", ""),
    })
    .await;
    let folder: TempDir = tempfile::tempdir().unwrap();
    let impersonated = json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": format!("http://{}/iam", server.address),
        "delegates": [],
        "source_credentials": service_account(&server),
    });
    let (_, authorise) = account(file(&folder, "x.json", &impersonated.to_string()));
    assert_eq!(authorization(&authorise).await, "Bearer impersonated");
}
