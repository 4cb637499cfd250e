"""Exports in FOCUS 1.2 under the FinOps Foundation's own validator. Our own checker is stricter with
money; this one knows the words of the specification."""

import os
import re
import subprocess
import sys
import sysconfig
from datetime import datetime, timezone
from pathlib import Path

import pytest

from journal import House, month

# What an exporter like this one supports: everything but zones and capacity reservations.
SUPPORTED = ",".join(f"{name}_SUPPORTED" for name in [
    "ACCOUNT_NAMING", "COMMITMENT_DISCOUNT", "MULTIPLE_PRICING_CATEGORIES",
    "MULTIPLE_SUB_ACCOUNT_TYPES", "MULTIPLE_BILLING_ACCOUNT_TYPES", "NEGOTIATED_PRICING",
    "PUBLIC_PRICE_LIST", "USAGE_MEASUREMENT", "UNIT_PRICING", "SUB_ACCOUNT",
    "BILLING_BASED_ON_PROVISIONED_RESOURCES", "RESOURCE_TYPE_ASSIGNMENT",
    "PRICING_BILLING_CURRENCY_DIFFERENCES", "VIRTUAL_CURRENCY", "REGION", "TAGGING",
])

# Rules that fail, and why that is right; docs/focus.md says more.
KNOWN = {
    "InvoiceId-C-005-C",  # for charges on an invoice, and the validator applies it to all
    "CommitmentDiscountStatus-C-004-C",  # applied where there is no commitment, against its own text
    "CommitmentDiscountStatus-C-002-C",  # made of the one above,
    "CommitmentDiscountStatus-C-000-C",  # and of this one
}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Ten days with a lease, estimates, and corrections of a price that was wrong."""
    house = House(tmp_path_factory.mktemp("house"), month(datetime.now(timezone.utc), 10))
    file = house.folder / "isthmus.yaml"
    dearer = 'model: gpt-5-mini, price: { input: "0.30", output: "2.40" },'
    file.write_text(file.read_text().replace("model: gpt-5-mini,", dearer))
    assert "Corrected" in house.said("catalogue", "reprice", "--from", "11d", "--provider", "openai", "--yes")
    return house


def failed(file: Path) -> tuple[set[str], int]:
    """The rules that do not hold, and how many do."""
    library = Path(sysconfig.get_path("purelib"))
    done = subprocess.run(
        [
            Path(sys.executable).parent / "focus-validator", "--data-file", file,
            "--validate-version", "1.2", "--block-download", "--applicability-criteria", SUPPORTED,
        ],
        # It opens the list of currencies by a path from where it lies.
        cwd=library, env=os.environ | {"PYTHONUTF8": "1"}, capture_output=True, text=True, timeout=300,
    )
    told = re.search(r"Total: (\d+) \| Pass: (\d+) \| Fail: (\d+)", done.stdout)
    assert told, done.stdout[-2000:] + done.stderr[-2000:]
    broken = set(re.findall(r"^\S+ (\S+): FAIL ", done.stdout, re.M))
    assert len(broken) == int(told[3]), done.stdout[-4000:]
    return broken, int(told[2])


@pytest.mark.parametrize("form, more", [("csv", []), ("parquet", []), ("csv", ["--per-request"])])
def test_what_fails_is_what_is_known(house, form, more):
    name = f"focus.{form}"
    house.said("export", "focus", "--version", "1.2", "--format", form, "--from", "11d", "--output", name, *more)
    assert "keeps the rules" in house.said("export", "focus", "--check", name)
    broken, held = failed(house.folder / name)
    assert broken == KNOWN
    assert held > 300


def test_it_finds_what_is_wrong(house):
    house.said("export", "focus", "--version", "1.2", "--from", "11d", "--output", "wrong.csv")
    file = house.folder / "wrong.csv"
    file.write_text(file.read_text().replace(",USD,", ",Dollars,"))
    broken, _ = failed(file)
    assert any(rule.startswith("BillingCurrency-") for rule in broken), broken
