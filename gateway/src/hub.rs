//! Where a model comes from that is named by its repository.

use std::path::{Path, PathBuf};

use isthmus_adapters::hub::{Hub, HubError};
use isthmus_inference::secret::Secret;
use tracing::info;

/// Where fetched models are kept.
const FOLDER: &str = "models";

/// The model file of a repository, fetched into `models/` unless it is there.
///
/// `HF_ENDPOINT` names a mirror and `HF_TOKEN` a credential, as in the hub's own tools.
pub async fn obtain(repo: &str, file: Option<&str>) -> Result<PathBuf, HubError> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let hub = Hub {
        endpoint: variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned()),
        token: variable("HF_TOKEN").map(Secret::from),
    };
    let mut told = 0;
    let progress = |here: u64, all: Option<u64>| {
        let tenth = all.map_or(here >> 26, |all| here * 10 / all.max(1));
        if tenth > told {
            told = tenth;
            info!(
                repo,
                megabytes = here >> 20,
                of = all.map(|all| all >> 20),
                "fetching the model"
            );
        }
    };
    hub.obtain(repo, file, Path::new(FOLDER), progress).await
}
