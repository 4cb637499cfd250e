"""Two gateways on one PostgreSQL: what is done with a key at one holds at the other within a second."""

import sys
import tempfile
from pathlib import Path

import openai
import pytest
from openai import OpenAI

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "crash"))

from database import Database  # noqa: E402
from gateway import Gateway  # noqa: E402

CONFIGURATION = """
version: 1
providers:
  scripted: {{ kind: openai-compatible, base_url: "{upstream}", api_key: sk-house-secret }}
endpoints:
  echo: {{ provider: scripted, model: echo }}
models:
  chat: {{ endpoints: [echo] }}
ledger: {{ store: postgres, url: "{database}", path: isthmus.db }}
"""


@pytest.fixture
def pair(tmp_path, upstream):
    """Each has a folder of its own, and with it a journal and a keyring."""
    # Not in `tmp_path`, whose parents let nobody but their owner pass: the server runs as another.
    with tempfile.TemporaryDirectory() as place:
        database = Database(Path(place) / "database")
        configuration = CONFIGURATION.format(upstream=upstream.base_url, database=database.url)
        try:
            folders = [tmp_path / name for name in ("one", "other")]
            for folder in folders:
                folder.mkdir()
            yield [Gateway(folder, configuration) for folder in folders]
        finally:
            database.kill()


def opens(gateway: Gateway, key: str) -> bool:
    client = OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0)
    try:
        return bool(client.chat.completions.create(
            model="chat", messages=[{"role": "user", "content": "hello"}],
        ).choices)
    except openai.AuthenticationError as error:
        assert error.code == "invalid_api_key"
        return False


def test_a_key_is_made_and_revoked_for_both(pair):
    one, other = pair
    first = one.create_key("--name", "first")
    with one, other:
        assert opens(one, first) and opens(other, first)
        second = one.create_key("--name", "second")
        other.wait_for(lambda: opens(other, second), "a key that was made at the other", seconds=1)
        assert one.run("keys", "revoke", "first").returncode == 0
        other.wait_for(lambda: not opens(other, first), "the revocation at the other", seconds=1)
        one.wait_for(lambda: not opens(one, first), "the revocation", seconds=1)
        assert opens(one, second) and opens(other, second), "only that one is revoked"
