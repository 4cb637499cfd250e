"""What the Anthropic SDK and the Responses API see when an upstream fails, whoever it is."""

import accept_anthropic
import accept_responses
import faults
import pytest

KEY = "anyone"

pytestmark = [
    pytest.mark.parametrize(
        "sdk", [accept_anthropic, accept_responses], ids=["anthropic", "responses"]
    ),
    pytest.mark.parametrize("vendor", faults.VENDORS),
]


@pytest.fixture
def ask(sdk, vendor, gateway):
    translated = sdk is accept_responses
    if translated and vendor == "azure":
        pytest.skip("an account there relays Responses, and the recordings are of chat")

    def asked(stream: bool, fault: str):
        model = faults.variant(vendor, stream, fault, translated).alias
        arguments = sdk.CLIENT.plain()
        return sdk.observe(
            faults.recording(vendor, stream), arguments, gateway.base_url, KEY, model
        )

    return asked


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault, status", faults.STATUSES.items())
def test_a_status_is_the_right_exception(ask, sdk, stream, fault, status):
    seen = ask(stream, fault)
    exception, kind = sdk.ERRORS.get(status) or sdk.ERRORS[500]
    assert (seen.kind, seen.status, seen.exception) == ("error", status, exception), seen
    assert not kind or seen.error_type == kind


@pytest.mark.parametrize("fault", faults.BROKEN)
def test_a_broken_stream_ends_with_an_error_event(ask, sdk, vendor, fault):
    seen = ask(True, fault)
    if (vendor, fault) == faults.TOLD_AS_REASON and not sdk.CLIENT.failure_is_an_end:
        assert (seen.kind, seen.finish) == ("answer", "error"), seen
    else:
        assert seen.kind == "error_midstream", seen
