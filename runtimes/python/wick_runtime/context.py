"""The context object a handler gets.

Source: AWS Lambda developer guide, Python context object.
"""

import logging
import os
import sys
import time


class _Record:
    """An object of named fields, each None unless a JSON object has it."""

    __slots__ = ()

    def __init__(self, fields):
        for name in self.__slots__:
            setattr(self, name, fields.get(name))

    def __repr__(self):
        fields = ",".join("%s=%s" % (name, getattr(self, name)) for name in self.__slots__)
        return "%s([%s])" % (type(self).__name__, fields)


class CognitoIdentity(_Record):
    """Who invoked, when the AWS Mobile SDK did."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(_Record):
    """The application that invoked, when the AWS Mobile SDK did."""

    __slots__ = (
        "installation_id",
        "app_title",
        "app_version_name",
        "app_version_code",
        "app_package_name",
    )


class ClientContext(_Record):
    """What the invoker sent as X-Amz-Client-Context."""

    __slots__ = ("custom", "env", "client")


class LambdaContext:
    """The invocation as its handler sees it."""

    def __init__(self, invocation, client_context, cognito_identity):
        env = os.environ.get
        self.aws_request_id = invocation.request_id
        self.log_group_name = env("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = env("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = env("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = env("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = invocation.function_arn
        self.tenant_id = invocation.tenant_id
        self._w3c = {}
        if isinstance(client_context, dict):
            self._w3c = _trace_context(client_context.pop("w3c", None))
        self.client_context = None
        if client_context is not None:
            self.client_context = ClientContext(client_context)
            if self.client_context.client is not None:
                self.client_context.client = Client(self.client_context.client)
        identity = cognito_identity or {}
        self.identity = CognitoIdentity(
            {
                "cognito_identity_id": identity.get("cognitoIdentityId"),
                "cognito_identity_pool_id": identity.get("cognitoIdentityPoolId"),
            }
        )
        self._epoch_deadline_time_in_ms = invocation.deadline_ms

    def get_remaining_time_in_millis(self):
        """Milliseconds until the invocation times out, never below 0."""
        return max(self._epoch_deadline_time_in_ms - int(time.time() * 1000), 0)

    def w3c(self):
        """The W3C trace context of the invocation, {} when it has none."""
        return dict(self._w3c)

    def log(self, msg):
        """Writes a log record as it is."""
        for handler in logging.getLogger().handlers:
            if hasattr(handler, "log_sink"):
                handler.log_sink.log(str(msg))
                return
        sys.stdout.write(str(msg))

    def __repr__(self):
        names = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        return "LambdaContext([%s])" % ",".join("%s=%s" % (n, getattr(self, n)) for n in names)


def _trace_context(given):
    """Source: W3C Trace Context; Baggage. It travels in the client context."""
    if not isinstance(given, dict):
        return {}
    names = ("traceparent", "tracestate", "baggage")
    return {name: given[name] for name in names if isinstance(given.get(name), str)}
