"""The judges themselves: a faithful answer passes, and each way of being unfaithful is caught."""

from dataclasses import replace
from types import SimpleNamespace

import accept_anthropic
import accept_responses
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
