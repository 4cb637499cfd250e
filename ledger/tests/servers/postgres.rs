//! A PostgreSQL of a test's own, in a temporary folder, reached by a socket in it. It is gone with the
//! test. Nothing waits for the disk: these servers need not survive a crash of the machine.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use isthmus_inference::secret::Secret;

/// A server at work.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    child: Child,
}

/// Root may not run PostgreSQL, so nobody does.
const NOBODY: u32 = 65_534;
/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

impl Server {
    /// Makes a database and starts its server.
    pub(crate) fn start() -> Self {
        let (folder, programs) = (tempfile::tempdir().unwrap(), programs());
        if is_root(folder.path()) {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut initdb = command(&programs, "initdb", folder.path());
        initdb.args(["--no-sync", "--username=isthmus", "--auth=trust", "--encoding=UTF8", "-D"]);
        let made = initdb.arg(folder.path().join("data")).output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let child = serve(&programs, folder.path());
        let server = Self { folder, programs, child };
        server.wait();
        server
    }

    /// Its URL.
    pub(crate) fn url(&self) -> Secret {
        let folder = self.folder.path().display();
        format!("postgres://isthmus:hunter2@localhost/postgres?host={folder}").into()
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        // At this order it ends its children too, and writes nothing.
        let pid = self.child.id().to_string();
        let _sent = Command::new("kill").args(["-QUIT", &pid]).status();
        let _ended = self.child.wait();
    }

    /// Starts it again.
    pub(crate) fn restart(&mut self) {
        self.child = serve(&self.programs, self.folder.path());
        self.wait();
    }

    fn wait(&self) {
        let until = Instant::now() + PATIENCE;
        let ready = || {
            let mut asked = command(&self.programs, "pg_isready", self.folder.path());
            let asked = asked.arg("-h").arg(self.folder.path()).stdout(Stdio::null());
            asked.status().is_ok_and(|status| status.success())
        };
        while !ready() {
            assert!(Instant::now() < until, "PostgreSQL does not start");
            std::thread::yield_now();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn serve(programs: &Path, folder: &Path) -> Child {
    let mut postgres = command(programs, "postgres", folder);
    postgres.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    postgres.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"]);
    postgres.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn command(programs: &Path, name: &str, folder: &Path) -> Command {
    let mut command = Command::new(programs.join(name));
    command.current_dir("/");
    if std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0) {
        let owner = std::fs::metadata(folder).unwrap();
        command.uid(owner.uid()).gid(owner.gid());
    }
    command
}

fn is_root(folder: &Path) -> bool {
    std::fs::metadata(folder).unwrap().uid() == 0
}

/// Where Debian puts them, which is not on the path; of several versions the newest.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.splice(0..0, std::env::split_paths(&path).collect::<Vec<_>>());
    let found = folders.into_iter().rfind(|folder| folder.join("initdb").exists());
    found.expect("PostgreSQL is not installed: `scripts/tools.sh postgres` sees to it")
}
