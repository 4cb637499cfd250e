"""A real Bittensor axon (bittensor==10.5.0) without a chain, for the tests of our dendrite.

It picks a free port, prints `READY <port>`, and ends when its standard input does, so that it never
outlives the test that started it. Keys are Substrate's well-known development keys; the axon's hotkey
is //Bob.
"""

import json
import os
import socket
import sys
import threading
import time
from typing import Any, ClassVar, Dict, List, Optional, Tuple

from bittensor.core.axon import Axon
from bittensor.core.stream import StreamingSynapse
from bittensor.core.synapse import Synapse
from bittensor_wallet import Keypair


class Plain(Synapse):
    """Hashes nothing."""

    messages: List[Dict[str, Any]]
    answer: Optional[str] = None


class Hashed(Synapse):
    """Hashes every kind of value."""

    roles: List[str]
    contents: List[str]
    model: str
    temperature: float = 0.7
    seed: Optional[int] = None
    flag: bool = True
    extra: Dict[str, Any] = {}
    answer: Optional[str] = None
    tokens: int = 0
    required_hash_fields: ClassVar[tuple] = (
        "roles", "contents", "model", "temperature", "seed", "flag", "extra",
    )


class Streamed(StreamingSynapse):
    """Answers in raw pieces; breaks off after the first where it is told to."""

    messages: List[Dict[str, Any]]
    required_hash_fields: ClassVar[tuple] = ("messages",)

    async def process_streaming_response(self, response):
        yield response

    def extract_response_json(self, response) -> dict:
        return {}

    def deserialize(self):
        return self


class Blocked(Synapse):
    messages: List[Dict[str, Any]]


class Boom(Synapse):
    messages: List[Dict[str, Any]]


class DevWallet:
    """All that an axon wants of a wallet."""

    hotkey = Keypair.create_from_uri("//Bob")
    coldkeypub = Keypair.create_from_uri("//Charlie")


def plain(synapse: Plain) -> Plain:
    seen = {
        "messages": synapse.messages,
        "caller": synapse.dendrite.hotkey,
        "called": synapse.axon.hotkey,
        "timeout": synapse.timeout,
    }
    synapse.answer = json.dumps(seen)
    return synapse


def hashed(synapse: Hashed) -> Hashed:
    names = ("roles", "contents", "model", "temperature", "seed", "flag", "extra")
    synapse.answer = json.dumps({name: getattr(synapse, name) for name in names})
    synapse.tokens = 7
    return synapse


def streamed(synapse: Streamed) -> StreamingSynapse.BTStreamingResponse:
    breaks = "break" in synapse.messages[-1]["content"]

    async def token_streamer(send):
        # The second and third piece have half a character each.
        for piece in (b"Hel", b"lo w\xc3", b"\xb6rld"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            if breaks:
                raise RuntimeError("broke off")

    return synapse.create_streaming_response(token_streamer)


def blocked(synapse: Blocked) -> Blocked:
    return synapse


def blacklist(synapse: Blocked) -> Tuple[bool, str]:
    return True, "not a registered hotkey"


def boom(synapse: Boom) -> Boom:
    raise RuntimeError("boom")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_listening(port: int):
    """`start` returns before the axon listens."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)


def end_with_standard_input():
    sys.stdin.read()
    os._exit(0)


def main():
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    port = free_port()
    axon = Axon(
        wallet=DevWallet(), port=port, ip="127.0.0.1", external_ip="127.0.0.1", external_port=port
    )
    for forward in (plain, hashed, streamed, boom):
        axon.attach(forward_fn=forward)
    axon.attach(forward_fn=blocked, blacklist_fn=blacklist)
    axon.start()
    await_listening(port)
    print("READY", port, flush=True)
    # Nobody reads on, and what the axon logs would meet a closed pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    threading.Event().wait()


if __name__ == "__main__":
    main()
