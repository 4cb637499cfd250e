//! What upstreams say: as much of an answer in their language as their fault leaves them.

use serde_json::{Value, json};

use crate::upstream::{Fault, Step, Wire};

/// The pieces of the answer. A stream that breaks has said the first two.
pub(crate) const PIECES: [&str; 4] = ["The quick", " brown", " fox", " jumps."];

/// What an upstream says.
pub(crate) struct Speech {
    wire: Wire,
    stream: bool,
    pieces: Vec<String>,
}

// === impl Speech ===

impl Speech {
    /// The answer to a request. Where its last turn is the beginning of the answer, and it is asked to
    /// go on with it, the rest.
    pub(crate) fn answering(head: &str, body: &Value) -> Self {
        let wire = match head {
            head if head.contains("/v1/messages") => Wire::Messages,
            head if head.contains("/v1/responses") => Wire::Responses,
            _ => Wire::Chat,
        };
        let last = body["messages"].as_array().and_then(|turns| turns.last());
        let last = last.filter(|turn| turn["role"] == "assistant");
        let whole = PIECES.concat();
        let pieces = match last.and_then(|turn| turn["content"].as_str()) {
            None => PIECES.map(str::to_owned).to_vec(),
            Some(begun) => {
                let open = body["continue_final_message"] == true
                    && body["add_generation_prompt"] == false;
                let rest = whole.strip_prefix(begun).filter(|_| open);
                rest.unwrap_or("(not asked to go on)")
                    .split_inclusive(' ')
                    .map(str::to_owned)
                    .collect()
            }
        };
        Self { wire, stream: body["stream"] == true, pieces }
    }

    /// What is done with the connection.
    pub(crate) fn steps(&self, fault: Fault) -> Vec<Step> {
        let send = |text: String| Step::Send(text);
        let error = json!({"type": "error", "error": {"type": "api_error", "message": "told by the upstream"}});
        match fault {
            Fault::None => vec![send(self.head() + &self.events(usize::MAX) + self.end())],
            Fault::Refused | Fault::ResetAtOnce => vec![Step::Reset],
            Fault::StallAtOnce => vec![Step::Stall],
            Fault::Status(status, wait) => {
                let wait = wait.map(|wait| format!("retry-after: {wait}\r\n")).unwrap_or_default();
                let kind = format!("{wait}content-type: application/json");
                vec![send(with_length(status, &kind, &error.to_string()))]
            }
            Fault::NoJson if self.stream => vec![send(self.head() + &chunk("data: {\"choi\n\n"))],
            Fault::NoJson => {
                vec![send(with_length(200, "content-type: application/json", "{\"choi"))]
            }
            Fault::NothingButTheEnd if self.stream => vec![send(self.head() + LAST_CHUNK)],
            Fault::NothingButTheEnd => {
                vec![send(with_length(200, "content-type: application/json", ""))]
            }
            Fault::WrongType => {
                vec![send(with_length(200, "content-type: text/html", "<html>Welcome</html>"))]
            }
            Fault::Drip => vec![send(self.head()), Step::Drip(self.events(usize::MAX))],
            Fault::ResetInside => vec![send(self.half()), Step::Pause, Step::Reset],
            Fault::StallInside => vec![send(self.half()), Step::Stall],
            Fault::CutInside if self.stream => vec![send(self.half() + LAST_CHUNK)],
            Fault::CutInside => vec![send(self.half()), Step::Close],
            Fault::NoJsonInside if self.stream => {
                vec![send(self.half() + &chunk("data: {\"choi\n\n") + LAST_CHUNK)]
            }
            Fault::NoJsonInside => {
                let half = &self.whole()[..self.whole().len() / 2];
                vec![send(with_length(200, "content-type: application/json", half))]
            }
            Fault::DripInside => vec![send(self.half()), Step::Drip(self.rest())],
            Fault::ErrorInside if self.stream => {
                vec![send(
                    self.half() + &chunk(&format!("event: error\ndata: {error}\n\n")) + LAST_CHUNK,
                )]
            }
            Fault::ErrorInside => {
                let told = error.to_string();
                vec![send(with_length(200, "content-type: application/json", &told))]
            }
        }
    }

    /// The head of a success whose body follows.
    fn head(&self) -> String {
        if self.stream {
            return "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
        }
        let length = self.whole().len();
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
    }

    /// The head and what comes before the fault.
    fn half(&self) -> String {
        self.head() + &self.events(2)
    }

    /// What comes behind that.
    fn rest(&self) -> String {
        self.events(usize::MAX)[self.events(2).len()..].to_owned()
    }

