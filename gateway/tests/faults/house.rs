//! The running program, with a model for each cell and its upstreams behind it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::cells::{Cell, Other};
use crate::upstream::{Fault, Upstream, Wire};

/// The program, and who it may call.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    /// The first endpoint of every model, which policy forbids.
    pub(crate) stranger: Upstream,
    /// By the name of the cell's model: who fails, and who else is there.
    upstreams: BTreeMap<String, (Upstream, Upstream)>,
    folder: tempfile::TempDir,
    _process: Ended,
}

/// A process that ends with the test, however the test ends.
struct Ended(Child);

/// How often one endpoint is tried.
const TRIES: usize = 2;

/// Far longer than a healthy upstream needs on a busy machine, and short enough to wait for.
const TIMEOUTS: &str = "{ connect: 2s, first_byte: 2s, between_chunks: 2s, total: 4s }";

/// Nobody whose network is not known to be a vendor's.
const POLICIES: &str = r#"
@id("everybody")
permit (principal, action, resource);
@id("but-strangers")
forbid (principal, action, resource) when { resource.network != Network::"vendor" };
"#;

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl House {
    pub(crate) async fn start(cells: &[Cell]) -> Self {
        let stranger = Upstream::start(Fault::None);
        let upstreams: BTreeMap<_, _> = cells
            .iter()
            .map(|cell| {
                let upstreams = (Upstream::start(cell.fault), Upstream::start(Fault::None));
                (cell.model.clone(), upstreams)
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let policies = folder.path().join("policies");
        std::fs::create_dir(&policies).unwrap();
        std::fs::write(policies.join("all.cedar"), POLICIES).unwrap();
        let configuration = configuration(cells, &upstreams, &stranger);
        std::fs::write(folder.path().join("isthmus.yaml"), configuration).unwrap();
        let [address, admin] = [free_address(), free_address()];
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_isthmus"))
            .arg("serve")
            .current_dir(folder.path())
            .env_clear()
            .env("ISTHMUS_LISTEN", address.to_string())
            .env("ISTHMUS_ADMIN_LISTEN", admin.to_string())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let process = Ended(process.unwrap());
        let ready = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let ready = tokio::time::timeout(Duration::from_secs(30), ready).await;
        let house = Self { address, stranger, upstreams, folder, _process: process };
        assert!(ready.is_ok(), "the program never was ready:\n{}", house.log());
        house
    }

    /// What the program said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// What is wrong with how often this cell's endpoints were asked.
    pub(crate) fn overused(&self, cell: &Cell) -> Option<String> {
        let (faulty, other) = &self.upstreams[&cell.model];
        let allowed = if cell.other == Other::Nobody { 0 } else { 1 };
        let counts = (faulty.requests(), other.requests());
        (counts.0 > TRIES || counts.1 > allowed).then(|| format!("asked {counts:?} times"))
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn configuration(
    cells: &[Cell],
    upstreams: &BTreeMap<String, (Upstream, Upstream)>,
    stranger: &Upstream,
) -> String {
    let (mut providers, mut endpoints, mut models) = (String::new(), String::new(), String::new());
    let price = r#"{ input: "1", output: "2" }"#;
    let mut add = |name: &str, kind: &str, network: &str, base_url: String| {
        let account = format!("kind: {kind}, base_url: \"{base_url}\", api_key: sk-x");
        let facts = format!("price: {price}, facts: {{ network: {network} }}");
        writeln!(providers, "  {name}: {{ {account}, timeouts: {TIMEOUTS} }}").unwrap();
        writeln!(endpoints, "  {name}: {{ provider: {name}, model: up, {facts} }}").unwrap();
    };
    add("stranger", "sglang", "decentralised", format!("http://{}/v1", stranger.address));
    for cell in cells {
        let (faulty, other) = &upstreams[&cell.model];
        let (first, second) = (format!("{}-faulty", cell.model), format!("{}-other", cell.model));
        let (kind, path) = match cell.wire {
            Wire::Chat => ("openai-compatible", "/v1"),
            Wire::Responses => ("openai", "/v1"),
            Wire::Messages => ("anthropic", ""),
        };
        add(&first, kind, "vendor", format!("http://{}{path}", faulty.address));
        // It goes on with answers, and speaks chat completions alone.
        add(&second, "sglang", "vendor", format!("http://{}/v1", other.address));
        let members =
            if cell.other == Other::Nobody { first } else { format!("{first}, {second}") };
        let splice = cell.other == Other::Successor;
        let retry = format!("{{ attempts: {TRIES}, max_wait: 2s }}");
        let model = &cell.model;
        writeln!(
            models,
            "  {model}: {{ endpoints: [stranger, {members}], retry: {retry}, splice: {splice} }}"
        )
        .unwrap();
    }
    let policies = "policies: { dir: policies }";
    format!(
        "version: 1\n{policies}\nproviders:\n{providers}endpoints:\n{endpoints}models:\n{models}"
    )
}
