"""A function's log and an application's own, through boto3's CloudWatch Logs client.

Run it against any Wick: AWS_ENDPOINT_URL=http://127.0.0.1:4566 python logs_journey.py
It prints what it checked and leaves the server as it found it.
"""

import io
import json
import threading
import time
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from checks import equal, finish, refused

ROLE = "arn:aws:iam::000000000000:role/journey"
NAME = "logs-journey"
GROUP = "/aws/lambda/" + NAME
OWN = "/app/own"
SOURCE = """
import json

def handler(event, context):
    print("hello", event["n"])
    print(json.dumps({"level": "ERROR" if event["n"] == 2 else "INFO", "n": event["n"]}))
    return event["n"]
"""

SUBSCRIBER = """
import base64, gzip, json

def handler(event, context):
    data = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    for e in data["logEvents"]:
        print("got", data["messageType"], data["owner"], data["logGroup"], data["logStream"], data["subscriptionFilters"], e["message"], len(e["id"]))
"""

config = Config(region_name="us-east-1", retries={"total_max_attempts": 1}, read_timeout=60)
functions = boto3.client("lambda", config=config)
logs = boto3.client("logs", config=config)

def invoke(n):
    functions.invoke(FunctionName=NAME, Payload=json.dumps({"n": n}))


def matching(pattern, **more):
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, filterPattern=pattern, **more)
    return [e["message"].rstrip("\n") for page in pages for e in page["events"]]


def tail(group, stop, since):
    """What `aws logs tail --follow` of the AWS CLI's second version does."""
    seen = set()
    while not stop():
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since, interleaved=True)
        for page in pages:
            for event in page["events"]:
                if event["eventId"] not in seen:
                    seen.add(event["eventId"])
                    since = max(since, event["timestamp"])
                    yield event
        time.sleep(0.1)


def of_a_function():
    create(NAME, SOURCE)
    start = int(time.time() * 1000) - 60_000
    invoke(1)
    invoke(2)

    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
    equal("groups", [g["logGroupName"] for g in groups], [GROUP])
    streams = logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True)["logStreams"]
    equal("streams", len(streams), 1)
    stream = streams[0]["logStreamName"]
    equal("a stream's name", stream[:11] == time.strftime("%Y/%m/%d/", time.gmtime()) and stream[11:21], "[$LATEST]" + stream[20:21])

    equal("words", matching("hello"), ["hello 1", "hello 2"])
    equal("part of a word", matching("hell"), [])
    equal("a regular expression", matching("%hel+o [2-9]%"), ["hello 2"])
    equal("fields", matching("[word = hello, n >= 2]"), ["hello 2"])
    equal("JSON", matching('{ $.level = "ERROR" || $.n > 7 }'), ['{"level": "ERROR", "n": 2}'])
    equal("REPORTs", len(matching("REPORT", PaginationConfig={"PageSize": 1})), 2)
    equal("a time that is over", matching("", endTime=start), [])

    head = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True, limit=2)
    messages = [e["message"].split()[0] for e in head["events"]]
    equal("the head of the stream", messages, ["INIT_START", "START"])
    token, count = head["nextForwardToken"], 2
    while True:
        page = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, nextToken=token, limit=3)
        count += len(page["events"])
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    equal("the stream to its end", count, 1 + 2 * 5)

    enough = threading.Event()
    later = threading.Timer(0.3, lambda: invoke(3))
    later.start()
    deadline = time.time() + 60
    ids = []
    for event in tail(GROUP, lambda: enough.is_set() or time.time() > deadline, start):
        ids.append(event["eventId"])
        if event["message"].startswith("REPORT") and len([i for i in ids]) >= 16:
            enough.set()
    later.join()
    equal("events followed", (len(ids), len(set(ids))), (16, 16))

    query = logs.start_query(
        logGroupName=GROUP, startTime=start // 1000, endTime=int(time.time()) + 60,
        queryString="filter @type = 'REPORT' | stats count(*) as calls, max(@memorySize / 1000000) as mb by bin(1d)",
    )["queryId"]
    while (answer := logs.get_query_results(queryId=query))["status"] in ("Scheduled", "Running"):
        time.sleep(0.05)
    equal("a query", {f["field"]: f["value"] for f in answer["results"][0] if f["field"] != "bin(1d)"}, {"calls": "3", "mb": "128"})

    live_tail()

    functions.delete_function(FunctionName=NAME)
    logs.delete_log_group(logGroupName=GROUP)
    equal("after the group was deleted", logs.describe_log_groups()["logGroups"], [])


