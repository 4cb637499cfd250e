//! What is compared: nothing in between, a bare relay, nginx, and Isthmus, each started for one case.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::fault::{Doing, Fault};
use crate::pin;
use crate::process::ProcessTree;
use crate::request::Destination;

/// A way from the generator to the mock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// No proxy: what all others are compared with.
    Direct,
    /// This program as a bare relay: what HTTP by hyper costs in itself.
    Relay,
    /// nginx's `proxy_pass`, as in `nginx.conf`.
    Nginx,
    /// The gateway, as in `isthmus.yaml`.
    Isthmus,
}

/// A target that is up. Its program is stopped and its files are removed when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// Which one.
    pub target: Target,
    /// Where requests go.
    pub destination: Destination,
    program: Option<Program>,
}

/// A started program and the folder that it works in.
#[derive(Debug)]
struct Program {
    child: Child,
    folder: TempDir,
}

const NGINX_CONF: &str = include_str!("../nginx.conf");
const ISTHMUS_YAML: &str = include_str!("../isthmus.yaml");
const PATH: &str = "/v1/chat/completions";
/// How long a program may take until it accepts connections.
const START_PATIENCE: Duration = Duration::from_secs(15);
const START_POLL: Duration = Duration::from_millis(20);
/// Debian keeps nginx where the search path of an ordinary user does not lead.
const NGINX_PLACES: [&str; 3] = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"];

// === impl Target ===

impl Target {
    /// Starts the target in front of the mock; `isthmus` is the gateway's binary.
    pub async fn start(self, mock: SocketAddr, isthmus: &Path) -> Result<Running, Fault> {
        match self {
            Self::Direct => Ok(self.running(mock, None, None)),
            Self::Relay => self.start_relay(mock).await,
            Self::Nginx => self.start_nginx(mock).await,
            Self::Isthmus => self.start_isthmus(mock, isthmus).await,
        }
    }

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
            Self::Nginx => "nginx",
            Self::Isthmus => "isthmus",
        }
    }

    async fn start_relay(self, mock: SocketAddr) -> Result<Running, Fault> {
        let this = std::env::current_exe().doing(|| "find this program".to_owned())?;
        let listen = free_address()?;
        let mut command = pin::command(pin::PROXY_CORE, this);
        command.args(["relay", "--listen", &listen.to_string(), "--upstream", &mock.to_string()]);
        let program = Program::start(command, new_folder()?)?;
        self.ready(listen, program, None).await
    }

    async fn start_nginx(self, mock: SocketAddr) -> Result<Running, Fault> {
        let nginx =
            NGINX_PLACES.iter().map(Path::new).find(|place| place.is_file()).ok_or_else(|| {
                Fault::Target(
                    "nginx is not installed: run `apt-get install nginx-light`, or leave it out \
                     with `--targets direct,isthmus`"
                        .to_owned(),
                )
            })?;
        let folder = new_folder()?;
        let listen = free_address()?;
        let values = [
            ("FOLDER", folder.path().display().to_string()),
            ("LISTEN", listen.to_string()),
            ("MOCK", mock.to_string()),
        ];
        let conf = write(&folder, "nginx.conf", NGINX_CONF, &values)?;
        let mut command = pin::command(pin::PROXY_CORE, nginx);
        command.arg("-p").arg(folder.path()).arg("-c").arg(conf);
        let program = Program::start(command, folder)?;
        self.ready(listen, program, None).await
    }

    async fn start_isthmus(self, mock: SocketAddr, isthmus: &Path) -> Result<Running, Fault> {
        let isthmus = isthmus.canonicalize().doing(|| {
            format!(
                "find `{}` (build it with `cargo build --release -p isthmus-gateway`, or leave it \
                 out with `--targets direct,nginx`)",
                isthmus.display()
            )
        })?;
        let folder = new_folder()?;
        let listen = free_address()?;
        let values = [
            ("LISTEN", listen.to_string()),
            ("ADMIN_LISTEN", free_address()?.to_string()),
            ("MOCK", mock.to_string()),
        ];
        let config = write(&folder, "isthmus.yaml", ISTHMUS_YAML, &values)?;
        let key = create_key(&isthmus, &config, folder.path()).await?;
        let mut command = pin::command(pin::PROXY_CORE, &isthmus);
        command.arg("serve").arg("--config").arg(config);
        let program = Program::start(command, folder)?;
        self.ready(listen, program, Some(key)).await
    }

    async fn ready(
        self,
        listen: SocketAddr,
        mut program: Program,
        key: Option<String>,
    ) -> Result<Running, Fault> {
        program.accepts(listen).await.map_err(|problem| {
            Fault::Target(format!("{} {problem}; its last words:\n{}", self.name(), program.log()))
        })?;
        Ok(self.running(listen, key, Some(program)))
    }

    fn running(
        self,
        address: SocketAddr,
        key: Option<String>,
        program: Option<Program>,
    ) -> Running {
        let destination = Destination { address, path: PATH.to_owned(), key };
        Running { target: self, destination, program }
    }
}

