"""The official `openai` SDK's Responses API, pointed at the gateway, against every vendor."""

from functools import cache

import kit

kit.stage()

import httpx  # noqa: E402
import openai  # noqa: E402
import oracle  # noqa: E402

import ask  # noqa: E402
from drive import Client, Seen, main  # noqa: E402

# OpenAI chat's finish reasons in Responses' words (API reference, "The Response object": `status`
# and `incomplete_details.reason`).
ENDINGS = {
    "stop": {("completed", None)},
    "tool_calls": {("completed", None)},
    "length": {("incomplete", "max_output_tokens")},
    "content_filter": {("incomplete", "content_filter")},
}

# Status → exception, by the SDK's README, "Handling errors". OpenAI prescribes no `type`.
ERRORS = {
    400: ("BadRequestError", ""),
    404: ("NotFoundError", ""),
    409: ("ConflictError", ""),
    413: ("APIStatusError", ""),
    422: ("UnprocessableEntityError", ""),
    429: ("RateLimitError", ""),
    500: ("InternalServerError", ""),
}

LAST = {"response.completed", "response.incomplete", "response.failed"}


def native(recording: dict) -> dict:
    recorded = recording["request"]["body"]
    body = {key: value for key, value in recorded.items() if key not in ("model", "stream")}
    return {"input": body.pop("input", "hi"), "extra_body": body}


@cache
def connections() -> httpx.Client:
    """One pool for the whole run."""
    return httpx.Client(timeout=60)


def observe(recording: dict, arguments: dict, gateway=None, key=None, model=None) -> Seen:
    http = connections() if gateway else oracle.hclient(recording)
    origin = gateway or "http://recording/v1"
    wants_stream = oracle.is_stream(recording) or bool(recording["request"]["body"].get("stream"))
    asked = {"model": model or "recorded", "timeout": 60} | arguments
    account = {"api_key": key or "none", "base_url": origin, "max_retries": 0}
    client = openai.OpenAI(http_client=http, **account)
    try:
        return streamed(client, asked) if wants_stream else answer(client.responses.create(**asked))
    except openai.APIStatusError as error:
        return refused(error)
    except openai.APIConnectionError as error:
        return Seen("connection", exception=type(error).__name__, message=str(error))
    except openai.APIError as error:
        return Seen("error_midstream", exception=type(error).__name__, message=str(error))
    except Exception as error:  # Whatever the SDK cannot read is a finding, not a crash.
        return Seen("sdk_failed", exception=type(error).__name__, message=str(error)[:300])


def streamed(client: openai.OpenAI, asked: dict) -> Seen:
    events = list(client.responses.create(stream=True, **asked))
    raw = [event.model_dump() for event in events]
    failed = [event for event in events if event.type in ("error", "response.failed")]
    if failed:
        return Seen("error_midstream", message=str(raw[-1])[:300], raw=raw)
    last = next((event.response for event in events if event.type in LAST), None)
    if last is None:
        return Seen("sdk_failed", message="the stream ends without a last event", raw=raw)
    seen = answer(last)
    seen.order, seen.raw = disorder(events, seen), raw
    return seen


def answer(response) -> Seen:
    items = response.output
    parts = [part for item in items if item.type == "message" for part in item.content]
    calls = [item for item in items if item.type == "function_call"]
    usage, details = response.usage, response.incomplete_details
    return Seen(
        "answer",
        text="".join(part.text for part in parts if part.type == "output_text"),
        refusal="".join(part.refusal for part in parts if part.type == "refusal"),
        reasoning="".join(thought(item) for item in items if item.type == "reasoning"),
        calls=[{"name": call.name, "arguments": oracle.jl(call.arguments)} for call in calls],
        finish=(response.status, details.reason if details else None),
        prompt=usage.input_tokens if usage else None,
        completion=usage.output_tokens if usage else None,
        cached=usage.input_tokens_details.cached_tokens
        if usage and usage.input_tokens_details
        else None,
        raw=response.model_dump(),
    )


def thought(item) -> str:
    """A reasoning item's own text where there is one, else its summary."""
    return "".join(part.text for part in item.content or item.summary or [])


def refused(error: openai.APIStatusError) -> Seen:
    body = error.body if isinstance(error.body, dict) else {}
    return Seen(
        "error",
        status=error.status_code,
        exception=type(error).__name__,
        error_type=body.get("type") or "",
        message=body.get("message") or str(error),
    )


def disorder(events: list, seen: Seen) -> str:
    """Holds a stream against the API reference, "Streaming events": created first, numbered without
    gaps, every item and part opened before it grows and closed before the end, and the deltas
    together the same as the whole."""
    numbers = [event.sequence_number for event in events]
    if None in numbers or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return f"sequence numbers {numbers[:12]}"
    if events[0].type != "response.created" or events[-1].type not in LAST:
        return f"begins with {events[0].type}, ends with {events[-1].type}"
    open_items, open_parts = set(), set()
    for event in events:
        item = getattr(event, "output_index", None)
        part = (item, getattr(event, "content_index", None))
        match event.type.removeprefix("response."):
            case "output_item.added" if item not in open_items:
                open_items.add(item)
            case "output_item.done" if item in open_items:
                open_items.discard(item)
            case "content_part.added" if item in open_items and part not in open_parts:
                open_parts.add(part)
            case "content_part.done" if part in open_parts:
                open_parts.discard(part)
            case "output_text.delta" if part not in open_parts:
                return "text grows outside of a part"
            case "function_call_arguments.delta" if item not in open_items:
                return "arguments grow outside of an item"
            case (
                "output_item.added"
                | "output_item.done"
                | "content_part.added"
                | "content_part.done"
            ):
                return f"{event.type} {part} is out of order"
    if open_items or open_parts:
        return f"left open: {open_items or open_parts}"
    grown = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    return "" if grown == seen.text else "the deltas are not the text"


CLIENT = Client(
    native_vendors={"openai", "azure"},
    native_api="responses",
    build=ask.responses_request,
    plain=ask.responses_plain,
    native=native,
    observe=observe,
    finishes=ENDINGS,
    errors=ERRORS,
    failure_is_an_end=True,
)

if __name__ == "__main__":
    main(CLIENT)
