"""What each recording means, read once by its vendor's own SDK and kept in the kit's cache.

The kit would read them one after another when first needed; this uses every core, and reads the
files that each new SDK client opens (certificates, AWS's service model) once.
"""

import hashlib
import json
import ssl
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from os import cpu_count

import kit

CACHE = kit.HOME / ".cache/expected.json"
STAMP = kit.HOME / ".cache/made-by"


@cache
def expected() -> dict[str, dict]:
    """The outcome that an OpenAI client must see, by recording."""
    known = _known()
    missing = [id for id in kit.targets() if id not in known]
    if missing:
        # Dealt like cards: neighbours are of one vendor, and vendors differ in cost.
        hands = [missing[start :: 4 * cpu_count()] for start in range(4 * cpu_count())]
        with ProcessPoolExecutor(initializer=_share_files) as readers:
            for read in readers.map(_read, hands):
                known |= read
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        CACHE.write_text(json.dumps(known))
        STAMP.write_text(_maker())
    return known


def _known() -> dict[str, dict]:
    if CACHE.exists() and STAMP.exists() and STAMP.read_text() == _maker():
        return json.loads(CACHE.read_text())
    return {}


def _maker() -> str:
    """Whatever could make the reading come out differently."""
    readers = [kit.HOME / "oracle.py", kit.ROOT / "requirements-kit.txt"]
    digest = hashlib.sha256()
    for file in readers + sorted(kit.SOURCE.glob("recordings/*/*.json")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _read(ids: list[str]) -> dict[str, dict]:
    import oracle

    def outcome(recording: dict) -> dict:
        try:
            return oracle.expect(recording)
        except Exception as error:  # The kit's own rule: an unreadable recording is not compared.
            return {"kind": "unparsed", "why": f"{type(error).__name__}: {str(error)[:200]}"}

    return {id: outcome(kit.recordings()[id]) for id in ids}


def _share_files() -> None:
    """In a reader process alone: nothing that it starts talks to a network."""
    import botocore.loaders

    kit.stage()
    ssl.create_default_context = cache(ssl.create_default_context)
    load = botocore.loaders.JSONFileLoader.load_file
    shared = cache(lambda path: load(botocore.loaders.JSONFileLoader(), path))
    botocore.loaders.JSONFileLoader.load_file = lambda _, path: shared(path)
