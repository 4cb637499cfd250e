"""An upstream that fails now and then, is slow now and then, and knows what it served."""

import asyncio
import json
from collections import defaultdict


class Upstream:
    def __init__(self, dice):
        self.dice = dice
        # By the caller's id of the exchange, which stands in the prompt: tokens given to each attempt,
        self.served = defaultdict(list)
        # and what was reported at the end of each that ended well.
        self.reported = defaultdict(set)

    async def start(self) -> int:
        self.server = await asyncio.start_server(self.connection, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def connection(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                headers = {
                    name.strip().lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head.decode().split("\r\n")[1:])
                }
                body = json.loads(await reader.readexactly(int(headers["content-length"])))
                await self.answer(body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, body, writer):
        name = body["messages"][-1]["content"].split()[0]
        fate = self.dice.random()
        if fate < 0.08:
            return self.whole(writer, 500, {"error": {"message": "down", "type": "server_error"}})
        await asyncio.sleep(self.dice.choice([0, 0.005, 0.02, 0.12]))
        tokens, cached = self.dice.randint(1, 40), self.dice.randint(0, 50)
        usage = {
            "prompt_tokens": 100, "completion_tokens": tokens, "total_tokens": 100 + tokens,
            "prompt_tokens_details": {"cached_tokens": cached},
        }
        if not body.get("stream"):
            self.served[name].append(tokens)
            self.reported[name].add((100, tokens))
            message = {"role": "assistant", "content": "w " * tokens}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return self.whole(writer, 200, {
                "id": "x", "object": "chat.completion", "created": 1, "model": "m",
                "choices": [choice], "usage": usage,
            })
        cut = self.dice.randint(0, tokens) if fate > 0.94 else None
        await self.stream(name, tokens, usage, cut, writer)

    async def stream(self, name, tokens, usage, cut, writer):
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        self.served[name].append(0)
        attempt = len(self.served[name]) - 1
        for number in range(tokens):
            if number == cut:
                writer.close()
                raise ConnectionError
            self.event(writer, [{"index": 0, "delta": {"content": "w "}}])
            self.served[name][attempt] += 1
            await writer.drain()
            if self.dice.random() < 0.3:
                await asyncio.sleep(0.004)
        self.reported[name].add((100, tokens))
        self.event(writer, [{"index": 0, "delta": {}, "finish_reason": "stop"}])
        self.event(writer, [], usage)
        self.chunk(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    def event(self, writer, choices, usage=None):
        event = {
            "id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices,
        }
        if usage:
            event["usage"] = usage
        self.chunk(writer, b"data: " + json.dumps(event).encode() + b"\n\n")

    @staticmethod
    def chunk(writer, data):
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))

    @staticmethod
    def whole(writer, status, body):
        data = json.dumps(body).encode()
        writer.write(
            b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
            % (status, len(data), data)
        )
