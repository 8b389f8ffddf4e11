"""Times vocabularies beside those of the Python packages `sentencepiece` and `tokenizers`.

    pip install sentencepiece==0.2.1 tokenizers==0.22.2
    python benches/tokenization.py [--lines FILE] [--rounds 3]

All take the same lines: by default those of the `lingua-*-language-model` crates that the workspace has,
30 languages. They go in turn, each in a process of its own, and the table shows the median: the seconds
of training, and of encoding all lines at once on all cores, without reading files or starting Python.
For the same vocabulary the ids must be the same: the script fails where they are not.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def peak_mib():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024


def report(seconds):
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib()}))


def read(lines):
    text = pathlib.Path(lines).read_text(encoding="utf-8")
    return text.removesuffix("\n").split("\n")


def write_ids(path, encoded):
    with open(path, "w") as file:
        file.writelines(" ".join(map(str, ids)) + "\n" for ids in encoded)


# ------------------------------------------------------------------ the peers, each in its own process


def train_sentencepiece(lines, algorithm, size, out):
    import sentencepiece

    start = time.perf_counter()
    sentencepiece.SentencePieceTrainer.train(
        input=lines,
        model_prefix=out,
        model_type=algorithm,
        vocab_size=int(size),
        num_threads=os.cpu_count(),
        byte_fallback=True,
        input_sentence_size=0,
        max_sentence_length=1_000_000,
        minloglevel=2,
    )
    report(time.perf_counter() - start)


def train_tokenizers(lines, algorithm, size, out):
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    options = {"vocab_size": int(size), "show_progress": False}
    if algorithm == "unigram":
        tokenizer = Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(unk_token="<unk>", special_tokens=["<unk>"], **options)
    elif algorithm == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
        trainer = trainers.WordPieceTrainer(special_tokens=["<unk>"], **options)
    else:
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
        alphabet = pre_tokenizers.ByteLevel.alphabet() if algorithm == "byte-bpe" else []
        trainer = trainers.BpeTrainer(
            special_tokens=["<unk>"], initial_alphabet=alphabet, **options
        )
    if algorithm in ("byte-bpe", "wordpiece"):
        # As ours cuts, so that both have the same words to train on.
        pattern = json.loads(pathlib.Path(os.environ["PATTERN_OF"]).read_text())["pre_tokenizer"]
        pattern = Regex(pattern["pretokenizers"][0]["pattern"]["Regex"])
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(pattern, "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
        )
    start = time.perf_counter()
    tokenizer.train([lines], trainer)
    seconds = time.perf_counter() - start
    tokenizer.save(out)
    report(seconds)


def encode_sentencepiece(lines, model, out):
    import sentencepiece

    lines = read(lines)
    processor = sentencepiece.SentencePieceProcessor(model_file=model)
    start = time.perf_counter()
    encoded = processor.encode(lines, num_threads=os.cpu_count())
    seconds = time.perf_counter() - start
    write_ids(out, encoded)
    report(seconds)


def encode_tokenizers(lines, file, out):
    from tokenizers import Tokenizer

    lines = read(lines)
    tokenizer = Tokenizer.from_file(file)
    start = time.perf_counter()
    encoded = [e.ids for e in tokenizer.encode_batch_fast(lines, add_special_tokens=False)]
    seconds = time.perf_counter() - start
    write_ids(out, encoded)
    report(seconds)


# --------------------------------------------------------------------------------------- the comparison


def run(*command, **environment):
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "true", **environment}
    output = subprocess.check_output([str(part) for part in command], env=environment, text=True)
    return json.loads(output.strip().split("\n")[-1])


def peer(function, *args, **environment):
    return run(sys.executable, __file__, "--run", function, *args, **environment)


def build():
    command = ["cargo", "bench", "--bench", "tokenization", "--no-run", "--message-format=json"]
    output = subprocess.check_output(command, cwd=ROOT, text=True, stderr=subprocess.DEVNULL)
    built = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return next(message["executable"] for message in built if message.get("executable"))


def workspace_lines(path):
    command = ["cargo", "metadata", "--format-version", "1", "--offline"]
    packages = json.loads(subprocess.check_output(command, cwd=ROOT))["packages"]
    with open(path, "w", encoding="utf-8") as out:
        for package in sorted(packages, key=lambda package: package["name"]):
            if package["name"].endswith("-language-model"):
                home = pathlib.Path(package["manifest_path"]).parent
                text = (home / "testdata" / "sentences.txt").read_text(encoding="utf-8")
                out.writelines(line + "\n" for line in text.split("\n") if line)


def tokens(path):
    return sum(len(line.split()) for line in open(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lines", help="a file of text, a line at a time")
    parser.add_argument("--vocab-size", type=int, default=16_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="unused: nothing here is random")
    args = parser.parse_args()
    import sentencepiece
    import tokenizers

    ours = build()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        lines = args.lines or scratch / "lines.txt"
        if not args.lines:
            workspace_lines(lines)
        text = pathlib.Path(lines).read_bytes()
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
            f"sentencepiece {sentencepiece.__version__}, tokenizers {tokenizers.__version__}; "
            f"{len(text) / 1e6:.1f} MB, {text.count(b'%c' % 10):,} lines, "
            f"vocabularies of {args.vocab_size:,}, median of {args.rounds}"
        )
        print(f"{'':34} {'seconds':>8} {'MB/s':>7} {'peak MiB':>9} {'tokens':>10}  times ours")

        def table(name, contestants, files):
            """Runs all in turn; each writes the file of its name."""
            seconds = {contestant: [] for contestant in contestants}
            peaks = {}
            for _ in range(args.rounds):
                for contestant, start in contestants.items():
                    found = start()
                    seconds[contestant].append(found["seconds"])
                    peaks[contestant] = found["peak_mib"]
            medians = {name: statistics.median(times) for name, times in seconds.items()}
            for contestant, median in medians.items():
                label = f"{name}, {contestant}"
                count = f"{tokens(files[contestant]):,}" if files else ""
                print(
                    f"{label:34} {median:8.2f} {len(text) / 1e6 / median:7.2f} "
                    f"{peaks[contestant]:9} {count:>10}  {median / medians['ours']:.2f}"
                )

        for algorithm in ["unigram", "bpe", "byte-bpe", "wordpiece"]:
            file = {name: scratch / f"{algorithm}.{name}" for name in ["ours", "tokenizers", "spm"]}
            file["ours"] = file["ours"].with_suffix(".json")
            train = [lines, algorithm, args.vocab_size]
            contestants = {
                "ours": lambda: run(ours, "train", *train, file["ours"]),
                "tokenizers": lambda: peer(
                    "train_tokenizers", *train, file["tokenizers"], PATTERN_OF=str(file["ours"])
                ),
            }
            if algorithm in ["unigram", "bpe"]:
                contestants["sentencepiece"] = lambda: peer("train_sentencepiece", *train, file["spm"])
            table(f"train {algorithm}", contestants, None)

            ids = {name: scratch / f"{name}.ids" for name in ["ours", "tokenizers"]}
            contestants = {
                "ours": lambda: run(ours, "encode", lines, file["ours"], ids["ours"]),
                "tokenizers": lambda: peer(
                    "encode_tokenizers", lines, file["ours"], ids["tokenizers"]
                ),
            }
            table(f"encode {algorithm}", contestants, ids)
            if ids["ours"].read_bytes() != ids["tokenizers"].read_bytes():
                sys.exit(f"{algorithm}: our ids are not those of tokenizers")
            if algorithm in ["unigram", "bpe"]:
                model = f"{file['spm']}.model"
                ids = {name: scratch / f"{name}.ids" for name in ["ours", "sentencepiece"]}
                contestants = {
                    "ours": lambda: run(ours, "encode", lines, model, ids["ours"]),
                    "sentencepiece": lambda: peer(
                        "encode_sentencepiece", lines, model, ids["sentencepiece"]
                    ),
                }
                table(f"encode .model {algorithm}", contestants, ids)
                if ids["ours"].read_bytes() != ids["sentencepiece"].read_bytes():
                    sys.exit(f"{algorithm}: our ids are not those of sentencepiece")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        globals()[sys.argv[2]](*sys.argv[3:])
    else:
        main()
