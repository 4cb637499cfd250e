"""What came out, for people: vendor by check, then the failures, alike ones together."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from simulator import SOFT


@dataclass
class Phase:
    """One client, one way of cutting the answers, many recordings."""

    name: str
    rows: list[dict]
    """As the kit's acceptance script writes them: `id`, `vendor`, `checks` and `pass`."""
    violations: list[dict] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def hard_violations(self) -> list[dict]:
        return [violation for violation in self.violations if violation["kind"] not in SOFT]

    @property
    def failed(self) -> bool:
        return not all(row["pass"] for row in self.rows) or bool(self.hard_violations)


def verdict(phase: Phase) -> str:
    """One line."""
    objections = f", {n} objections of the simulator" if (n := len(phase.hard_violations)) else ""
    mark = "FAILED" if phase.failed else "ok"
    return f"{mark:6} {phase.name}: {_share(row['pass'] for row in phase.rows)}{objections}"


def table(phase: Phase) -> str:
    """A line for each vendor: how many recordings came through, and which checks did not hold."""
    lines = [f"{phase.name}: {_share(row['pass'] for row in phase.rows)} in {phase.seconds:.0f} s"]
    by_vendor = defaultdict(list)
    for row in phase.rows:
        by_vendor[row["vendor"]].append(row)
    for vendor, rows in sorted(by_vendor.items()):
        marks = defaultdict(list)
        for row in rows:
            for check, result in row["checks"].items():
                if result is not None:
                    marks[check].append(result is True)
        checks = "  ".join(f"{check} {_share(results)}" for check, results in sorted(marks.items()))
        lines.append(f"  {vendor:10} {_share(row['pass'] for row in rows):>9}   {checks}")
    soft = Counter(violation["kind"] for violation in phase.violations if violation["kind"] in SOFT)
    if soft:
        lines.append(
            "  noted by the simulator: " + ", ".join(f"{n} × {kind}" for kind, n in soft.items())
        )
    return "\n".join(lines)


def failures(phase: Phase, optional: bool = False, examples: int = 3) -> str:
    """Failed checks, those with the same reason in one line; `optional` ones only if asked for."""
    groups = defaultdict(list)
    for row in phase.rows:
        for check, result in row["checks"].items():
            if result not in (True, None) and check.startswith("opt_") == optional:
                groups[row["vendor"], check, _kind_of(str(result))].append((row["id"], str(result)))
    for violation in [] if optional else phase.hard_violations:
        what = f"{violation.get('path', '')} {violation['msg']}".strip()
        groups[violation["vendor"], f"violation {violation['kind']}", _kind_of(what)].append(
            (violation["rec"], f"{what} ({violation['url']})")
        )
    lines = []
    for (vendor, check, _), cases in sorted(
        groups.items(), key=lambda item: (item[0][0], -len(item[1]))
    ):
        lines.append(f"  {vendor} {check}, {len(cases)} ×: {cases[0][1][:300]}")
        lines.append("      " + " ".join(str(id) for id, _ in cases[:examples]))
    return "\n".join(lines)


def _kind_of(reason: str) -> str:
    """A reason without its particulars: quoted texts, identifiers and numbers."""
    reason = re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\[.*\]", "…", reason)
    return re.sub(r"\S*\d\S*", "#", reason)[:120]


def _share(marks) -> str:
    marks = list(marks)
    return f"{sum(marks)}/{len(marks)}"
