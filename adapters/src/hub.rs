//! A model file from a repository on Hugging Face (or a mirror of it): found, fetched once,
//! verified, kept.
//!
//! Wire facts, from the hub's own client library: `GET /api/models/{repo}?blobs=true` lists
//! `siblings[]` with `rfilename`, `size` and, for large files, `lfs.sha256`; the file itself is at
//! `/{repo}/resolve/main/{file}` and redirects to a content network, which takes `Range`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{AUTHORIZATION, LOCATION, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use isthmus_inference::failure::Failure;
use isthmus_inference::secret::Secret;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http_client::{self, Incoming, Target};

/// Where repositories are, and as whom to ask.
#[derive(Debug, Clone)]
pub struct Hub {
    /// Such as `https://huggingface.co`.
    pub endpoint: String,
    /// For repositories that are not public.
    pub token: Option<Secret>,
}

/// Why a model file could not be obtained.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The hub could not be reached, or broke off.
    #[error("cannot fetch from `{}`: {reason}", shown(url))]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The hub refused.
    #[error(
        "`{}` answered {status}; check the repository's name, and HF_TOKEN if it is not public",
        shown(url)
    )]
    Refused {
        /// What was asked for.
        url: String,
        /// Its answer.
        status: StatusCode,
    },
    /// Which file is meant cannot be told.
    #[error("`{repo}` has {}; name one with `model_file`", listed(files))]
    Ambiguous {
        /// The repository.
        repo: String,
        /// Its GGUF files.
        files: Vec<String>,
    },
    /// The model lies there only in parts.
    #[error(
        "`{file}` in `{repo}` is one part of several, which cannot be loaded; name a whole file \
         with `model_file`, or another repository"
    )]
    Split {
        /// The repository.
        repo: String,
        /// A part.
        file: String,
    },
    /// What came is not as long as the hub promised.
    #[error(
        "`{file}` has {found} bytes, but the hub promised {promised}; it was removed, try again"
    )]
    WrongLength {
        /// The file.
        file: String,
        /// Of what came.
        found: u64,
        /// Of what should have come.
        promised: u64,
    },
    /// What came is not what the hub promised.
    #[error(
        "`{file}` has SHA-256 {found}, but the hub promised {promised}; it was removed, try again"
    )]
    Corrupt {
        /// The file.
        file: String,
        /// Of what came.
        found: String,
        /// Of what should have come.
        promised: String,
    },
    /// The disk failed.
    #[error("cannot write `{}`: {reason}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
}

#[derive(Deserialize)]
struct Repository {
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    sha256: String,
}

/// Encodings to take where a repository has several, best trade of speed and loss first.
const PREFERRED: [&str; 4] = ["q8_0", "q4_k_m", "q5_k_m", "q4_0"];
/// Hops from the hub to its content network.
const MOST_REDIRECTS: usize = 5;
/// The largest list of files that is read.
const LARGEST_LIST: usize = 16 << 20;
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
/// How long the network may be silent before a fetch is given up; what came stays for next time.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

// === impl Hub ===

impl Hub {
    /// The path of the repository's model file under `folder`, fetched unless it is there already.
    ///
    /// `file` names one of several; `progress` is told bytes here and bytes in all, if known.
    pub async fn obtain(
        &self,
        repo: &str,
        file: Option<&str>,
        folder: &Path,
        progress: impl FnMut(u64, Option<u64>) + Send,
    ) -> Result<PathBuf, HubError> {
        let folder = folder.join(repo.replace('/', "--"));
        if let Some(here) = already_here(&folder, file).await {
            return Ok(here);
        }
        let sibling = self.choose(repo, file).await?;
        let name = sibling.rfilename.rsplit('/').next().unwrap_or(&sibling.rfilename);
        let target = folder.join(name);
        fs::create_dir_all(&folder).await.map_err(|reason| disk(&folder, reason))?;
        self.fetch(repo, &sibling, &target, progress).await?;
        Ok(target)
    }

    async fn choose(&self, repo: &str, file: Option<&str>) -> Result<Sibling, HubError> {
        let url = format!("{}/api/models/{repo}?blobs=true", self.endpoint.trim_end_matches('/'));
        let answer = self.get(&url, None).await?;
        let body = collect(&url, answer).await?;
        let list: Repository = serde_json::from_slice(&body)
            .map_err(|error| HubError::Unreachable { url, reason: error.to_string() })?;
        choose(repo, file, list.siblings)
    }

