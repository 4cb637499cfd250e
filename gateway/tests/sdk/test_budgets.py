"""Budgets and rates as callers and operators meet them, by the official SDKs and the running program."""

import json
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest
from openai import OpenAI

from gateway import Gateway, free_port

CONFIGURATION = """
version: 1
providers:
  scripted: {{ kind: openai-compatible, base_url: "{upstream}", api_key: sk-house-secret }}
  other: {{ kind: openai-compatible, base_url: "{upstream}", api_key: sk-house-secret }}
endpoints:
  echo: {{ provider: scripted, model: echo, price: {{ input: "1", output: "2" }} }}
  beside: {{ provider: other, model: echo, price: {{ input: "1", output: "2" }} }}
  free: {{ provider: scripted, model: echo, price: {{ input: "0", output: "0" }} }}
  dark: {{ provider: scripted, model: status-418 }}
models:
  chat: {{ endpoints: [echo] }}
  either: {{ endpoints: [echo, beside] }}
  small: {{ endpoints: [free] }}
  dark: {{ endpoints: [dark] }}
"""

# Of each answer of the upstream: 7 tokens in, 3 out, so 13 millionths of a dollar.
COST = 13


@pytest.fixture
def start(tmp_path, upstream):
    """Starts a gateway with these budgets."""
    running = []

    def started(budgets: str, folder=None, teams=()) -> Gateway:
        folder = folder or tmp_path
        folder.mkdir(exist_ok=True)
        gateway = Gateway(folder, CONFIGURATION.format(upstream=upstream.base_url) + budgets)
        gateway.keys = [gateway.create_key("--name", team, "--team", team) for team in teams]
        running.append(gateway.__enter__())
        return gateway

    yield started
    for gateway in running:
        gateway.__exit__()


def ask(gateway: Gateway, model: str = "chat", key: str = "anyone", **more):
    client = OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0, timeout=30)
    messages = [{"role": "user", "content": "hello"}]
    answer = client.chat.completions.with_raw_response.create(
        model=model, messages=messages, max_tokens=10, **more
    )
    assert answer.parse().choices
    return answer.headers


def spend(gateway: Gateway, **how) -> tuple[int, openai.APIStatusError]:
    """Asks until it is refused: how often it was answered, and the refusal."""
    for answered in range(200):
        try:
            ask(gateway, **how)
        except openai.APIStatusError as error:
            return answered, error
    raise AssertionError("never refused")


def test_a_hard_budget_is_used_up_and_not_passed(start):
    gateway = start('budgets: { all: { window: month, limit: { usd: "0.0002" } } }\n')
    answered, refused = spend(gateway)
    assert isinstance(refused, openai.RateLimitError) and refused.code == "insufficient_quota"
    assert "`all`" in refused.message and "0.0002" in refused.message and "T00:00:00Z" in refused.message
    assert "retry-after" not in refused.response.headers
    assert 150 <= answered * COST <= 200
    spent = gateway.metric("isthmus_budget_spent_usd")
    assert abs(spent - answered * COST / 1e6) < 1e-9
    assert gateway.metric("isthmus_budget_held_usd") == 0
    assert abs(gateway.metric("isthmus_budget_limit_usd") - 0.0002) < 1e-9
    # What takes nothing always fits.
    assert ask(gateway, "small")["x-isthmus-endpoint"] == "free"


def test_what_was_spent_is_still_spent_after_a_restart(start, tmp_path):
    budgets = 'budgets: { all: { window: year, limit: { usd: "0.0002" } } }\n'
    gateway = start(budgets)
    answered, _ = spend(gateway)
    assert gateway.stop() == 0
    again = start(budgets)
    assert abs(again.metric("isthmus_budget_spent_usd") - answered * COST / 1e6) < 1e-9
    assert spend(again)[0] == 0
    # And after one that nobody had prepared for.
    again.process.kill()
    again.process.wait()
    assert spend(start(budgets))[0] == 0


def test_the_refusal_is_in_anthropics_words_where_those_are_spoken(start):
    gateway = start('budgets: { all: { window: month, limit: { requests: 0 } } }\n')
    body = {"model": "chat", "max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]}
    request = urllib.request.Request(
        f"http://127.0.0.1:{gateway.port}/v1/messages", json.dumps(body).encode(),
        {"content-type": "application/json", "x-api-key": "anyone"},
    )
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request, timeout=10)
    told = json.load(raised.value)
    assert raised.value.code == 429 and told["type"] == "error" and "`all`" in told["error"]["message"]


def test_each_team_has_its_own(start):
    budgets = "budgets: { teams: { each: team, window: day, limit: { requests: 2 } } }\n"
    gateway = start(budgets, teams=["a", "b"])
    for key in gateway.keys:
        answered, refused = spend(gateway, key=key)
        assert answered == 2 and refused.code == "insufficient_quota"
    assert 'of="a"' in gateway.admin("/metrics")


def test_rates_are_told_and_kept(start):
    gateway = start("limits: { rates: { slow: { rpm: 3, tpm: 100000 } } }\n")
    headers = ask(gateway)
    assert headers["x-ratelimit-limit-requests"] == "3"
    assert headers["x-ratelimit-remaining-requests"] == "2"
    assert headers["x-ratelimit-limit-tokens"] == "100000"
    assert int(headers["x-ratelimit-remaining-tokens"]) < 100000
    assert headers["x-ratelimit-reset-requests"].startswith(("1m", "57s", "58s", "59s"))
    answered, refused = spend(gateway)
    assert answered == 2 and refused.code == "rate_limit_exceeded" and "`slow`" in refused.message
    assert 1 <= int(refused.response.headers["retry-after"]) <= 60
    assert refused.response.headers["x-ratelimit-remaining-requests"] == "0"


