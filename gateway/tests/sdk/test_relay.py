"""What passes through the gateway on its way to an upstream and back."""

import openai
import pytest

MESSAGES = [{"role": "user", "content": "hello"}]


def ask(client, model: str, **more):
    return client.chat.completions.create(model=model, messages=MESSAGES, **more)


def test_unknown_fields_and_tools_pass_through_untouched(client, upstream):
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "x-odd": [1, 2]}}}]
    ask(client, "scripted/echo", tools=tools, extra_body={"a_field_of_tomorrow": {"deep": [1, None, "é"]}})
    sent = upstream.requests[-1]
    assert sent["tools"] == tools
    assert sent["a_field_of_tomorrow"] == {"deep": [1, None, "é"]}
    assert sent["model"] == "echo"
    assert upstream.headers[-1]["authorization"] == "Bearer sk-house-secret"


def test_the_callers_key_never_reaches_an_upstream(client, upstream):
    ask(client.with_options(api_key="callers-own"), "scripted/echo")
    assert "callers-own" not in str(upstream.headers[-1])


def test_headers_tell_how_it_went(client):
    answer = client.chat.completions.with_raw_response.create(
        model="priced", messages=MESSAGES, extra_headers={"x-request-id": "mine-1"},
    )
    told = {name: answer.headers[name] for name in answer.headers if name.startswith("x-")}
    assert told["x-request-id"] == "mine-1"
    assert told["x-isthmus-endpoint"] == "echo"
    assert told["x-isthmus-provider"] == "scripted"
    assert told["x-isthmus-model"] == "echo"
    # 7 input tokens at 1 and 3 output tokens at 2 USD per million.
    assert told["x-isthmus-cost-usd"] == "0.000013"


def test_a_stream_is_relayed_and_its_usage_shown_only_on_request(client, upstream):
    chunks = list(ask(client, "scripted/stream-5", stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "0 1 2 3 4 "
    assert all(chunk.usage is None for chunk in chunks)
    assert upstream.requests[-1]["stream_options"] == {"include_usage": True}, "asked for all the same"


def test_usage_in_a_stream_carries_the_houses_line(client):
    chunks = list(ask(client, "scripted/stream-2", stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.total_tokens == 10
    assert chunks[-1].isthmus == {
        "endpoint": "scripted/stream-2", "attempts": 1, "cost_usd": None, "usage": "reported",
    }


def test_a_cut_stream_ends_with_an_error_and_never_cleanly(client):
    seen = []
    with pytest.raises(openai.APIError):
        for chunk in ask(client, "scripted/cut", stream=True):
            seen.append(chunk)
    assert len(seen) == 2


def test_a_caller_who_leaves_cancels_upstream(client, upstream, gateway):
    upstream.left.clear()
    stream = ask(client, "scripted/endless", stream=True)
    next(iter(stream))
    stream.close()
    assert upstream.left.wait(10), "the upstream never noticed"
    gateway.wait_for(lambda: gateway.metric("isthmus_requests_in_flight") == 0, "settlement")


def test_failures_are_retried_then_the_next_endpoint_has_its_turn(client, upstream):
    ask(client, "scripted/flaky-2")
    assert upstream.calls["flaky-2"] == 3
    answer = client.chat.completions.with_raw_response.create(model="fallback", messages=MESSAGES)
    assert answer.headers["x-isthmus-endpoint"] == "echo"
    assert answer.headers["x-isthmus-attempts"] == "4"


def test_without_fallback_the_first_failure_is_the_answer(client):
    with pytest.raises(openai.InternalServerError):
        ask(client, "no-fallback")


def test_what_may_not_leave_does_not_and_the_caller_is_told_why(client, upstream):
    before = len(upstream.requests)
    with pytest.raises(openai.PermissionDeniedError) as denied:
        ask(client, "scripted/echo", extra_headers={"x-isthmus-data-class": "phi"})
    assert denied.value.code == "policy_denied"
    assert "phi-needs-baa" in str(denied.value) and "45 CFR 164.502(e)" in str(denied.value)
    with pytest.raises(openai.PermissionDeniedError) as narrowed:
        ask(client, "scripted/echo", extra_body={"provider": {"zdr": True}})
    assert narrowed.value.param == "provider.zdr"
    for wrong in [
        {"extra_headers": {"x-isthmus-data-class": "cosmic"}},
        {"extra_body": {"provider": {"zrd": True}}},
    ]:
        with pytest.raises(openai.BadRequestError):
            ask(client, "scripted/echo", **wrong)
    assert len(upstream.requests) == before, "nothing left the house"


def test_a_callers_deadline_ends_a_stream_too(client):
    seen = []
    with pytest.raises(openai.APIError):
        for chunk in ask(client, "scripted/endless", stream=True, extra_headers={"x-isthmus-timeout-ms": "500"}):
            seen.append(chunk)
    assert seen


def test_models_are_listed_and_found(client):
    listed = [model.id for model in client.models.list()]
    assert listed == sorted(listed) and {"chat", "priced", "fallback"} <= set(listed)
    assert client.models.retrieve("chat").id == "chat"
    assert client.models.retrieve("scripted/any/thing").id == "scripted/any/thing"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")


def test_no_secret_is_ever_logged(gateway):
    log = gateway.log()
    assert "answered" in log, "requests are logged"
    assert "sk-house-secret" not in log and "callers-own" not in log
