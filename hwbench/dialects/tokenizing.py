"""The tokenizer of a transformers model, from this machine's cache or the folder it is in."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hwbench.errors import one_line


@dataclass(frozen=True, kw_only=True)
class Cutter:
    """`cut` gives the ids of each text, all below `vocab`; `end` is that of an end of text."""

    cut: Callable[[Sequence[str]], Sequence[Sequence[int]]]
    vocab: int
    end: int
    version: str


@lru_cache(maxsize=4)
def found(target: str) -> Cutter | str:
    """Return the tokenizer of a name or of a folder, else why there is none.

    Nothing is downloaded, and no code of the model's is run.
    """
    place = Path(target).parent if Path(target).is_file() else Path(target)
    name = str(place) if place.exists() else target
    try:
        import transformers
    except ImportError:
        return "transformers, which has its tokenizer, not being installed"
    try:
        made = transformers.AutoTokenizer.from_pretrained(
            name, local_files_only=True, trust_remote_code=False
        )
        words = made.get_vocab()
    except Exception as e:  # each lack is told by another error of its own
        return f"its tokenizer not being on this machine ({one_line(str(e))[:60]})"
    if not set(words) - set(made.all_special_tokens):  # it is made of nothing but its class
        return "no vocabulary of its tokenizer being on this machine"
    ends = (made.eos_token_id, made.sep_token_id, made.pad_token_id, 0)
    digest = hashlib.sha256(json.dumps(sorted(words.items())).encode())

    def cut(texts: Sequence[str]) -> Sequence[Sequence[int]]:
        return made(list(texts), add_special_tokens=False, verbose=False)["input_ids"]  # type: ignore[no-any-return]

    return Cutter(
        cut=cut,
        vocab=max(words.values()) + 1,
        end=next(e for e in ends if e is not None),
        version=digest.hexdigest()[:16],
    )
