//! A Redis of a test's own, which it may kill.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) struct Server {
    folder: TempDir,
    port: u16,
    persists: bool,
    process: Option<Child>,
}

const PATIENCE: Duration = Duration::from_secs(20);

impl Server {
    /// Starts one. `persists`: what it was told is on the disk before it answers.
    pub(crate) fn start(persists: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self { folder, port, persists, process: None };
        server.begin();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Starts it again where it was.
    pub(crate) fn begin(&mut self) {
        let append = if self.persists { "yes" } else { "no" };
        let process = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", append, "--appendfsync", "always"])
            .arg("--dir")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is missing; `scripts/tools.sh redis` installs it");
        self.process = Some(process);
        let (address, began) = (SocketAddr::from(([127, 0, 0, 1], self.port)), Instant::now());
        while TcpStream::connect_timeout(&address, PATIENCE).is_err() {
            assert!(began.elapsed() < PATIENCE, "redis-server does not answer");
            std::thread::yield_now();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
