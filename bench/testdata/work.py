"""Works for event["ms"] milliseconds of CPU time, and says how often it has been called."""

import time

calls = 0


def handler(event, context):
    global calls
    calls += 1
    end = time.thread_time() + event.get("ms", 0) / 1000
    while time.thread_time() < end:
        pass
    return {"calls": calls}
