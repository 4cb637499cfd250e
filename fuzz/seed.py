#!/usr/bin/env python3
"""Makes the corpus that fuzzing starts from: the goldens of `adapters`, and recorded traffic where it
stands beside the checkout (ISTHMUS_KIT says where). What the first four letters of a seed mean is told
in decoders.rs."""

import base64
import hashlib
import json
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE / "corpus" / "decoders"
KIT = pathlib.Path(os.environ.get("ISTHMUS_KIT") or HERE / "../../shared/kit")
LARGEST = 64 << 10

WHOLE, STREAM, FRAMED, REFUSED, ASKED, RELAYED, VECTORS, CUT, LISTED = "abcdefghi"
# A provider's letter, and a relay's where there is one.
LANGUAGES = {
    "openai": "a", "compat": "b", "openrouter": "c", "mistral": "d", "deepseek": "e", "groq": "f",
    "xai": "g", "responses": "h", "anthropic": "i", "vertex": "l", "gemini": "k", "cohere": "m",
    "bedrock": "n", "azure": "a",
}
RELAYS = {"responses": "b", "anthropic": "c"}
EMBEDDERS = {"gemini": "a", "vertex": "c", "cohere": "e", "bedrock": "f"}
CALLERS = {"chat": "a", "responses": "b", "anthropic": "c"}


def seed(label, body):
    body = body.encode() if isinstance(body, str) else body
    if len(body) > LARGEST:
        return
    data = label.encode() + body
    (CORPUS / hashlib.sha256(data).hexdigest()[:20]).write_bytes(data)


def answered(language, body, streamed):
    """A provider's answer, read and relayed; streams whole and cut."""
    letter, relay = LANGUAGES[language], RELAYS.get(language, "a")
    for cuts in ("aa", "ah") if streamed else ("aa",):
        seed((STREAM if streamed else WHOLE) + letter + cuts, body)
        if language not in ("gemini", "vertex", "cohere", "bedrock"):
            seed(RELAYED + relay + cuts, body)


def goldens():
    for file in sorted((HERE / "../adapters/tests/golden").glob("*/*/*")):
        language, text = file.parts[-3], file.read_text()
        match file.name:
            case "answer.json":
                answered(language, text, streamed=False)
            case "stream.txt":
                answered(language, text, streamed=True)
                seed(CUT + "aaf", text)
            case "stream.json":
                lines = (f"{name} {json.dumps(data)}" for name, data in json.loads(text))
                framed = "\n".join(lines)
                seed(FRAMED + "naa", framed)
                seed(FRAMED + "nac", framed)
            case "request.json":
                case = json.loads(text)
                for caller, letter in CALLERS.items():
                    if isinstance(case.get(caller), dict):
                        seed(ASKED + letter + "aa", json.dumps(case[caller]))


def recorded(file):
    exchange = json.loads(file.read_text())
    vendor, api = exchange["vendor"], exchange["api"]
    language = "responses" if "responses" in api else vendor
    language = exchange["provider"] if exchange["provider"] in LANGUAGES and vendor == "compat" else language
    answer, asked = exchange["response"], exchange["request"].get("body")
    if asked is not None and language in ("openai", "compat", "azure", "responses", "anthropic"):
        caller = {"responses": "b", "anthropic": "c"}.get(language, "a")
        seed(ASKED + caller + ("ac" if "embed" in api else "aa"), json.dumps(asked))
    if "body_base64" in answer:
        body = base64.b64decode(answer["body_base64"])
    elif "body_text" in answer:
        body = answer["body_text"]
    else:
        body = json.dumps(answer.get("body"))
    if answer["status"] >= 400:
        status = answer["status"] - 400
        label = chr(ord("a") + status // 256) + chr((ord("a") + status) % 256)
        data = b"7\n" + (body.encode() if isinstance(body, str) else body)
        (CORPUS / file.stem).write_bytes((REFUSED + LANGUAGES[language]).encode() + label.encode("latin1") + data)
    elif "embed" in api or "predict" in api:
        seed(VECTORS + EMBEDDERS.get(vendor, "a") + "ah", body)
    else:
        streamed = "stream" in " ".join(exchange["features"]) or "body_base64" in answer
        answered(language, body, streamed)


def main():
    CORPUS.mkdir(parents=True, exist_ok=True)
    goldens()
    for file in sorted(KIT.glob("recordings/*/*.json")):
        recorded(file)
    seed(LISTED + "aaa", '{"data":[{"id":"m","pricing":{"prompt":"0.1","completion":"1e-6"},"max_model_len":9}]}')
    seed(LISTED + "aaa", '[{"modelId":"m","inputCostPerToken":{"amount":3,"scale":9,"currency":"USD"}}]')
    print(f"{len(list(CORPUS.iterdir()))} seeds in {CORPUS}", file=sys.stderr)


if __name__ == "__main__":
    main()
