"""Finding the function's code: module and handler names, import errors."""

import importlib
import logging
import os
import site
import sys


class Fault(Exception):
    """A failure of the function's package or answer, in the runtime's own words."""

    def __init__(self, error_type, message, trace=None):
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.trace = trace


def search_path(runtime_dir):
    """Sets sys.path as an instance has it: the package first, then layers, then the
    runtime and the standard library; a PYTHONPATH of the function's own replaces the
    layers. The .pth files of package and layers count.

    Source: Lambda developer guide, Python, search path; as observed on AWS.
    """
    task_root = os.environ["LAMBDA_TASK_ROOT"]
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    platforms = ([runtime_dir], [os.environ.get("LAMBDA_RUNTIME_DIR")])
    own = [] if given in platforms else [path for path in given if path]
    library = [
        path
        for path in sys.path
        # What a distribution adds (dist-packages) is the machine's, not the function's.
        if path not in given and path != runtime_dir and not path.endswith("dist-packages")
    ]
    layers = []
    if not own:
        runtime = os.environ.get("AWS_EXECUTION_ENV", "").replace("AWS_Lambda_", "")
        if not runtime.startswith("python"):
            runtime = "python%d.%d" % sys.version_info[:2]
        # /opt; without walls both are below another folder.
        opt = os.path.normpath(task_root + "/../../opt")
        layers = [opt + "/python/lib/%s/site-packages" % runtime, opt + "/python"]
    packages = []
    if layers and sys.version_info >= (3, 11):
        packages = [path for path in library if path.endswith("site-packages")]
    sys.path[:] = [task_root] + layers + packages + [runtime_dir] + own + library
    importlib.invalidate_caches()
    for path in [task_root] + layers:
        site.addsitedir(path)


def load(name):
    """Returns the function a handler name ("pkg/mod.function") stands for. Raises
    Fault when there is none, and whatever the module raises while it is imported."""
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as err:
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (name, err)) from None
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault(
            "Runtime.BuiltInModuleConflict",
            "Cannot use built-in module %s as a handler module" % module_name,
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as err:
        if (err.name or "").split(".")[0] in ("boto3", "botocore"):
            logging.warning(
                "This Wick doesn't have the AWS SDK that AWS's runtime carries: "
                "`wick runtimes install sdk` gets it."
            )
        raise Fault(
            "Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, err)
        ) from None
    except SyntaxError as err:
        raise Fault(
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module '%s': %s" % (module_name, err),
            ['  File "%s" Line %s\n    %s' % (err.filename, err.lineno, err.text)],
        ) from None
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise Fault(
            "Runtime.HandlerNotFound",
            "Handler '%s' missing on module '%s'" % (function_name, module_name),
        ) from None
