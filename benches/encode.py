"""Times sentence vectors beside sentence-transformers, transformers and ONNX Runtime.

    pip install torch==2.9.1 transformers==4.57.6 sentence-transformers==5.1.2 onnxruntime==1.32.0 onnx==1.23.2
    python benches/e5_small.py --packages DIR --out e5-small       # or any directory of the latter
    python benches/encode.py --model e5-small [--lines FILE] [--texts 2000] [--rounds 3]

All take the same texts, by default lines of the `lingua-*-language-model` crates that the workspace has,
30 languages, some of them joined so that lengths differ; each is timed from texts to vectors of length 1,
without starting and without opening the model, on all cores, at the best of several sizes of a batch. They
go in turn, each in a process of its own; the table shows the median. The vectors must be the same: the
script fails where a cosine is below 0.99999. Texts are in form C, since of others the Python tokenizer
drops marks, which ours and SentencePiece's keep.
"""

import argparse
import glob
import json
import os
import pathlib
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parent.parent
PREFIX = "query: "
SIZES = {"ours": [256, 512, 1024, 2048]}
PEER_SIZES = [8, 16, 32, 64]


def peak_mib():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024


# ------------------------------------------------------------------ the peers, each in its own process


def sentence_transformers(model, texts, size):
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(model, device="cpu")
    encoder.encode(texts[:size], batch_size=size, prompt=PREFIX)
    return lambda: encoder.encode(texts, batch_size=size, prompt=PREFIX, normalize_embeddings=True)


