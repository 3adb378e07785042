r"""One way of choosing, as a process of its own, so that its seconds and its memory are its own too.

Reads a pool and a target, JSON Lines both, and leaves an array: a score for each row of the pool (float64, -inf for
rows that the way itself leaves out), or, where rows are chosen jointly for one budget, the rows. Rivals are used as
their documentation says::

    python -m benches.quality.choose gain pool.jsonl target.jsonl scores.npy
    python -m benches.quality.choose cover pool.jsonl target.jsonl rows.npy --budget-bytes 400000 --beta 1
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import zipfit
from benches.quality import embed
from benches.quality.tasks import read
from zipfit import _core

Scores = NDArray[np.float64]

PIECE_BYTES = 1 << 20
"""Of the pool, for which a model predicts at a time: some 200 MB."""


def ncd(options: argparse.Namespace) -> Scores:
    """The paper's."""
    return zipfit.rank(options.pool, options.target, threads=options.threads).scores


def gain(options: argparse.Namespace) -> Scores:
    """What the target as a dictionary saves."""
    return zipfit.rank(options.pool, options.target, metric="gain", threads=options.threads).scores


def cover(options: argparse.Namespace) -> NDArray[np.int64]:
    """Rows chosen jointly; the only way that needs to know the budget."""
    tokens = np.load(options.tokens) if options.tokens else None
    budget = {"budget_bytes": options.budget_bytes, "budget_tokens": options.budget_tokens, "tokens": tokens}
    chosen = zipfit.cover(options.pool, options.target, beta=options.beta, threads=options.threads, **budget)
    return chosen.rows


def zip_fit(options: argparse.Namespace) -> Scores:
    """zip-fit 1.0.9 as shipped: gzip at level 0. It gives texts without their rows, best first."""
    import zip_fit.zipfit as tool

    tool.cpu_count = lambda: options.threads
    ranker = tool.ZIPFIT(os.fspath(options.pool), os.fspath(options.target), k=0)
    source = ranker.load_jsonl(os.fspath(options.pool))
    ranker.k = len(source)
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(source):
        rows.setdefault(text, []).append(row)
    scores = np.full(len(source), np.nan)
    for text, score in ranker.rank_sequences_by_alignment(source, ranker.load_jsonl(os.fspath(options.target))):
        # Equal texts have equal scores, one each.
        scores[rows[text].pop()] = score
    if np.isnan(scores).any():
        sys.exit(f"zip-fit gave no score to {np.isnan(scores).sum()} rows")
    return scores


def dsir(options: argparse.Namespace) -> Scores:
    """data-selection 1.0.3: hashed n-grams, importance weights with Gumbel noise, rows of 100 words or more.

    Its own resampling writes files and draws the noise without a seed; this is the same sum, with one.
    """
    from data_selection import HashedNgramDSIR

    with tempfile.TemporaryDirectory() as cache:
        pool, target = [os.fspath(options.pool)], [os.fspath(options.target)]
        tool = HashedNgramDSIR(pool, target, cache_dir=cache, num_proc=options.threads)
        tool.fit_importance_estimator(num_tokens_to_fit="auto")
        tool.compute_importance_weights()
        shards = range(options.threads)
        weights = np.concatenate([np.load(Path(tool.log_importance_weights_dir) / f"{part}.npy") for part in shards])
        lengths = np.concatenate([np.load(Path(tool.perexample_metadata_dir) / f"{part}.npy") for part in shards])
        long_enough = tool.perexample_metadata_filter(lengths)
    noise = np.random.default_rng(options.seed).gumbel(size=len(weights))
    # Its shards take every n-th row, one shard after another.
    scores = np.empty(len(weights))
    rows = np.concatenate([np.arange(part, len(weights), options.threads) for part in shards])
    scores[rows] = np.where(long_enough, weights + noise, -np.inf)
    return scores


def bm25(options: argparse.Namespace) -> Scores:
    """bm25s with its English stop words: the sum over the target's rows, each a query."""
    import bm25s

    corpus = bm25s.tokenize(read(options.pool), stopwords="en", show_progress=False)
    retriever = bm25s.BM25()
    retriever.index(corpus, show_progress=False)
    total = np.zeros(len(corpus.ids))
    for words in bm25s.tokenize(read(options.target), stopwords="en", return_ids=False, show_progress=False):
        if words:
            total += retriever.get_scores(words)
    return total


def embeddings_mean(options: argparse.Namespace) -> Scores:
    """Cosine to the mean of the target's embeddings."""
    pool, target = embed.embedded(options.pool, options), embed.embedded(options.target, options)
    mean = target.mean(axis=0)
    return (pool @ (mean / np.linalg.norm(mean))).astype(np.float64)


def embeddings_nearest(options: argparse.Namespace) -> Scores:
    """Cosine to the nearest row of the target."""
    pool, target = embed.embedded(options.pool, options), embed.embedded(options.target, options)
    return (pool @ target.T).max(axis=1).astype(np.float64)


def cross_entropy_difference(options: argparse.Namespace) -> Scores:
    """Moore and Lewis 2010 with bytes: bits a byte by a model of the pool, less those by one of the target.

    The models are byte n-gram models with contexts of up to 6 bytes, as the first judge is. That of the pool reads a
    seeded sample of it, about as large as the target, as the paper has it.
    """
    pool, target = ([text.encode() for text in read(path)] for path in (options.pool, options.target))
    wanted = sum(map(len, target))
    sample: list[bytes] = []
    for row in np.random.default_rng(options.seed).permutation(len(pool)):
        if sum(map(len, sample)) >= wanted:
            break
        sample.append(pool[row])
    models = [_core.Texts.from_iterable(texts, "source") for texts in (target, sample)]
    scores = []
    start = 0
    while start < len(pool):
        # A model knows what it will predict, and grows with that.
        end, size = start, 0
        while end < len(pool) and size < PIECE_BYTES:
            size += len(pool[end])
            end += 1
        piece = _core.Texts.from_iterable(pool[start:end], "source")
        first = _core.NgramModel(piece)
        bits = []
        for texts in models:
            model = first.fresh()
            model.read(texts, threads=options.threads)
            bits.append(model.bits(options.threads))
        scores.append((bits[1] - bits[0]) / np.maximum(piece.sizes(), 1))
        start = end
    return np.concatenate(scores)


WAYS: dict[str, Callable[[argparse.Namespace], NDArray[Any]]] = {
    "ncd": ncd,
    "gain": gain,
    "cover": cover,
    "zip-fit": zip_fit,
    "dsir": dsir,
    "bm25": bm25,
    "embeddings-mean": embeddings_mean,
    "embeddings-nearest": embeddings_nearest,
    "cross-entropy": cross_entropy_difference,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, choose, leave the array."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("pool", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget-bytes", type=int)
    parser.add_argument("--budget-tokens", type=int)
    parser.add_argument("--tokens", type=Path, help="tokens of each row of the pool, int64, .npy")
    parser.add_argument("--beta", type=float)
    parser.add_argument("--embeddings", type=Path, help="directory that keeps the embeddings of the pool")
    options = parser.parse_args(arguments)
    # That nothing is left to gain concerns pools of few texts only; the results have the bytes.
    warnings.simplefilter("ignore", UserWarning)
    found = WAYS[options.way](options)
    partial = options.result.with_suffix(".partial.npy")
    np.save(partial, found)
    partial.rename(options.result)


if __name__ == "__main__":
    main()
