"""Recorded vendor traffic through the real program, read by the official SDKs.

    python gateway/tests/kit/run.py                        everything
    python gateway/tests/kit/run.py --vendor groq --chunk 7 --client openai
    python gateway/tests/kit/run.py --id groq-chat-error-400-7899201b --keep

Starts the kit's simulator and `isthmus serve` on free ports, lets each client ask for every
recording, compares what its SDK sees with what the vendor's own SDK reads in the recording, and
exits with 1 if a hard check fails or the simulator objects to a request. Reports stay in
`target/kit/run/`.
"""

import argparse
import contextlib
import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace

import kit

RUN = kit.HOME / "run"
KEY = "anyone"

# Streams are cut at event borders, and where no vendor would cut them.
CHUNKS = ["events", "1", "7"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--vendor", action="append", help="only recordings of this vendor (repeatable)")
    add("--id", action="append", help="only this recording (repeatable)")
    add("--limit", type=int, help="only so many recordings, drawn evenly")
    add("--client", action="append", choices=sorted(CLIENTS), help="only this client (repeatable)")
    add(
        "--chunk",
        action="append",
        help="`events`, or bytes per write; other than `events` for streams alone",
    )
    add("--optional", action="store_true", help="also list checks that are reported, not required")
    add("--keep", action="store_true", help="leave simulator and gateway running until interrupted")
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> list[dict]:
    """The targets that the options leave over."""
    targets = [
        target
        for target in kit.targets().values()
        if (not options.vendor or target["vendor"] in options.vendor)
        and (not options.id or target["id"] in options.id)
    ]
    step = max(1, len(targets) // options.limit) if options.limit else 1
    return targets[::step][: options.limit]


def accept_openai(variants, simulator, gateway, report) -> list[dict]:
    """The kit's own acceptance script."""
    return _script(kit.HOME / "accept.py", variants, simulator, gateway, report)


def accept_anthropic(variants, simulator, gateway, report) -> list[dict]:
    return _script(
        kit.ROOT / "gateway/tests/kit/accept_anthropic.py", variants, simulator, gateway, report
    )


def accept_responses(variants, simulator, gateway, report) -> list[dict]:
    return _script(
        kit.ROOT / "gateway/tests/kit/accept_responses.py", variants, simulator, gateway, report
    )


CLIENTS = {"openai": accept_openai, "anthropic": accept_anthropic, "responses": accept_responses}


def _script(script, variants, simulator, gateway, report) -> list[dict]:
    """Runs an acceptance script over these variants; the map says which alias to ask for."""
    map_file = report.with_suffix(".map.json")
    map_file.write_text(json.dumps({variant.id: variant.alias for variant in variants}))
    command = [
        sys.executable,
        script,
        "--gateway",
        gateway.base_url,
        "--key",
        KEY,
        "--sim",
        simulator.origin,
    ]
    command += ["--map", map_file, "--workers", "4", "--out", report]
    report.unlink(missing_ok=True)
    ran = subprocess.run(command, cwd=kit.HOME, capture_output=True, text=True)
    if ran.returncode or not report.exists():
        sys.exit(f"{script.name} broke off\n{ran.stdout[-3000:]}{ran.stderr[-3000:]}")
    return json.loads(report.read_text())["rows"]


def phases(asked: list[tuple[str, str, list]], simulator, gateway) -> Iterable:
    """Asks, client by client and cut by cut."""
    from report import Phase

    for client, chunk, variants in asked:
        started = time.monotonic()
        rows = CLIENTS[client](variants, simulator, gateway, RUN / f"{client}-{chunk}.json")
        seconds = time.monotonic() - started
        yield Phase(f"{client} SDK, {chunk}", rows, simulator.new_violations(), seconds)


def translated(variants: list) -> list:
    """What the Responses API can ask for. An account whose vendor has that API too relays Responses
    as they are, and no recording of a chat answers those; so such a recording stands behind an
    account of a kind that speaks chat alone. Azure's cannot: no other kind has its paths."""
    from configuration import HAVE_RESPONSES

    apis = {id: recording["api"] for id, recording in kit.recordings().items()}
    kept, left_out = [], 0
    for variant in variants:
        if apis[variant.id] != "chat":
            kept.append(variant)
        elif (vendor := kit.targets()[variant.id]["vendor"]) == "azure":
            left_out += 1
        else:
            kept.append(replace(variant, without_responses=vendor in HAVE_RESPONSES))
    if left_out:
        print(f"responses SDK: {left_out} chats on Azure left out, its accounts relay Responses")
    return kept


def variants_by_chunk(options: argparse.Namespace) -> dict[str, list]:
    """For each way of cutting, what is asked for; whole answers are cut in no particular way."""
    from configuration import WHOLE, Variant

    targets = chosen(options)
    return {
        chunk: [Variant(target["id"], WHOLE) for target in targets]
        if chunk == "events"
        else [Variant(target["id"], f"~chunk-{chunk}") for target in targets if target["stream"]]
        for chunk in options.chunk or CHUNKS
    }


def main() -> int:
    options = arguments()
    if not kit.present():
        print(kit.SKIPPED)
        return 0
    kit.stage()
    # Imported late: they need the kit's modules.
    import expected
    import report
    from configuration import configuration
    from gateway import Gateway
    from simulator import Simulator

    RUN.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    expected.expected()
    asked = [
        (client, chunk, translated(variants) if client == "responses" else variants)
        for client in options.client or CLIENTS
        for chunk, variants in variants_by_chunk(options).items()
    ]
    verdicts = []
    with Simulator(RUN / "simulator") as simulator:
        variants = set(itertools.chain.from_iterable(variants for _, _, variants in asked))
        written = configuration(kit.targets(), sorted(variants, key=str), simulator.origin)
        with Gateway(RUN, written) as gateway:
            for phase in phases(asked, simulator, gateway):
                print(report.table(phase), flush=True)
                for optional in [False, True][: 1 + options.optional]:
                    if listed := report.failures(phase, optional):
                        print(listed, flush=True)
                verdicts.append(phase)
            if options.keep:
                wait_for_interrupt(simulator, gateway)
    print("\n".join(map(report.verdict, verdicts)))
    return int(any(phase.failed for phase in verdicts))


def wait_for_interrupt(simulator, gateway) -> None:
    print(f"simulator {simulator.origin}, gateway {gateway.base_url}, files in {RUN}")
    print("interrupt to end", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
