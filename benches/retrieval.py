"""Times the ranking of translations by their vectors beside numpy: retrieval, and induction of a lexicon by CSLS.

    pip install numpy==2.4.6
    python benches/retrieval.py [--task small,large,lexicon] [--rounds 3] [--binary PATH]

    small    1,000 x 1,000 x 768, as many sentences as a test set has, in milliseconds
    large    20,000 x 20,000 x 384
    lexicon  5,000 words out of 20,000 against 50,000, x 300, CSLS with the ten nearest of each target

Vectors are random about a common mean, and a target has a share of its source, so that ranks run from 1 to
many. From raw vectors in memory to the ranks and to P@1, P@5 and MRR, retrieval in both directions. numpy's side is
blocks of products in single precision, each of which serves both directions; of the nearest, `np.partition` takes
the cosines alone. Neither side computes the mean cosine of a source word to its nearest, which moves all scores
of that word alike and so no rank. Each contestant goes in a process of its own, in turn, held to as many cores as it has
threads; seconds are the median of all repeats of all rounds, without the first repeat of a process where there are several. Ranks
must be the same but for those that rounding may swap: the script fails where they are not.
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
K = 10
# Sources, targets, width, queries of a lexicon, repeats in a process, and the share of a source in its target.
TASKS = {
    "small": (1_000, 1_000, 768, None, 50, 0.1),
    "large": (20_000, 20_000, 384, None, 1, 0.2),
    "lexicon": (20_000, 50_000, 300, 5_000, 1, 0.27),
}


def peak_mib():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024


# ----------------------------------------------------------------------------- numpy, in a process of its own


def unit(vectors):
    import numpy as np

    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def scores(ranks):
    return [float((ranks <= 1).mean()), float((ranks <= 5).mean()), float((1.0 / ranks).mean())]


def numpy_retrieval(src, tgt, block=512):
    import numpy as np

    src, tgt = unit(src), unit(tgt)
    n = len(src)
    own = np.einsum("ij,ij->i", src, tgt)
    forward, backward = np.empty(n, np.int64), np.zeros(n, np.int64)
    cosines = np.empty((min(block, n), n), np.float32)
    reached = np.empty(cosines.shape, bool)
    for start in range(0, n, block):
        rows = slice(start, min(start + block, n))
        many = rows.stop - start
        cos, hit = cosines[:many], reached[:many]
        np.matmul(src[rows], tgt.T, out=cos)
        # The right one, to the bit.
        cos[np.arange(many), np.arange(start, rows.stop)] = own[rows]
        np.greater_equal(cos, own[rows, None], out=hit)
        forward[rows] = [np.count_nonzero(row) for row in hit]
        np.greater_equal(cos, own, out=hit)
        # As bytes, in runs that a byte can count: many times faster than a sum of booleans.
        counts = np.add.reduceat(hit.view(np.uint8), np.arange(0, many, 255), axis=0)
        backward += counts.sum(axis=0, dtype=np.int64)
    ranks = np.concatenate([forward, backward])
    scores(ranks)
    return ranks


def numpy_lexicon(src, tgt, queries, block=512):
    import numpy as np

    src, tgt = unit(src), unit(tgt)
    hubness = np.empty(len(tgt), np.float32)
    cosines = np.empty((block, len(src)), np.float32)
    for start in range(0, len(tgt), block):
        cos = np.matmul(tgt[start:start + block], src.T, out=cosines[:len(tgt) - start])
        cos.partition(len(src) - K, axis=1)
        hubness[start:start + block] = cos[:, -K:].mean(axis=1)
    ranks = np.empty(len(queries), np.int64)
    cosines = np.empty((block, len(tgt)), np.float32)
    for start in range(0, len(queries), block):
        sources, targets = queries[start:start + block].T
        score = np.matmul(src[sources], tgt.T, out=cosines[:len(sources)])
        score *= 2
        score -= hubness
        own = score[np.arange(len(sources)), targets]
        hit = score >= own[:, None]
        ranks[start:start + block] = [np.count_nonzero(row) for row in hit]
    scores(ranks)
    return ranks


def contest(task, src_path, tgt_path, dim, *rest):
    import numpy as np

    src = np.fromfile(src_path, np.float32).reshape(-1, int(dim))
    tgt = np.fromfile(tgt_path, np.float32).reshape(-1, int(dim))
    *queries, repeats, ranks_path = rest
    queries = [np.fromfile(path, np.uint32).reshape(-1, 2).astype(np.int64) for path in queries]
    seconds = []
    for _ in range(int(repeats)):
        start = time.perf_counter()
        ranks = globals()[f"numpy_{task}"](src, tgt, *queries)
        seconds.append(time.perf_counter() - start)
    ranks.astype(np.uint32).tofile(ranks_path)
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib()}))


# --------------------------------------------------------------------------------------- the comparison


def build():
    command = ["cargo", "bench", "--bench", "retrieval", "--no-run", "--message-format=json"]
    output = subprocess.check_output(command, cwd=ROOT, text=True, stderr=subprocess.DEVNULL)
    built = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return next(message["executable"] for message in built if message.get("executable"))


def write_task(scratch, task, seed):
    """The arguments of a contestant, but for the file of ranks."""
    import numpy as np

    n_src, n_tgt, dim, n_queries, repeats, share = TASKS[task]
    rng = np.random.default_rng(seed)
    src = rng.standard_normal((n_src, dim), np.float32)
    tgt = rng.standard_normal((n_tgt, dim), np.float32)
    mean = rng.standard_normal(dim, np.float32) / 2
    # Row `i` translates row `i`, but the words of a lexicon stand anywhere.
    places = rng.permutation(n_tgt)[:n_src] if n_queries else np.arange(n_src)
    tgt[places] += share * src
    files = [scratch / f"{task}.src", scratch / f"{task}.tgt"]
    (src + mean).tofile(files[0])
    (tgt + mean).tofile(files[1])
    command = ["lexicon" if n_queries else "retrieval", *files, dim]
    if n_queries:
        sources = rng.permutation(n_src)[:n_queries]
        np.stack([sources, places[sources]], axis=1).astype(np.uint32).tofile(scratch / "queries")
        command.append(scratch / "queries")
    return [*command, repeats]


def run(command, threads):
    """In a process that has as many cores: what counts cores finds as many."""
    cores = set(sorted(os.sched_getaffinity(0))[:threads])
    command = [str(part) for part in command]
    output = subprocess.check_output(command, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    found = json.loads(output.strip().split("\n")[-1])
    found["seconds"] = found["seconds"][1:] or found["seconds"]
    return found


def assert_same(ours, theirs, name):
    """The same ranks, but for scores so near that another order of sums may swap them."""
    import numpy as np

    ours, theirs = (np.fromfile(path, np.uint32).astype(np.int64) for path in (ours, theirs))
    if len(ours) != len(theirs):
        sys.exit(f"{name}: {len(theirs)} ranks, not {len(ours)}")
    apart = np.abs(ours - theirs)
    if (apart > 1 + theirs // 500).any():
        worst = apart.argmax()
        sys.exit(f"{name}: rank {worst} is {theirs[worst]}, ours {ours[worst]}")
    if not np.allclose(scores(ours), scores(theirs), rtol=0, atol=max(1e-4, 2 / len(ours))):
        sys.exit(f"{name}: P@1, P@5, MRR are {scores(theirs)}, ours {scores(ours)}")
    return np.count_nonzero(apart)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--task", default="small,large,lexicon")
    parser.add_argument("--rounds", type=int, default=3, help="of `lexicon` a third of them, at least one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", default=f"{os.cpu_count()},1", help="each of these, in turn")
    parser.add_argument("--binary", help="the built benchmark, where cargo is not to build it")
    args = parser.parse_args()
    tasks = args.task.split(",")
    if unknown := [task for task in tasks if task not in TASKS]:
        parser.error(f"--task `{unknown[0]}`, expected some of {', '.join(TASKS)}")
    import numpy

    contestants = {"ours": [args.binary or build()], "numpy": [sys.executable, __file__, "--run"]}
    print(f"{platform.machine()}, {os.cpu_count()} cores; numpy {numpy.__version__}")
    print(f"{'':8} {'threads':>7}  {'':6} {'seconds':>9} {'from':>9} {'to':>9} {'peak MiB':>9} {'load':>5}  times ours")
    for task in tasks:
        rounds = max(1, args.rounds // 3) if task == "lexicon" else args.rounds
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            command = write_task(scratch, task, args.seed)
            for threads in map(int, args.threads.split(",")):
                seconds, peaks = ({name: [] for name in contestants} for _ in range(2))
                for _ in range(rounds):
                    for name, program in contestants.items():
                        found = run([*program, *command, scratch / name], threads)
                        seconds[name] += found["seconds"]
                        peaks[name].append(found["peak_mib"])
                odd = assert_same(scratch / "ours", scratch / "numpy", f"{task}, numpy")
                ours = statistics.median(seconds["ours"])
                for name, times in seconds.items():
                    median = statistics.median(times)
                    print(
                        f"{task:8} {threads:7}  {name:6} {median:9.4f} {min(times):9.4f} {max(times):9.4f} "
                        f"{max(peaks[name]):9} {os.getloadavg()[0]:5.1f}  {median / ours:.2f}",
                        flush=True,
                    )
                if odd:
                    print(f"{'':8} {odd} ranks differ, of scores that rounding may swap")
            ranks = numpy.fromfile(scratch / "ours", numpy.uint32)
            found = ", ".join(f"{score:.3f}" for score in scores(ranks))
            print(f"{'':8} P@1, P@5, MRR: {found}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        contest(*sys.argv[2:])
    else:
        main()
