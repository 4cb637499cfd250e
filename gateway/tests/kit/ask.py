"""From a recorded request to the same question in Anthropic's and in OpenAI's Responses language.

The kit reads any vendor's request into a canonical form (`reverse.py`); what that form cannot hold
is asked with a plain message instead, as the kit does for OpenAI chat: the answer is compared all
the same, the question is not.
"""

import json

import reverse
import schemas

FULL, PLAIN, NATIVE = "full", "response_only", "native"
"""How a recording is asked for: its own question translated, a plain message, or its very words."""

# Anthropic demands a limit; a recording without one is asked with this.
MAX_TOKENS = 1024


def repeatable(recording: dict) -> bool:
    """Whether the recorded request may be sent again: the vendor took it, and it is within the
    vendor's published schema."""
    asked, taken = recording["request"], recording["response"]["status"] < 400
    names = (recording["vendor"], recording["api"], asked["path"], asked["headers"])
    return taken and not schemas.validate(*names, asked["body"], recording["model"])


def canonical(recording: dict) -> dict | None:
    """The recorded question, or `None` where the canonical form would lose something of it."""
    kind, _, mode, _ = reverse.plan(recording)
    if mode != "full" or kind != "chat":
        return None
    question = reverse.CANON[recording["vendor"]](recording["request"]["body"])
    parts = [part for _, turn in question["turns"] for part in turn]
    sayable = not question["why"] and all(map(_sayable, parts))
    begins = bool(question["turns"]) and question["turns"][0][0] == "user"
    return question if sayable and begins else None


def _sayable(part: tuple) -> bool:
    """Some vendors took calls whose arguments are no object."""
    return part[0] != "other" and (part[0] != "tool_call" or isinstance(part[3], dict))


def changed(recording: dict, sent: dict, added: set[str]) -> list[str]:
    """The aspects in which a sent request means something else than the recorded one; parameters
    in `added` were put in or left out by us."""
    vendor = recording["vendor"]
    asked, got = (reverse.digest(vendor, body) for body in (recording["request"]["body"], sent))
    for digest in (asked, got):
        for parameter in added:
            digest["params"].pop(parameter, None)
    return [aspect for aspect in asked if asked[aspect] != got[aspect]]


# === Anthropic Messages ===


def anthropic_plain() -> dict:
    return {"max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": "Say hello."}]}


def anthropic_request(question: dict) -> tuple[dict, set[str]]:
    """The arguments of `messages.create`, and the parameters that are not the recording's own."""
    params, added = question["params"], set()
    request = {"messages": [_anthropic_turn(role, parts) for role, parts in question["turns"]]}
    if params.get("max_tokens") is None:
        added.add("max_tokens")
    request["max_tokens"] = params.get("max_tokens") or MAX_TOKENS
    if system := question["system"].rstrip("\n"):
        request["system"] = system
    if question["tools"]:
        request["tools"] = [_anthropic_tool(name, tool) for name, tool in question["tools"].items()]
        if question["choice"]:
            request["tool_choice"] = _anthropic_choice(question["choice"])
    if question["schema"]:
        request["output_config"] = {"format": {"type": "json_schema", "schema": question["schema"]}}
    # Anthropic's scale ends at 1, OpenAI's and Google's at 2.
    if (params.get("temperature") or 0) > 1:
        added.add("temperature")
    if params.get("stop"):
        request["stop_sequences"] = params["stop"]
    # The SDK has no arguments for these any more; the API takes them for older models.
    sampling = {key: params.get(key) for key in ("temperature", "top_p") if key not in added}
    request["extra_body"] = {key: value for key, value in sampling.items() if value is not None}
    return request, added


def _anthropic_turn(role: str, parts: list) -> dict:
    # Results of tools come first in a turn, by Anthropic's rule.
    parts = sorted(parts, key=lambda part: part[0] != "tool_result")
    return {"role": role, "content": [_anthropic_block(part) for part in parts]}


def _anthropic_block(part: tuple) -> dict:
    match part:
        case ("text", text):
            return {"type": "text", "text": text}
        case ("image", {"url": url}):
            return {"type": "image", "source": {"type": "url", "url": url}}
        case ("image", image):
            source = {"type": "base64", "media_type": image["mime"], "data": image["data"]}
            return {"type": "image", "source": source}
        case ("tool_call", id, name, arguments):
            return {"type": "tool_use", "id": id, "name": name, "input": arguments}
        case ("tool_result", id, text):
            return {"type": "tool_result", "tool_use_id": id, "content": text}
    raise ValueError(f"no Anthropic block for {part[0]}")


def _anthropic_tool(name: str, tool: dict) -> dict:
    schema = tool["schema"] or {"type": "object", "properties": {}}
    optional = {key: tool[key] for key in ("description", "strict") if tool.get(key)}
    return {"name": name, "input_schema": schema} | optional


def _anthropic_choice(choice: str) -> dict:
    word = {"auto": "auto", "required": "any", "none": "none"}.get(choice)
    return {"type": word} if word else {"type": "tool", "name": choice}


# === OpenAI Responses ===


def responses_plain() -> dict:
    return {"input": "Say hello."}


def responses_request(question: dict) -> tuple[dict, set[str]]:
    """The arguments of `responses.create`, and the parameters that are not the recording's own."""
    params = question["params"]
    items = [item for role, parts in question["turns"] for item in _responses_items(role, parts)]
    request = {"input": items}
    if system := question["system"].rstrip("\n"):
        request["instructions"] = system
    if question["tools"]:
        request["tools"] = [_responses_tool(name, tool) for name, tool in question["tools"].items()]
        if choice := question["choice"]:
            named = {"type": "function", "name": choice}
            request["tool_choice"] = choice if choice in ("auto", "required", "none") else named
    if question["schema"]:
        form = {"type": "json_schema", "name": "out", "schema": question["schema"], "strict": True}
        request["text"] = {"format": form}
    named = {"max_tokens": "max_output_tokens", "temperature": "temperature", "top_p": "top_p"}
    for ours, theirs in named.items():
        if params.get(ours) is not None:
            request[theirs] = params[ours]
    # Responses knows no stop sequences.
    return request, {"stop"}


def _responses_items(role: str, parts: list) -> list[dict]:
    """One turn: calls and results are items of their own, the rest is one message."""
    items, content = [], []
    for part in parts:
        match part:
            case ("text", text):
                kind = "output_text" if role == "assistant" else "input_text"
                content.append({"type": kind, "text": text})
            case ("image", image):
                url = image.get("url") or f"data:{image['mime']};base64,{image['data']}"
                content.append({"type": "input_image", "image_url": url, "detail": "auto"})
            case ("tool_call", id, name, arguments):
                call = {"type": "function_call", "call_id": id, "name": name}
                items.append(call | {"arguments": json.dumps(arguments)})
            case ("tool_result", id, text):
                items.append({"type": "function_call_output", "call_id": id, "output": text})
    if not content:
        return items
    message = {"role": role, "content": content}
    # An answer's text stands before its calls; results stand before what the user adds.
    return [message, *items] if role == "assistant" else [*items, message]


def _responses_tool(name: str, tool: dict) -> dict:
    schema = tool["schema"] or {"type": "object", "properties": {}}
    made = {
        "type": "function",
        "name": name,
        "parameters": schema,
        "strict": bool(tool.get("strict")),
    }
    return made | ({"description": tool["description"]} if tool.get("description") else {})
