"""A Runtime API client on a bare socket.

http.client would cost more than all the rest of a warm invocation: its headers go
through an e-mail parser, and a response and the poll behind it would be two writes
and two waits. Here they leave together.

Source: Lambda runtime API, 2018-06-01.
"""

import socket
import time

_PREFIX = "/2018-06-01/runtime/"
_RECV_BYTES = 65536
# Over this, the API refuses a response and the runtime must see that before it polls
# again. Source: Lambda quotas, invocation payload.
_MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100
# A longer X-Ray cause is left out, as AWS's clients do.
_MAX_HEADER_BYTES = 1024 * 1024 - 1


class Disconnected(Exception):
    """The API has closed the connection: the instance is going away."""


class Malformed(Exception):
    """What came back is not HTTP."""


class Invocation:
    """One event and what comes with it."""

    __slots__ = (
        "request_id",
        "trace_id",
        "function_arn",
        "deadline_ms",
        "client_context",
        "cognito_identity",
        "tenant_id",
        "content_type",
        "body",
    )

    def __init__(self, headers, body):
        get = headers.get
        self.request_id = get("lambda-runtime-aws-request-id")
        self.trace_id = get("lambda-runtime-trace-id") or None
        self.function_arn = get("lambda-runtime-invoked-function-arn")
        self.deadline_ms = int(get("lambda-runtime-deadline-ms", "0"))
        self.client_context = get("lambda-runtime-client-context") or None
        self.cognito_identity = get("lambda-runtime-cognito-identity") or None
        self.tenant_id = get("lambda-runtime-aws-tenant-id") or None
        self.content_type = get("content-type")
        self.body = body


class RuntimeAPI:
    """One connection. Not for several threads at once."""

    def __init__(self, sock, host):
        self._sock = sock
        self._buffer = b""
        self._tail = (" HTTP/1.1\r\nHost: %s\r\n" % host).encode("ascii")
        self._next = self._head("GET", "invocation/next") + b"\r\n"
        self._unsent = b""

    @classmethod
    def connect(cls, address):
        """Connects to AWS_LAMBDA_RUNTIME_API, host:port."""
        host, _, port = address.rpartition(":")
        sock = socket.create_connection((host.strip("[]"), int(port)))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(sock, address)

    @classmethod
    def inherit(cls, fd):
        """Takes over a connected socket, and keeps it from child processes."""
        return cls(socket.socket(fileno=fd), "wick")

    def _head(self, method, path):
        return method.encode("ascii") + b" " + (_PREFIX + path).encode("ascii") + self._tail

    def assignment(self):
        """Waits until this stem is given a function; returns the JSON document."""
        self._sock.sendall(b"GET /wick/assign" + self._tail + b"\r\n")
        status, _, body = self._read()
        if status != 200:
            raise Malformed("assignment answered with %d" % status)
        return body

    def next(self):
        """Waits for the next event. A response kept by respond leaves first."""
        unsent, self._unsent = self._unsent, b""
        self._sock.sendall(unsent + self._next)
        if unsent:
            self._check(self._read(), "response")
        status, headers, body = self._read()
        if status != 200:
            raise RuntimeError("Failed to get next")
        return Invocation(headers, body)

    def respond(self, request_id, body, content_type):
        """Answers an invocation; leaves together with the poll that follows."""
        head = self._head("POST", "invocation/%s/response" % request_id)
        message = b"%sContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (
            head,
            content_type.encode("ascii"),
            len(body),
        )
        if len(body) > _MAX_RESPONSE_BYTES:
            self._sock.sendall(message)
            self._sock.sendall(body)
            self._check(self._read(), "response")
        else:
            self._unsent = message + body

    def fail(self, request_id, body, error_type, xray_cause):
        """Ends an invocation with an error object."""
        self._unsent = self._error("invocation/%s/error" % request_id, body, error_type, xray_cause)

    def fail_init(self, body, error_type):
        """Ends init as failed; returns when that is known."""
        self._sock.sendall(self._error("init/error", body, error_type, ""))
        status = self._read()[0]
        if status != 202:
            raise RuntimeError("Failed to post init error: %d" % status)

    def flush(self):
        """Sends what respond or fail kept, for when no poll will follow."""
        unsent, self._unsent = self._unsent, b""
        if unsent:
            self._sock.sendall(unsent)
            self._read()

    def _error(self, path, body, error_type, xray_cause):
        parts = [self._head("POST", path), b"Content-Type: application/json\r\n"]
        for name, value in (
            (b"Lambda-Runtime-Function-Error-Type", error_type),
            (b"Lambda-Runtime-Function-XRay-Error-Cause", xray_cause),
        ):
            value = value.encode("utf-8", "replace").replace(b"\r", b" ").replace(b"\n", b" ")
            if value and len(value) <= _MAX_HEADER_BYTES:
                parts.append(b"%s: %s\r\n" % (name, value))
        parts.append(b"Content-Length: %d\r\n\r\n" % len(body))
        parts.append(body)
        return b"".join(parts)

    @staticmethod
    def _check(answer, what):
        status, _, body = answer
        if status != 202:
            print(
                "[ERROR] [%d] LAMBDA_RUNTIME Failed to post handler success response. "
                "Http response code: %d. %s"
                % (time.time() * 1000, status, body.decode("utf-8", "replace"))
            )
            raise RuntimeError("Failed to post invocation %s" % what)

    def _fill(self):
        data = self._sock.recv(_RECV_BYTES)
        if not data:
            raise Disconnected()
        self._buffer += data

    def _read(self):
        """Reads one answer: status, headers with lower-case names, body."""
        while True:
            while True:
                end = self._buffer.find(b"\r\n\r\n")
                if end >= 0:
                    break
                self._fill()
            lines = self._buffer[:end].decode("utf-8", "surrogateescape").split("\r\n")
            self._buffer = self._buffer[end + 4 :]
            version, _, rest = lines[0].partition(" ")
            if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
                raise Malformed(lines[0])
            status = int(rest[:3])
            if status >= 200:
                break  # an interim answer (100) has no body and is followed by the real one
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise Malformed(line)
            headers[name.lower()] = value.strip()
        return status, headers, self._body(status, headers)

    def _body(self, status, headers):
        if status in (204, 304):
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = headers.get("content-length")
        if length is not None:
            return self._take(int(length))
        while True:  # neither: the body ends with the connection
            try:
                self._fill()
            except Disconnected:
                body, self._buffer = self._buffer, b""
                return body

    def _take(self, length):
        have = self._buffer
        if len(have) >= length:
            self._buffer = have[length:]
            return have[:length]
        body = bytearray(length)
        body[: len(have)] = have
        self._buffer = b""
        view = memoryview(body)
        at = len(have)
        while at < length:
            n = self._sock.recv_into(view[at:])
            if n == 0:
                raise Disconnected()
            at += n
        return bytes(body)

    def _line(self):
        while True:
            end = self._buffer.find(b"\r\n")
            if end >= 0:
                line = self._buffer[:end]
                self._buffer = self._buffer[end + 2 :]
                return line
            self._fill()

    def _chunks(self):
        chunks = []
        while True:
            size = int(self._line().split(b";", 1)[0], 16)
            if size == 0:
                break
            chunks.append(self._take(size))
            if self._line():
                raise Malformed("chunk without its end")
        while self._line():
            pass  # trailers
        return b"".join(chunks)
