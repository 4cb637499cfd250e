//! A hub of model files, played by two servers: the hub itself, and the network it points to.

use std::fs;
use std::path::{Path, PathBuf};

use isthmus_adapters::hub::{Hub, HubError};
use isthmus_inference::secret::Secret;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::upstream::{Seen, Step, Upstream, json, whole};

const MODEL: &str = "GGUF and then a lot of numbers";
const TOKEN: &str = "hf_a-test-token";

/// A hub with one model, the network that keeps it, and a folder to fetch into.
struct Stage {
    hub: Upstream,
    network: Upstream,
    folder: TempDir,
}

// === impl Stage ===

impl Stage {
    /// `facts` are what the hub tells of its file besides the name.
    async fn new(facts: String, network: fn(&Seen) -> Vec<Step>) -> Self {
        let network = Upstream::start(network).await;
        let elsewhere = format!("location: http://{}/blob?signed=1\r\n", network.address);
        let hub = Upstream::start(move |seen| match seen.line.as_str() {
            "GET /api/models/o/m?blobs=true" => {
                json(200, &format!(r#"{{"siblings":[{{"rfilename":"m.gguf",{facts}}}]}}"#))
            }
            "GET /o/m/resolve/main/m.gguf" => whole(302, &elsewhere, ""),
            _ => whole(404, "", ""),
        })
        .await;
        Self { hub, network, folder: tempfile::tempdir().unwrap() }
    }

    async fn obtain(&self) -> Result<PathBuf, HubError> {
        let hub = Hub {
            endpoint: format!("http://{}", self.hub.address),
            token: Some(Secret::from(TOKEN)),
        };
        hub.obtain("o/m", None, self.folder.path(), |_, _| {}).await
    }

    /// What an interrupted fetch would have left.
    fn leave(&self, text: &str) {
        fs::create_dir_all(self.part().parent().unwrap()).unwrap();
        fs::write(self.part(), text).unwrap();
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("o--m/m.gguf.part")
    }
}

/// The facts of a file with these contents, as the hub writes them.
fn facts(contents: &str) -> String {
    let sha256: String =
        Sha256::digest(contents).iter().map(|byte| format!("{byte:02x}")).collect();
    format!(r#""size":{},"lfs":{{"sha256":"{sha256}"}}"#, contents.len())
}

/// The model, or the rest of it that is asked for.
fn serve(seen: &Seen) -> Vec<Step> {
    let range = seen.header("range").and_then(|range| range.strip_prefix("bytes="));
    let from = range.map(|range| range.trim_end_matches('-').parse::<usize>().unwrap());
    match from {
        None => whole(200, "", MODEL),
        Some(from) if from < MODEL.len() => whole(206, "", &MODEL[from..]),
        Some(_) => whole(416, "", ""),
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn a_model_is_fetched_once_and_the_token_stays_with_the_hub() {
    let mut stage = Stage::new(facts(MODEL), serve).await;
    let path = stage.obtain().await.unwrap();
    assert_eq!(read(&path), MODEL);
    assert!(!stage.part().exists());
    for _ in 0..2 {
        let bearer = format!("Bearer {TOKEN}");
        assert_eq!(stage.hub.next_seen().await.header("authorization"), Some(bearer.as_str()));
    }
    let seen = stage.network.next_seen().await;
    assert_eq!((seen.line.as_str(), seen.header("authorization")), ("GET /blob?signed=1", None));

    let before = (stage.hub.connections(), stage.network.connections());
    let nowhere = Hub { endpoint: "http://127.0.0.1:1".into(), token: None };
    let again = nowhere.obtain("o/m", None, stage.folder.path(), |_, _| {}).await.unwrap();
    assert_eq!(again, path);
    assert_eq!(stage.obtain().await.unwrap(), path);
    assert_eq!((stage.hub.connections(), stage.network.connections()), before);
}

#[tokio::test]
async fn an_interrupted_fetch_goes_on_where_it_stopped() {
    let mut stage = Stage::new(facts(MODEL), serve).await;
    stage.leave(&MODEL[..10]);
    assert_eq!(read(&stage.obtain().await.unwrap()), MODEL);
    assert_eq!(stage.network.next_seen().await.header("range"), Some("bytes=10-"));
}

#[tokio::test]
async fn a_fetch_that_was_complete_is_only_verified() {
    let stage = Stage::new(facts(MODEL), serve).await;
    stage.leave(MODEL);
    assert_eq!(read(&stage.obtain().await.unwrap()), MODEL);
    assert_eq!(stage.network.connections(), 0);
}

#[tokio::test]
async fn what_is_no_beginning_of_the_file_is_fetched_anew() {
    let mut stage = Stage::new(facts(MODEL), serve).await;
    stage.leave(&MODEL.repeat(2));
    assert_eq!(read(&stage.obtain().await.unwrap()), MODEL);
    assert!(stage.network.next_seen().await.header("range").is_some());
    assert_eq!(stage.network.next_seen().await.header("range"), None);
}

#[tokio::test]
async fn what_is_not_what_was_promised_is_removed() {
    let stage = Stage::new(facts("something else"), serve).await;
    let error = stage.obtain().await.unwrap_err();
    assert!(matches!(error, HubError::Corrupt { .. }), "{error}");
    assert!(!stage.part().exists());

    let stage = Stage::new(r#""size":7"#.to_owned(), serve).await;
    let error = stage.obtain().await.unwrap_err();
    assert!(matches!(error, HubError::WrongLength { promised: 7, .. }), "{error}");
    assert!(!stage.part().exists());

    // A small file has no digest; its length must do.
    let stage = Stage::new(format!(r#""size":{}"#, MODEL.len()), serve).await;
    assert_eq!(read(&stage.obtain().await.unwrap()), MODEL);
}
