"""What a request costs changes while the gateway is at work."""

from datetime import datetime, timezone

from openai import OpenAI

from gateway import Gateway

TWO_CURRENCIES = """
version: 1
providers:
  scripted: {{ kind: openai-compatible, base_url: "{upstream}", api_key: sk-x }}
endpoints:
  coin: {{ provider: scripted, model: echo, price: {{ currency: TAO, input: "0.001", output: "0.001" }} }}
  dollar: {{ provider: scripted, model: echo, price: {{ input: "1", output: "1" }} }}
models:
  chat: {{ endpoints: [coin, dollar], objective: cheapest }}
  coins: {{ endpoints: [coin] }}
ledger:
  fx_max_age: 10s
  fx:
    - {{ pair: TAO/USD, rate: "400", source: "https://example.org", observed_at: {now}, method: spot }}
"""


def test_a_rate_of_exchange_that_grows_too_old_tells_no_price_any_more(tmp_path, upstream):
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    configuration = TWO_CURRENCIES.format(upstream=upstream.base_url, now=now)
    with Gateway(tmp_path, configuration) as gateway:
        client = OpenAI(base_url=gateway.base_url, api_key="x", max_retries=0)

        def ask(model: str) -> tuple[str, str | None]:
            answer = client.chat.completions.with_raw_response.create(
                model=model, messages=[{"role": "user", "content": "x"}],
            )
            return answer.headers["x-isthmus-endpoint"], answer.headers.get("x-isthmus-cost-usd")

        # Of two who are strangers yet, the dearer is asked now and then, to learn how it fares.
        assert ask("coins") == ("coin", "0.000004"), "ten tokens at 0.4 dollars a million"
        assert gateway.metric("isthmus_endpoint_priced") == 2
        gateway.wait_for(lambda: gateway.metric("isthmus_endpoint_priced") == 1, "a stale rate")
        assert ask("chat") == ("dollar", "0.00001"), "the other comes last by cost"
        assert ask("coins") == ("coin", None), "nobody knows what it costs"
        assert "has no price in dollars any more" in gateway.log()