/// Creates a caller's key in the folder's ledger, so that the gateway has keys to check.
async fn create_key(isthmus: &Path, config: &Path, folder: &Path) -> Result<String, Fault> {
    let mut command = Command::new(isthmus);
    command.args(["keys", "create", "--name", "load", "--config"]).arg(config);
    let output = hermetic(&mut command, folder)
        .output()
        .await
        .doing(|| format!("run `{} keys create`", isthmus.display()))?;
    let words = String::from_utf8_lossy(&output.stdout);
    let key = words.split_whitespace().find(|word| word.starts_with("isk-"));
    key.map(str::to_owned).ok_or_else(|| {
        let errors = String::from_utf8_lossy(&output.stderr);
        Fault::Target(format!("`isthmus keys create` printed no key:\n{}", errors.trim_end()))
    })
}

// === impl Running ===

impl Running {
    /// The processes of the proxy; none where there is no proxy.
    pub fn processes(&self) -> Option<ProcessTree> {
        self.program.as_ref().and_then(|program| program.child.id()).map(ProcessTree::of)
    }

    /// The end of what the proxy logged.
    pub fn log(&self) -> String {
        self.program.as_ref().map(Program::log).unwrap_or_default()
    }
}

// === impl Program ===

impl Program {
    fn start(mut command: Command, folder: TempDir) -> Result<Self, Fault> {
        let log_path = folder.path().join("output.log");
        let log =
            fs::File::create(&log_path).doing(|| format!("write `{}`", log_path.display()))?;
        let errors = log.try_clone().doing(|| format!("write `{}`", log_path.display()))?;
        let child = hermetic(&mut command, folder.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .doing(|| "run `taskset` (install it with `apt-get install util-linux`)".to_owned())?;
        Ok(Self { child, folder })
    }

    /// Waits until the program accepts connections.
    async fn accepts(&mut self, address: SocketAddr) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + START_PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended at its start ({status})"));
            }
            if tokio::time::Instant::now() > deadline {
                return Err(format!("did not accept a connection within {START_PATIENCE:?}"));
            }
            tokio::time::sleep(START_POLL).await;
        }
        Ok(())
    }

    fn log(&self) -> String {
        const LINES: usize = 20;
        let read = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        let text = read("output.log") + &read("nginx.log");
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for Program {
    /// Asks the program to end: killing nginx's master at once would leave its worker behind.
    fn drop(&mut self) {
        if let Some(id) = self.child.id() {
            let _ = std::process::Command::new("kill").arg(id.to_string()).status();
        }
    }
}

/// A command that inherits nothing of this machine's settings but the search path.
fn hermetic<'command>(command: &'command mut Command, folder: &Path) -> &'command mut Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", folder).current_dir(folder)
}

fn new_folder() -> Result<TempDir, Fault> {
    tempfile::Builder::new()
        .prefix("isthmus-load-")
        .tempdir()
        .doing(|| "create a temporary folder".to_owned())
}

/// An address that was free a moment ago.
fn free_address() -> Result<SocketAddr, Fault> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .doing(|| "find a free port".to_owned())
}

fn write(
    folder: &TempDir,
    name: &str,
    template: &str,
    values: &[(&str, String)],
) -> Result<PathBuf, Fault> {
    let path = folder.path().join(name);
    fs::write(&path, fill_in(template, values)).doing(|| format!("write `{}`", path.display()))?;
    Ok(path)
}

fn fill_in(template: &str, values: &[(&str, String)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_leave_nothing_to_fill_in() {
        let values =
            ["FOLDER", "LISTEN", "ADMIN_LISTEN", "MOCK"].map(|name| (name, "x".to_owned()));
        for template in [NGINX_CONF, ISTHMUS_YAML] {
            let filled = fill_in(template, &values);
            let left = filled.lines().find(|line| !line.starts_with('#') && line.contains("${"));
            assert_eq!(left, None);
        }
    }
}
