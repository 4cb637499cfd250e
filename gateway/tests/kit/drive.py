"""Asks the gateway for recordings with an SDK, and judges what came back.

The options are those of the kit's `accept.py`, the report has its form. What an SDK's requests and
answers look like is its own script's business: `accept_anthropic.py`, `accept_responses.py`.
"""

import argparse
import json
import sys
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import amended
import ask
import kit

# Refusals that a recording's upstream makes of the house's credential: the caller reads 502.
CREDENTIAL_REFUSED = (401, 403)


@dataclass
class Seen:
    """What an SDK's user got to see."""

    kind: str
    """`answer`, `error` (by status), `error_midstream`, `connection`, or `sdk_failed`."""
    text: str = ""
    reasoning: str = ""
    calls: list[dict] = field(default_factory=list)
    refusal: str = ""
    finish: object = None
    """The SDK's own word for why the answer ended."""
    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None
    order: str = ""
    """What is wrong with the order of a stream's events; empty if nothing is."""
    raw: object = None
    """All of it, to be compared with what the same SDK makes of the recording itself."""
    status: int | None = None
    exception: str = ""
    error_type: str = ""
    message: str = ""


@dataclass
class Client:
    """One SDK, as far as this program needs to know it."""

    native_vendors: set[str]
    native_api: str
    """Recordings in the SDK's own language, which must come through untouched."""
    build: Callable[[dict], tuple[dict, set[str]]]
    plain: Callable[[], dict]
    native: Callable[[dict], dict]
    """The arguments that repeat a native recording's request."""
    observe: Callable[..., Seen]
    """`observe(recording, arguments, gateway=None, key=None, model=None)`; without a gateway, what
    the SDK makes of the recording."""
    finishes: dict[str, set]
    """The kit's finish reason → the SDK's words for it."""
    errors: dict[int, tuple[str, str]]
    """Status → the SDK's exception, and the `type` in the body if one is prescribed."""
    failure_is_an_end: bool = False
    """Whether a stream has a last event for an answer that failed."""