def test_so_many_at_once(start):
    gateway = start("limits: { rates: { few: { concurrency: 1 } } }\n")
    client = OpenAI(base_url=gateway.base_url, api_key="anyone", max_retries=0)
    messages = [{"role": "user", "content": "hello"}]
    with client.chat.completions.create(model="scripted/slow-50", messages=messages, stream=True) as stream:
        next(iter(stream))
        _, refused = spend(gateway)
        assert refused.code == "rate_limit_exceeded" and "at once" in refused.message
    gateway.wait_for(lambda: answers_at_all(gateway), "a place that came back")


def answers_at_all(gateway: Gateway) -> bool:
    try:
        return bool(ask(gateway))
    except openai.RateLimitError:
        return False


def test_a_soft_budget_tells_and_stops_nobody(start):
    told = []
    done = threading.Event()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            # The first time nobody listens.
            self.send_response(500 if len(told) == 1 else 204)
            self.end_headers()
            if len(told) >= 3:
                done.set()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    gateway = start(
        'budgets: { all: { window: month, mode: soft, warn_at: [50, 100], limit: { requests: 4 } } }\n'
        f'limits: {{ webhook: "http://127.0.0.1:{server.server_port}/T0KEN" }}\n'
    )
    warnings = [ask(gateway).get("x-isthmus-budget-warning") for _ in range(6)]
    assert warnings == [None, "all 50%", "all 75%", "all 100%", "all 125%", "all 150%"]
    assert done.wait(20), told
    assert [notice["threshold_percent"] for notice in told] == [50, 50, 100]
    assert told[0]["budget"] == "all" and told[0]["limit"]["requests"] == 4
    assert gateway.log().count("a budget is being used up") == 2
    assert "T0KEN" not in gateway.log()


def test_another_pool_answers_when_the_money_is_spent(start):
    gateway = start(
        'budgets: { all: { of: { model: chat }, window: month, limit: { usd: "0.0001" },'
        " on_exhaust: { downgrade: small } } }\n"
    )
    headers = ask(gateway)
    while "x-isthmus-downgraded" not in headers:
        assert headers["x-isthmus-endpoint"] == "echo"
        headers = ask(gateway)
    assert headers["x-isthmus-downgraded"] == "all" and headers["x-isthmus-endpoint"] == "free"


def test_a_soft_budget_may_have_another_pool_answer_and_counts_it(start):
    gateway = start(
        "budgets: { all: { window: month, mode: soft, limit: { requests: 2 },"
        " on_exhaust: { downgrade: small } } }\n"
    )
    told = [ask(gateway) for _ in range(4)]
    assert [headers["x-isthmus-endpoint"] for headers in told] == ["echo", "echo", "free", "free"]
    assert told[3]["x-isthmus-downgraded"] == "all"
    assert told[3]["x-isthmus-budget-warning"] == "all 200%"


def test_an_account_whose_budget_is_spent_is_not_asked(start):
    gateway = start(
        'budgets: { one: { of: { provider: scripted }, window: month, limit: { usd: "0.0001" } } }\n'
    )
    endpoints = [ask(gateway, "either")["x-isthmus-endpoint"] for _ in range(12)]
    assert set(endpoints) == {"echo", "beside"}
    assert endpoints.count("echo") * COST <= 100
    assert spend(gateway)[1].code == "insufficient_quota"


def test_nobody_is_asked_whose_price_is_not_known(start):
    gateway = start('budgets: { all: { window: month, limit: { usd: "100" } } }\n')
    with pytest.raises(openai.RateLimitError) as raised:
        ask(gateway, "dark")
    assert "price" in raised.value.message
    assert "without a price" in gateway.log()


def test_gateways_share_a_budget(start, tmp_path):
    program = shutil.which("redis-server")
    assert program, "redis-server is missing; `scripts/tools.sh redis` installs it"
    port = free_port()

    def redis() -> subprocess.Popen:
        return subprocess.Popen(
            [program, "--port", str(port), "--save", "", "--appendonly", "no"],
            cwd=tmp_path, stdout=subprocess.DEVNULL,
        )

    server = redis()
    try:
        budgets = (
            'budgets: { all: { window: month, limit: { usd: "0.0005" } } }\n'
            f'limits: {{ keeper: redis, url: "redis://127.0.0.1:{port}" }}\n'
        )
        gateways = [start(budgets, tmp_path / name) for name in ["one", "two", "three"]]
        for gateway in gateways:
            gateway.wait_for(lambda: known(gateway), "the sums")
        answered = 3

        def run(gateway: Gateway, counts: list[int]) -> None:
            counts.append(spend(gateway)[0])

        counts: list[int] = []
        callers = [threading.Thread(target=run, args=(gateway, counts)) for gateway in gateways * 2]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        answered += sum(counts)
        assert 400 <= answered * COST <= 500
        # Nobody knows what is spent: nothing is granted. Then everybody tells it again.
        server.kill()
        server.wait()
        for gateway in gateways:
            _, refused = spend(gateway)
            assert refused.status_code == 503 and "retry-after" in refused.response.headers
        server = redis()
        for gateway in gateways:
            gateway.wait_for(lambda: known(gateway), "the sums, again")
            answered_again, refused = spend(gateway)
            assert answered_again <= 3, "no more than was left"
    finally:
        server.kill()


def known(gateway: Gateway) -> bool:
    """Whether the gateway knows what is spent."""
    try:
        ask(gateway)
    except openai.InternalServerError:
        return False
    except openai.RateLimitError:
        return True
    return True
