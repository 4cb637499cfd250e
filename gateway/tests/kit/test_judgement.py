"""The judges themselves: a faithful answer passes, and each way of being unfaithful is caught."""

from dataclasses import replace
from types import SimpleNamespace

import accept_anthropic
import accept_responses
import amended
import pytest
from drive import Seen, compare_answer, compare_error

OUTCOME = {
    "kind": "chat",
    "choices": [
        {
            "text": "Two calls.",
            "tool_calls": [
                {"name": "weather", "arguments": {"city": "Oslo"}},
                {"name": "time", "arguments": {"offset": 1.0}},
            ],
            "finish": "tool_calls",
            "reasoning": "Hm.",
            "refusal": None,
        }
    ],
    "usage": {"prompt": 30, "completion": 7, "cached": 20},
}
FAITHFUL = Seen(
    "answer",
    text="Two calls.",
    reasoning="Hm.",
    calls=[
        {"name": "weather", "arguments": {"city": "Oslo"}},
        {"name": "time", "arguments": {"offset": 1}},
    ],
    finish="tool_use",
    prompt=30,
    completion=7,
    cached=20,
)
WRONG = {
    "text": {"text": "Two calls"},
    "tool_calls": {"calls": FAITHFUL.calls[::-1]},
    "reasoning": {"reasoning": ""},
    "finish": {"finish": "end_turn"},
    "usage": {"prompt": 10},
    "cached_tokens": {"cached": None},
    "order": {"order": "message_stop None is out of order"},
}


def failed(checks: dict) -> list[str]:
    return [check for check, result in checks.items() if result is not True]


def test_a_faithful_answer_passes():
    assert failed(compare_answer(accept_anthropic.CLIENT, OUTCOME, FAITHFUL)) == []


@pytest.mark.parametrize("check, change", WRONG.items(), ids=WRONG)
def test_an_unfaithful_answer_is_caught(check, change):
    seen = replace(FAITHFUL, **change)
    assert failed(compare_answer(accept_anthropic.CLIENT, OUTCOME, seen)) == [check]


@pytest.mark.parametrize(
    "upstream, seen, wrong",
    [
        (429, Seen("error", status=429, exception="RateLimitError", message="slow down"), []),
        (429, Seen("error", status=500, exception="InternalServerError", message="slow down"), ["error_class", "error_status"]),
        (429, Seen("error", status=429, exception="RateLimitError", message="sorry"), ["error_message"]),
        (401, Seen("error", status=502, exception="InternalServerError", message="house"), []),
        (401, Seen("error", status=401, exception="AuthenticationError"), ["error_class", "error_status"]),
    ],
)  # fmt: skip
def test_errors_keep_status_and_message(upstream, seen, wrong):
    recording = {"response": {"body": {"error": {"message": "slow down"}}}}
    assert failed(compare_error(accept_responses.CLIENT, recording, upstream, seen)) == wrong


def test_only_googles_word_for_a_wrong_key_excuses_another_message():
    def said(reason: str) -> bool:
        body = {"error": {"message": "no", "details": [{"reason": reason}]}}
        return amended.refuses_credential({"vendor": "gemini", "response": {"body": body}})

    assert said("API_KEY_INVALID") and not said("RESOURCE_EXHAUSTED")


@pytest.mark.parametrize(
    "message, usage, amendment",
    [
        ({"content": "a"}, (30, 20), {}),
        ({"content": {"a": 1}}, (30, 20), {"text": '{"a":1}'}),
        ({"function_call": {"name": "f", "arguments": "{}"}}, (30, 20), {"tool_calls": [{"name": "f", "arguments": {}}], "finish": "tool_calls"}),
        ({"content": "a"}, (20, 30), {"cached": 20}),
    ],
)  # fmt: skip
def test_what_the_kit_reads_otherwise_is_amended(message, usage, amendment):
    prompt, cached = usage
    choice = {"text": "a", "tool_calls": [], "finish": "stop"}
    outcome = {"kind": "chat", "choices": [choice], "usage": {"prompt": prompt, "cached": cached}}
    recording = {"vendor": "compat", "response": {"body": {"choices": [{"message": message}]}}}
    got = amended.amend(recording, outcome, failure_is_an_end=True)
    assert got["choices"] == [choice | {k: v for k, v in amendment.items() if k != "cached"}]
    assert got["usage"]["cached"] == amendment.get("cached", cached)


@pytest.mark.parametrize("failure_is_an_end", [False, True])
def test_a_failed_answer_fails_where_the_language_can_say_so(failure_is_an_end):
    body = 'data: {"delta":{"finish_reason":"ERROR"}}'
    recording = {"vendor": "cohere", "response": {"body_text": body}}
    got = amended.amend(recording, {"kind": "chat", "choices": []}, failure_is_an_end)
    assert (got["kind"] == "error_midstream") == failure_is_an_end


BLOCK = [("content_block_start", 0), ("content_block_delta", 0), ("content_block_stop", 0)]
START, DELTA, STOP = ("message_start", None), ("message_delta", None), ("message_stop", None)


@pytest.mark.parametrize(
    "events, orderly",
    [
        ([START, *BLOCK, DELTA, STOP], True),
        ([START, DELTA, STOP], True),
        ([START, *BLOCK, DELTA], False),
        ([*BLOCK, DELTA, STOP], False),
        ([START, *BLOCK, *BLOCK, DELTA, STOP], False),
        ([START, *BLOCK[:2], DELTA, STOP], False),
        ([START, *BLOCK[1:], DELTA, STOP], False),
    ],
)
def test_the_order_of_anthropics_events(events, orderly):
    assert (accept_anthropic.disorder(events) == "") == orderly


def responses_stream(*kinds: str) -> list:
    """Events about the first part of the first item."""
    return [
        SimpleNamespace(
            type=f"response.{kind}",
            sequence_number=number,
            output_index=0,
            content_index=0,
            delta="a",
        )
        for number, kind in enumerate(kinds)
    ]


ITEM = ["output_item.added", "content_part.added", "output_text.delta"]
DONE = ["content_part.done", "output_item.done"]


@pytest.mark.parametrize(
    "kinds, orderly",
    [
        (["created", *ITEM, *DONE, "completed"], True),
        (["created", *ITEM, *DONE, "incomplete"], True),
        ([*ITEM, *DONE, "completed"], False),
        (["created", *ITEM, *DONE], False),
        (["created", *ITEM, "completed"], False),
        (["created", *ITEM[1:], *DONE, "completed"], False),
        (["created", *ITEM, "output_text.delta", *DONE, "completed"], False),
    ],
)
def test_the_order_of_responses_events(kinds, orderly):
    events = responses_stream(*kinds)
    assert (accept_responses.disorder(events, Seen("answer", text="a")) == "") == orderly
