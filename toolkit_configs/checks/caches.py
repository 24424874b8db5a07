"""What the trainer has encoded earlier and would train on again, although the pictures are others by now.

It names a cached latent by the target's file name, its size and its crop, and a cached caption by its text
and the path of its control: a picture that was changed under its old name is never encoded anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chromiq.errors import Finding

LATENTS, TEXTS = "_latent_cache", "_t_e_cache"
_HASH_LENGTH = 22


def cache_findings(targets: Path, controls: Sequence[Path]) -> list[Finding]:
    """Cached encodings that are older than the pictures they were made of.

    Args:
        targets: the folder of the targets, in which the trainer keeps its caches.
        controls: folders of controls, which some models see together with the caption.
    """
    stale = _older(targets / LATENTS, [targets])
    stale_texts = _older(targets / TEXTS, controls)
    found = []
    for cache, files in ((targets / LATENTS, stale), (targets / TEXTS, stale_texts)):
        if files:
            wanted = "encodings that are younger than their pictures"
            got = f"{len(files)} that are older, such as {files[0].name}; the trainer would train on them"
            cure = "delete the folder: it is made anew"
            found.append(Finding.expected("dataset.cache", str(cache), wanted, got, cure))
    return found


def _older(cache: Path, folders: Sequence[Path]) -> list[Path]:
    """Files of a cache that are older than a picture of their name in any of the folders."""
    if not cache.is_dir():
        return []
    changed_ns: dict[str, int] = {}
    for folder in folders:
        for path in folder.glob("*"):
            if path.is_file() and path.suffix != ".txt":
                changed_ns[path.stem] = max(changed_ns.get(path.stem, 0), path.stat().st_mtime_ns)
    return [
        path
        for path in sorted(cache.glob("*.safetensors"))
        if path.stat().st_mtime_ns < changed_ns.get(path.stem[: -_HASH_LENGTH - 1], 0)
    ]
