"""Starting and stopping: what an operator meets."""

import socket
import threading
import time

import pytest
from openai import OpenAI

from gateway import MODEL, Gateway

ONE_UPSTREAM = """
version: 1
{server}
providers:
  scripted: {{ kind: openai-compatible, base_url: "{upstream}", api_key: sk-x }}
endpoints:
  endless: {{ provider: scripted, model: endless }}
  echo: {{ provider: scripted, model: echo }}
models:
  endless: {{ endpoints: [endless] }}
  chat: {{ endpoints: [echo] }}
"""


def configuration(upstream, server: str = "") -> str:
    return ONE_UPSTREAM.format(upstream=upstream.base_url, server=server)


def test_a_stop_lets_streams_finish_and_takes_no_more(tmp_path, upstream):
    with Gateway(tmp_path, configuration(upstream)) as gateway:
        client = OpenAI(base_url=gateway.base_url, api_key="x", max_retries=0)
        stream = iter(client.chat.completions.create(
            model="scripted/slow-200", messages=[{"role": "user", "content": "x"}], stream=True,
        ))
        next(stream)
        stopped = threading.Thread(target=gateway.stop)
        stopped.start()
        gateway.wait_for(lambda: refuses(gateway), "a closed door")
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert text.endswith("199 "), "the stream went on to its end"
        stopped.join(timeout=20)
        assert gateway.process.returncode == 0
        assert "answered" in gateway.log() and "caller left" not in gateway.log()


def test_a_stop_waits_no_longer_than_it_was_told(tmp_path, upstream):
    server = "server: { drain_timeout: 500ms }"
    with Gateway(tmp_path, configuration(upstream, server)) as gateway:
        client = OpenAI(base_url=gateway.base_url, api_key="x", max_retries=0)
        stream = iter(client.chat.completions.create(
            model="endless", messages=[{"role": "user", "content": "x"}], stream=True,
        ))
        next(stream)
        began = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - began < 10
        assert "caller left" in gateway.log(), "what was cut is settled all the same"


def refuses(gateway: Gateway) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", gateway.port)) != 0


def test_a_taken_port_is_named(tmp_path, upstream):
    gateway = Gateway(tmp_path, configuration(upstream))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", gateway.port))
        taken.listen()
        failed = gateway.run("serve")
    assert failed.returncode == 1
    assert str(gateway.port) in failed.stderr and "ISTHMUS_LISTEN" in failed.stderr


def test_a_missing_model_is_named(tmp_path):
    failed = Gateway(tmp_path, """
version: 1
providers: { local: { kind: embedded, model_path: nowhere.gguf } }
models: { chat: { endpoints: [local/any] } }
""").run("serve")
    assert failed.returncode == 1 and "nowhere.gguf" in failed.stderr


def test_an_open_door_to_the_world_is_refused(tmp_path, upstream):
    gateway = Gateway(tmp_path, configuration(upstream, "server: { admin_token: t }"))
    gateway.environment["ISTHMUS_LISTEN"] = f"0.0.0.0:{gateway.port}"
    failed = gateway.run("serve")
    assert failed.returncode == 1 and "keys create" in failed.stderr


def test_every_complaint_is_told_at_once_with_its_line(tmp_path):
    failed = Gateway(tmp_path, """version: 1
providers:
  a: { kind: opnai }
models:
  chat: { endpoint: [x] }
""").run("check")
    assert failed.returncode == 1
    assert "isthmus.yaml:3:" in failed.stderr and "isthmus.yaml:5:" in failed.stderr
    assert "openai" in failed.stderr and "endpoints" in failed.stderr


def test_without_a_file_the_embedded_model_answers_by_name(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / MODEL.name).symlink_to(MODEL)
    gateway = Gateway(tmp_path, "")
    gateway.file.unlink()
    with gateway:
        client = OpenAI(base_url=gateway.base_url, api_key="x")
        answer = client.chat.completions.create(
            model="chat", messages=[{"role": "user", "content": "Say hello."}], max_tokens=4,
        )
        assert answer.usage.completion_tokens > 0
        assert "OPEN" in gateway.log()


@pytest.mark.parametrize("command", [[], ["serve"], ["check"], ["keys"], ["keys", "create"], ["models"], ["doctor"]])
def test_help_teaches(tmp_path, command):
    told = Gateway(tmp_path, "").run(*command, "--help")
    assert told.returncode == 0 and "isthmus" in told.stdout.lower()
