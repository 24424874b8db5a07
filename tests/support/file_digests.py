"""What a folder holds, by its bytes."""

import hashlib

from chromiq.files import LOCK_NAME


def digests(folder):
    """SHA-256 of every file below a folder but the lock, by name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != LOCK_NAME
    }
