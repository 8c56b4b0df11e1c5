"""The life of the process: boot, become a function, serve its events."""

import json
import logging
import os
import sys
import time
import traceback

from . import compiled, logs, marshal
from . import handler as handlers
from .api import Disconnected, RuntimeAPI
from .context import LambdaContext
from .handler import Fault

_HERE = os.path.dirname(os.path.abspath(__file__))
_RUNTIME_DIR = os.path.dirname(_HERE)

_UNHANDLED = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. "
    "However, in rare cases, a Lambda runtime update can cause unexpected function behavior. "
    "For functions using managed runtimes, runtime updates can be triggered by a function change, "
    "or can be applied automatically. To determine if the runtime has been updated, check the "
    "runtime version in the INIT_START log entry. If this error correlates with a change in the "
    "runtime version, you may be able to mitigate this error by temporarily rolling back to the "
    "previous runtime version. For more information, see "
    "https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html\r"
)


def main():
    """Runs until the instance goes away; returns the exit status."""
    try:
        stem = os.environ.pop("WICK_STEM", None)
        if stem is None:
            framed = os.environ.pop("WICK_LOG_FRAMES", None) == "1"
            _forget_coerced_locale()
            api = RuntimeAPI.connect(os.environ["AWS_LAMBDA_RUNTIME_API"])
        else:
            framed = True
            os.set_inheritable(int(stem), False)
            api = RuntimeAPI.inherit(int(stem))
            _become(json.loads(api.assignment())["env"])
        _serve(api, logs.FrameSink(1) if framed else logs.PlainSink())
    except Disconnected:
        return 1
    return 0


def _become(env):
    """Takes on a function's environment, exactly."""
    os.environ.clear()
    os.environ.update(env)
    time.tzset()


def _forget_coerced_locale():
    """Python itself sets LC_CTYPE where the machine lacks the configured locale (PEP
    538). The function's environment is what it was started with."""
    try:
        with open("/proc/self/environ", "rb") as file:
            given = file.read()
    except OSError:
        return  # no /proc here: nothing to compare with
    if not any(entry.startswith(b"LC_CTYPE=") for entry in given.split(b"\0")):
        os.environ.pop("LC_CTYPE", None)


def _serve(api, sink):
    encoder = marshal.Encoder()
    log = logs.Logs(sink, encoder.encode)
    log.install()
    os.chdir(os.environ["LAMBDA_TASK_ROOT"])
    handlers.search_path(_RUNTIME_DIR)
    compiled.use([os.path.join(_HERE, "packs", slot, "pack") for slot in ("task", "opt")])
    try:
        function = handlers.load(os.environ["_HANDLER"])
    except Fault as fault:
        result = _error(fault.message, fault.error_type, fault.trace)
    except Exception:  # whatever the function's module raises
        result = _describe(*sys.exc_info())[0]
    else:
        while True:
            invocation = api.next()
            try:
                _invoke(api, function, invocation, encoder, log)
            except BaseException:
                api.flush()
                raise
    logging.warning(_UNHANDLED)
    log.error(result)
    api.fail_init(encoder.encode(result).encode("utf-8"), result["errorType"])
    sys.exit(1)


def _invoke(api, function, invocation, encoder, log):
    logs.Current.request_id = invocation.request_id
    logs.Current.tenant_id = invocation.tenant_id
    if invocation.trace_id is not None:
        os.environ["_X_AMZN_TRACE_ID"] = invocation.trace_id
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    try:
        context = LambdaContext(
            invocation,
            _json_header(invocation.client_context, "Client Context"),
            _json_header(invocation.cognito_identity, "Cognito Identity"),
        )
        value = function(_event(invocation), context)  # kept: what goes may warn of that
        answer, content_type = _marshal(value, encoder)
    except Fault as fault:
        result = _error(fault.message, fault.error_type, fault.trace, invocation.request_id)
        cause = _xray_cause("LambdaValidationError", fault.message, ())
    except Exception:  # whatever the function raises; SystemExit ends the process
        result, cause = _describe(*sys.exc_info(), request_id=invocation.request_id)
    else:
        if not isinstance(answer, bytes):
            answer = answer.encode("utf-8")
        api.respond(invocation.request_id, answer, content_type)
        return
    log.error(result)
    api.fail(
        invocation.request_id,
        encoder.encode(result).encode("utf-8", "backslashreplace"),
        result["errorType"],
        encoder.encode(cause),
    )


def _event(invocation):
    if invocation.content_type not in (None, "application/json"):
        return invocation.body
    try:
        return json.loads(invocation.body)
    except Exception as err:
        raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % err) from None


def _marshal(answer, encoder):
    if isinstance(answer, bytes):
        return answer, "application/unknown"
    try:
        return encoder.encode(answer), "application/json"
    except Exception as err:
        raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % err) from None


def _json_header(text, name):
    if text is None:
        return None
    try:
        return json.loads(text)
    except Exception as err:
        raise Fault(
            "Runtime.LambdaContextUnmarshalError", "Unable to parse %s JSON: %s" % (name, err)
        ) from None


def _error(message, error_type, trace, request_id=""):
    result = {
        "errorMessage": message or "",
        "errorType": error_type or "",
        "requestId": request_id,
        "stackTrace": trace or [],
    }
    if os.environ.get("AWS_EXECUTION_ENV") in ("AWS_Lambda_python3.7", "AWS_Lambda_python3.8"):
        del result["requestId"]  # those runtimes' last release has no such member
    return result


def _describe(kind, value, tb, request_id=""):
    """The error object of an exception, and what X-Ray is told of it."""
    frames = [(f.filename, f.lineno, f.name, f.line) for f in traceback.extract_tb(tb)]
    ours = 0
    while ours < len(frames) and frames[ours][0].startswith(_HERE):
        ours += 1
    frames = frames[ours:] or frames
    result = _error(str(value), kind.__name__, traceback.format_list(frames), request_id)
    return result, _xray_cause(kind.__name__, str(value), frames)


def _xray_cause(kind, message, frames):
    """Source: X-Ray segment documents, errors and exceptions."""
    stack = [{"label": name, "path": path, "line": line} for path, line, name, _ in frames]
    return {
        "working_directory": os.getcwd(),
        "exceptions": [{"message": message, "type": kind, "stack": stack}],
        "paths": sorted({entry["path"] for entry in stack}),
    }
