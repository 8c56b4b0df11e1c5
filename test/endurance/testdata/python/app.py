"""Works until the function that the event names exists."""

import os
import time
import urllib.error
import urllib.request


def handler(event, context):
    wait_for(event["gate"])
    if event.get("exit"):
        os._exit(7)
    return context.log_stream_name


def wait_for(gate):
    url = os.environ["AWS_ENDPOINT_URL"] + "/2015-03-31/functions/" + gate + "/configuration"
    while True:
        try:
            urllib.request.urlopen(url).close()
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 404:
                raise
        time.sleep(1)
