//! Entra's tokens: for a secret, for a workload's token, and for a managed identity.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use isthmus_adapters::auth::Authorise;
use isthmus_adapters::auth::entra::{EntraSettings, authorise};
use isthmus_inference::secret::Secret;
use serde_json::json;

use crate::credentials::{authorization, environment, file, form, reason};
use crate::upstream::{Seen, Step, Upstream, json as answer, whole};

const GRANTED: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"eyJ.granted"}"#;
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
const RESOURCE: &str = "resource=https%3A%2F%2Fcognitiveservices.azure.com";

fn grant(_: &Seen) -> Vec<Step> {
    answer(200, GRANTED)
}

/// What shows a token in this environment, when the settings say nothing.
fn surrounded_by(variables: &[(&str, &str)]) -> Arc<dyn Authorise> {
    authorise("azure", &EntraSettings::default(), &environment(variables)).unwrap()
}

fn client(server: &Upstream) -> EntraSettings {
    EntraSettings {
        tenant_id: Some("11111111-2222-3333-4444-555555555555".into()),
        client_id: Some("the-client".into()),
        client_secret: Some(Secret::from("a~client~secret")),
        authority: Some(format!("http://{}/", server.address)),
        ..EntraSettings::default()
    }
}

#[tokio::test]
async fn a_token_in_the_settings_is_shown_as_it_is() {
    let access_token = Some(Secret::from("eyJ.mine"));
    let settings = EntraSettings { access_token, ..EntraSettings::default() };
    let by = authorise("azure", &settings, &environment(&[])).unwrap();
    assert_eq!(authorization(&by).await, "Bearer eyJ.mine");
}

#[tokio::test]
async fn a_client_shows_its_secret_once() {
    let mut server = Upstream::start(grant).await;
    let settings = client(&server);
    let by = authorise("azure", &settings, &environment(&[])).unwrap();
    for _ in 0..3 {
        assert_eq!(authorization(&by).await, "Bearer eyJ.granted");
    }
    assert!(!format!("{settings:?}").contains("client~secret"));
    let seen = server.next_seen().await;
    assert_eq!(seen.line, "POST /11111111-2222-3333-4444-555555555555/oauth2/v2.0/token");
    let form = form(&seen);
    assert_eq!((&*form["grant_type"], &*form["scope"]), ("client_credentials", SCOPE));
    let shown = (&*form["client_id"], &*form["client_secret"]);
    assert_eq!(shown, ("the-client", "a~client~secret"));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_client_in_the_environment_is_found() {
    let mut server = Upstream::start(grant).await;
    let authority = format!("http://{}", server.address);
    let by = surrounded_by(&[
        ("AZURE_TENANT_ID", "contoso.onmicrosoft.com"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_CLIENT_SECRET", "s"),
        ("AZURE_AUTHORITY_HOST", &authority),
    ]);
    assert_eq!(authorization(&by).await, "Bearer eyJ.granted");
    assert!(server.next_seen().await.line.starts_with("POST /contoso.onmicrosoft.com/oauth2"));
}

#[tokio::test]
async fn a_refusal_goes_to_the_log_without_the_secret() {
    let server = Upstream::start(|seen| {
        let said = format!("AADSTS7000215: no {}", form(seen)["client_secret"]);
        answer(401, &json!({ "error": "invalid_client", "error_description": said }).to_string())
    })
    .await;
    let by = authorise("azure", &client(&server), &environment(&[])).unwrap();
    let reason = reason(&by).await;
    assert!(reason.ends_with("401: invalid_client: AADSTS7000215: no •••"), "{reason}");
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let secret = || Some(Secret::from("s"));
    let no_tenant = EntraSettings { client_secret: secret(), ..EntraSettings::default() };
    let odd_tenant = EntraSettings {
        client_secret: secret(),
        client_id: Some("c".into()),
        tenant_id: Some("x/../y".into()),
        ..EntraSettings::default()
    };
    for settings in [no_tenant, odd_tenant] {
        let error = authorise("azure", &settings, &environment(&[])).err().unwrap();
        assert!(error.contains("`tenant_id`"), "{error}");
    }
}

#[tokio::test]
async fn a_workload_shows_the_token_in_its_file() {
    let mut server = Upstream::start(grant).await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "eyJ.of-the-pod\n");
    let authority = format!("http://{}/", server.address);
    let by = surrounded_by(&[
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_FEDERATED_TOKEN_FILE", token.to_str().unwrap()),
        ("AZURE_AUTHORITY_HOST", &authority),
    ]);
    assert_eq!(authorization(&by).await, "Bearer eyJ.granted");
    let form = form(&server.next_seen().await);
    assert_eq!(form["client_assertion"], "eyJ.of-the-pod");
    assert!(form["client_assertion_type"].ends_with(":jwt-bearer"));
    assert!(!form.contains_key("client_secret"));
}

#[tokio::test]
async fn a_machine_asks_its_metadata_service() {
    let mut server = Upstream::start(|seen| match seen.header("metadata") {
        // As the service writes it: numbers as text.
        Some("true") => answer(200, r#"{"access_token":"eyJ.managed","expires_in":"3599"}"#),
        _ => whole(400, "", ""),
    })
    .await;
    let host = format!("http://{}", server.address);
    let variables =
        [("AZURE_POD_IDENTITY_AUTHORITY_HOST", host.as_str()), ("AZURE_CLIENT_ID", "user one")];
    assert_eq!(authorization(&surrounded_by(&variables)).await, "Bearer eyJ.managed");
    let line = server.next_seen().await.line;
    let path = "GET /metadata/identity/oauth2/token?api-version=2018-02-01";
    assert_eq!(line, format!("{path}&{RESOURCE}&client_id=user+one"));
}

#[tokio::test]
async fn a_service_asks_its_own_endpoint() {
    let soon = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let soon = (soon + Duration::from_secs(3600)).as_secs();
    let mut server = Upstream::start(move |seen| match seen.header("x-identity-header") {
        Some("header-value") => {
            answer(200, &format!(r#"{{"access_token":"eyJ.app","expires_on":"{soon}"}}"#))
        }
        _ => whole(401, "", ""),
    })
    .await;
    let endpoint = format!("http://{}/msi/token", server.address);
    let by =
        surrounded_by(&[("IDENTITY_ENDPOINT", &endpoint), ("IDENTITY_HEADER", "header-value")]);
    assert_eq!(authorization(&by).await, "Bearer eyJ.app");
    let line = server.next_seen().await.line;
    assert_eq!(line, format!("GET /msi/token?api-version=2019-08-01&{RESOURCE}"));
}

#[tokio::test]
async fn without_any_identity_the_log_says_what_was_looked_for() {
    let by = surrounded_by(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")]);
    let reason = reason(&by).await;
    for word in ["client_secret", "AZURE_FEDERATED_TOKEN_FILE", "127.0.0.1:1"] {
        assert!(reason.contains(word), "{word}: {reason}");
    }
}
