"""A scripted upstream that speaks OpenAI: what it does is told by the model's name.

    status-409        answers with that status and an error in OpenAI's shape
    flaky-2           fails twice with 500, then answers
    echo              answers, and keeps the request for the test to look at
    stream-N          streams N pieces and its usage
    slow-N            the same, 10 ms apart
    cut               streams two pieces, then closes the connection
    garbage           answers 200 with something that is no JSON
    stall             never answers
"""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


class Upstream:
    def __init__(self):
        self.requests: list[dict] = []
        self.headers: list[dict] = []
        self.calls = Counter()
        self.left = threading.Event()
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                script.requests.append(body)
                script.headers.append({name.lower(): value for name, value in self.headers.items()})
                script.answer(self, body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def answer(self, http, body: dict) -> None:
        model = body["model"]
        self.calls[model] += 1
        word, _, argument = model.partition("-")
        match word:
            case "status":
                self._error(http, int(argument))
            case "flaky" if self.calls[model] <= int(argument):
                self._error(http, 500)
            case "garbage":
                self._send(http, 200, b"<html>not json</html>", "text/html")
            case "stall":
                time.sleep(60)
            case "cut" | "stream" | "slow" | "endless":
                self._stream(http, body, word, int(argument or 2))
            case _:
                self._send(http, 200, json.dumps(completion(body)).encode())

    def _error(self, http, status: int) -> None:
        error = {"message": f"scripted {status}", "type": "scripted", "param": None, "code": f"c{status}"}
        self._send(http, status, json.dumps({"error": error}).encode())

    def _send(self, http, status: int, body: bytes, content_type: str = "application/json") -> None:
        http.send_response(status)
        http.send_header("content-type", content_type)
        http.send_header("content-length", str(len(body)))
        http.send_header("x-request-id", "upstream-1")
        if status in (429, 503):
            http.send_header("retry-after", "0")
        http.end_headers()
        http.wfile.write(body)

    def _stream(self, http, body: dict, word: str, pieces: int) -> None:
        http.send_response(200)
        http.send_header("content-type", "text/event-stream")
        http.send_header("connection", "close")
        http.end_headers()
        http.close_connection = True
        try:
            for index in range(pieces if word != "endless" else 10_000):
                self._event(http, chunk(body, [{"index": 0, "delta": {"content": f"{index} "}, "finish_reason": None}]))
                if word in ("slow", "endless"):
                    time.sleep(0.01)
            if word == "cut":
                return
            self._event(http, chunk(body, [{"index": 0, "delta": {}, "finish_reason": "stop"}]))
            if body.get("stream_options", {}).get("include_usage"):
                self._event(http, chunk(body, []) | {"usage": USAGE})
            http.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            self.left.set()

    @staticmethod
    def _event(http, event: dict) -> None:
        http.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        http.wfile.flush()


def chunk(body: dict, choices: list) -> dict:
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": body["model"], "choices": choices}


def completion(body: dict) -> dict:
    message = {"role": "assistant", "content": "scripted"}
    return {
        "id": "c1", "object": "chat.completion", "created": 1, "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": USAGE,
    }
