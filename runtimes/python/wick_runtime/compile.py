"""Compiles the modules below a folder and prints a pack of them (see compiled.py).

    python -m wick_runtime.compile ROOT MOST_BYTES MOST_SECONDS

It runs none of their code. What it leaves out is compiled by the instances: a module that
can't be compiled, whose error they show; one that Python warns of as it compiles it, as
they do; and one whose own .pyc is in the package, which they take.
"""

import importlib.util
import os
import sys
import time
import warnings
from importlib import _bootstrap_external as external

from . import compiled


def main(root, most_bytes, most_seconds):
    files = {}
    for path in _modules(root):
        if time.process_time() > most_seconds:
            break
        target = importlib.util.cache_from_source(path)
        try:
            data = None if _is_current(target, path) else _compile(path)
        except Exception:
            continue  # the instances say what is wrong
        if data is not None and len(data) <= most_bytes:
            most_bytes -= len(data)
            files[target] = data
    sys.stdout.buffer.write(compiled.encode(files))


def _modules(root):
    """The files to compile, those nearest to the root first."""
    folders = [root]
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.name.endswith(".py") and entry.is_file(follow_symlinks=False):
                    yield entry.path


def _compile(path):
    """A module's .pyc, or None where Python warns of something in it."""
    with open(path, "rb") as file:
        source = file.read()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        code = external.SourceFileLoader("module", path).source_to_code(source, path)
    if seen:
        return None
    # Its source can't change without it, so it needn't be looked at.
    return bytes(external._code_to_hash_pyc(code, importlib.util.source_hash(source), False))


def _is_current(target, path):
    """Whether Python takes the package's own .pyc for that of a source."""
    try:
        with open(target, "rb") as file:
            head = file.read(16)
    except OSError:
        return False
    if len(head) < 16 or head[:4] != importlib.util.MAGIC_NUMBER:
        return False
    flags = int.from_bytes(head[4:8], "little")
    if flags & ~0b11:
        return False
    if flags == 0b01:
        return True  # it is never compared
    if flags == 0b11:
        with open(path, "rb") as file:
            return head[8:] == importlib.util.source_hash(file.read())
    info = os.stat(path)
    fields = [int(info.st_mtime) & 0xFFFFFFFF, info.st_size & 0xFFFFFFFF]
    return head[8:] == b"".join(field.to_bytes(4, "little") for field in fields)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
