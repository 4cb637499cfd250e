"""Kills the gateway with `kill -9` at random moments under load, and holds its ledger against what the
upstream and the callers know.

    python3 gateway/tests/crash/run.py --kills 50

Streams, whole answers, retries, hedges and fallbacks run all the time. The scripted upstream keeps its
own truth: how many tokens it gave to which attempt, and what it reported. Afterwards:

* every exchange whose answer came whole has one settlement, with the tokens that the upstream reported;
* every exchange whose answer began to reach its caller has one settlement, or one hold;
* nothing is settled twice, and `isthmus ledger verify` finds nothing;
* with `--durability before_dispatch`, whatever the upstream served is in the ledger too. By default an
  endpoint may be asked while its hold is still on the way to the disk; a crash in those milliseconds
  loses what no caller has seen anything of. How many those were is told.

With `--postgres` the books are in a database, with `--redis` a hard budget is kept by a Redis; both are
killed now and then as well, and come back.
"""

import argparse
import asyncio
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sdk"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from gateway import Gateway  # noqa: E402
from callers import Callers  # noqa: E402
from database import Database  # noqa: E402
from scripted import Upstream  # noqa: E402
from sums import Sums  # noqa: E402

CONFIGURATION = """
version: 1
providers:
  one: {{ kind: openai-compatible, base_url: "http://127.0.0.1:{port}/one/v1", api_key: x }}
  two: {{ kind: openai-compatible, base_url: "http://127.0.0.1:{port}/two/v1", api_key: x }}
endpoints:
  first: {{ provider: one, model: m, price: {{ input: "0.25", cache_read: "0.025", output: "2" }} }}
  second: {{ provider: two, model: m, price: {{ input: "1.25", output: "10" }} }}
models:
  chat: {{ endpoints: [first, second], objective: ordered, retry: {{ attempts: 2 }} }}
  raced: {{ endpoints: [first, second], objective: ordered, hedge: {{ after: 40ms, max_extra_cost_percent: 1000 }} }}
ledger: {{ durability: {durability}, {ledger} }}
telemetry: {{ log_level: warn }}
{limits}
"""
# Nobody comes near it, but every exchange has to be granted by it. While Redis is away a gateway goes on
# with its part of what was left.
LIMITS = """
budgets:
  house: {{ window: month, limit: {{ usd: "1000000" }} }}
limits: {{ keeper: redis, url: "{url}", when_unreachable: local }}
"""


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--kills", type=int, default=5)
    arguments.add_argument("--callers", type=int, default=24)
    arguments.add_argument("--seed", type=int, default=None)
    arguments.add_argument("--postgres", action="store_true", help="keep the books there, and kill it too")
    arguments.add_argument("--redis", action="store_true", help="keep a budget there, and kill it too")
    arguments.add_argument("--durability", default="before_answer")
    given = arguments.parse_args()
    seed = given.seed if given.seed is not None else time.time_ns() % 1_000_000
    print(f"seed {seed}: {given.kills} kills, {given.callers} callers", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(crash(Path(folder), given, random.Random(seed)))


async def crash(folder: Path, given: argparse.Namespace, dice: random.Random) -> int:
    upstream = Upstream(random.Random(dice.random()))
    port = await upstream.start()
    database = Database(folder / "database") if given.postgres else None
    sums = Sums(folder / "sums") if given.redis else None
    books = f'store: postgres, url: "{database.url}", ' if database else ""
    configuration = CONFIGURATION.format(
        port=port, ledger=books + "path: isthmus.db", durability=given.durability,
        limits=LIMITS.format(url=sums.url) if sums else "",
    )
    gateway = Gateway(folder, configuration)
    callers = Callers(gateway.port, given.callers, random.Random(dice.random()))
    await asyncio.to_thread(gateway.__enter__)
    working = callers.start()
    for kill in range(given.kills):
        await asyncio.sleep(dice.uniform(0.15, 1.2))
        if database and dice.random() < 0.5:
            # Away for a while under load; calls go on, and what they cost waits in the journal.
            database.kill()
            await asyncio.sleep(dice.uniform(0.1, 1.5))
            await asyncio.to_thread(database.start)
        if sums and dice.random() < 0.4:
            # It comes back as another one, which grants nothing until all have told it their sums.
            sums.kill()
            await asyncio.sleep(dice.uniform(0.1, 1.0))
            await asyncio.to_thread(sums.start)
            await asyncio.sleep(dice.uniform(0, 4))
        gateway.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(gateway.process.wait)
        await asyncio.to_thread(gateway.__enter__)
        if (kill + 1) % 10 == 0:
            print(f"{kill + 1} kills, {len(callers.told)} exchanges begun", flush=True)
    await asyncio.sleep(0.5)
    await callers.stop(working)
    gateway.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(gateway.process.wait)
    try:
        return judge(gateway, upstream, callers, given.durability)
    finally:
        for server in filter(None, [database, sums]):
            server.kill()


def judge(gateway: Gateway, upstream: Upstream, callers: Callers, durability: str) -> int:
    entries = [json.loads(line) for line in run(gateway, "ledger", "entries").splitlines()]
    verified = json.loads(run(gateway, "ledger", "verify", "--json"))
    settled, held = defaultdict(list), set()
    for entry in entries:
        if entry["entry"] == "settled":
            settled[entry["request_id"]].append(entry)
        elif entry["entry"] == "hold":
            held.add(entry["request_id"])
    wrong = list(verified["findings"])
    if verified["open"]:
        wrong.append(f"{verified['open']} holds are open after the end")
    for name, told in callers.told.items():
        wrong.extend(fault(name, told, settled[name], upstream))
    unseen = [name for name in upstream.served if name not in held]
    if durability == "before_dispatch":
        wrong.extend(f"{name}: the upstream served it, and nothing was held" for name in unseen)
    kinds = defaultdict(int)
    for told in callers.told.values():
        kinds[told.how()] += 1
    if not kinds["whole"]:
        wrong.append("no exchange came whole, so nothing was tried")
    outcomes = defaultdict(int)
    for entries in settled.values():
        for entry in entries:
            outcomes[json.dumps(entry["outcome"])] += 1
    print(f"callers: {dict(kinds)}")
    print(f"ledger: {dict(outcomes)}; {verified['settled']} settled, ${verified['cost_usd']}")
    print(f"served in the milliseconds before a crash, and seen by nobody: {len(unseen)}")
    for line in wrong[:40]:
        print("WRONG", line)
    print("nothing is missing, nothing is doubled" if not wrong else f"{len(wrong)} faults")
    return 1 if wrong else 0


def fault(name, told, settlements, upstream):
    """What does not fit of one exchange."""
    if len(settlements) > 1:
        yield f"{name}: settled {len(settlements)} times"
    if told.began and not settlements:
        yield f"{name}: its answer began to reach the caller, and nothing is settled"
    if not told.whole or not settlements:
        return
    entry = settlements[0]
    if entry["outcome"] != "answered":
        yield f"{name}: the caller has all of it, the ledger says {entry['outcome']}"
        return
    answering = [line for line in entry["lines"] if line.get("counts")]
    usage = answering[0]["usage"]
    truth = upstream.reported[name]
    ours = (usage.get("uncached_input", 0) + usage.get("cache_read", 0), usage.get("text_output", 0))
    if ours not in truth:
        yield f"{name}: {ours} tokens in the ledger, the upstream reported {truth}"
    if usage["source"] != "reported":
        yield f"{name}: complete, and yet estimated"


def run(gateway: Gateway, *arguments: str) -> str:
    done = gateway.run(*arguments)
    if done.returncode != 0 and "verify" not in arguments:
        raise SystemExit(f"isthmus {' '.join(arguments)}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