def sorted_batches(model, texts, size):
    """Batches of like lengths, as ids."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)

    def batches():
        encoded = tokenizer([PREFIX + text for text in texts], truncation=True, max_length=512)
        order = sorted(range(len(texts)), key=lambda i: -len(encoded["input_ids"][i]))
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            yield rows, tokenizer.pad(
                {"input_ids": [encoded["input_ids"][i] for i in rows]}, return_tensors="pt"
            )

    return batches


def gather(texts, batches, hidden):
    import numpy as np

    vectors = None
    for rows, batch in batches():
        states, mask = hidden(batch)
        pooled = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        pooled = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        if vectors is None:
            vectors = np.empty((len(texts), pooled.shape[1]), np.float32)
        vectors[rows] = pooled
    return vectors


def transformers(model, texts, size):
    import torch
    from transformers import AutoModel

    encoder = AutoModel.from_pretrained(model, add_pooling_layer=False).eval()
    batches = sorted_batches(model, texts, size)

    @torch.inference_mode()
    def hidden(batch):
        states = encoder(**batch).last_hidden_state
        return states.numpy(), batch["attention_mask"].numpy()

    return lambda: gather(texts, batches, hidden)


def onnxruntime(model, texts, size):
    import numpy as np
    import onnxruntime as runtime
    import torch
    from transformers import AutoModel

    encoder = AutoModel.from_pretrained(model, add_pooling_layer=False, attn_implementation="eager").eval()
    batches = sorted_batches(model, texts, size)
    scratch = tempfile.mkdtemp()
    path = os.path.join(scratch, "model.onnx")
    names = ["input_ids", "attention_mask"]
    example = tuple(torch.ones(2, 8, dtype=torch.long) for _ in names)
    axes = {name: {0: "batch", 1: "seq"} for name in [*names, "hidden"]}
    torch.onnx.export(
        encoder, example, path, input_names=names, output_names=["hidden"], dynamic_axes=axes,
        opset_version=17, dynamo=False,
    )
    del encoder
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def hidden(batch):
        inputs = {name: batch[name].numpy() for name in names}
        return session.run(["hidden"], inputs)[0], inputs["attention_mask"].astype(np.float32)

    return lambda: gather(texts, batches, hidden)


def run_peer(name, model, lines, size, out):
    import numpy as np

    texts = pathlib.Path(lines).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    encode = globals()[name](model, texts, int(size))
    start = time.perf_counter()
    vectors = encode()
    seconds = time.perf_counter() - start
    np.save(out, vectors)
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib()}))


# ------------------------------------------------------------------ ours, and the table


def build():
    subprocess.run(
        ["cargo", "build", "--quiet", "--release", "-p", "isogloss-examples", "--example", "encode"],
        cwd=ROOT, check=True,
    )
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    return pathlib.Path(target) / "release/examples/encode"


def run_ours(program, model, lines, out, *options):
    command = [
        program, "--model", model, "--input", lines, "--prefix", PREFIX, "--normalize", "--device", "flex",
        "--out", out, *options,
    ]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(said)
    opened, seconds = (
        float(re.search(pattern, said).group(1)) for pattern in ["opened in ([0-9.]+) s", "lines in ([0-9.]+) s"]
    )
    return {"seconds": seconds, "opened": opened, "peak_mib": usage.ru_maxrss // 1024}


def default_texts(count):
    """Lines of many languages, every third joined to those behind it."""
    home = os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo")
    files = sorted(glob.glob(f"{home}/registry/src/*/lingua-*-language-model-*/testdata/*.txt"))
    if not files:
        sys.exit("no lines of lingua-*-language-model: build the tests of isogloss-tokenization, or give --lines")
    lines = [
        unicodedata.normalize("NFC", line.strip()) for file in files for line in open(file, encoding="utf-8")
    ]
    lines = [line for line in lines if line]
    chosen = random.Random(1)
    texts = []
    for _ in range(count):
        start = chosen.randrange(len(lines) - 8)
        texts.append(" ".join(lines[start : start + chosen.choice([1, 1, 1, 2, 8])]))
    return texts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--lines", help="a text on each line")
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", help="the built example, where cargo is not to build it")
    args = parser.parse_args()
    import numpy as np
    from safetensors.numpy import load_file
    from transformers import AutoTokenizer

    program = args.ours or build()
    if args.lines:
        texts = pathlib.Path(args.lines).read_text(encoding="utf-8").removesuffix("\n").split("\n")
        texts = texts[: args.texts]
    else:
        texts = default_texts(args.texts)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    lengths = [len(ids) for ids in tokenizer([PREFIX + text for text in texts])["input_ids"]]
    tokens = sum(min(length, 512) for length in lengths)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {len(texts)} texts, "
        f"{tokens} tokens, from {min(lengths)} to {max(lengths)}, median {statistics.median(lengths)}"
    )
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        lines = scratch / "lines.txt"
        lines.write_text("\n".join(texts) + "\n", encoding="utf-8")
        names = ["ours", "sentence_transformers", "transformers", "onnxruntime"]

        def run(name, size):
            if name == "ours":
                out = scratch / "ours.safetensors"
                return run_ours(program, args.model, lines, out, "--batch-tokens", size)
            command = [sys.executable, __file__, "--run", name, args.model, lines, str(size)]
            said = subprocess.run(
                [*map(str, command), scratch / f"{name}.npy"], check=True, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True,
            )
            return json.loads(said.stdout.splitlines()[-1])

        best = {}
        for name in names:
            sizes = SIZES.get(name, PEER_SIZES)
            best[name] = min(sizes, key=lambda size: run(name, size)["seconds"])
        results = {name: [] for name in names}
        for _ in range(args.rounds):
            for name in names:
                results[name].append(run(name, best[name]))
        ours = load_file(scratch / "ours.safetensors")["embeddings"]
        print(f"{'':24} {'batch':>6} {'texts/s':>8} {'tokens/s':>9} {'peak MiB':>9}  ours against it")
        median = {name: statistics.median(r["seconds"] for r in results[name]) for name in names}
        for name in names:
            peak = max(result["peak_mib"] for result in results[name])
            print(
                f"{name:24} {best[name]:6} {len(texts) / median[name]:8.1f} {tokens / median[name]:9.0f} "
                f"{peak:9}  {median[name] / median['ours']:.2f}"
            )
            if name != "ours":
                cosine = (ours * np.load(scratch / f"{name}.npy")).sum(1).min()
                if cosine < 0.99999:
                    sys.exit(f"{name}: the least cosine to ours is {cosine}")
        print("batches: ours in tokens, the others in texts; the least cosine between any two is at least 0.99999")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_peer(*sys.argv[2:])
    else:
        main()
