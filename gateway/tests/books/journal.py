"""A ledger of the test's own: its journal is written by hand, and the program posts it to the books."""

import hashlib
import json
import os
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(os.environ.get("ISTHMUS", ROOT / "target/release/isthmus"))

CONFIGURATION = """
version: 1
ledger: { store: sqlite, path: isthmus.db }
tenancy: { organisation: { name: Acme } }
providers:
  openai: { kind: openai, api_key: sk-x }
  claude: { kind: anthropic, api_key: x }
  akash: { kind: akash, api_key: x }
endpoints:
  mini: { provider: openai, model: gpt-5-mini, facts: { operator: OpenAI, processing_regions: [US] } }
  sonnet: { provider: claude, model: claude-sonnet-4-5, facts: { operator: Anthropic } }
  gpu:
    provider: akash
    model: llama
    price: { lease_usd_per_hour: "1.89", capacity_tokens_per_second: 100 }
models: { chat: { endpoints: [mini, sonnet, gpu] } }
budgets:
  support: { of: { team: support }, window: month, limit: { usd: "20.00" } }
  everybody: { window: month, limit: { usd: "30.00" } }
"""
# Hundredths of a dollar for a million tokens of input and of output.
PRICES = {"mini": (25, 200), "sonnet": (300, 1500), "gpu": (0, 0)}
OF = {
    "mini": ("openai", "gpt-5-mini"),
    "sonnet": ("claude", "claude-sonnet-4-5"),
    "gpu": ("akash", "llama"),
}


@dataclass
class Exchange:
    """One that was answered at the first try."""

    at: datetime
    team: str
    endpoint: str
    input: int
    output: int
    estimated: bool = False
    feature: str = "summary"


class House:
    """A folder with a configuration and a ledger."""

    def __init__(self, folder: Path, exchanges: list[Exchange]):
        self.folder = folder
        (folder / "isthmus.yaml").write_text(CONFIGURATION)
        # The ledger must be there before anything can be posted to it.
        self.said("keys", "create", "--name", "unused")
        self.keep_prices()
        entries = [entry for number, exchange in enumerate(exchanges) for entry in told(number, exchange)]
        self.write(entries)

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.folder, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60,
        )

    def said(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def keep_prices(self) -> None:
        """Their versions, as a gateway keeps them when it starts."""
        with closing(sqlite3.connect(self.folder / "isthmus.db")) as books, books:
            for name, rates in PRICES.items():
                rates = {of: f"{rate / 100:.2f}" for of, rate in zip(("input", "output"), rates)}
                body = {"price": rates, "currency": "USD", "source": "configuration"}
                books.execute("INSERT INTO prices (id, body) VALUES (?, ?)", (name, json.dumps(body)))

    def write(self, entries: list[dict]) -> None:
        """The journal of a gateway that ended before it had posted anything; see `segments.rs`."""
        journal = self.folder / "isthmus.journal-0"
        journal.mkdir()
        head = bytes(32)
        lines = [f"isthmus-journal 1 {'ab' * 8} 0 {head.hex()}"]
        for number, entry in enumerate(entries, 1):
            body = json.dumps(entry, separators=(",", ":"))
            head = hashlib.sha256(head + number.to_bytes(8, "big") + body.encode()).digest()
            lines.append(f"{number} {head.hex()} {body}")
        (journal / f"{0:020}.log").write_text("\n".join(lines) + "\n")


def told(number: int, exchange: Exchange) -> list[dict]:
    """Its hold and its settlement."""
    at = int(exchange.at.timestamp() * 1000)
    provider, model = OF[exchange.endpoint]
    usage = {"uncached_input": exchange.input, "text_output": exchange.output}
    usage["source"] = "estimated" if exchange.estimated else "reported"
    per_input, per_output = PRICES[exchange.endpoint]
    # A hundredth of a dollar for a million tokens is ten thousand pico-dollars for one.
    pico = (per_input * exchange.input + per_output * exchange.output) * 10_000
    cost = f"{pico // 10**12}.{pico % 10**12:012}"
    shared = {
        "exchange": f"{at:012x}{number:020x}",
        "at": at,
        "request_id": f"req-{number}",
        "about": {
            "organisation": "Acme", "team": exchange.team, "app": "desk", "model": "chat",
            "tags": {"feature": exchange.feature}, "data_class": "internal", "policy": "",
        },
    }
    at_endpoint = {"endpoint": exchange.endpoint, "provider": provider, "upstream_model": model}
    line = {
        "number": 1, **at_endpoint, "reason": "first", "fate": "answered", "counts": True,
        "usage": usage, "price": "lease" if exchange.endpoint == "gpu" else exchange.endpoint,
        "cost": cost, "began": at - 900, "first_output_ms": 300, "took_ms": 900,
    }
    dear = f"{pico * 2 // 10**12}.{pico * 2 % 10**12:012}"
    options = {"cheapest_allowed": cost, "cheapest": cost, "baseline": dear}
    return [
        {"entry": "hold", **shared, "amount": cost, "expected": usage, **at_endpoint},
        {
            "entry": "settled", **shared, "outcome": "answered", "lines": [line],
            "options": options, "cache": "off",
        },
    ]


def month(until: datetime, days: int = 30) -> list[Exchange]:
    """Exchanges of some teams over some days, always the same ones."""
    teams = ["support", "sales", "research", "platform engineering", "legal", "finance", "marketing"]
    exchanges = []
    for day in range(days):
        at = until - timedelta(days=days - 1 - day)
        for place, team in enumerate(teams):
            for endpoint in ("mini", "sonnet", "gpu")[: 1 + (day + place) % 3]:
                tokens = 20_000 + 7_919 * ((day * 31 + place * 17) % 23)
                exchanges.append(Exchange(
                    at - timedelta(minutes=place), team, endpoint, tokens, tokens // 7,
                    estimated=(day + place) % 9 == 0, feature="" if place == 6 else "summary",
                ))
    return exchanges
