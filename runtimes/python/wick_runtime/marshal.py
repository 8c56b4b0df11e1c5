"""Events in, responses out: JSON as Lambda's Python runtime reads and writes it.

The official client encodes with simplejson, which differs from the standard library
in what it takes: Decimal becomes a number, a named tuple (anything with _asdict)
becomes an object, bytes become text. The standard library's encoder, in C, does all
the common values here; only a response that holds one of those goes through the encoder
below.
"""

import json
import json.encoder
import os
import sys

# These runtimes write text as it is, the older ones escape all that isn't ASCII.
_UNICODE_RUNTIMES = frozenset("AWS_Lambda_python3.%d" % minor for minor in range(12, 20))


class _Special(Exception):
    """Raised out of the standard encoder at a value only simplejson knows."""


def _stop(_value):
    raise _Special()


class Encoder:
    """Turns values into JSON text; ascii is as the runtime's version has it."""

    def __init__(self):
        self._ascii = os.environ.get("AWS_EXECUTION_ENV") not in _UNICODE_RUNTIMES
        self._fast = json.JSONEncoder(ensure_ascii=self._ascii, default=_stop).encode
        self._string = (
            json.encoder.encode_basestring_ascii if self._ascii else json.encoder.encode_basestring
        )
        self._known_tuples = len(tuple.__subclasses__())

    def encode(self, value):
        """Returns JSON text. TypeError or ValueError when the value has none."""
        text = None
        try:
            # The C encoder writes a named tuple as an array and asks nobody, so look
            # first, but only where the function has defined tuple types at all.
            if len(tuple.__subclasses__()) == self._known_tuples or not _has_named_tuple(value):
                text = self._fast(value)
        except (_Special, TypeError):
            pass
        if text is None:
            text = "".join(self._encode(value, set()))
        return text

    def _encode(self, value, above):
        if isinstance(value, str):
            yield self._string(value)
        elif isinstance(value, bytes):
            yield self._string(value.decode("utf-8"))
        elif value is None:
            yield "null"
        elif value is True:
            yield "true"
        elif value is False:
            yield "false"
        elif isinstance(value, int):
            yield int.__repr__(value)
        elif isinstance(value, float):
            yield _float(value)
        elif _is_decimal(value):
            yield "NaN" if value.is_nan() else str(value)
        else:
            if id(value) in above:
                raise ValueError("Circular reference detected")
            above.add(id(value))
            yield from self._container(value, above)
            above.discard(id(value))

    def _container(self, value, above):
        as_dict = None if isinstance(value, list) else getattr(value, "_asdict", None)
        if callable(as_dict):
            yield from self._object(as_dict(), above)
        elif isinstance(value, (list, tuple)):
            separator = "["
            for item in value:
                yield separator
                yield from self._encode(item, above)
                separator = ", "
            yield "]" if separator == ", " else "[]"
        elif isinstance(value, dict):
            yield from self._object(value, above)
        else:
            raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)

    def _object(self, value, above):
        separator = "{"
        for key, item in value.items():
            yield separator
            yield self._string(_key(key))
            yield ": "
            yield from self._encode(item, above)
            separator = ", "
        yield "}" if separator == ", " else "{}"


def _key(key):
    if isinstance(key, str):
        return key
    if isinstance(key, bytes):
        return key.decode("utf-8")
    if key is None:
        return "null"
    if key is True:
        return "true"
    if key is False:
        return "false"
    if isinstance(key, int):
        return int.__repr__(key)
    if isinstance(key, float):
        return _float(key)
    raise TypeError("keys must be str, int, float, bool or None, not " + type(key).__name__)


def _float(value):
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return float.__repr__(value)


def _has_named_tuple(value):
    try:
        return _find_named_tuple(value)
    except RecursionError:
        return False  # the encoder will find the circle, or fail in the same way


def _find_named_tuple(value):
    kind = type(value)
    if kind is dict:
        for item in value.values():
            if type(item) not in _SCALARS and _find_named_tuple(item):
                return True
    elif kind is list or kind is tuple:
        for item in value:
            if type(item) not in _SCALARS and _find_named_tuple(item):
                return True
    else:
        return callable(getattr(value, "_asdict", None))
    return False


_SCALARS = frozenset((str, int, float, bool, type(None)))


def _is_decimal(value):
    # Whoever made one has imported the module; it isn't kept in memory for all the others.
    decimal = sys.modules.get("decimal")
    return decimal is not None and isinstance(value, decimal.Decimal)
