"""What the simulator can provoke, at one recording of each vendor, whole and streamed."""

from functools import cache

import configuration as files
import kit
from configuration import Variant
from expected import expected

VENDORS = "anthropic azure bedrock cohere compat gemini groq mistral openai vertex".split()

# The upstream says what is wrong, by status: what the caller gets to see of it.
STATUSES = {
    "fault-400": 400,
    "fault-429.7": 429,
    "fault-500": 500,
    "fault-503": 503,
    "fault-529": 529,
}
# The house's own credential is refused, which is not the caller's fault.
STATUSES |= {"fault-401": 502}
# Nothing sensible comes at all.
SILENT = ["fault-badjson", "fault-refuse", "fault-truncate", "fault-reset", "fault-stall~hold-3000"]
# A stream breaks after its first half.
BROKEN = ["fault-midstream", "fault-truncate", "fault-reset", "fault-stall~hold-3000"]
# Cohere tells of a failure in its stream as the reason of a last event, and so do languages that
# have no event of their own for it.
TOLD_AS_REASON = ("cohere", "fault-midstream")
# A stream breaks before anything of it was passed on.
STILLBORN = [
    "fault-badjson",
    "fault-refuse",
    "fault-reset.0",
    "fault-truncate.0",
    "fault-stall.0~hold-3000",
]
# Gone when it is tried again.
PASSING = ["fault-503~times-1", "fault-refuse~times-1"]

TIMEOUTS = {"connect": "1s", "first_byte": "1s", "between_chunks": "700ms", "total": "5s"}

# Not what a fault should be tried on. Where a model thinks first, the half before the break may be
# thoughts alone.
ODD = {"server_tool", "citations", "refusal", "safety_block", "multi_choice", "reasoning"}


@cache
def recording(vendor: str, stream: bool) -> dict:
    """The longest text of this vendor, so that there is something on both sides of a break."""
    fit = [
        recording
        for id, recording in kit.recordings().items()
        if (target := kit.targets().get(id))
        and target["vendor"] == vendor
        and target["client_call"] == "chat"
        and target["stream"] == stream
        and expected()[id]["kind"] == "chat"
        and not ODD & set(recording["features"])
    ]
    return max(fit, key=lambda recording: len(text(recording)))


def text(recording: dict) -> str:
    """What the recording's answer says."""
    return "".join(choice["text"] for choice in expected()[recording["id"]]["choices"])


def options(fault: str) -> str:
    return f"~{fault}" if fault else ""


def variant(vendor: str, stream: bool, fault: str = "", translated: bool = False) -> Variant:
    """With `translated`, behind an account that is not sent Responses as they are."""
    without = translated and vendor in files.HAVE_RESPONSES
    return Variant(recording(vendor, stream)["id"], options(fault), without)


def retried(vendor: str, stream: bool, fault: str) -> str:
    """The model that is tried twice."""
    return f"retried-{variant(vendor, stream, fault).alias}"


def fallen_back(vendor: str, stream: bool, fault: str) -> str:
    """The model with a second endpoint that is well."""
    return f"fallback-{variant(vendor, stream, fault).alias}"


def configuration(vendors: list[str], simulator: str) -> str:
    variants, pools = set(), {}
    for vendor in vendors:
        for stream in (False, True):
            target = kit.targets()[recording(vendor, stream)["id"]]
            well = variant(vendor, stream)
            lasting = [*STATUSES, *SILENT, *BROKEN, *STILLBORN]
            broken = {fault: variant(vendor, stream, fault) for fault in lasting}
            passing = {fault: variant(vendor, stream, fault) for fault in PASSING}
            for fault in ["", *STATUSES, *BROKEN]:
                variants.add(variant(vendor, stream, fault, translated=True))
            variants |= {well, *broken.values(), *passing.values()}
            for fault, sick in passing.items():
                pools[retried(vendor, stream, fault)] = files.pool(target, sick, attempts=2)
            for fault, sick in broken.items():
                pools[fallen_back(vendor, stream, fault)] = files.pool(target, sick, well)
    return files.configuration(kit.targets(), sorted(variants, key=str), simulator, pools, TIMEOUTS)