def main(client: Client) -> None:
    parser = argparse.ArgumentParser()
    for name in ("--gateway", "--key", "--sim", "--map", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    aliases = json.loads(Path(options.map).read_text())
    recordings = [kit.recordings()[id] for id in aliases if driven(client, kit.recordings()[id])]
    import expected

    outcomes = expected.expected()
    urllib.request.urlopen(f"{options.sim}/_sim/reset", data=b"", timeout=20).close()

    def judged(recording: dict) -> dict:
        alias = aliases[recording["id"]]
        read = outcomes[recording["id"]]
        outcome = amended.amend(recording, read, client.failure_is_an_end)
        return judge(client, recording, outcome, alias, options)

    with ThreadPoolExecutor(options.workers) as pool:
        rows = list(pool.map(judged, recordings))
    Path(options.out).write_text(json.dumps({"rows": rows}, indent=1))
    print(f"{sum(row['pass'] for row in rows)}/{len(rows)}", file=sys.stderr)


def driven(client: Client, recording: dict) -> bool:
    """Conversations only; and several answers to one question have no form but OpenAI chat's."""
    kind = kit.targets()[recording["id"]]["client_call"]
    conversation = kind == "chat" or is_native(client, recording)
    return conversation and "multi_choice" not in recording["features"]


def is_native(client: Client, recording: dict) -> bool:
    return recording["vendor"] in client.native_vendors and recording["api"] == client.native_api


def judge(client: Client, recording: dict, outcome: dict, alias: str, options) -> dict:
    arguments, mode, added = question(client, recording)
    seen = client.observe(recording, arguments, options.gateway, options.key, alias)
    checks = compare(client, recording, outcome, seen)
    if is_native(client, recording):
        # The vendor's own order of events, whatever it is.
        checks.pop("order", None)
    if mode == ask.NATIVE and outcome["kind"] not in ("error", "error_midstream"):
        untouched = client.observe(recording, arguments).raw == seen.raw
        checks["intact"] = untouched or "the SDK reads something else than in the recording"
    checks |= at_the_upstream(recording, mode, added, options.sim)
    required = [result for check, result in checks.items() if not check.startswith("opt_")]
    about = {key: recording[key] for key in ("id", "vendor", "api", "features")}
    return about | {
        "mode": mode,
        "checks": checks,
        "pass": all(result is True for result in required),
    }


def question(client: Client, recording: dict) -> tuple[dict, str, set[str]]:
    """The SDK's arguments, how close they are to the recording, and parameters of our own."""
    if is_native(client, recording):
        if ask.repeatable(recording):
            return client.native(recording), ask.NATIVE, set()
        return client.plain(), ask.PLAIN, set()
    canonical = ask.canonical(recording)
    if canonical is None:
        return client.plain(), ask.PLAIN, set()
    arguments, added = client.build(canonical)
    return arguments, ask.FULL, added


# === what the caller saw ===


def compare(client: Client, recording: dict, outcome: dict, seen: Seen) -> dict:
    if outcome["kind"] == "unparsed":
        return {}
    if outcome["kind"] == "error":
        return compare_error(client, recording, outcome["status"], seen)
    if outcome["kind"] == "error_midstream":
        failed = seen.kind in ("error", "error_midstream")
        return {"error_midstream": failed or f"want an error while reading, got {seen.kind}"}
    if seen.kind != "answer":
        return {"call": f"{seen.kind} {seen.exception} {seen.message[:260]}"}
    return compare_answer(client, outcome, seen)


def compare_answer(client: Client, outcome: dict, seen: Seen) -> dict:
    import accept

    want = outcome["choices"][0] if outcome["choices"] else {}
    checks = {"order": not seen.order or seen.order}

    def same(check: str, wanted, got) -> None:
        checks[check] = wanted == got or f"want {_short(wanted)}, got {_short(got)}"

    same("tool_calls", accept.norm_calls(want.get("tool_calls", [])), accept.norm_calls(seen.calls))
    if want.get("refusal"):
        same("refusal", want["refusal"], seen.refusal or seen.text)
    else:
        same("text", want.get("text") or "", seen.text)
    if want.get("reasoning"):
        same("reasoning", want["reasoning"], seen.reasoning)
    # Who calls a tool has not finished, whatever some vendors call it.
    finish = (
        "tool_calls"
        if want.get("tool_calls") and want.get("finish") == "stop"
        else want.get("finish")
    )
    if allowed := client.finishes.get(finish):
        checks["finish"] = (
            seen.finish in allowed or f"want {allowed} for {finish}, got {seen.finish}"
        )
    if usage := outcome["usage"]:
        counted = (seen.prompt, seen.completion)
        right = [(usage["prompt"], usage["completion"]), tuple(usage.get("alt") or ())]
        checks["usage"] = counted in right or f"want {right[0]}, got {counted}"
        if usage["cached"]:
            same("cached_tokens", usage["cached"], seen.cached)
    return checks


def compare_error(client: Client, recording: dict, status: int, seen: Seen) -> dict:
    status = 502 if status in CREDENTIAL_REFUSED else status
    exception, kind = client.errors.get(status) or client.errors[500 if status >= 500 else 400]
    got = f"got {seen.exception or seen.kind} {seen.status} {seen.error_type}: {seen.message[:150]}"
    checks = {
        "error_class": seen.exception == exception or f"want {exception}, {got}",
        "error_status": seen.status == status or f"want {status}, {got}",
    }
    if kind:
        checks["error_type"] = seen.error_type == kind or f"want {kind}, {got}"
    said = vendors_message(recording)
    if said and status != 502 and not amended.refuses_credential(recording):
        checks["error_message"] = said in seen.message or f"want {said[:150]!r}, {got}"
    return checks


def vendors_message(recording: dict) -> str | None:
    """What the vendor said, wherever its language puts that."""
    body = recording["response"].get("body")
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    inner = error.get("message") if isinstance(error, dict) else error
    said = inner or body.get("message") or body.get("Message") or body.get("detail")
    return said if isinstance(said, str) else None


# === what the vendor was asked ===


def at_the_upstream(recording: dict, mode: str, added: set[str], simulator: str) -> dict:
    with urllib.request.urlopen(
        f"{simulator}/_sim/log?rec={recording['id']}&n=3", timeout=20
    ) as log:
        requests = json.load(log)
    if not requests:
        return {"reached_upstream": "the simulator saw no request"}
    found = [violation for request in requests for violation in request["violations"]]
    hard = [violation for violation in found if violation["kind"] not in ("alt_sse", "model")]
    if hard:
        told = "; ".join(f"{v['kind']} {v.get('path', '')} {v['msg']}" for v in hard)
        return {"vendor_schema": told[:300]}
    checks = {"vendor_schema": True}
    sent = requests[-1]
    if mode == ask.NATIVE:
        asked = recording["request"]
        unlike = [
            key
            for key in asked["body"] | sent["body"]
            if not _same(key, asked["body"], sent["body"])
        ]
        if asked["headers"].get("anthropic-beta") != sent["headers"].get("anthropic-beta"):
            unlike.append("header anthropic-beta")
        checks["request_same"] = not unlike or f"differs in {unlike}"
    elif mode == ask.FULL:
        unlike = ask.changed(recording, sent["body"], added)
        checks["opt_request_same"] = not unlike or f"differs in {', '.join(unlike)}"
    return checks


def _same(key: str, asked: dict, sent: dict) -> bool:
    # The model is the pool's; a stream that is not wanted may be left out.
    return key == "model" or (asked.get(key) or None) == (sent.get(key) or None)


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 160 else text[:157] + "…"
