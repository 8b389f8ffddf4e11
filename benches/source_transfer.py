"""Measures transfer between languages, for `source-ranking --measured`: the experiment of docs/source_ranking.md.

    npm pack cldr-annotations-full@48.2.0                  # names of symbols, Unicode-3.0
    apt-get install unicode-data                           # their groups: emoji-test.txt
    python source_transfer.py --annotations package/annotations --model e5-small --encode target/release/examples/encode \\
        --out transfer

The task: the group of a symbol (smileys, food, travel …, 8 in all) from its name and keywords in a language. The model
is frozen: a logistic regression on its vectors learns from 9 of 10 of the rows of one language, drawn anew for each
seed, and is tested on every other language. Symbols are parted by a hash, so that none is learnt in one language and
tested in another. `benches/e5_small.py` writes the model. Needs numpy, scikit-learn and safetensors.

Writes OUT/runs/SOURCE.json and OUT/texts/LANGUAGE.txt, the rows that are learnt from, without labels.
"""

import argparse
import hashlib
import json
import pathlib
import re
import subprocess
import time

import numpy as np
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression

# As CLDR names them. Sources are languages with much labelled text elsewhere, or with many neighbours here.
SOURCES = "am ar bn de el en es fa fi fr ha hi id it ja ko pl ru sw ta th tr vi zh".split()
TARGETS = (
    "af as az be bg ca chr cs cv cy da et eu fil fo ga gd gl gu he hsb hy ig is jv ka kk km kn kok lo lt lv mk ml mn mr "
    "ms mt my ne nl om or pa pcm ps pt quc qu rm ro rw sd shn si sk sl so sq sr sv te tg ti tk tn to ug uk ur uz wo xh yo zu"
).split()
SEEDS = (1, 2, 3)
FEWEST = 200


def topics(path):
    """The group of each symbol; flags have almost no names of their own."""
    found, group = {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# group:"):
            group = line.split(":", 1)[1].strip()
        symbol = re.match(r"^[0-9A-F ]+;\s*fully-qualified\s*#\s*(\S+)", line)
        if symbol and group not in ("Component", "Flags"):
            found[symbol[1].replace("\ufe0f", "")] = group
    return found


def rows(path, groups, english):
    """Names with keywords, by symbol; a name that is the English one is left out."""
    table = json.loads(path.read_text(encoding="utf-8"))["annotations"].get("annotations", {})
    found = {}
    for symbol, names in table.items():
        symbol = symbol.replace("\ufe0f", "")
        if symbol not in groups or not names.get("tts"):
            continue
        name = names["tts"][0]
        if english and name.casefold() == english.get(symbol, "").casefold():
            continue
        found[symbol] = (name, ", ".join(dict.fromkeys([name, *names.get("default", [])])))
    return found


def is_test(symbol):
    return hashlib.sha256(symbol.encode()).digest()[0] % 4 == 0


def encode(args, language, texts):
    lines, vectors = args.out / "lines.txt", args.out / "vectors.safetensors"
    lines.write_text("".join(f"query: {text}\n" for text in texts), encoding="utf-8")
    command = [args.encode, "--model", args.model, "--input", lines, "--out", vectors]
    subprocess.run(command, check=True, capture_output=True)
    found = load_file(vectors)["embeddings"]
    print(f"{language}: {len(texts)} rows", flush=True)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--annotations", type=pathlib.Path, required=True)
    args.add_argument("--emoji-test", type=pathlib.Path, default="/usr/share/unicode/emoji/emoji-test.txt")
    args.add_argument("--model", type=pathlib.Path, required=True)
    args.add_argument("--encode", type=pathlib.Path, required=True)
    args.add_argument("--out", type=pathlib.Path, required=True)
    args = args.parse_args()
    groups = topics(args.emoji_test)
    for name in ("runs", "texts"):
        (args.out / name).mkdir(parents=True, exist_ok=True)
    english = {s: name for s, (name, _) in rows(args.annotations / "en/annotations.json", groups, {}).items()}
    start, train, test = time.time(), {}, {}
    for language in SOURCES + TARGETS:
        path = args.annotations / language / "annotations.json"
        if not path.exists():
            print(f"{language}: no names, left out")
            continue
        found = rows(path, groups, {} if language == "en" else english)
        held = [symbol for symbol in found if is_test(symbol)]
        learnt = [symbol for symbol in found if not is_test(symbol)]
        if len(held) < FEWEST:
            print(f"{language}: {len(held)} rows to test, left out")
            continue
        text = lambda symbols: [found[symbol][1] for symbol in symbols]
        label = lambda symbols: np.array([groups[symbol] for symbol in symbols])
        (args.out / f"texts/{language}.txt").write_text("".join(f"{it}\n" for it in text(learnt)), encoding="utf-8")
        if language in SOURCES:
            vectors = encode(args, language, text(learnt) + text(held))
            train[language] = vectors[: len(learnt)], label(learnt)
            test[language] = vectors[len(learnt) :], label(held)
        else:
            test[language] = encode(args, language, text(held)), label(held)
    for source, (x, y) in train.items():
        runs = []
        for seed in SEEDS:
            drawn = np.random.default_rng(seed).permutation(len(y))[: len(y) * 9 // 10]
            model = LogisticRegression(C=10.0, max_iter=2_000).fit(x[drawn], y[drawn])
            for target, (vectors, gold) in test.items():
                runs.append({
                    "task": "topic of a symbol", "metric": "accuracy", "model": "multilingual-e5-small, frozen",
                    "sources": [source], "target": target, "shots": 0, "seed": seed,
                    "score": float(np.mean(model.predict(vectors) == gold)), "items": len(gold),
                })
        (args.out / f"runs/{source}.json").write_text(json.dumps(runs, indent=1) + "\n")
        print(f"{source}: {np.mean([it['score'] for it in runs]):.3f} in the mean", flush=True)
    for name in ("lines.txt", "vectors.safetensors"):
        (args.out / name).unlink()
    print(f"{len(train)} sources, {len(test)} targets, {time.time() - start:.0f} s: {args.out}/runs")


if __name__ == "__main__":
    main()
