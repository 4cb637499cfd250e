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


def test_a_key_says_whose_it_is_and_what_its_data_is(gateway):
    gateway.create_key(
        "--name", "helpdesk", "--organisation", "acme", "--team", "support",
        "--data-class", "pii", "--may-declassify",
    )
    gateway.create_key("--name", "web")
    listed = gateway.run("keys", "list").stdout
    assert "acme/support/." in listed and "pii (may lower)" in listed and "././." in listed
    unknown = gateway.run("keys", "create", "--name", "x", "--data-class", "private")
    assert unknown.returncode != 0 and "confidential" in unknown.stderr and "pii" in unknown.stderr


def test_a_class_that_is_no_word_is_refused_with_those_that_are(gateway, upstream):
    key = gateway.create_key("--name", "web")
    with gateway:
        client = OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0)
        before = len(upstream.requests)

        def refused(**extra) -> str:
            with pytest.raises(openai.BadRequestError) as raised:
                client.chat.completions.create(model="chat", messages=MESSAGES, **extra)
            return raised.value.message

        header = {"x-isthmus-data-class": "pii, privat"}
        assert "`privat`" in refused(extra_headers=header)
        assert "confidential, pii" in refused(metadata={"isthmus.data_class": "privat"})
        assert "DE" in refused(extra_headers={"x-isthmus-allowed-regions": "Europe"})
        assert len(upstream.requests) == before, "nothing left the house"
        public = {"x-isthmus-data-class": "public"}
        assert client.chat.completions.create(model="chat", messages=MESSAGES, extra_headers=public)


def test_the_log_names_the_class_and_never_what_was_found(tmp_path, upstream):
    configuration = CONFIGURATION.format(upstream=upstream.base_url) + "policies: { detect: true }\n"
    with Gateway(tmp_path, configuration) as gateway:
        client = OpenAI(base_url=gateway.base_url, api_key="anyone", max_retries=0)
        said = {"role": "user", "content": "my card is 4111 1111 1111 1111"}
        client.chat.completions.create(model="chat", messages=[said])
        gateway.wait_for(lambda: "class=\"pci\"" in gateway.log() or "class=pci" in gateway.log(), "the line")
        assert "detector" in gateway.log() and "1111" not in gateway.log()
