//! The models that tests use, and requests in one line.

use std::path::PathBuf;
use std::sync::OnceLock;

use isthmus_inference::chat::{ChatRequest, Message, Prompt, Role, Sampling};
use isthmus_inference::part::Part;
use isthmus_runtime::{Engine, EngineSettings};

/// The chat model's file: `ISTHMUS_TEST_MODEL`, else the one that `make model` fetches.
pub(crate) fn chat_model() -> PathBuf {
    let named = std::env::var_os("ISTHMUS_TEST_MODEL").map(PathBuf::from);
    let path = named.unwrap_or_else(|| in_models("smollm2-135m-instruct-q4_1.gguf"));
    assert!(path.exists(), "`{}` is missing: run `make model`", path.display());
    path
}

/// The embedding model's file, which `scripts/embedding_model.sh` makes.
pub(crate) fn embedding_model() -> PathBuf {
    let path = in_models("all-minilm-l6-v2-f16.gguf");
    assert!(path.exists(), "`{}` is missing: run `scripts/embedding_model.sh`", path.display());
    path
}

fn in_models(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../models")).join(name)
}

/// One thread and little memory.
pub(crate) fn settings(path: PathBuf) -> EngineSettings {
    let window = Some(512);
    EngineSettings { threads: Some(1), context_window: window, ..EngineSettings::new(path) }
}

/// The engine that most tests share.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::load(&settings(chat_model())).unwrap())
}

/// An engine of a test's own, so that it can count what the engine does.
pub(crate) fn engine_with(slots: u32, queue: usize) -> Engine {
    Engine::load(&EngineSettings { slots, queue, ..settings(chat_model()) }).unwrap()
}

pub(crate) fn turn(role: Role, text: &str) -> Message {
    let content = vec![Part::Text(text.into())];
    Message { role, content, name: None }
}

/// A question, answered greedily.
pub(crate) fn ask(text: &str, max_tokens: u32) -> ChatRequest {
    ChatRequest {
        prompt: Prompt::Messages(vec![turn(Role::User, text)]),
        sampling: greedy(max_tokens),
        choices: 1,
        ..ChatRequest::default()
    }
}

/// A text to be continued greedily.
pub(crate) fn continue_text(text: &str, max_tokens: u32) -> ChatRequest {
    ChatRequest { prompt: Prompt::Text(text.into()), ..ask("", max_tokens) }
}

pub(crate) fn greedy(max_tokens: u32) -> Sampling {
    Sampling { temperature: Some(0.0), max_tokens: Some(max_tokens), ..Sampling::default() }
}
