"""What the journeys in Python check, counted, and how they end."""

import sys

from botocore.exceptions import ClientError

_passed = 0
_failures = []


def check(what, ok, found=""):
    global _passed
    if ok:
        _passed += 1
    else:
        _failures.append(f"{what}: {found}")
    print(f"  {'ok  ' if ok else 'FAIL'} {what}" + ("" if ok else f": {found}"))


def equal(what, found, want):
    check(what, found == want, f"{found!r}, want {want!r}")


def refused(what, code, message, call):
    """Calls what AWS would refuse; a message of None is any."""
    try:
        found = call()
    except ClientError as e:
        found = (e.response["Error"]["Code"], e.response["Error"]["Message"] if message else None)
    equal(what, found, (code, message))


def finish():
    """Says how it went and ends the script: status 1 if a check failed."""
    print(f"{_passed} of {_passed + len(_failures)} checks passed")
    for failure in _failures:
        print("FAILED", failure)
    sys.exit(1 if _failures else 0)
