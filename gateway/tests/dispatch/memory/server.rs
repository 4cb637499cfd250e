//! A Redis of a test's own.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(super) struct Server {
    port: u16,
    process: Child,
    _folder: tempfile::TempDir,
}

const PATIENCE: Duration = Duration::from_secs(20);

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is missing; `scripts/tools.sh redis` installs it");
        let server = Self { port, process, _folder: folder };
        server.until(|server| server.asked("PING").is_some(), "redis-server does not answer").await;
        server
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Waits until it holds so many answers.
    pub(super) async fn holds(&self, count: usize) {
        let wanted = format!(":{count}");
        let holds = |server: &Self| server.asked("DBSIZE").is_some_and(|told| told == wanted);
        self.until(holds, "the answer was not kept").await;
    }

    /// Puts something else in the place of an answer.
    pub(super) fn spoil(&self) {
        let script = "EVAL \"local k=redis.call('RANDOMKEY') return redis.call('SET',k,'x')\" 0";
        assert_eq!(self.asked(script).as_deref(), Some("+OK"));
    }

    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Lets others work meanwhile: answers are kept beside the calls.
    async fn until(&self, met: impl Fn(&Self) -> bool, complaint: &str) {
        let began = Instant::now();
        while !met(self) {
            assert!(began.elapsed() < PATIENCE, "{complaint}");
            tokio::task::yield_now().await;
        }
    }

    /// The first line that it answers to one line.
    fn asked(&self, line: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.write_all(format!("{line}\r\n").as_bytes()).ok()?;
        let mut told = String::new();
        BufReader::new(stream).read_line(&mut told).ok()?;
        Some(told.trim_end().to_owned()).filter(|told| !told.is_empty())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
