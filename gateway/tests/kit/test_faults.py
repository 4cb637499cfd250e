"""What the OpenAI SDK sees when an upstream fails: the right exception, and never a clean end."""

import faults
import openai
import oracle
import pytest
from accept import call, observe

pytestmark = pytest.mark.parametrize("vendor", faults.VENDORS)

BOTH_WAYS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
PLAIN = {"messages": [{"role": "user", "content": "Say hello."}]}


@pytest.fixture(scope="session")
def client(gateway):
    return openai.OpenAI(base_url=gateway.base_url, api_key="anyone", max_retries=0, timeout=20)


@pytest.fixture
def ask(client):
    """What the SDK's user sees, as the kit puts it."""
    return lambda model, stream: observe(lambda: call(client, "chat", model, PLAIN, stream, True))


def told(vendor: str, stream: bool) -> str:
    return faults.text(faults.recording(vendor, stream))


@BOTH_WAYS
@pytest.mark.parametrize("fault, status", faults.STATUSES.items())
def test_a_status_reaches_the_caller(ask, vendor, stream, fault, status):
    seen = ask(faults.variant(vendor, stream, fault).alias, stream)
    assert (seen["kind"], seen.get("status")) == ("error", status), seen
    assert seen["exc"] == oracle.exc_name(status)


def test_the_time_to_wait_reaches_the_caller(client, vendor):
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(
            model=faults.variant(vendor, False, "fault-429.7").alias, **PLAIN
        )
    assert refused.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("fault", faults.SILENT)
def test_half_an_answer_is_no_answer(ask, vendor, fault):
    seen = ask(faults.variant(vendor, False, fault).alias, False)
    assert seen["kind"] == "error" and seen["status"] in (502, 503, 504), seen


@pytest.mark.parametrize("fault", faults.STILLBORN)
def test_a_stream_that_never_began_is_an_error_by_status(ask, vendor, fault):
    seen = ask(faults.variant(vendor, True, fault).alias, True)
    assert seen["kind"] == "error" and seen["status"] in (502, 503, 504), seen


@pytest.mark.parametrize("fault", faults.BROKEN)
def test_a_broken_stream_ends_with_an_error_event(ask, client, vendor, fault):
    if (vendor, fault) == faults.TOLD_AS_REASON:
        seen = ask(faults.variant(vendor, True, fault).alias, True)
        assert seen["choices"][0]["finish"] == "error", seen
        return
    text = ""
    with pytest.raises(openai.APIError) as broken:
        model = faults.variant(vendor, True, fault).alias
        for chunk in client.chat.completions.create(model=model, stream=True, **PLAIN):
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
    assert not isinstance(broken.value, openai.APIConnectionError | openai.APIStatusError)
    whole = told(vendor, True)
    assert text and whole.startswith(text) and text != whole


@BOTH_WAYS
@pytest.mark.parametrize("fault", faults.PASSING)
def test_another_try_mends_what_passes(ask, vendor, stream, fault):
    seen = ask(faults.retried(vendor, stream, fault), stream)
    assert seen["kind"] == "chat", seen
    assert seen["choices"][0]["text"] == told(vendor, stream)


@BOTH_WAYS
@pytest.mark.parametrize(
    "fault", ["fault-503", "fault-529", "fault-429.7", "fault-401", "fault-refuse"]
)
def test_another_endpoint_answers_instead(ask, vendor, stream, fault):
    seen = ask(faults.fallen_back(vendor, stream, fault), stream)
    assert seen["kind"] == "chat", seen
    assert seen["choices"][0]["text"] == told(vendor, stream)


@pytest.mark.parametrize("fault", faults.STILLBORN)
def test_another_endpoint_answers_for_a_stillborn_stream(ask, vendor, fault):
    seen = ask(faults.fallen_back(vendor, True, fault), True)
    assert seen["kind"] == "chat", seen
    assert seen["choices"][0]["text"] == told(vendor, True)
