"""The text as tokens, ``python -m benchmarks.recording.tokens FOLDER``: byte-level BPE, learnt on what is trained on.

FOLDER has ``corpus.jsonl.xz`` and gets ``tokens.npz``: for each kind the tokens to train on and those held out
(uint16), documents one after the other with `END` behind each.
"""

from __future__ import annotations

import hashlib

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from ..options import folders
from .corpus import Document, draw, read
from .sources import KINDS

VOCABULARY = 8192
END = 0
SHARE = 0.25  # of the documents to train on, which the vocabulary is learnt on
NAME = "tokens.npz"


def learnt(texts: list[str]) -> Tokenizer:
    """A tokenizer of these texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encoded(tokenizer: Tokenizer, documents: list[Document]) -> np.ndarray:
    """The tokens of some documents, one after the other."""
    encodings = tokenizer.encode_batch_fast([document.text for document in documents])
    ids = [token for encoding in encodings for token in [*encoding.ids, END]]
    return np.array(ids, dtype=np.uint16)


def main() -> None:
    """Learn, encode and write."""
    (folder,) = folders(__doc__, "FOLDER")
    documents = read(folder)
    to_train_on = [document for document in documents if not document.held_out]
    tokenizer = learnt([each.text for each in to_train_on if draw("vocabulary " + each.name) < SHARE])
    print("tokenizer: SHA-256", hashlib.sha256(tokenizer.to_str().encode()).hexdigest())
    arrays = {}
    for kind in KINDS:
        for held_out, name in ((False, "train"), (True, "held_out")):
            chosen = [each for each in documents if each.kind == kind and each.held_out == held_out]
            arrays[f"{kind}.{name}"] = encoded(tokenizer, chosen)
        sizes = [len(arrays[f"{kind}.{name}"]) for name in ("train", "held_out")]
        print(f"{kind:10} {sizes[0]:>10,} tokens to train on {sizes[1]:>9,} held out")
    np.savez_compressed(folder / NAME, **arrays)
    print(f"{NAME}: {(folder / NAME).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