    async fn fetch(
        &self,
        repo: &str,
        sibling: &Sibling,
        target: &Path,
        mut progress: impl FnMut(u64, Option<u64>) + Send,
    ) -> Result<(), HubError> {
        let part = target.with_extension("gguf.part");
        let (mut digest, mut here) = digest_of(&part).await;
        if here == 0 || sibling.size != Some(here) {
            let endpoint = self.endpoint.trim_end_matches('/');
            let url = format!("{endpoint}/{repo}/resolve/main/{}", sibling.rfilename);
            let mut answer = self.get_from(&url, here).await?;
            // A server that does not resume sends everything again.
            let resumed = answer.status == StatusCode::PARTIAL_CONTENT;
            if !resumed {
                (digest, here) = (Sha256::new(), 0);
            }
            let mut file = open(&part, resumed).await?;
            while let Some(bytes) = next(&url, &mut answer).await? {
                file.write_all(&bytes).await.map_err(|reason| disk(&part, reason))?;
                digest.update(&bytes);
                here += bytes.len() as u64;
                progress(here, sibling.size);
            }
            file.sync_all().await.map_err(|reason| disk(&part, reason))?;
        }
        if let Err(wrong) = verify(sibling, digest, here) {
            fs::remove_file(&part).await.map_err(|reason| disk(&part, reason))?;
            return Err(wrong);
        }
        fs::rename(&part, target).await.map_err(|reason| disk(target, reason))
    }

    /// The file from this byte on, or all of it where what is here is no beginning of it.
    async fn get_from(&self, url: &str, here: u64) -> Result<Incoming, HubError> {
        match self.get(url, (here > 0).then_some(here)).await {
            Err(HubError::Refused { status: StatusCode::RANGE_NOT_SATISFIABLE, .. })
                if here > 0 =>
            {
                self.get(url, None).await
            }
            outcome => outcome,
        }
    }

    /// Follows redirects; the token goes to the hub alone, never to where it points.
    async fn get(&self, url: &str, from: Option<u64>) -> Result<Incoming, HubError> {
        let mut url = url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let failed = |reason: String| HubError::Unreachable { url: url.clone(), reason };
            let target = Target::new(&url, "").map_err(failed)?;
            let headers = self.headers(&target, from).map_err(failed)?;
            let answer =
                http_client::send(Method::GET, &target, headers, Bytes::new(), CONNECT_LIMIT)
                    .await
                    .map_err(|failure| failed(explained(&failure)))?;
            if answer.status.is_success() {
                return Ok(answer);
            }
            let location = answer.headers.get(LOCATION).and_then(|location| location.to_str().ok());
            match location.filter(|_| answer.status.is_redirection()) {
                Some(location) => url = target.redirected(location).map_err(failed)?,
                None => return Err(HubError::Refused { url, status: answer.status }),
            }
        }
        Err(HubError::Unreachable { url, reason: "too many redirects".into() })
    }

    fn headers(&self, target: &Target, from: Option<u64>) -> Result<HeaderMap, String> {
        let hub = Target::new(&self.endpoint, "")?;
        let mut headers = HeaderMap::new();
        if let Some(token) = self.token.as_ref().filter(|_| hub.same_origin(target)) {
            let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
            let mut value = value.map_err(|_| "HF_TOKEN is not a token")?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some(from) = from {
            let range = HeaderValue::try_from(format!("bytes={from}-"));
            headers.insert(RANGE, range.map_err(|error| error.to_string())?);
        }
        Ok(headers)
    }
}

/// The file, if an earlier start fetched it: no network is needed then.
async fn already_here(folder: &Path, file: Option<&str>) -> Option<PathBuf> {
    if let Some(file) = file {
        let path = folder.join(file.rsplit('/').next().unwrap_or(file));
        return fs::try_exists(&path).await.ok()?.then_some(path);
    }
    let mut entries = fs::read_dir(folder).await.ok()?;
    let mut found = None;
    while let Some(entry) = entries.next_entry().await.ok()? {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "gguf") {
            if found.is_some() {
                return None;
            }
            found = Some(path);
        }
    }
    found
}

fn choose(repo: &str, file: Option<&str>, siblings: Vec<Sibling>) -> Result<Sibling, HubError> {
    let models = siblings.into_iter().filter(|sibling| sibling.rfilename.ends_with(".gguf"));
    let (parts, mut models): (Vec<_>, Vec<_>) = models.partition(|model| is_part(&model.rfilename));
    let asked = |part: &&Sibling| file.map_or(models.is_empty(), |file| part.rfilename == file);
    if let Some(part) = parts.iter().find(asked) {
        let file = part.rfilename.clone();
        return Err(HubError::Split { repo: repo.to_owned(), file });
    }
    let position = match file {
        Some(file) => models.iter().position(|sibling| sibling.rfilename == file),
        None if models.len() == 1 => Some(0),
        None => PREFERRED.iter().find_map(|encoding| {
            let is_it = |sibling: &Sibling| sibling.rfilename.to_lowercase().contains(encoding);
            models.iter().position(is_it)
        }),
    };
    match position {
        Some(position) => Ok(models.swap_remove(position)),
        None => {
            let files = models.into_iter().map(|sibling| sibling.rfilename).collect();
            Err(HubError::Ambiguous { repo: repo.to_owned(), files })
        }
    }
}

/// Whether a file is one of several that make a model, such as `m-00001-of-00003.gguf`.
fn is_part(name: &str) -> bool {
    let number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let stem = name.trim_end_matches(".gguf");
    stem.rsplit_once("-of-").is_some_and(|(before, count)| {
        number(count) && before.rsplit_once('-').is_some_and(|(_, place)| number(place))
    })
}

