"""Keys: made by the command, asked for at the door, followed by the running gateway."""

import openai
import pytest
from openai import OpenAI

from gateway import Gateway

CONFIGURATION = """
version: 1
providers:
  scripted: {{ kind: openai-compatible, base_url: "{upstream}", api_key: sk-house-secret }}
endpoints:
  echo: {{ provider: scripted, model: echo }}
models:
  chat: {{ endpoints: [echo] }}
  other: {{ endpoints: [echo] }}
"""

MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture
def gateway(tmp_path, upstream):
    return Gateway(tmp_path, CONFIGURATION.format(upstream=upstream.base_url))


def ask(gateway: Gateway, key: str, model: str = "chat"):
    client = OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0)
    return client.chat.completions.create(model=model, messages=MESSAGES)


def test_a_key_opens_and_its_lack_does_not(gateway):
    key = gateway.create_key("--name", "web")
    with gateway:
        assert ask(gateway, key).choices
        for wrong in ["isk-wrong", key[:-1], key.upper()]:
            with pytest.raises(openai.AuthenticationError) as raised:
                ask(gateway, wrong)
            assert raised.value.code == "invalid_api_key"
        assert key not in gateway.log() and key[12:] not in gateway.log()


def test_a_key_may_be_limited_to_models(gateway):
    key = gateway.create_key("--name", "narrow", "--models", "chat")
    with gateway:
        assert ask(gateway, key).choices
        with pytest.raises(openai.PermissionDeniedError) as raised:
            ask(gateway, key, "other")
        assert raised.value.param == "model"
        client = OpenAI(base_url=gateway.base_url, api_key=key)
        assert [model.id for model in client.models.list()] == ["chat"]


def test_revocation_reaches_a_running_gateway_within_a_second(gateway):
    key = gateway.create_key("--name", "leaving")
    with gateway:
        assert ask(gateway, key).choices
        assert gateway.run("keys", "revoke", "leaving").returncode == 0

        def refused() -> bool:
            try:
                ask(gateway, key)
            except openai.AuthenticationError as error:
                return "revoked" in error.message
            return False

        gateway.wait_for(refused, "the revocation", seconds=1)


def test_the_list_shows_no_key(gateway):
    key = gateway.create_key("--name", "web", "--expires-in-days", "1")
    listed = gateway.run("keys", "list").stdout
    assert key[:12] in listed and key[12:] not in listed and "live" in listed
    again = gateway.run("keys", "create", "--name", "web")
    assert again.returncode == 1 and "exists already" in again.stderr
