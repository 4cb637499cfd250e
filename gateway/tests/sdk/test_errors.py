"""Every exception class of the official SDK, provoked once; and what its message says."""

import json
import socket
import urllib.error
import urllib.request

import openai
import pytest

MESSAGES = [{"role": "user", "content": "hello"}]


def ask(client, model: str, **more):
    return client.chat.completions.create(model=model, messages=MESSAGES, **more)


@pytest.mark.parametrize("status, error", [
    (400, openai.BadRequestError),
    (404, openai.NotFoundError),
    (409, openai.ConflictError),
    (422, openai.UnprocessableEntityError),
    (429, openai.RateLimitError),
    (500, openai.InternalServerError),
])
def test_an_upstreams_error_keeps_its_status_and_words(client, status, error):
    with pytest.raises(error) as raised:
        ask(client, f"scripted/status-{status}")
    assert raised.value.status_code == status
    assert raised.value.body["message"] == f"scripted {status}"
    assert raised.value.code == f"c{status}"


@pytest.mark.parametrize("status", [401, 403])
def test_the_houses_own_credential_refused_is_not_the_callers_fault(client, status):
    with pytest.raises(openai.InternalServerError) as raised:
        ask(client, f"scripted/status-{status}")
    assert raised.value.status_code == 502
    assert raised.value.code == "upstream_auth_failed"


def test_an_unknown_model_is_404_and_near_names_are_listed(client):
    with pytest.raises(openai.NotFoundError) as raised:
        ask(client, "chta")
    assert raised.value.param == "model"
    assert "`chat`" in raised.value.message and "`local/…`" in raised.value.message


@pytest.mark.parametrize("more, param", [
    ({"temperature": 9}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": -1}, "top_p"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"n": 0}, "n"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"logit_bias": {"x": 1}}, "logit_bias"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"tools": [{"type": "function"}]}, "tools"),
    ({"response_format": {"type": "json_schema"}}, "response_format"),
])
def test_a_wrong_value_names_its_field(client, more, param):
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, "chat", extra_body=more)
    assert raised.value.param.startswith(param), raised.value.message


@pytest.mark.parametrize("body, says", [
    (b"", "JSON"),
    (b"{", "JSON"),
    (b"[1]", "object"),
    (b'{"model":1,"messages":[]}', "model"),
    (b'{"messages":[]}', "model"),
    (b'{"model":"chat"}', "messages"),
    (b'{"model":"chat","messages":"hello"}', "messages"),
    (b'{"model":"chat","messages":[{"role":"nobody","content":"x"}]}', "role"),
    (b'{"model":"chat","messages":[]}', "messages"),
    (b'{"model":"chat","messages":[{"role":"user","content":"x"}],"stream":"yes"}', "stream"),
    (b'{"model":"chat","messages":[{"role":"user","content":"\xff"}]}', "UTF-8"),
    (b"[" * 100_000, "JSON"),
    (
        b'{"model":"scripted/echo","messages":[{"role":"user","content":"x"}],"provider":"x","provider":{"zdr":true}}',
        "provider",
    ),
])
def test_a_malformed_body_is_a_clear_400(gateway, body, says):
    status, answer = post(gateway, body)
    assert status == 400, answer
    assert says in answer["error"]["message"], answer
    assert answer["error"]["type"] == "invalid_request_error"


def test_a_body_of_100_mb_is_413_and_is_not_read(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: 104857600\r\n\r\n"
        )
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413"), answer
    assert b"larger than 32 MiB" in answer


def test_an_unknown_path_and_a_wrong_method_are_told_in_json(gateway):
    for path, method, status in [("/v1/nonsense", "POST", 404), ("/v1/chat/completions", "GET", 405)]:
        request = urllib.request.Request(f"http://127.0.0.1:{gateway.port}{path}", method=method)
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(request, timeout=10)
        assert raised.value.code == status
        assert json.load(raised.value)["error"]["message"]
        if status == 405:
            assert raised.value.headers["allow"] == "POST"


def test_an_upstream_that_answers_garbage_is_502(client):
    with pytest.raises(openai.InternalServerError) as raised:
        ask(client, "scripted/garbage")
    assert raised.value.status_code == 502


def test_an_upstream_that_stalls_is_504(client):
    with pytest.raises(openai.InternalServerError) as raised:
        ask(client, "slow")
    assert raised.value.status_code == 504


def test_a_callers_deadline_is_kept(client):
    with pytest.raises(openai.InternalServerError) as raised:
        ask(client, "scripted/stall", extra_headers={"x-isthmus-timeout-ms": "300"})
    assert raised.value.status_code == 504


def test_the_sdks_own_timeout_and_connection_errors(client):
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.3), "scripted/stall")
    with pytest.raises(openai.APIConnectionError):
        ask(openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="x", max_retries=0), "chat")


def test_an_unreachable_endpoint_is_503_with_retry_after(client):
    with pytest.raises(openai.InternalServerError) as raised:
        ask(client, "nowhere/any")
    assert raised.value.status_code == 503
    assert int(raised.value.response.headers["retry-after"]) >= 1


def post(gateway, body: bytes) -> tuple[int, dict]:
    request = urllib.request.Request(
        f"{gateway.base_url}/chat/completions", data=body, headers={"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
