"""Policies that change under a running gateway: on trial, withdrawn, and replayed over what was decided."""

import json

import openai
import pytest
from openai import OpenAI

from gateway import Gateway

CONFIGURATION = """
version: 1
providers:
  scripted: {{ kind: openai-compatible, base_url: "{upstream}", api_key: sk-house-secret }}
endpoints:
  here:
    provider: scripted
    model: echo
    price: {{ input: "1", output: "2" }}
    facts: {{ network: hyperscaler, jurisdiction: DE, processing_regions: [DE] }}
  there:
    provider: scripted
    model: echo
    price: {{ input: "0.5", output: "1" }}
    facts: {{ network: hyperscaler, jurisdiction: US, processing_regions: [US] }}
models:
  chat: {{ endpoints: [there, here], objective: ordered }}
policies:
  dir: policies
  rollout: {{ percent: 50, hold: {hold}, max_newly_denied_percent: 10, min_requests: 10 }}
"""

EVERYWHERE = '@id("all")\npermit (principal, action, resource);\n'
IN_GERMANY = (
    '@id("germany")\nforbid (principal, action, resource)\n'
    'unless { resource.processing_regions.contains("DE") };\n'
)
NOWHERE = '@id("nowhere")\nforbid (principal, action, resource);\n'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/all.cedar").write_text(EVERYWHERE)
    return tmp_path


def make(folder, upstream, hold: str) -> Gateway:
    return Gateway(folder, CONFIGURATION.format(upstream=upstream.base_url, hold=hold))


def ask(gateway: Gateway, key: str):
    client = OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0)
    messages = [{"role": "user", "content": "hello"}]
    answer = client.chat.completions.with_raw_response.create(model="chat", messages=messages)
    return answer.headers["x-isthmus-endpoint"]


def keys(gateway: Gateway, count: int = 12) -> list[str]:
    return [gateway.create_key("--name", f"key-{number}") for number in range(count)]


def test_a_trial_decides_for_some_keys_and_then_for_all(folder, upstream):
    gateway = make(folder, upstream, "4s")
    callers = keys(gateway)
    with gateway:
        assert {ask(gateway, key) for key in callers} == {"there"}
        (folder / "policies/germany.cedar").write_text(IN_GERMANY)
        gateway.wait_for(lambda: "policies on trial" in gateway.log(), "the trial")
        first = [ask(gateway, key) for key in callers]
        assert set(first) == {"here", "there"}, "a half of the keys"
        assert [ask(gateway, key) for key in callers] == first, "a key stays on its side"
        gateway.wait_for(lambda: "policies changed" in gateway.log(), "the change")
        assert {ask(gateway, key) for key in callers} == {"here"}


def test_policies_that_deny_too_much_are_withdrawn(folder, upstream):
    gateway = make(folder, upstream, "1h")
    callers = keys(gateway)
    with gateway:
        ask(gateway, callers[0])
        (folder / "policies/nowhere.cedar").write_text(NOWHERE)
        gateway.wait_for(lambda: "policies on trial" in gateway.log(), "the trial")
        denied = 0
        for key in callers:
            try:
                ask(gateway, key)
            except openai.PermissionDeniedError as error:
                assert error.code == "policy_denied" and "nowhere" in error.message
                denied += 1
        assert 0 < denied < len(callers), "only the keys on trial"
        gateway.wait_for(lambda: "policies withdrawn" in gateway.log(), "the withdrawal")
        assert {ask(gateway, key) for key in callers} == {"there"}


def test_decisions_are_replayed_under_other_policies(folder, upstream):
    gateway = make(folder, upstream, "1h")
    key = gateway.create_key("--name", "web", "--team", "support")
    with gateway:
        for _ in range(5):
            ask(gateway, key)
    for name, policies in [("strict", NOWHERE), ("german", IN_GERMANY)]:
        (folder / name).mkdir()
        (folder / name / "all.cedar").write_text(EVERYWHERE + policies)

    def replay(candidate: str) -> dict:
        done = gateway.run("replay", "--from", "1h", "--candidate", candidate, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert replay("policies")["decisions"] == 5
    assert replay("strict")["teams"]["support"]["newly_denied"] == 5
    german = replay("german")
    assert german["teams"]["support"] == {"judged": 5, "newly_denied": 0, "newly_allowed": 0, "moved": 5}
    assert german["endpoints"] == {"here": {"then": 0, "now": 5}, "there": {"then": 5, "now": 0}}
    cost = german["cost"]
    assert cost["priced"] == 5
    assert float(cost["now_usd"]) == pytest.approx(2 * float(cost["then_usd"]))
