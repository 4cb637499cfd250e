"""The official `anthropic` SDK, pointed at the gateway's `/v1/messages`, against every vendor."""

from functools import cache

import kit

kit.stage()

import anthropic  # noqa: E402
import httpx2  # noqa: E402
import oracle  # noqa: E402

import ask  # noqa: E402
from drive import Client, Seen, main  # noqa: E402

# OpenAI's finish reasons, as the kit speaks, in Anthropic's words (its page "Handling stop
# reasons"; `pause_turn` has no counterpart). OpenAI does not tell a stop sequence from an end, nor
# a full window from a limit.
STOP_REASONS = {
    "stop": {"end_turn", "stop_sequence"},
    "length": {"max_tokens", "model_context_window_exceeded"},
    "tool_calls": {"tool_use"},
    "content_filter": {"refusal"},
}

# Status → exception of the SDK and `error.type`, by Anthropic's page "Errors".
ERRORS = {
    400: ("BadRequestError", "invalid_request_error"),
    401: ("AuthenticationError", "authentication_error"),
    402: ("PaymentRequiredError", "billing_error"),
    403: ("PermissionDeniedError", "permission_error"),
    404: ("NotFoundError", "not_found_error"),
    413: ("ContentTooLargeError", "request_too_large"),
    422: ("UnprocessableEntityError", "invalid_request_error"),
    429: ("RateLimitError", "rate_limit_error"),
    500: ("InternalServerError", "api_error"),
    502: ("InternalServerError", "api_error"),
    503: ("ServiceUnavailableError", ""),
    504: ("GatewayTimeoutError", "timeout_error"),
    529: ("OverloadedError", "overloaded_error"),
}

# What the SDK's stream helper adds to the events on the wire.
DERIVED = {"text", "thinking", "signature", "citation", "input_json"}


def native(recording: dict) -> dict:
    """The recorded body as it is; what the SDK has no argument for goes beside them."""
    recorded = recording["request"]["body"]
    body = {key: value for key, value in recorded.items() if key not in ("model", "stream")}
    named = {key: body.pop(key) for key in ("messages", "max_tokens")}
    beta = recording["request"]["headers"].get("anthropic-beta")
    if beta:
        named["extra_headers"] = {"anthropic-beta": beta}
    if "beta=true" in recording["request"]["path"]:
        named["extra_query"] = {"beta": "true"}
    return named | {"extra_body": body}


@cache
def connections() -> httpx2.Client:
    """One pool for the whole run."""
    return httpx2.Client(timeout=60)


def observe(recording: dict, arguments: dict, gateway=None, key=None, model=None) -> Seen:
    http = connections() if gateway else oracle.a_client(recording)
    origin = gateway.removesuffix("/v1") if gateway else "http://recording"
    wants_stream = oracle.is_stream(recording) or bool(recording["request"]["body"].get("stream"))
    asked = {"model": model or "recorded", "timeout": 60} | arguments
    account = {"api_key": key or "none", "base_url": origin, "max_retries": 0}
    client = anthropic.Anthropic(http_client=http, **account)
    try:
        return streamed(client, asked) if wants_stream else answer(client.messages.create(**asked))
    except anthropic.APIStatusError as error:
        return refused(error)
    except anthropic.APIConnectionError as error:
        return Seen("connection", exception=type(error).__name__, message=str(error))
    except Exception as error:  # Whatever the SDK cannot read is a finding, not a crash.
        return Seen("sdk_failed", exception=type(error).__name__, message=str(error)[:300])


def streamed(client: anthropic.Anthropic, asked: dict) -> Seen:
    with client.messages.stream(**asked) as stream:
        events = [event for event in stream if event.type not in DERIVED]
        seen = answer(stream.get_final_message())
    seen.order = disorder([(event.type, getattr(event, "index", None)) for event in events])
    # The helper hangs the whole message and the whole block on its end events.
    wire = [event.model_dump(exclude={"message", "content_block"}) for event in events]
    seen.raw = (seen.raw, wire)
    return seen


def answer(message) -> Seen:
    blocks = message.content
    usage = message.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return Seen(
        "answer",
        text="".join(block.text for block in blocks if block.type == "text"),
        reasoning="".join(block.thinking for block in blocks if block.type == "thinking"),
        calls=[{"name": b.name, "arguments": b.input} for b in blocks if b.type == "tool_use"],
        finish=message.stop_reason,
        prompt=usage.input_tokens + read + written,
        completion=usage.output_tokens,
        cached=usage.cache_read_input_tokens,
        raw=message.model_dump(),
    )


def refused(error: anthropic.APIStatusError) -> Seen:
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error") if isinstance(body.get("error"), dict) else {}
    return Seen(
        # An error event in a stream is raised with the status of the stream's beginning.
        kind="error" if error.response.status_code >= 400 else "error_midstream",
        status=error.response.status_code,
        exception=type(error).__name__,
        error_type=inner.get("type", ""),
        message=inner.get("message", str(error)),
    )


def disorder(events: list[tuple[str, int | None]]) -> str:
    """Holds a stream against Anthropic's grammar ("Event flow"): message_start; blocks one after
    the other, each start, deltas, stop, counted from 0; message_delta; message_stop."""
    is_open, blocks, state = False, 0, "before"
    for kind, index in events:
        match kind:
            case "message_start" if state == "before":
                state = "blocks"
            case "content_block_start" if state == "blocks" and not is_open and index == blocks:
                is_open, blocks = True, blocks + 1
            case "content_block_delta" if is_open and index == blocks - 1:
                pass
            case "content_block_stop" if is_open and index == blocks - 1:
                is_open = False
            case "message_delta" if state in ("blocks", "end") and not is_open:
                state = "end"
            case "message_stop" if state == "end":
                state = "over"
            case _:
                return f"{kind} {index} is out of order"
    return "" if state == "over" else "the stream ends without message_stop"


CLIENT = Client(
    native_vendors={"anthropic"},
    native_api="messages",
    build=ask.anthropic_request,
    plain=ask.anthropic_plain,
    native=native,
    observe=observe,
    finishes=STOP_REASONS,
    errors=ERRORS,
    failure_is_an_end=True,
)

if __name__ == "__main__":
    main(CLIENT)
