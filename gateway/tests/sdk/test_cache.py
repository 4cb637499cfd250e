"""Answers that were given before, as the official SDK sees them."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from openai import OpenAI

from gateway import Gateway

CONFIGURATION = """
version: 1
providers:
  scripted: {{ kind: openai-compatible, base_url: "{upstream}", api_key: sk-house-secret }}
endpoints:
  echo: {{ provider: scripted, model: echo, price: {{ input: "1", output: "2" }} }}
  stream: {{ provider: scripted, model: stream-5, price: {{ input: "1", output: "2" }} }}
  slow: {{ provider: scripted, model: slow-20, price: {{ input: "1", output: "2" }} }}
  cut: {{ provider: scripted, model: cut }}
models:
  plain: {{ endpoints: [echo] }}
  chat: {{ endpoints: [echo], cache: true }}
  stream: {{ endpoints: [stream], cache: {{ ttl: 1h }} }}
  slow: {{ endpoints: [slow], cache: true }}
  cut: {{ endpoints: [cut], cache: true, retry: {{ attempts: 1 }} }}
"""

MESSAGES = [{"role": "user", "content": "hello"}]
USAGE = {"include_usage": True}


@pytest.fixture
def gateway(tmp_path, upstream):
    with Gateway(tmp_path, CONFIGURATION.format(upstream=upstream.base_url)) as running:
        yield running


@pytest.fixture
def client(gateway):
    return OpenAI(base_url=gateway.base_url, api_key="anyone", max_retries=0, timeout=60)


def ask(client, model="chat", **more):
    return client.chat.completions.with_raw_response.create(model=model, messages=MESSAGES, **more)


def streamed(client, model="stream", **more):
    return list(client.chat.completions.create(model=model, messages=MESSAGES, stream=True, **more))


def told(answer) -> tuple[str, str]:
    return answer.headers["x-isthmus-cache"], answer.headers["x-isthmus-cost-usd"]


def test_an_answer_is_given_again_for_nothing(gateway, client, upstream):
    calls = upstream.calls["echo"]
    first, again = ask(client), ask(client)
    assert told(first) == ("miss", "0.000013")
    assert told(again) == ("hit", "0.00")
    assert again.headers["x-isthmus-endpoint"] == "echo"
    one, other = first.parse().model_dump(), again.parse().model_dump()
    assert one.pop("id") != other.pop("id")
    assert one.pop("created") != other.pop("created")
    assert one == other
    assert upstream.calls["echo"] == calls + 1
    assert gateway.metric("isthmus_cache_avoided_usd_total") == pytest.approx(0.000013)
    assert gateway.metric("isthmus_cache_bytes") > 0
    assert told(ask(client, seed=7)) == ("miss", "0.000013")


def test_nothing_is_remembered_unasked(client):
    assert [ask(client, "plain").headers["x-isthmus-cache"] for _ in range(2)] == ["off", "off"]


def test_a_caller_may_decline(client):
    ask(client)
    declined = {word: ask(client, extra_headers={"cache-control": word}) for word in ("no-cache", "no-store")}
    assert {word: answer.headers["x-isthmus-cache"] for word, answer in declined.items()} == {
        "no-cache": "miss", "no-store": "off",
    }


def test_a_stream_is_given_again_chunk_by_chunk(client, upstream):
    calls = upstream.calls["stream-5"]
    first, again = streamed(client), streamed(client)
    assert {chunk.id for chunk in again}.isdisjoint({chunk.id for chunk in first})
    assert len({chunk.id for chunk in again}) == 1
    bare = [[chunk.model_dump(exclude={"id", "created"}) for chunk in chunks] for chunks in (first, again)]
    assert bare[0] == bare[1]
    with_usage = streamed(client, stream_options=USAGE)
    assert with_usage[-1].usage.total_tokens == 10
    assert with_usage[-1].isthmus["cost_usd"] == "0.00"
    assert with_usage[-1].isthmus["cache"] == "hit"
    assert upstream.calls["stream-5"] == calls + 1


def test_of_fifty_at_once_one_reaches_the_upstream(client, upstream):
    calls = upstream.calls["slow-20"]
    with ThreadPoolExecutor(50) as callers:
        answers = list(callers.map(lambda _: streamed(client, "slow"), range(50)))
    texts = {"".join(chunk.choices[0].delta.content or "" for chunk in chunks) for chunks in answers}
    assert texts == {"".join(f"{index} " for index in range(20))}
    assert upstream.calls["slow-20"] == calls + 1


def test_a_stream_that_was_cut_is_asked_for_again(client, upstream):
    calls = upstream.calls["cut"]
    for _ in range(2):
        with pytest.raises(Exception):
            streamed(client, "cut")
    assert upstream.calls["cut"] == calls + 2


def test_the_ledger_writes_down_what_was_avoided(gateway, client):
    ask(client)
    ask(client)
    gateway.wait_for(lambda: ' cache="hit"' in gateway.log(), "the log's line")

    def buckets() -> dict[str, dict]:
        with sqlite3.connect(f"file:{gateway.folder / 'isthmus.db'}?mode=ro", uri=True) as ledger:
            rows = ledger.execute("SELECT body, sums FROM buckets JOIN dimensions ON id = dimension")
            return {json.loads(body)["cache"]: json.loads(sums) for body, sums in rows}

    gateway.wait_for(lambda: set(buckets()) == {"miss", "hit"}, "posting")
    assert buckets()["hit"]["cache_avoided"] == "0.000013"
    assert gateway.run("ledger", "verify").returncode == 0


def test_policy_decides_who_may_read(tmp_path, upstream):
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "all.cedar").write_text("""
        @id("all") permit (principal, action, resource);
        @id("no-reading") forbid (principal, action == Action::"cache_read", resource);
    """)
    configuration = CONFIGURATION.format(upstream=upstream.base_url) + "policies: { dir: policies }\n"
    with Gateway(tmp_path, configuration) as running:
        client = OpenAI(base_url=running.base_url, api_key="anyone", max_retries=0)
        assert [ask(client).headers["x-isthmus-cache"] for _ in range(2)] == ["miss", "miss"]


def test_a_pool_may_remember_for_one_key_alone(tmp_path, upstream):
    configuration = CONFIGURATION.format(upstream=upstream.base_url)
    configuration = configuration.replace("chat: { endpoints: [echo], cache: true }", "chat: { endpoints: [echo], cache: { keys: [tests] } }")
    gateway = Gateway(tmp_path, configuration)
    keys = [gateway.create_key("--name", name, "--app", "web") for name in ["tests", "people"]]
    with gateway:
        callers = [OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0) for key in keys]
        told = [[ask(caller).headers["x-isthmus-cache"] for _ in range(2)] for caller in callers]
        assert told == [["miss", "hit"], ["off", "off"]]