    fn end(&self) -> &'static str {
        if self.stream { LAST_CHUNK } else { "" }
    }

    /// The body up to behind so many pieces; of a whole answer half, or all.
    fn events(&self, pieces: usize) -> String {
        if !self.stream {
            let whole = self.whole();
            let length = if pieces == usize::MAX { whole.len() } else { whole.len() / 2 };
            return whole[..length].to_owned();
        }
        // Behind the events that begin the answer.
        let (events, begin) = match self.wire {
            Wire::Chat => (self.chunks(), 1),
            Wire::Responses => (self.responses(), 3),
            Wire::Messages => (self.messages(), 2),
        };
        let told = events.iter().take(pieces.saturating_add(begin));
        told.map(|event| chunk(event)).collect()
    }

    fn whole(&self) -> String {
        let text = self.pieces.concat();
        let answer = match self.wire {
            Wire::Messages => {
                json!({"id": "msg_up", "type": "message", "role": "assistant", "model": "up", "stop_reason": "end_turn",
                "content": [{"type": "text", "text": text}], "usage": {"input_tokens": 10, "output_tokens": 4}})
            }
            Wire::Responses => self.response("completed"),
            Wire::Chat => {
                json!({"id": "up", "object": "chat.completion", "created": 1, "model": "up", "choices": [{"index": 0,
                "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}], "usage": self.usage()})
            }
        };
        answer.to_string()
    }

    fn usage(&self) -> Value {
        let count = self.pieces.len();
        json!({"prompt_tokens": 10, "completion_tokens": count, "total_tokens": 10 + count})
    }

    /// The events of a streamed chat completion; the first one says who speaks.
    fn chunks(&self) -> Vec<String> {
        let chunk = |choices: Value| json!({"id": "up", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": choices});
        let delta = |delta: Value, finish: Value| {
            chunk(json!([{"index": 0, "delta": delta, "finish_reason": finish}]))
        };
        let mut chunks = vec![delta(json!({"role": "assistant", "content": ""}), Value::Null)];
        chunks
            .extend(self.pieces.iter().map(|piece| delta(json!({"content": piece}), Value::Null)));
        chunks.push(delta(json!({}), "stop".into()));
        let mut last = chunk(json!([]));
        last["usage"] = self.usage();
        chunks.push(last);
        let mut events: Vec<_> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
        events.push("data: [DONE]\n\n".to_owned());
        events
    }

    /// The events of a streamed message; the first two begin it and its text.
    fn messages(&self) -> Vec<String> {
        let mut events = vec![
            json!({"type": "message_start", "message": {"id": "msg_up", "type": "message", "role": "assistant",
                "model": "up", "content": [], "stop_reason": null, "usage": {"input_tokens": 10, "output_tokens": 1}}}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ];
        events.extend(self.pieces.iter().map(|piece| {
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}})
        }));
        events.extend([
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}),
            json!({"type": "message_stop"}),
        ]);
        let event =
            |data: &Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
        events.iter().map(event).collect()
    }

    /// A response, as it is begun or completed.
    fn response(&self, status: &str) -> Value {
        let text = json!({"type": "output_text", "text": self.pieces.concat(), "annotations": []});
        let message = json!({"id": "msg_up", "type": "message", "role": "assistant", "status": status, "content": [text]});
        let done = status == "completed";
        let usage = json!({"input_tokens": 10, "output_tokens": 4, "total_tokens": 14});
        json!({"id": "resp_up", "object": "response", "created_at": 1, "model": "up", "status": status, "error": null,
            "output": if done { json!([message]) } else { json!([]) }, "usage": if done { usage } else { Value::Null }})
    }

    /// The events of a streamed response; the first three begin it, its message and its text.
    fn responses(&self) -> Vec<String> {
        let item = json!({"id": "msg_up", "type": "message", "role": "assistant", "status": "in_progress", "content": []});
        let part = json!({"type": "output_text", "text": "", "annotations": []});
        let place = |kind: &str| json!({"type": kind, "item_id": "msg_up", "output_index": 0, "content_index": 0});
        let with = |kind: &str, name: &str, value: Value| {
            let mut event = place(kind);
            event[name] = value;
            event
        };
        let mut events = vec![
            json!({"type": "response.created", "response": self.response("in_progress")}),
            json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
            with("response.content_part.added", "part", part),
        ];
        let delta =
            |piece: &String| with("response.output_text.delta", "delta", piece.as_str().into());
        events.extend(self.pieces.iter().map(delta));
        events.push(with("response.output_text.done", "text", self.pieces.concat().into()));
        events.push(json!({"type": "response.completed", "response": self.response("completed")}));
        let numbered = events.into_iter().zip(0u64..).map(|(mut event, number)| {
            event["sequence_number"] = number.into();
            format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
        });
        numbered.collect()
    }
}

/// The end of a chunked body.
const LAST_CHUNK: &str = "0\r\n\r\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn with_length(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\n{headers}\r\ncontent-length: {length}\r\n\r\n{body}")
}
