"""Teams, apps and keys: declared in the file, handled by the admin door, and kept to."""

import json
import urllib.error
import urllib.request

import openai
import pytest
from openai import OpenAI

from gateway import Gateway

CONFIGURATION = """
version: 1
server: {{ admin_token: open-sesame }}
providers:
  scripted: {{ kind: openai-compatible, base_url: "{upstream}", api_key: sk-house-secret }}
endpoints:
  echo:
    provider: scripted
    model: echo
    price: {{ input: "1", output: "2" }}
    facts: {{ network: vendor, trains_on_data: false }}
models:
  chat: {{ endpoints: [echo] }}
  other: {{ endpoints: [echo] }}
tenancy:
  organisation: {{ name: acme }}
  teams:
    support:
      models: [chat]
      data_class: internal
      tags: {{ cost-center: "4711" }}
      limits: {{ rpm: 5 }}
      apps: {{ desk: {{}} }}
    research: {{}}
"""
DECLARED = """
  keys:
    in-file: {{ {written}, team: support, app: desk, limits: {{ concurrency: 1 }} }}
"""
MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture
def gateway(tmp_path, upstream):
    return Gateway(tmp_path, CONFIGURATION.format(upstream=upstream.base_url))


def ask(gateway: Gateway, key: str, model: str = "chat", **options):
    client = OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0)
    return client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=5, **options)


def admin(gateway: Gateway, method: str, path: str, body=None, **headers) -> tuple[int, dict]:
    url = f"http://127.0.0.1:{gateway.admin_port}/admin/v1/{path}"
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": "Bearer open-sesame"} | headers
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        return error.code, json.loads(text) if text.startswith("{") else {"text": text}


def refusal(status_and_body: tuple[int, dict]) -> tuple[int, str]:
    status, body = status_and_body
    return status, body["error"]["message"]


def test_a_key_lives_by_the_admin_door_and_each_change_is_in_force_at_once(gateway):
    first = gateway.create_key("--name", "first", "--team", "research")
    with gateway:
        asked = {"name": "web", "team": "support", "app": "desk", "limits": {"rpm": 2}, "tags": {"feature": "x"}}
        status, made = admin(gateway, "POST", "keys", asked)
        assert status == 201 and made["state"] == "live" and made["limits"] == {"rpm": 2}
        key = made["key"]
        assert key.startswith(made["id"]) and ask(gateway, key).choices
        with pytest.raises(openai.PermissionDeniedError):
            ask(gateway, key, "other")  # the team's list binds
        assert ask(gateway, first, "other").choices

        assert ask(gateway, key).choices
        with pytest.raises(openai.RateLimitError) as raised:
            ask(gateway, key)
        assert "key/rate" in raised.value.message
        status, changed = admin(gateway, "PATCH", "keys/web", {"limits": {"rpm": 50}})
        assert (status, changed["limits"]) == (200, {"rpm": 50})
        raw = OpenAI(base_url=gateway.base_url, api_key=key).chat.completions.with_raw_response
        told = raw.create(model="chat", messages=MESSAGES)
        assert told.headers["x-ratelimit-limit-requests"] == "5", "the team's rate is the tighter one"

        status, rotated = admin(gateway, "POST", "keys/web/rotate", {"overlap_hours": 0})
        assert status == 201 and rotated["name"] == "web" and ask(gateway, rotated["key"]).choices
        with pytest.raises(openai.AuthenticationError):
            ask(gateway, key)
        assert admin(gateway, "DELETE", "keys/" + rotated["id"])[1]["state"] == "revoked"
        with pytest.raises(openai.AuthenticationError):
            ask(gateway, rotated["key"])

        listed = admin(gateway, "GET", "keys")[1]["keys"]
        assert {key["name"] for key in listed} == {"first", "web", f"web~{made['id']}"}
        assert admin(gateway, "GET", "keys/web")[1]["state"] == "revoked"
        text = json.dumps(listed) + gateway.log()
        assert key[12:] not in text and rotated["key"][12:] not in text


