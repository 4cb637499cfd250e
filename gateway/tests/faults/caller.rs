//! A caller in each language, who reads what he is told as his SDK would, and judges it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cells::{Cell, Expected, Language};
use crate::speech::PIECES;

/// What a caller was told.
pub(crate) struct Told {
    status: u16,
    head: String,
    body: String,
    /// The body came to its end, as HTTP has it.
    ended: bool,
}

type Judgement = Result<(), String>;

/// Asks as this cell asks.
pub(crate) async fn ask(address: SocketAddr, cell: &Cell) -> Told {
    let asking = exchange(address, request(cell));
    let text = tokio::time::timeout(Duration::from_secs(25), asking).await;
    let text = text.unwrap_or_else(|_| "HTTP/1.1 000 never answered\r\n\r\n".to_owned());
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let chunked = head.contains("transfer-encoding: chunked");
    let (body, ended) = if chunked { unchunked(body) } else { (body.to_owned(), true) };
    Told { status, head, body, ended }
}

async fn exchange(address: SocketAddr, request: String) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    // A connection that is reset has told what it told.
    let _ = socket.read_to_end(&mut read).await;
    String::from_utf8_lossy(&read).into_owned()
}

fn request(cell: &Cell) -> String {
    let (model, stream) = (&cell.model, cell.stream);
    let turns = json!([{"role": "user", "content": "Go."}]);
    let (path, body) = match cell.language {
        Language::OpenAi => {
            let mut body = json!({"model": model, "messages": turns, "stream": stream});
            if stream {
                body["stream_options"] = json!({"include_usage": true});
            }
            ("chat/completions", body)
        }
        Language::Responses => {
            ("responses", json!({"model": model, "input": "Go.", "stream": stream}))
        }
        Language::Anthropic => (
            "messages",
            json!({"model": model, "max_tokens": 99, "messages": turns, "stream": stream}),
        ),
    };
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST /v1/{path} HTTP/1.1\r\nhost: isthmus\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// The bytes of a chunked body, and whether its end came.
fn unchunked(mut rest: &str) -> (String, bool) {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        if size == 0 {
            return (body, true);
        }
        let Some(chunk) = after.get(..size) else { break };
        body.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    (body, false)
}

// === judging ===

/// What is wrong with what was told.
pub(crate) fn judge(cell: &Cell, told: &Told) -> Judgement {
    match cell.expected {
        Expected::Error(status) => told.is_error(cell.language, status),
        Expected::Answer if !cell.stream => told.is_whole(cell.language),
        Expected::Answer | Expected::Spliced => {
            told.is_stream()?;
            told.reads_as_one_answer(cell.language)?;
            if cell.expected == Expected::Spliced {
                told.says_that_it_was_spliced(cell)
            } else {
                Ok(())
            }
        }
        Expected::BrokenStream => {
            told.is_stream()?;
            told.breaks_off(cell.language)
        }
    }
}

fn must(holds: bool, what: impl Into<String>) -> Judgement {
    if holds { Ok(()) } else { Err(what.into()) }
}

impl Told {
    fn json(&self) -> Result<Value, String> {
        serde_json::from_str(&self.body).map_err(|error| format!("no JSON: {error}"))
    }

    fn is_error(&self, language: Language, status: u16) -> Judgement {
        must(self.status == status, format!("the status is {}, not {status}", self.status))?;
        let body = self.json()?;
        must(body["error"]["message"].is_string(), "the error has no message")?;
        must(body["error"]["type"].is_string(), "the error has no type")?;
        if language == Language::Anthropic {
            must(body["type"] == "error", "the error is not in the caller's language")?;
        }
        let wait = self.head.contains("\r\nretry-after: ");
        must(wait || !matches!(status, 429 | 503), "who must wait is not told how long")
    }

    fn is_whole(&self, language: Language) -> Judgement {
        must(self.status == 200, format!("the status is {}", self.status))?;
        let body = self.json()?;
        let text = match language {
            Language::OpenAi => &body["choices"][0]["message"]["content"],
            Language::Responses => &body["output"][0]["content"][0]["text"],
            Language::Anthropic => &body["content"][0]["text"],
        };
        must(*text == PIECES.concat(), format!("the answer is {text}"))
    }

    fn is_stream(&self) -> Judgement {
        must(self.status == 200, format!("the status is {}", self.status))?;
        must(self.head.contains("text/event-stream"), "it is no event stream")?;
        must(self.ended, "the connection broke")
    }

    /// The data of the events, the last one `null` if it is `[DONE]`.
    fn events(&self) -> Result<Vec<Value>, String> {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| match data {
            "[DONE]" => Ok(Value::Null),
            data => serde_json::from_str(data).map_err(|error| format!("{error}: {data}")),
        })
        .collect()
    }

    fn text(language: Language, events: &[Value]) -> String {
        let pieces = events.iter().filter_map(|event| match language {
            Language::OpenAi => event["choices"][0]["delta"]["content"].as_str(),
            Language::Responses => {
                event["delta"].as_str().filter(|_| event["type"] == "response.output_text.delta")
            }
            Language::Anthropic => event["delta"]["text"].as_str(),
        });
        pieces.collect()
    }

    fn reads_as_one_answer(&self, language: Language) -> Judgement {
        let events = self.events()?;
        let text = Self::text(language, &events);
        must(text == PIECES.concat(), format!("the answer is `{text}`"))?;
        let count =
            |holds: &dyn Fn(&Value) -> bool| events.iter().filter(|event| holds(event)).count();
        let typed = |kind: &'static str| count(&|event| event["type"] == kind);
        let last = events.last().unwrap_or(&Value::Null);
        match language {
            Language::OpenAi => {
                must(last.is_null(), "it does not end with [DONE]")?;
                let chunks = &events[..events.len() - 1];
                let alike = |name: &str| chunks.iter().all(|chunk| chunk[name] == chunks[0][name]);
                must(alike("id") && alike("model") && alike("created"), "chunks of two answers")?;
                let roles = count(&|event| event["choices"][0]["delta"]["role"].is_string());
                must(roles == 1, format!("{roles} chunks say who speaks"))?;
                let ends = count(&|event| event["choices"][0]["finish_reason"].is_string());
                must(ends == 1, format!("it ends {ends} times"))
            }
            Language::Responses => {
                must(typed("response.created") == 1, "it does not begin once")?;
                must(last["type"] == "response.completed", "it is not completed")?;
                let said = &last["response"]["output"][0]["content"][0]["text"];
                must(*said == PIECES.concat(), format!("the response holds {said}"))?;
                let mut numbers = events.iter().map(|event| &event["sequence_number"]).zip(0u64..);
                must(numbers.all(|(number, place)| *number == place), "events are not numbered")
            }
            Language::Anthropic => {
                must(typed("message_start") == 1, "it does not begin once")?;
                must(typed("content_block_start") == typed("content_block_stop"), "open blocks")?;
                must(typed("message_delta") == 1, "it does not end once")?;
                must(last["type"] == "message_stop", "it does not end with message_stop")
            }
        }
    }

    /// The house's own line says what happened, and the tokens are those of both endpoints.
    fn says_that_it_was_spliced(&self, cell: &Cell) -> Judgement {
        let events = self.events()?;
        let signed = events.iter().find(|event| event["isthmus"].is_object());
        let signed = signed.ok_or("nothing says that it was spliced")?;
        let line = &signed["isthmus"];
        must(line["spliced"] == true, format!("not marked: {line}"))?;
        must(line["attempts"] == 2, format!("not two attempts: {line}"))?;
        let successor = format!("{}-other", cell.model);
        must(line["endpoint"] == successor, format!("not the last endpoint: {line}"))?;
        must(line["usage"] == "estimated", format!("nobody counted the first part: {line}"))?;
        must(line["cost_usd"].is_string(), format!("no cost: {line}"))?;
        let Some(used) = signed["usage"]["prompt_tokens"].as_u64() else { return Ok(()) };
        // The successor was sent 10, the first one an estimate.
        must(used > 10, format!("{used} tokens of input are one endpoint's"))
    }

    fn breaks_off(&self, language: Language) -> Judgement {
        let events = self.events()?;
        let text = Self::text(language, &events);
        let begun = PIECES[..2].concat();
        must(text == begun, format!("the beginning is `{text}`"))?;
        let last = events.last().unwrap_or(&Value::Null);
        must(last["error"]["message"].is_string(), format!("it ends with {last}"))?;
        if language != Language::OpenAi {
            must(last["type"] == "error", format!("no error of this language: {last}"))?;
        }
        const CLEAN: [&str; 3] = ["message_stop", "response.completed", "message_delta"];
        let clean = |event: &Value| {
            event.is_null()
                || event["choices"][0]["finish_reason"].is_string()
                || CLEAN.iter().any(|kind| event["type"] == *kind)
        };
        must(!events.iter().any(clean), "a cut stream ends like a whole one")
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.ended { "" } else { "(no end)" };
        write!(f, "{}\n\n{}{end}", self.head, self.body)
    }
}