/// What an interrupted fetch left: its digest so far, and its length.
async fn digest_of(part: &Path) -> (Sha256, u64) {
    let (mut digest, mut length) = (Sha256::new(), 0);
    let Ok(mut file) = File::open(part).await else { return (digest, 0) };
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = file.read(&mut buffer).await {
        digest.update(&buffer[..read]);
        length += read as u64;
    }
    (digest, length)
}

async fn open(part: &Path, resumed: bool) -> Result<File, HubError> {
    let mut file = OpenOptions::new();
    let file = file.create(true).append(resumed).write(true).truncate(!resumed);
    file.open(part).await.map_err(|reason| disk(part, reason))
}

/// Compares what came with what was promised: its digest, or at least its length.
fn verify(sibling: &Sibling, digest: Sha256, length: u64) -> Result<(), HubError> {
    let file = sibling.rfilename.clone();
    if let Some(lfs) = &sibling.lfs {
        let promised = lfs.sha256.to_lowercase();
        let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        return match found == promised {
            true => Ok(()),
            false => Err(HubError::Corrupt { file, found, promised }),
        };
    }
    match sibling.size {
        Some(promised) if promised != length => {
            Err(HubError::WrongLength { file, found: length, promised })
        }
        _ => Ok(()),
    }
}

async fn next(url: &str, answer: &mut Incoming) -> Result<Option<Bytes>, HubError> {
    let failed = |reason| HubError::Unreachable { url: url.to_owned(), reason };
    match tokio::time::timeout(SILENCE_LIMIT, answer.body.next()).await {
        Ok(bytes) => bytes.transpose().map_err(|failure| failed(explained(&failure))),
        Err(_) => Err(failed(format!("silent for {} s", SILENCE_LIMIT.as_secs()))),
    }
}

async fn collect(url: &str, mut answer: Incoming) -> Result<Vec<u8>, HubError> {
    let mut body = Vec::new();
    while let Some(bytes) = next(url, &mut answer).await? {
        body.extend_from_slice(&bytes);
        if body.len() > LARGEST_LIST {
            let reason = "its list of files is too long".to_owned();
            return Err(HubError::Unreachable { url: url.to_owned(), reason });
        }
    }
    Ok(body)
}

fn explained(failure: &Failure) -> String {
    match &failure.detail {
        Some(detail) => format!("{} ({detail})", failure.message),
        None => failure.message.clone(),
    }
}

/// A URL without what may be a credential: a password, or a signature in the query.
fn shown(url: &str) -> String {
    let url = url.split('?').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

fn listed(files: &[String]) -> String {
    match files {
        [] => "no GGUF file".to_owned(),
        files => files.iter().map(|file| format!("`{file}`")).collect::<Vec<_>>().join(", "),
    }
}

fn disk(path: &Path, reason: std::io::Error) -> HubError {
    HubError::Disk { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn siblings(names: &[&str]) -> Vec<Sibling> {
        let sibling = |name: &&str| Sibling { rfilename: (*name).into(), size: None, lfs: None };
        names.iter().map(sibling).collect()
    }

    #[test]
    fn the_best_trade_is_taken_unless_a_file_is_named() {
        let files = ["README.md", "m-Q4_K_M.gguf", "m-Q8_0.gguf", "m-f16.gguf"];
        let chosen = |file| choose("o/m", file, siblings(&files)).map(|sibling| sibling.rfilename);
        assert_eq!(chosen(None).unwrap(), "m-Q8_0.gguf");
        assert_eq!(chosen(Some("m-f16.gguf")).unwrap(), "m-f16.gguf");
        let error = chosen(Some("other.gguf")).unwrap_err().to_string();
        assert!(error.contains("`m-f16.gguf`"), "{error}");
        let none = choose("o/m", None, siblings(&["README.md"])).err().unwrap().to_string();
        assert!(none.contains("no GGUF file"), "{none}");
    }

    #[test]
    fn a_complaint_shows_no_credential() {
        let url = "https://me:pw@cdn/blob?signature=s3".to_owned();
        let reason = "silent".to_owned();
        let error = HubError::Unreachable { url, reason }.to_string();
        assert_eq!(error, "cannot fetch from `https://cdn/blob`: silent");
    }

    #[test]
    fn parts_are_never_taken_for_a_model() {
        let part = "q/m-Q8_0-00001-of-00002.gguf";
        let files = [part, "q/m-Q8_0-00002-of-00002.gguf", "m-Q4_0.gguf", "m-1-of-2.gguf"];
        let chosen = |file, files: &[&str]| {
            choose("o/m", file, siblings(files)).map(|sibling| sibling.rfilename)
        };
        assert_eq!(chosen(None, &files).unwrap(), "m-Q4_0.gguf");
        for refused in [chosen(None, &files[..2]), chosen(Some(part), &files)] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains(&format!("`{part}`")) && error.contains("part"), "{error}");
        }
    }
}
