"""Where the kit's reading of a recording is not what the house promises of it: few, and each with
its reason."""

import json


def amend(recording: dict, outcome: dict, failure_is_an_end: bool) -> dict:
    """The outcome that a caller must see. `failure_is_an_end` says that the caller's language has a
    last event for an answer that failed."""
    if failure_is_an_end and broke_off(recording):
        return {"kind": "error_midstream"}
    if not outcome.get("choices"):
        return outcome
    choices = [dict(choice) for choice in outcome["choices"]]
    for choice, message in zip(choices, _messages(recording), strict=False):
        _as_one_tool_call(choice, message)
        _as_text(choice, message)
    return outcome | {"choices": choices, "usage": _a_part_within_its_whole(outcome["usage"])}


def broke_off(recording: dict) -> bool:
    """Cohere's streams tell in their last event that the model failed."""
    told = '"finish_reason":"ERROR"' in recording["response"].get("body_text", "")
    return recording["vendor"] == "cohere" and told


def refuses_credential(recording: dict) -> bool:
    """Google refuses a wrong key with 400, as it would a wrong request. The credential is the
    house's own, and so is what the caller reads about it."""
    if recording.get("vendor") not in ("gemini", "vertex"):
        return False
    details = recording["response"]["body"]["error"].get("details", [])
    return any(detail.get("reason") == "API_KEY_INVALID" for detail in details)


def _messages(recording: dict) -> list[dict]:
    body = recording["response"].get("body")
    choices = body.get("choices") if isinstance(body, dict) else None
    return [choice.get("message") or {} for choice in choices or []]


def _as_one_tool_call(choice: dict, message: dict) -> None:
    """OpenAI's legacy `function_call`, which the kit does not count: a tool call elsewhere."""
    if call := message.get("function_call"):
        arguments = json.loads(call["arguments"])
        choice["tool_calls"] = [{"name": call["name"], "arguments": arguments}]
        choice["finish"] = "tool_calls"


def _as_text(choice: dict, message: dict) -> None:
    """Cloudflare puts the JSON itself where text belongs; others have no place for that."""
    if isinstance(content := message.get("content"), dict):
        choice["text"] = json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def _a_part_within_its_whole(usage: dict | None) -> dict | None:
    """Grok on Azure reports more cached tokens than tokens; the house counts none twice."""
    if not usage or not usage["cached"] or usage["prompt"] is None:
        return usage
    return usage | {"cached": min(usage["cached"], usage["prompt"])}
