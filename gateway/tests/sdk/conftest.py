"""One gateway with the embedded model and a scripted upstream for the whole run."""

import pytest
from openai import OpenAI

from gateway import MODEL, Gateway
from upstream import Upstream

CONFIGURATION = """
version: 1
providers:
  local: {{ kind: embedded, model_path: {model}, threads: 1, slots: 8, queue: 256 }}
  scripted: {{ kind: openai-compatible, base_url: "{upstream}", api_key: sk-house-secret }}
  nowhere: {{ kind: openai-compatible, base_url: "http://127.0.0.1:9/v1", api_key: sk-x }}
endpoints:
  smollm: {{ provider: local, model: smollm2-135m-instruct }}
  echo: {{ provider: scripted, model: echo, price: {{ input: "1", output: "2" }} }}
  broken: {{ provider: scripted, model: status-500 }}
  unreachable: {{ provider: nowhere, model: any }}
  stalled:
    provider: scripted
    model: stall
    timeouts: {{ total: 300ms }}
models:
  chat: {{ endpoints: [smollm] }}
  priced: {{ endpoints: [echo] }}
  fallback: {{ endpoints: [broken, stalled, unreachable, echo], retry: {{ attempts: 1 }} }}
  no-fallback: {{ endpoints: [broken, echo], fallback: false, retry: {{ attempts: 1 }} }}
  slow: {{ endpoints: [stalled], retry: {{ attempts: 1 }} }}
"""


@pytest.fixture(scope="session")
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory, upstream):
    configuration = CONFIGURATION.format(model=MODEL, upstream=upstream.base_url)
    with Gateway(tmp_path_factory.mktemp("gateway"), configuration) as running:
        yield running


@pytest.fixture
def client(gateway) -> OpenAI:
    return OpenAI(base_url=gateway.base_url, api_key="anyone", max_retries=0, timeout=120)
