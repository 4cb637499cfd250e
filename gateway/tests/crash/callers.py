"""Callers who go on through every crash, and remember what they were told."""

import asyncio
import json
from dataclasses import dataclass


@dataclass
class Told:
    """What a caller was told of one exchange."""

    began: bool = False
    whole: bool = False
    refused: bool = False

    def how(self) -> str:
        if self.whole:
            return "whole"
        if self.began:
            return "begun"
        return "refused" if self.refused else "nothing"


class Callers:
    def __init__(self, port: int, count: int, dice):
        self.port, self.count, self.dice = port, count, dice
        self.told: dict[str, Told] = {}
        self.stopping = False

    def start(self):
        return [asyncio.create_task(self.work(number)) for number in range(self.count)]

    async def stop(self, working):
        self.stopping = True
        await asyncio.gather(*working)

    async def work(self, number: int):
        count = 0
        while not self.stopping:
            count += 1
            name = f"caller-{number}-{count}"
            self.told[name] = Told()
            try:
                await self.ask(name, self.told[name])
            except (ConnectionError, asyncio.IncompleteReadError, OSError):
                # The gateway is being restarted.
                await asyncio.sleep(0.05)

    async def ask(self, name: str, told: Told):
        streams, leaves = self.dice.random() < 0.6, self.dice.random() < 0.05
        body = json.dumps({
            "model": "raced" if self.dice.random() < 0.3 else "chat",
            "stream": streams,
            "max_tokens": 64,
            "messages": [{"role": "user", "content": f"{name} " + "x" * self.dice.randint(0, 2000)}],
        }).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
                b"content-type: application/json\r\nx-request-id: %s\r\ncontent-length: %d\r\n\r\n%s"
                % (name.encode(), len(body), body)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ")[1])
            if status != 200:
                told.refused = True
                return
            if not streams:
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                first = await reader.read(length)
                told.began = bool(first)
                await reader.readexactly(length - len(first))
                told.whole = True
                return
            while data := await reader.read(65536):
                told.began = True
                if b"data: [DONE]" in data:
                    told.whole = True
                if leaves:
                    return
        finally:
            writer.close()
