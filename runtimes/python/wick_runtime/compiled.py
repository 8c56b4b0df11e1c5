"""Modules of the package and its layers that were compiled before any instance ran them.

compile.py has written them, as the .pyc files that Python itself would make, into a pack:
a line that says what it is, the length of the index, the index (marshal: where each file
is, by its path), and the files. Python's own loader reads them from there, where it would
read from __pycache__: nothing else of a module differs.
"""

import importlib.machinery
import importlib.util
import marshal

MAGIC = b"wick python pack 1\n" + importlib.util.MAGIC_NUMBER

# Python leaves out of tracebacks what is in files of this name: its own importing.
_IMPORTLIB = "<frozen importlib._bootstrap_external>"

_GET_DATA = """
def get_data(self, path):
    data = find(path)
    return original(self, path) if data is None else data
"""


def use(names):
    """Has modules come from the packs of these names, as far as they are there."""
    places = {}
    for name in names:
        try:
            places.update(_places(name))
        except Exception:  # not there, or broken: the modules are compiled when imported
            pass
    if not places:
        return

    def find(path):
        place = places.get(path) if isinstance(path, str) else None
        if place is None:
            return None
        name, at, size = place
        try:
            with open(name, "rb", buffering=0) as file:
                file.seek(at)
                data = file.read(size)
        except OSError:
            return None  # it has been removed meanwhile
        return data if len(data) == size else None

    loader = importlib.machinery.SourceFileLoader
    scope = {"find": find, "original": loader.get_data}
    exec(compile(_GET_DATA, _IMPORTLIB, "exec"), scope)
    loader.get_data = scope["get_data"]


def _places(name):
    with open(name, "rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return {}
        length = int.from_bytes(file.read(4), "little")
        index = marshal.loads(file.read(length))
    first = len(MAGIC) + 4 + length
    return {path: (name, first + at, size) for path, (at, size) in index.items()}


def encode(files):
    """Returns a pack of files, given by their paths."""
    index, at = {}, 0
    for path, data in files.items():
        index[path] = (at, len(data))
        at += len(data)
    head = marshal.dumps(index)
    return b"".join([MAGIC, len(head).to_bytes(4, "little"), head] + list(files.values()))
