"""How log records leave: the logging module's handler, and the error report.

print and sys.stdout go to the log line by line. A record of the logging module may
have many lines and stays one: it leaves as a frame where the platform reads frames,
else on one line of its own.

A frame is 4 bytes 0xA55A0003, 4 bytes length, 8 bytes time in microseconds since the
epoch, all big-endian, then the text, written to the same descriptor as plain output.
"""

import errno
import json
import logging
import os
import select
import struct
import sys
import threading
import time
import traceback

_MAGIC = 0xA55A0003
_HEADER = struct.Struct(">IIQ")
# A longer record is several. Source: CloudWatch Logs quotas, log event size.
_MAX_FRAME_BYTES = 1 << 20
_DATE = "%Y-%m-%dT%H:%M:%S"

# What a LogRecord always has; anything else on it was put there by the function
# (extra=…) and belongs in a JSON record. Source: Python logging, LogRecord attributes.
_STANDARD_FIELDS = frozenset(
    (
        "name",
        "msg",
        "args",
        "levelname",
        "levelno",
        "pathname",
        "filename",
        "module",
        "exc_info",
        "exc_text",
        "stack_info",
        "lineno",
        "funcName",
        "created",
        "msecs",
        "relativeCreated",
        "thread",
        "threadName",
        "processName",
        "process",
        "aws_request_id",
        "tenant_id",
        "_frame_type",
    )
)


class Current:
    """Which invocation a record belongs to."""

    request_id = None
    tenant_id = None


class PlainSink:
    """Writes records to sys.stdout, for a platform that reads lines only."""

    def log(self, text):
        """Writes text as it is."""
        sys.stdout.write(text)

    def log_lines(self, lines):
        """Writes one record of several lines, which share a line of output."""
        sys.stdout.write("\r".join(lines) + "\n")


class FrameSink:
    """Writes records as frames to a descriptor."""

    def __init__(self, fd):
        self._fd = fd
        self._lock = threading.Lock()
        # A child made by fork must not inherit the lock in the hands of a thread it hasn't got.
        os.register_at_fork(after_in_child=self._new_lock)

    def _new_lock(self):
        self._lock = threading.Lock()

    def log(self, text):
        """Writes one record."""
        if text.endswith("\n"):
            text = text[:-1]
        data = text.encode("utf-8")  # what has no UTF-8 form is the caller's error, as on AWS
        now = time.time_ns() // 1000
        with self._lock:
            for start in range(0, len(data) or 1, _MAX_FRAME_BYTES):
                part = data[start : start + _MAX_FRAME_BYTES]
                self._write(_HEADER.pack(_MAGIC, len(part), now) + part)

    def log_lines(self, lines):
        """Writes one record of several lines."""
        self.log("\n".join(lines))

    def _write(self, frame):
        view = memoryview(frame)
        while view:
            try:
                view = view[os.write(self._fd, view) :]
            except OSError as err:
                if err.errno != errno.EAGAIN:
                    raise
                select.select((), (self._fd,), ())


class Unbuffered:
    """A text stream that keeps nothing back: what was printed survives a kill."""

    def __init__(self, stream):
        self.stream = stream
        write, flush = stream.write, stream.flush

        def write_through(text):
            """Writes text at once."""
            written = write(text)
            flush()
            return written

        # Of its own, not the class's: a function that prints a lot calls it twice a line.
        self.write = write_through

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, exc_tb):
        pass

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def writelines(self, lines):
        """Writes lines at once."""
        self.stream.writelines(lines)
        self.stream.flush()


class _Handler(logging.Handler):
    def __init__(self, log_sink):
        super().__init__()
        self.log_sink = log_sink

    def emit(self, record):
        self.log_sink.log(self.format(record))


class _AddInvocation(logging.Filter):
    def filter(self, record):
        record.aws_request_id = Current.request_id or ""
        record.tenant_id = Current.tenant_id
        return True


class _JSONFormatter(logging.Formatter):
    """A record as a JSON object. Source: Lambda advanced logging controls."""

    def __init__(self):
        super().__init__(datefmt=_DATE + "Z")

    def format(self, record):
        level = min(50, max(0, record.levelno)) // 10 * 10
        record.levelno = level
        record.levelname = logging.getLevelName(level)
        error = record.exc_info or None
        entry = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.msg
            if isinstance(record.msg, dict) and not record.args
            else record.getMessage(),
            "logger": record.name,
            "stackTrace": error and traceback.format_tb(error[2]),
            "errorType": error and error[0].__name__,
            "errorMessage": error and str(error[1]),
            "requestId": getattr(record, "aws_request_id", None),
            "location": error and "%s:%s:%s" % (record.pathname, record.funcName, record.lineno),
        }
        if getattr(record, "tenant_id", None) is not None:
            entry["tenantId"] = record.tenant_id
        for key, value in record.__dict__.items():
            if key not in _STANDARD_FIELDS and key not in entry:
                entry[key] = value
        entry = {key: value for key, value in entry.items() if value is not None}
        return json.dumps(entry, ensure_ascii=False, default=str) + "\n"


class Logs:
    """The function's log, as its environment configures it."""

    def __init__(self, sink, to_json):
        self.sink = sink
        self._to_json = to_json
        self._json = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"

    def install(self):
        """Gives the root logger its handler and level, and unbuffers the streams."""
        sys.stdout = Unbuffered(sys.stdout)
        sys.stderr = Unbuffered(sys.stderr)
        logging.Formatter.converter = time.gmtime
        handler = _Handler(self.sink)
        if self._json:
            handler.setFormatter(_JSONFormatter())
        else:
            handler.setFormatter(
                logging.Formatter(
                    "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n",
                    _DATE,
                )
            )
        handler.addFilter(_AddInvocation())
        root = logging.getLogger()
        root.addHandler(handler)
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
        level = "DEBUG" if level == "TRACE" else level
        if level in logging._nameToLevel:
            root.setLevel(level)

    def error(self, result):
        """Logs the error object that ends an invocation or init."""
        if self._json:
            entry = {"timestamp": time.strftime(_DATE + "Z", time.gmtime()), "level": "ERROR"}
            entry.update(result)
            self.sink.log_lines([self._to_json(entry)])
            return
        title = "[ERROR]"
        if result.get("errorType"):
            title += " " + result["errorType"]
        if result.get("errorMessage"):
            title += (":" if result.get("errorType") else "") + " " + result["errorMessage"]
        lines = [title]
        if result.get("stackTrace") is not None:
            lines.append("Traceback (most recent call last):")
            for element in result["stackTrace"]:
                lines += [_hard_indent(line) for line in element.splitlines()] or [""]
        self.sink.log_lines(lines)


def _hard_indent(line):
    """Log viewers drop leading spaces, so the indentation is of no-break spaces."""
    text = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(text)) + text
