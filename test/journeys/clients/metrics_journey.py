"""CloudWatch's metrics through boto3, in each protocol that AWS's clients have spoken; a
function's own through Powertools, boto3 and what the service counts of it.

Run it against any Wick: AWS_ENDPOINT_URL=http://127.0.0.1:4566 python metrics_journey.py
It prints what it checked and leaves no function behind.
"""

import datetime
import io
import json
import pathlib
import re
import time
import zipfile

import boto3
from botocore.config import Config
from botocore.loaders import Loader

from checks import check, equal, finish, refused

SITE = pathlib.Path(boto3.__file__).parent.parent
ROLE = "arn:aws:iam::000000000000:role/journey"
NAME = "metrics-journey"
# What of botocore's data the function needs; the whole is too large for a package.
DATA = re.compile(r"botocore/data/(cloudwatch/|endpoints|partitions|sdk-default|_retry)")
SOURCE = """
import json, time
import boto3
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

metrics = Metrics(namespace="Shop", service="orders")
cloudwatch = boto3.client("cloudwatch")

@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    metrics.add_metric(name="Orders", unit=MetricUnit.Count, value=event["n"])
    metrics.add_metric(name="Prices", unit=MetricUnit.NoUnit, value=1)
    metrics.add_metric(name="Prices", unit=MetricUnit.NoUnit, value=9)
    cloudwatch.put_metric_data(Namespace="Shop", MetricData=[{"MetricName": "Direct", "Value": event["n"]}])
    print('{"_aws": "no metadata"}')
    if event["n"] == 3:
        raise ValueError("as asked")
    return event["n"]
"""

config = Config(region_name="us-east-1", retries={"total_max_attempts": 1}, read_timeout=60)
START = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)

original = Loader.load_service_model


def client(protocol=None):
    """boto3's client, speaking one of the protocols it knows CloudWatch in."""

    def load(self, service, type_name, api_version=None):
        model = original(self, service, type_name, api_version)
        if protocol and service == "cloudwatch" and type_name == "service-2":
            model["metadata"].update(protocol=protocol, protocols=[protocol])
        return model

    Loader.load_service_model = load
    try:
        return boto3.session.Session().client("cloudwatch", config=config)
    finally:
        Loader.load_service_model = original


def end():
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=1)


def protocols():
    equal("boto3's own choice", client().meta.service_model.resolved_protocol, "json")
    for protocol in ("smithy-rpc-v2-cbor", "json", "query"):
        c = client(protocol)
        space, size = "Space of " + protocol, [{"Name": "Size", "Value": "<l&s>"}]
        c.put_metric_data(Namespace=space, MetricData=[
            {"MetricName": "Latency", "Dimensions": size, "Values": [1.5, 2, 300], "Counts": [1, 2, 3], "Unit": "Milliseconds"},
            {"MetricName": "Other", "StatisticValues": {"SampleCount": 2, "Sum": 3, "Minimum": 1, "Maximum": 2}},
        ])
        names = sorted(m["MetricName"] for p in c.get_paginator("list_metrics").paginate(Namespace=space) for m in p["Metrics"])
        equal(protocol + ": the list", names, ["Latency", "Other"])
        found = c.list_metrics(Namespace=space, Dimensions=size)["Metrics"]
        equal(protocol + ": by dimension", [m["Dimensions"] for m in found], [size])
        out = c.get_metric_statistics(Namespace=space, MetricName="Latency", Dimensions=size, StartTime=START, EndTime=end(), Period=3600,
                                      Statistics=["SampleCount", "Sum", "Maximum"], ExtendedStatistics=["p50", "tm99"])
        equal(protocol + ": a datapoint", len(out["Datapoints"]), 1)
        d = out["Datapoints"][0]
        equal(protocol + ": statistics", (d["SampleCount"], d["Sum"], d["Maximum"], d["Unit"], d["ExtendedStatistics"]["p50"]),
              (6, 905.5, 300, "Milliseconds", 2))
        check(protocol + ": a time", START < d["Timestamp"] + datetime.timedelta(hours=1) and d["Timestamp"] < end(), d["Timestamp"])
        stat = {"Metric": {"Namespace": space, "MetricName": "Latency", "Dimensions": size}, "Period": 3600, "Stat": "Sum"}
        out = c.get_metric_data(StartTime=START, EndTime=end(), MetricDataQueries=[
            {"Id": "m1", "MetricStat": stat, "ReturnData": False}, {"Id": "e1", "Expression": "m1 / 2", "Label": "half"}])
        equal(protocol + ": data", [(r["Id"], r["Label"], r["Values"], r["StatusCode"]) for r in out["MetricDataResults"]],
              [("e1", "half", [452.75], "Complete")])
        refused(protocol + ": a value twice", "InvalidParameterCombination", None,
                lambda: c.put_metric_data(Namespace=space, MetricData=[{"MetricName": "M", "Value": 1, "Values": [1]}]))
        refused(protocol + ": no number", "InvalidParameterValue", None,
                lambda: c.put_metric_data(Namespace=space, MetricData=[{"MetricName": "M", "Value": float("nan")}]))
        refused(protocol + ": too many datapoints", "InvalidParameterCombination", None,
                lambda: c.get_metric_statistics(Namespace=space, MetricName="M", StartTime=START - datetime.timedelta(days=3), EndTime=end(),
                                                Period=60, Statistics=["Sum"]))
        refused(protocol + ": a constraint", "ValidationError", None, lambda: c.put_metric_data(Namespace=":", MetricData=[{"MetricName": "M", "Value": 1}]))
        refused(protocol + ": not built", "NotImplementedException", None, lambda: c.delete_alarms(AlarmNames=["none"]))


