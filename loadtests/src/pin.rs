//! Keeping programs on one core each, with `taskset` (Debian package `util-linux`).
//!
//! The proxy gets a core for itself, so that its CPU time is its own and the generator cannot take
//! it away; a machine with one core cannot be measured on.

use std::process::Stdio;

use tokio::process::Command;

use crate::fault::{Doing, Fault};

/// The core of the measured proxy.
pub const PROXY_CORE: usize = 0;
/// The core that the mock and the generator share.
pub const HARNESS_CORE: usize = 1;

/// A command that runs on the given core only, and its children with it. `taskset` becomes the
/// program, so the process id is the program's own.
pub fn command(core: usize, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.arg("--cpu-list").arg(core.to_string()).arg(program);
    command
}

/// Moves this program, all its threads, to the harness's core.
pub async fn this_process() -> Result<(), Fault> {
    let status = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid"])
        .arg(HARNESS_CORE.to_string())
        .arg(std::process::id().to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .doing(|| "run `taskset` (install it with `apt-get install util-linux`)".to_owned())?;
    if status.success() {
        return Ok(());
    }
    Err(Fault::Unusable(format!(
        "cannot move to core {HARNESS_CORE}: a comparison needs two cores that this process may use"
    )))
}