def create(name, source):
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as z:
        z.writestr("app.py", source)
    arn = functions.create_function(
        FunctionName=name, Runtime="python3.12", Handler="app.handler", Role=ROLE, Code={"ZipFile": package.getvalue()}, Timeout=60
    )["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    return arn


def subscriptions():
    arn = create("subscriber", SUBSCRIBER)
    logs.create_log_group(logGroupName=OWN)
    logs.create_log_stream(logGroupName=OWN, logStreamName="s")
    refused("a subscription of a function that isn't", "InvalidParameterException",
            "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.",
            lambda: logs.put_subscription_filter(logGroupName=OWN, filterName="f", filterPattern="", destinationArn=arn + "-not"))
    for name, pattern in ("errors", "ERROR"), ("warnings", "WARN"):
        logs.put_subscription_filter(logGroupName=OWN, filterName=name, filterPattern=pattern, destinationArn=arn)
    refused("a third subscription", "LimitExceededException", "Resource limit exceeded.",
            lambda: logs.put_subscription_filter(logGroupName=OWN, filterName="third", filterPattern="", destinationArn=arn))
    refused("a field that isn't the system's", "InvalidParameterException",
            "emitSystemFields takes each of @aws.account, @aws.region, @source.log once at most.",
            lambda: logs.put_subscription_filter(logGroupName=OWN, filterName="errors", filterPattern="ERROR", destinationArn=arn, emitSystemFields=["@message"]))
    chosen = dict(emitSystemFields=["@aws.account", "@aws.region"], fieldSelectionCriteria='@aws.region = "us-east-1"')
    logs.put_subscription_filter(logGroupName=OWN, filterName="errors", filterPattern="ERROR", destinationArn=arn, **chosen)
    shown = logs.describe_subscription_filters(logGroupName=OWN, filterNamePrefix="err")["subscriptionFilters"][0]
    equal("a filter's system fields", {k: shown.get(k) for k in chosen}, chosen)
    now = int(time.time() * 1000)
    logs.put_log_events(logGroupName=OWN, logStreamName="s", logEvents=[
        {"timestamp": now, "message": "ERROR 1"}, {"timestamp": now, "message": "INFO 2"}, {"timestamp": now, "message": "WARN 3"}])
    deadline, got = time.time() + 60, []
    while len(got) < 2 and time.time() < deadline:
        time.sleep(0.1)
        try:
            got = [e["message"].rstrip("\n") for e in logs.filter_log_events(logGroupName="/aws/lambda/subscriber", filterPattern="got")["events"]]
        except ClientError:
            pass  # the function has printed nothing yet
    line = "got DATA_MESSAGE 000000000000 /app/own s ['%s'] %s 56"
    equal("what was delivered", sorted(got), [line % ("errors", "ERROR 1"), line % ("warnings", "WARN 3")])
    # The same records make a metric.
    logs.put_metric_filter(logGroupName=OWN, filterName="sizes", filterPattern="{ $.size = * }", metricTransformations=[
        {"metricName": "Size", "metricNamespace": "Journey", "metricValue": "$.size", "unit": "Bytes"}])
    logs.put_log_events(logGroupName=OWN, logStreamName="s", logEvents=[
        {"timestamp": now, "message": json.dumps({"size": n})} for n in (10, 32)])
    cloudwatch, sums, deadline = boto3.client("cloudwatch", config=config), [], time.time() + 60
    while sums != [42.0] and time.time() < deadline:
        time.sleep(0.1)
        sums = [p["Sum"] for p in cloudwatch.get_metric_statistics(
            Namespace="Journey", MetricName="Size", Statistics=["Sum"], Unit="Bytes", Period=3600,
            StartTime=now // 1000 - 7200, EndTime=now // 1000 + 7200)["Datapoints"]]
    equal("a metric filter's sum", sums, [42.0])
    forwarded = [p["Sum"] for p in cloudwatch.get_metric_statistics(
        Namespace="AWS/Logs", MetricName="ForwardedLogEvents", Statistics=["Sum"], Period=3600, StartTime=now // 1000 - 7200, EndTime=now // 1000 + 7200,
        Dimensions=[{"Name": n, "Value": v} for n, v in (("LogGroupName", OWN), ("DestinationType", "Lambda"), ("FilterName", "errors"))])["Datapoints"]]
    equal("what a subscription forwarded", forwarded, [1.0])
    found = logs.describe_subscription_filters(logGroupName=OWN)["subscriptionFilters"]
    equal("subscriptions", [(f["filterName"], f["distribution"]) for f in found], [("errors", "ByLogStream"), ("warnings", "ByLogStream")])
    functions.delete_function(FunctionName="subscriber")
    for group in OWN, "/aws/lambda/subscriber":
        logs.delete_log_group(logGroupName=group)


def live_tail():
    # The SDKs put "stream-" before the host of this operation, which no name server
    # here knows.
    client = boto3.client("logs", config=config.merge(Config(inject_host_prefix=False)))
    arn = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]["logGroupArn"]
    stream = client.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="hello")["responseStream"]
    begun, updates, messages = None, 0, []
    for event in stream:
        if "sessionStart" in event:
            begun = event["sessionStart"]
            invoke(4)
            invoke(5)
        else:
            updates += 1
            equal("an update's sampling", event["sessionUpdate"]["sessionMetadata"], {"sampled": False})
            messages += [e["message"].rstrip("\n") for e in event["sessionUpdate"]["sessionResults"]]
            if len(messages) >= 2 or updates > 30:
                break
    stream.close()
    equal("a live tail's session", (begun["logGroupIdentifiers"], begun["logEventFilterPattern"]), ([arn], "hello"))
    equal("a live tail", messages, ["hello 4", "hello 5"])


def of_its_own():
    logs.create_log_group(logGroupName=OWN, tags={"team": "a"})
    refused("a group twice", "ResourceAlreadyExistsException", "The specified log group already exists",
            lambda: logs.create_log_group(logGroupName=OWN))
    logs.create_log_stream(logGroupName=OWN, logStreamName="s")
    now = int(time.time() * 1000)
    for n in range(3):
        logs.put_log_events(logGroupName=OWN, logStreamName="s",
                            logEvents=[{"timestamp": now + 10 * n + i, "message": f"line {n} {i}"} for i in range(3)])
    got = logs.get_log_events(logGroupName=OWN, logStreamName="s", startTime=now + 10, endTime=now + 20)["events"]
    equal("ten milliseconds", [e["message"] for e in got], ["line 1 0", "line 1 1", "line 1 2"])
    refused("no order", "InvalidParameterException", "Log events in a single PutLogEvents request must be in chronological order.",
            lambda: logs.put_log_events(logGroupName=OWN, logStreamName="s", logEvents=[{"timestamp": now, "message": "b"}, {"timestamp": now - 1, "message": "a"}]))
    old = logs.put_log_events(logGroupName=OWN, logStreamName="s", logEvents=[{"timestamp": 1, "message": "old"}])
    equal("too old", old["rejectedLogEventsInfo"], {"tooOldLogEventEndIndex": 1})
    refused("no stream", "ResourceNotFoundException", "The specified log stream does not exist.",
            lambda: logs.put_log_events(logGroupName=OWN, logStreamName="none", logEvents=[{"timestamp": now, "message": "x"}]))
    logs.put_retention_policy(logGroupName=OWN, retentionInDays=7)
    arn = logs.describe_log_groups(logGroupNamePattern="own")["logGroups"][0]["logGroupArn"]
    logs.tag_resource(resourceArn=arn, tags={"stage": "b"})
    equal("tags", logs.list_tags_for_resource(resourceArn=arn)["tags"], {"team": "a", "stage": "b"})
    equal("retention", logs.describe_log_groups(logGroupNamePrefix=OWN)["logGroups"][0]["retentionInDays"], 7)
    logs.delete_log_stream(logGroupName=OWN, logStreamName="s")
    logs.delete_log_group(logGroupName=OWN)
    refused("no group", "ResourceNotFoundException", "The specified log group does not exist.",
            lambda: logs.describe_log_streams(logGroupName=OWN))


of_a_function()
of_its_own()
subscriptions()
finish()
