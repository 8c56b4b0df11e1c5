import os
import random
import time


def handler(event, context):
    print("doing", event["id"])
    time.sleep(random.random() * 0.005)
    if event["what"] == "fail":
        raise ValueError(event["id"])
    if event["what"] == "exit":
        os._exit(3)
    if event["what"] == "sleep":
        time.sleep(60)
    return {"id": event["id"]}
