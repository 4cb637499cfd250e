//! The Rust client async-openai against the running program with the embedded model.
#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::chat::{
    ChatCompletionRequestUserMessageArgs, CreateChatCompletionRequest,
    CreateChatCompletionRequestArgs,
};
use futures_util::StreamExt;

/// The running program and a client of it.
struct Running {
    client: Client<OpenAIConfig>,
    _process: Ended,
    _folder: tempfile::TempDir,
}

/// A process that ends with the test, however the test ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn start() -> Running {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/smollm2-135m-instruct-q4_1.gguf");
    assert!(std::path::Path::new(model).exists(), "run `make model` first");
    let folder = tempfile::tempdir().unwrap();
    let [port, admin_port] = [free_port(), free_port()];
    let configuration = format!(
        "version: 1\n\
         providers: {{ local: {{ kind: embedded, model_path: {model}, threads: 1 }} }}\n\
         endpoints: {{ smollm: {{ provider: local, model: smollm2-135m-instruct }} }}\n\
         models: {{ chat: {{ endpoints: [smollm] }} }}\n"
    );
    std::fs::write(folder.path().join("isthmus.yaml"), configuration).unwrap();
    let process = Command::new(env!("CARGO_BIN_EXE_isthmus"))
        .arg("serve")
        .current_dir(folder.path())
        .env_clear()
        .env("ISTHMUS_LISTEN", format!("127.0.0.1:{port}"))
        .env("ISTHMUS_ADMIN_LISTEN", format!("127.0.0.1:{admin_port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let process = Ended(process.unwrap());
    // The workspace's HTTP client is built without a default; the program installs its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = OpenAIConfig::new()
        .with_api_base(format!("http://127.0.0.1:{port}/v1"))
        .with_api_key("anyone");
    let running =
        Running { client: Client::with_config(config), _process: process, _folder: folder };
    let ready = async {
        while running.client.models().list().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ready)
        .await
        .expect("the gateway never was ready");
    running
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn question(model: &str) -> CreateChatCompletionRequest {
    let message = ChatCompletionRequestUserMessageArgs::default()
        .content("What is the capital of France?")
        .build()
        .unwrap();
    CreateChatCompletionRequestArgs::default()
        .model(model)
        .temperature(0.0)
        .max_completion_tokens(16u32)
        .messages([message.into()])
        .build()
        .unwrap()
}

#[tokio::test]
async fn chat_streams_models_and_errors() {
    let running = start().await;
    let chat = running.client.chat();

    let whole = chat.create(question("chat")).await.unwrap();
    let text = whole.choices[0].message.content.clone().unwrap();
    assert!(text.contains("Paris"), "{text}");

    let mut stream = chat.create_stream(question("chat")).await.unwrap();
    let mut streamed = String::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.unwrap();
        streamed.extend(chunk.choices.iter().filter_map(|choice| choice.delta.content.clone()));
    }
    assert_eq!(streamed, text);

    let models = running.client.models().list().await.unwrap();
    assert!(models.data.iter().any(|model| model.id == "chat"));

    let error = chat.create(question("nothing")).await.unwrap_err();
    assert!(matches!(error, OpenAIError::ApiError(_)), "{error}");
}
