//! The axon's process, and calls of it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use isthmus_adapters::adapter::{Adapter, Answer, Attempt, Content, Piece, Timeouts};
use isthmus_adapters::bittensor::Clock;
use isthmus_adapters::dialects::openai_request;
use isthmus_adapters::providers::bittensor_axon::{self, BITTENSOR_AXON};
use isthmus_adapters::settings::AccountSettings;
use isthmus_inference::failure::Failure;
use isthmus_inference::request::Operation;
use isthmus_inference::stream::Event;
use serde_json::{Value, json};

/// `//Alice`, who calls.
pub(crate) const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const ALICE_SEED: &str = "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";
/// `//Bob`, whose axon it is.
pub(crate) const BOB: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";

/// How long a call may take; the axon is told so.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running axon. It ends with this, and also by itself when its standard input does.
pub(crate) struct Axon {
    process: Child,
    port: u16,
}

impl Axon {
    /// Starts one and waits until it listens.
    pub(crate) fn start() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let python = std::env::var_os("AXON_PYTHON")
            .map_or_else(|| root.join("../.venv-axon/bin/python"), PathBuf::from);
        let mut process = Command::new(&python)
            .arg(root.join("tests/axon/server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; run `make test-axon`", python.display()));
        let said = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = said.filter_map(|line| line.strip_prefix("READY ")?.parse().ok()).next();
        let port = port.unwrap_or_else(|| panic!("the axon did not start: {:?}", process.wait()));
        Self { process, port }
    }

    /// An account that calls this synapse, with the given changes to the usual settings.
    pub(crate) fn account(&self, synapse: &Value) -> Arc<dyn Adapter> {
        self.account_with(synapse, BOB, SystemTime::now)
    }

    /// The same for another miner, or with another clock.
    pub(crate) fn account_with(
        &self,
        synapse: &Value,
        axon_hotkey: &str,
        clock: Clock,
    ) -> Arc<dyn Adapter> {
        let settings = AccountSettings {
            base_url: Some(format!("http://127.0.0.1:{}", self.port)),
            options: [
                ("hotkey_seed", ALICE_SEED.into()),
                ("axon_hotkey", axon_hotkey.into()),
                ("synapse", synapse.to_string().into()),
            ]
            .into(),
            ..AccountSettings::new(&BITTENSOR_AXON)
        };
        bittensor_axon::build(&settings, clock).unwrap()
    }
}

impl Drop for Axon {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// An attempt with this body.
pub(crate) fn attempt(body: &Value) -> Attempt {
    let request = openai_request::decode(Operation::Chat, body.to_string().into()).unwrap();
    let timeouts = Timeouts {
        connect: PATIENCE,
        first_byte: PATIENCE,
        between_chunks: PATIENCE,
        total: PATIENCE,
    };
    Attempt {
        request: Arc::new(request),
        model: "up".into(),
        reasons: false,
        timeouts,
        beginning: None,
    }
}

/// A question in one turn.
pub(crate) fn question(text: &str, stream: bool) -> Attempt {
    attempt(&json!({
        "model": "m", "stream": stream, "messages": [{ "role": "user", "content": text }],
    }))
}

/// The text of an answer and how many pieces it came in, or how it failed.
pub(crate) async fn text(answer: Result<Answer, Failure>) -> Result<(String, usize), Failure> {
    let mut stream = match answer? {
        Answer::Whole(whole) => {
            let Content::Chat(answer) = whole.content else { panic!("not a chat") };
            assert!(answer.choices[0].finish.is_some());
            return Ok((answer.choices[0].text(), 1));
        }
        Answer::Stream(stream) => stream,
    };
    let (mut text, mut count, mut last) = (String::new(), 0, None);
    while let Some(piece) = stream.pieces.next().await {
        let piece = piece?;
        if let Piece::Event(Event::Text { text: more, .. }) = &piece {
            text.push_str(more);
            count += 1;
        }
        last = Some(piece);
    }
    assert_eq!(last, Some(Piece::Done { event: None }));
    Ok((text, count))
}
