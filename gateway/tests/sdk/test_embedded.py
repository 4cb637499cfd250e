"""The official SDK against the model in the gateway's own process."""

import json
import math
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

HELLO = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]


def test_chat(client):
    answer = client.chat.completions.create(model="chat", messages=HELLO, temperature=0, max_tokens=24)
    assert "Paris" in answer.choices[0].message.content
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert 0 < answer.usage.completion_tokens <= 24


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_any_wish_a_plain_question_gets_a_plain_answer(client, seed):
    answer = client.chat.completions.create(model="chat", messages=HELLO, seed=seed, max_tokens=24)
    assert "Paris" in answer.choices[0].message.content


def test_a_stream_says_the_same_as_the_whole_answer(client):
    asked = dict(model="chat", messages=HELLO, temperature=0, max_tokens=24)
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert chunks[-1].isthmus["endpoint"] == "smollm"
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_without_include_usage_shows_none(client):
    chunks = list(client.chat.completions.create(model="chat", messages=HELLO, max_tokens=4, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_a_json_schema_is_obeyed(client):
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}, "population": {"type": "integer", "minimum": 0, "maximum": 99999999}},
        "required": ["city", "population"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="chat", messages=HELLO, temperature=0, max_tokens=80,
        response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": schema, "strict": True}},
    )
    value = json.loads(answer.choices[0].message.content)
    assert isinstance(value["city"], str) and isinstance(value["population"], int)


def test_a_required_tool_is_called_with_arguments_that_parse(client):
    tool = {"type": "function", "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]},
    }}
    answer = client.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": "Weather in Paris?"}],
        tools=[tool], tool_choice="required", temperature=0, max_tokens=80,
    )
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather"
    assert isinstance(json.loads(call.function.arguments)["city"], str)


def test_a_custom_tool_is_called_with_free_text(client):
    tool = {"type": "custom", "custom": {"name": "note", "description": "Writes down a short note."}}
    asked = dict(
        model="chat", messages=[{"role": "user", "content": "Note that it rains."}],
        tools=[tool], tool_choice="required", temperature=0, max_tokens=80,
    )
    call = client.chat.completions.create(**asked).choices[0].message.tool_calls[0]
    assert (call.type, call.custom.name) == ("custom", "note")
    assert not call.custom.input.lstrip().startswith("{")
    pieces = [
        piece
        for chunk in client.chat.completions.create(**asked, stream=True)
        for choice in chunk.choices
        for piece in choice.delta.tool_calls or []
    ]
    assert "".join(piece.custom["input"] for piece in pieces) == call.custom.input


def test_logprobs(client):
    answer = client.chat.completions.create(
        model="chat", messages=HELLO, temperature=0, max_tokens=8, logprobs=True, top_logprobs=3,
    )
    tokens = answer.choices[0].logprobs.content
    assert "".join(bytes(token.bytes).decode() for token in tokens) == answer.choices[0].message.content
    for token in tokens:
        assert len(token.top_logprobs) == 3
        assert math.isclose(token.logprob, token.top_logprobs[0].logprob), "greedy takes the likeliest"
        assert sum(math.exp(top.logprob) for top in token.top_logprobs) <= 1.001


def test_several_answers_and_a_stop_text(client):
    answer = client.chat.completions.create(
        model="chat", messages=HELLO, n=2, temperature=0.8, seed=1, max_tokens=12, stop=["France"],
    )
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all("France" not in choice.message.content for choice in answer.choices)


def test_the_same_seed_draws_the_same(client):
    def draw():
        return client.chat.completions.create(
            model="chat", messages=HELLO, temperature=1, seed=42, max_tokens=16,
        ).choices[0].message.content

    assert draw() == draw()


def test_legacy_completions(client):
    answer = client.completions.create(model="chat", prompt="The capital of France is", temperature=0, max_tokens=4)
    assert "Paris" in answer.choices[0].text
    chunks = list(client.completions.create(
        model="chat", prompt="The capital of France is", temperature=0, max_tokens=4, stream=True,
    ))
    assert "".join(chunk.choices[0].text for chunk in chunks) == answer.choices[0].text


def test_embeddings_are_refused_by_a_chat_model(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="chat", input="hello")
    assert "embedding" in refused.value.message


def test_a_prompt_beyond_the_window_is_a_clear_400(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "word " * 20_000}])
    assert refused.value.code == "context_length_exceeded"


def test_the_model_can_be_asked_for_by_its_provider(client):
    answer = client.chat.completions.with_raw_response.create(
        model="local/smollm2-135m-instruct", messages=HELLO, max_tokens=2,
    )
    assert answer.headers["x-isthmus-provider"] == "local"
    assert answer.headers["x-isthmus-cache"] == "off"
    assert int(answer.headers["x-isthmus-attempts"]) == 1
    assert int(answer.headers["x-isthmus-overhead-us"]) >= 0


def test_a_hundred_streams_complete_and_sum_to_the_usage_reported(client, gateway):
    tokens_before = gateway.metric("gen_ai_client_token_usage_sum")

    def stream(number: int) -> int:
        chunks = list(client.chat.completions.create(
            model="chat", messages=[{"role": "user", "content": f"Count to {number}."}],
            max_tokens=8, stream=True, stream_options={"include_usage": True},
        ))
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] in ("stop", "length")
        return chunks[-1].usage.total_tokens

    with ThreadPoolExecutor(100) as pool:
        reported = sum(pool.map(stream, range(100)))
    gateway.wait_for(
        lambda: gateway.metric("gen_ai_client_token_usage_sum") - tokens_before == reported, "the sum"
    )


def test_fifty_of_a_hundred_callers_leave_and_no_slot_stays_occupied(client, gateway):
    def stream(number: int) -> bool:
        leaves = number % 2 == 0
        answer = client.chat.completions.create(
            model="chat", messages=[{"role": "user", "content": f"Tell a story about {number}."}],
            max_tokens=400 if leaves else 8, stream=True,
        )
        if leaves:
            next(iter(answer))
            answer.close()
            return True
        return [chunk.choices[0].finish_reason for chunk in answer][-1] is not None

    with ThreadPoolExecutor(100) as pool:
        assert all(pool.map(stream, range(100)))
    gateway.wait_for(lambda: gateway.metric("isthmus_engine_slots_busy") == 0, "idle slots", 30)
    assert gateway.metric("isthmus_engine_queue") == 0
    assert gateway.metric("isthmus_requests_in_flight") == 0