def test_what_is_wrong_is_said(gateway):
    gateway.create_key("--name", "first", "--team", "research")
    with gateway:
        for body, status, said in [
            ({"team": "research"}, 400, "`name` is missing"),
            ({"name": "x", "team": "supprot"}, 400, "did you mean `support`"),
            ({"name": "x", "team": "support", "app": "dest"}, 400, "`desk`"),
            ({"name": "x"}, 400, "a team is needed"),
            ({"name": "x", "team": "research", "modles": []}, 400, "modles"),
            ({"name": "x", "team": "research", "limits": {"usd_per_day": 0.1}}, 400, "decimal text"),
            ({"name": "first", "team": "research"}, 409, "exists already"),
        ]:
            answered, message = refusal(admin(gateway, "POST", "keys", body))
            assert answered == status and said in message, (body, message)
        assert refusal(admin(gateway, "PATCH", "keys/nobody", {}))[0] == 404
        assert admin(gateway, "GET", "keys", authorization="Bearer wrong")[0] == 401
        status, said = refusal(admin(gateway, "DELETE", "keys/first", origin="https://example.com"))
        assert status == 403 and "Origin" in said
        assert admin(gateway, "GET", "teams")[1]["teams"][1]["name"] == "support"
    refused = gateway.run("keys", "create", "--name", "x", "--team", "supprot")
    assert refused.returncode == 1 and "did you mean `support`" in refused.stderr


def test_a_key_in_the_file_opens_and_is_changed_there_alone(gateway):
    minted = gateway.run("keys", "hash", "--new")
    key = minted.stderr.strip().splitlines()[-1]
    written = ", ".join(minted.stdout.strip().splitlines()).replace("sha256", '"sha256') + '"'
    assert key[12:] not in minted.stdout
    gateway.file.write_text(gateway.file.read_text() + DECLARED.format(written=written))
    assert gateway.run("check").returncode == 0, gateway.run("check").stderr
    with gateway:
        assert ask(gateway, key).choices
        with pytest.raises(openai.AuthenticationError):
            ask(gateway, "isk-wrong")
        assert refusal(admin(gateway, "DELETE", "keys/in-file"))[0] == 409
        assert admin(gateway, "GET", "keys/in-file")[1]["declared"] is True

        def rows() -> list[tuple[str, str]]:
            told = gateway.run("report", "--group-by", "team,tag:cost-center", "--format", "json")
            return [(row["team"], row["tag:cost-center"]) for row in json.loads(told.stdout)["rows"]]

        gateway.wait_for(lambda: rows() == [("support", "4711")], "the report")
    refused = gateway.run("keys", "revoke", "in-file")
    assert refused.returncode == 1 and "tenancy.keys" in refused.stderr
    weak = gateway.run("keys", "hash")
    assert weak.returncode == 1 and "43" in weak.stderr


def test_a_key_that_spent_its_day_is_refused_and_the_books_remember_it(gateway):
    key = gateway.create_key("--name", "poor", "--team", "research", "--usd-per-day", "0.00004")
    with gateway:
        # The prompt is a few tokens at a dollar a million, the answer at most five at two.
        spent = 0
        with pytest.raises(openai.RateLimitError) as raised:
            for _ in range(20):
                ask(gateway, key)
                spent += 1
        assert spent > 0 and raised.value.code == "insufficient_quota" and "key/day" in raised.value.message
        assert gateway.stop() == 0
    with gateway:
        with pytest.raises(openai.RateLimitError):
            ask(gateway, key)
        changed = gateway.run("keys", "update", "poor", "--clear", "usd-per-day", "--json")
        assert json.loads(changed.stdout)["limits"] == {}

        def answered() -> bool:
            try:
                return bool(ask(gateway, key).choices)
            except openai.RateLimitError:
                return False

        gateway.wait_for(answered, "the change", seconds=2)
