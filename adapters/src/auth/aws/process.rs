//! Credentials that a command prints: a profile's `credential_process`.

use std::process::Stdio;
use std::time::SystemTime;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::auth::aws::keys::Written;
use crate::auth::refreshing::{Fresh, Unobtained};
use crate::auth::sigv4::AwsKeys;

/// No credential is longer.
const LARGEST: u64 = 64 << 10;

/// Runs the command by the shell, as the SDKs do, and reads the keys that it prints. It is killed
/// when nobody waits for it any more; what it prints is never repeated.
pub(super) async fn run(command: &str) -> Result<Fresh<AwsKeys>, Unobtained> {
    let failed = |what: &str| Unobtained(format!("`credential_process` {what}"));
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(&format!("cannot be run: {error}")))?;
    let stdout = child.stdout.take().ok_or_else(|| failed("has no output"))?;
    let mut printed = Vec::new();
    let read = stdout.take(LARGEST).read_to_end(&mut printed).await;
    read.map_err(|error| failed(&format!("cannot be read: {error}")))?;
    let status = child.wait().await.map_err(|error| failed(&error.to_string()))?;
    if !status.success() {
        return Err(failed(&format!("failed ({status}); run it by hand to see why")));
    }
    let written: Written =
        serde_json::from_slice(&printed).map_err(|_| failed("printed no credentials"))?;
    written.keys("`credential_process`", SystemTime::now())
}
