"""A function under AWS's X-Ray SDK, as the journey of traces deploys it."""
import json
import os
import time

from aws_xray_sdk.core import patch, xray_recorder


def handler(event, context):
    if event.get("sleep"):
        time.sleep(event["sleep"])
    with xray_recorder.in_subsegment("work") as sub:
        sub.put_annotation("customer", event.get("customer", "nobody"))
        sub.put_annotation("items", 3)
        sub.put_metadata("note", {"deep": [1, 2.5]})
        with xray_recorder.in_subsegment("inner"):
            pass
    if event.get("fail"):
        raise ValueError("no such luck")
    answer = {"header": os.environ["_X_AMZN_TRACE_ID"]}
    if event.get("call"):
        import boto3

        patch(["botocore"])
        reply = boto3.client("lambda").invoke(FunctionName=event["call"], Payload=json.dumps({"customer": "nested"}))
        answer["nested"] = json.load(reply["Payload"])
    return answer
