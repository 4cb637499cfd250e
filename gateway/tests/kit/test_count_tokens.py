"""`/v1/messages/count_tokens` by the Anthropic SDK: relayed where the upstream counts, counted by
the house elsewhere."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import pytest
from gateway import Gateway

COUNTED = 2095
QUESTION = [{"role": "user", "content": "How many tokens are these, roughly? " * 20}]


class Counting(BaseHTTPRequestHandler):
    """Anthropic's endpoint, as its API reference "Count tokens in a Message" has it."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, dict(self.headers.items()), body))
        answer = json.dumps({"input_tokens": COUNTED}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def upstream():
    with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def client(upstream, tmp_path):
    origin = f"http://127.0.0.1:{upstream.server_port}"
    providers = {
        "claude": {"kind": "anthropic", "base_url": origin, "api_key": "sk-house"},
        "gpt": {"kind": "openai", "base_url": f"{origin}/v1", "api_key": "sk-house"},
    }
    models = {"native": {"endpoints": ["claude/claude-x"]}, "other": {"endpoints": ["gpt/gpt-4o"]}}
    configuration = json.dumps({"version": 1, "providers": providers, "models": models})
    with Gateway(tmp_path, configuration) as gateway:
        origin = gateway.base_url.removesuffix("/v1")
        yield anthropic.Anthropic(api_key="anyone", base_url=origin, max_retries=0, timeout=20)


def test_anthropic_counts_its_own(client, upstream):
    counted = client.messages.count_tokens(model="native", messages=QUESTION, system="Be brief.")
    assert counted.input_tokens == COUNTED
    [(path, headers, body)] = upstream.asked
    assert path == "/v1/messages/count_tokens"
    assert headers["x-api-key"] == "sk-house" and headers["anthropic-version"]
    assert body == {"model": "claude-x", "messages": QUESTION, "system": "Be brief."}


def test_the_house_counts_for_others(client, upstream):
    short = client.messages.count_tokens(
        model="other", messages=[{"role": "user", "content": "Hi."}]
    )
    long = client.messages.count_tokens(model="other", messages=QUESTION)
    assert 7 <= short.input_tokens <= 10
    # 20 sentences of eight tokens, by GPT-4o's own vocabulary, and what stands around a turn.
    assert 165 <= long.input_tokens <= 170
    assert not upstream.asked, "OpenAI has no such endpoint"


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(anthropic.NotFoundError) as refused:
        client.messages.count_tokens(model="nobody", messages=QUESTION)
    assert refused.value.body["error"]["type"] == "not_found_error"