def package():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("app.py", SOURCE)
        for name in ("aws_lambda_powertools", "botocore", "boto3", "jmespath", "dateutil", "urllib3", "s3transfer"):
            for path in (SITE / name).rglob("*"):
                inside = path.relative_to(SITE).as_posix()
                if path.is_file() and "__pycache__" not in inside and ("/data/" not in inside or DATA.match(inside)):
                    z.write(path, inside)
        for single in ("six.py", "typing_extensions.py"):
            z.write(SITE / single, single)
    return out.getvalue()


def total(c, space, name, **dimensions):
    """What a metric's sum and count have come to."""
    out = c.get_metric_statistics(Namespace=space, MetricName=name, StartTime=START, EndTime=end(), Period=3600, Statistics=["Sum", "SampleCount"],
                                  Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()])
    points = out["Datapoints"]
    return sum(p["Sum"] for p in points), sum(p["SampleCount"] for p in points)


def functions():
    c, calls = client(), boto3.client("lambda", config=config)
    calls.create_function(FunctionName=NAME, Runtime="python3.13", Role=ROLE, Handler="app.handler", Code={"ZipFile": package()}, Timeout=30, MemorySize=512)
    calls.get_waiter("function_active_v2").wait(FunctionName=NAME, WaiterConfig={"Delay": 1})
    errors = []
    for n in (1, 2, 3):
        out = calls.invoke(FunctionName=NAME, Payload=json.dumps({"n": n}))
        errors.append((out.get("FunctionError"), out["Payload"].read().decode()))
    equal("what failed", [e for e, _ in errors], [None, None, "Unhandled"])
    check("why", "as asked" in errors[2][1], errors)
    # The events of an invocation may come a moment after its answer.
    deadline = time.time() + 60
    while time.time() < deadline and (
        total(c, "AWS/Lambda", "Invocations", FunctionName=NAME)[1] < 3 or total(c, "Shop", "Prices", service="orders")[1] < 6
    ):
        time.sleep(0.05)
    equal("invocations", total(c, "AWS/Lambda", "Invocations", FunctionName=NAME), (3, 3))
    equal("of the resource", total(c, "AWS/Lambda", "Invocations", FunctionName=NAME, Resource=NAME), (3, 3))
    equal("errors", total(c, "AWS/Lambda", "Errors", FunctionName=NAME), (1, 3))
    equal("throttles", total(c, "AWS/Lambda", "Throttles", FunctionName=NAME), (0, 3))
    equal("durations", total(c, "AWS/Lambda", "Duration", FunctionName=NAME)[1], 3)
    equal("cold starts", total(c, "Wick", "ColdStarts", FunctionName=NAME), (1, 1))
    equal("concurrency", total(c, "AWS/Lambda", "ConcurrentExecutions", FunctionName=NAME)[1], 3)
    equal("Powertools' values", total(c, "Shop", "Orders", service="orders"), (6, 3))
    equal("several of one", total(c, "Shop", "Prices", service="orders"), (30, 6))
    equal("Powertools' cold start", total(c, "Shop", "ColdStart", service="orders", function_name=NAME), (1, 1))
    equal("what the function put", total(c, "Shop", "Direct"), (6, 3))
    calls.delete_function(FunctionName=NAME)


def logged():
    c, logs = client(), boto3.client("logs", config=config)
    logs.create_log_group(logGroupName="/app/metrics")
    logs.create_log_stream(logGroupName="/app/metrics", logStreamName="s")
    now = int(time.time() * 1000)
    record = {"_aws": {"Timestamp": now, "CloudWatchMetrics": [{"Namespace": "Logged", "Dimensions": [["D"]], "Metrics": [{"Name": "m", "Unit": "Count"}]}]}, "D": "d", "m": 7}
    logs.put_log_events(logGroupName="/app/metrics", logStreamName="s", logEvents=[
        {"timestamp": now, "message": json.dumps(record)}, {"timestamp": now, "message": "no metrics"}])
    equal("of a record put", total(c, "Logged", "m", D="d"), (7, 1))
    logs.delete_log_group(logGroupName="/app/metrics")


protocols()
functions()
logged()
finish()
