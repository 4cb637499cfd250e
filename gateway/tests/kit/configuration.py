"""From the kit's targets to the gateway's configuration: one account and one model for each
recording and each way of cutting its answer."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

WHOLE = ""
"""The simulator writes one event or frame at a time, as vendors do."""

# Vendors that speak plain OpenAI and have a kind of their own, by the kit's word for them.
COMPATIBLE_KINDS = {
    "cerebras": "cerebras",
    "deepseek": "deepseek",
    "ollama": "ollama",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
}

HAVE_RESPONSES = {"compat", "groq", "openai"}
"""Vendors that may have Responses, and whose chats any OpenAI-compatible account can reach."""

# Generous: every recording answers at once, but a busy machine may not.
TIMEOUTS = {"connect": "5s", "first_byte": "20s", "between_chunks": "20s", "total": "60s"}


@dataclass(frozen=True)
class Variant:
    """A recording, with the simulator's options (`~chunk-7~fault-429`) for it."""

    id: str
    options: str = WHOLE
    without_responses: bool = False
    """Whether the account is of a kind that speaks chat alone, so that Responses are translated."""

    @property
    def alias(self) -> str:
        """The name by which callers ask for it."""
        return f"rec-{provider_name(self)}"


def account(target: dict, variant: Variant, simulator: str, timeouts: dict) -> dict:
    """The `providers:` entry that reaches a target's recording."""
    upstream, vendor = target["upstream"], target["vendor"]
    credential = upstream["auth"].get("key")
    origin = f"{simulator}/rec/{target['id']}{variant.options}"
    # What stands in the recorded path before the part that the adapter appends.
    prefix = upstream["api_base"].split(f"/rec/{target['id']}", 1)[1]
    own = {
        "anthropic": lambda: {"kind": "anthropic", "api_key": credential},
        "azure": lambda: {
            "kind": "azure",
            "api_key": credential,
            "api_version": upstream["api_version"],
        },
        "bedrock": lambda: {
            "kind": "bedrock",
            "region": upstream["region"],
            "access_key_id": upstream["auth"]["access_key_id"],
            "secret_access_key": upstream["auth"]["secret_access_key"],
        },
        "cohere": lambda: {"kind": "cohere", "api_key": credential},
        "gemini": lambda: {
            "kind": "gemini",
            "api_key": credential,
            "api_version": upstream["api_version"],
        },
        "vertex": lambda: {
            "kind": "vertex",
            "access_token": credential,
            "project": upstream["project"],
            "location": upstream["location"],
            "api_version": upstream["api_version"],
        },
        "compat": lambda: {
            "kind": COMPATIBLE_KINDS.get(target["provider"], "openai-compatible"),
            "api_key": credential,
        },
    }
    plain = lambda: {"kind": vendor, "api_key": credential}  # noqa: E731
    if variant.without_responses:
        own[vendor] = lambda: {"kind": "openai-compatible", "api_key": credential}
    fields = {name: value for name, value in own.get(vendor, plain)().items() if value is not None}
    return fields | {"base_url": origin + prefix, "timeouts": timeouts}


def upstream_model(target: dict) -> str:
    """Azure names a deployment where others name a model."""
    upstream = target["upstream"]
    return upstream.get("deployment") or upstream["model"]


def configuration(
    targets: dict[str, dict],
    variants: Iterable[Variant],
    simulator: str,
    pools: dict[str, dict] | None = None,
    timeouts: dict = TIMEOUTS,
) -> str:
    """The whole file, with a model for each variant beside the given `pools`. JSON is YAML, and
    needs no thought about quoting; compact, for a file may have 1 MiB and no more."""
    providers, models = {}, dict(pools or {})
    for variant in variants:
        target = targets[variant.id]
        providers[provider_name(variant)] = account(target, variant, simulator, timeouts)
        models[variant.alias] = pool(target, variant)
    return json.dumps({"version": 1, "providers": providers, "models": models})


def pool(target: dict, *variants: Variant, attempts: int = 1) -> dict:
    """The `models:` entry over these variants of one target. With one attempt, what the vendor said
    is what the caller reads."""
    endpoints = [f"{provider_name(variant)}/{upstream_model(target)}" for variant in variants]
    return {"endpoints": endpoints, "retry": {"attempts": attempts, "max_wait": "2s"}}


def provider_name(variant: Variant) -> str:
    return f"{variant.id}{variant.options}{'-plain' if variant.without_responses else ''}"
