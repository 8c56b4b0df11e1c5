"""Functions under AWS's X-Ray SDKs, and what X-Ray says of them through boto3.

Run it against any Wick: AWS_ENDPOINT_URL=http://127.0.0.1:4566 python traces_journey.py NODE_MODULES
It prints what it checked and leaves no function behind.
"""

import base64
import datetime
import io
import json
import pathlib
import re
import sys
import time
import zipfile

import aws_xray_sdk
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from checks import check, equal, finish

HERE = pathlib.Path(__file__).parent / "xray"
SITE = pathlib.Path(aws_xray_sdk.__file__).parent.parent
MODULES = pathlib.Path(sys.argv[1])
ROLE = "arn:aws:iam::000000000000:role/journey"
# What of botocore's data the function needs; the whole is too large for a package.
DATA = re.compile(r"botocore/data/(lambda/|endpoints|partitions|sdk-default|_retry)")

config = Config(region_name="us-east-1", retries={"total_max_attempts": 1}, read_timeout=60)
functions = boto3.client("lambda", config=config)
xray = boto3.client("xray", config=config)
START = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=1)


def python_package():
    files = {"app.py": (HERE / "app.py").read_bytes()}
    for name in ("aws_xray_sdk", "wrapt", "botocore", "boto3", "jmespath", "dateutil", "urllib3", "s3transfer"):
        for path in (SITE / name).rglob("*"):
            inside = path.relative_to(SITE).as_posix()
            if path.is_file() and "__pycache__" not in inside and ("/data/" not in inside or DATA.match(inside)):
                files[inside] = path.read_bytes()
    files["six.py"] = (SITE / "six.py").read_bytes()
    return zipped(files)


def node_package():
    files, todo, seen = {"index.js": (HERE / "index.js").read_bytes()}, ["aws-xray-sdk-core"], set()
    while todo:
        name = todo.pop()
        root = MODULES / name
        if name in seen or not root.is_dir():
            continue
        seen.add(name)
        todo += json.loads((root / "package.json").read_text()).get("dependencies", {})
        for path in root.rglob("*.js*"):
            if path.is_file():
                files["node_modules/" + path.relative_to(MODULES).as_posix()] = path.read_bytes()
    return zipped(files)


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in files.items():
            package.writestr(name, content)
    return out.getvalue()


def create(name, package, runtime, handler, mode):
    functions.create_function(
        FunctionName=name, Runtime=runtime, Handler=handler, Role=ROLE, Code={"ZipFile": package},
        Timeout=3 if name == "slow" else 60, MemorySize=1769, TracingConfig={"Mode": mode},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    equal(f"TracingConfig of {name}", functions.get_function_configuration(FunctionName=name)["TracingConfig"]["Mode"], mode)


def invoke(name, event, trace=None, **headers):
    """Invokes, and returns the answer, the header, and the trace's ID if it was recorded."""

    def add(params, **_):
        params["headers"].update(headers)
        if trace:
            params["headers"]["X-Amzn-Trace-Id"] = trace

    functions.meta.events.register("before-call.lambda.Invoke", add, unique_id="trace")
    try:
        r = functions.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
    finally:
        functions.meta.events.unregister("before-call.lambda.Invoke", unique_id="trace")
    header = fields(r["ResponseMetadata"]["HTTPHeaders"]["x-amzn-trace-id"])
    log = base64.b64decode(r["LogResult"]).decode()
    line = f"XRAY TraceId: {header['Root']}\tSegmentId: {header['Parent']}\tSampled: true"
    equal(f"the XRAY line of {name}", line in log, header["Sampled"] == "1")
    return json.load(r["Payload"]), header


def fields(header):
    return dict(f.split("=", 1) for f in header.split(";"))


def segments(trace_id, count):
    """Returns a trace's segments. What functions send by UDP may arrive a moment later."""
    deadline = time.monotonic() + 60
    while True:
        out = xray.batch_get_traces(TraceIds=[trace_id])
        found = [json.loads(s["Document"]) for t in out["Traces"] for s in t["Segments"]]
        parts = [p for s in found for p in every(s)]
        if len(parts) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def every(segment):
    yield segment
    for s in segment.get("subsegments", []):
        yield from every(s)


def names(segment):
    return [s["name"] for s in every(segment)]


def one(found, name, origin):
    mine = [s for s in found if s["name"] == name and s.get("origin") == origin]
    check(f"{name} has one segment of {origin}", len(mine) == 1, [(s["name"], s.get("origin")) for s in found])
    return mine[0] if mine else {}


def pair(found, name):
    service, function = one(found, name, "AWS::Lambda"), one(found, name, "AWS::Lambda::Function")
    equal(f"{name}'s function was called by its service", function.get("parent_id"), service.get("id"))
    equal(f"{name}'s status", service.get("http"), {"response": {"status": 200}})
    return service, function


def subsegments(language, name):
    answer, header = invoke(name, {"customer": "Ada"}, "Sampled=1")
    equal(f"{language}: the function's header", fields(answer["header"])["Root"], header["Root"])
    found = segments(header["Root"], 7)
    service, function = pair(found, name)
    equal(f"{language}: the function's segment is the header's parent", function["id"], header["Parent"])
    equal(f"{language}: its parts", names(function), [name, "Initialization", "Invocation", "work", "inner", "Overhead"])
    work = next(s for s in every(function) if s["name"] == "work")
    equal(f"{language}: annotation", work["annotations"]["customer"], "Ada")
    equal(f"{language}: metadata", work["metadata"]["default"]["note"], {"deep": [1, 2.5]})
    check(f"{language}: no fault", not function.get("fault") and not service.get("fault"), function)

    _, header = invoke(name, {"fail": True}, "Sampled=1")
    found = segments(header["Root"], 6)
    service, function = pair(found, name)
    equal(f"{language}: warm, its parts", names(function), [name, "Invocation", "work", "inner", "Overhead"])
    check(f"{language}: a failure is a fault", function.get("fault") and service.get("fault"), found)
    exception = function["cause"]["exceptions"][0]
    equal(f"{language}: the exception", (exception["type"], exception["message"]), {
        "Python": ("ValueError", "no such luck"), "Node": ("RangeError", "no such luck")}[language])
    check(f"{language}: its stack", any("/var/task/" in f.get("path", "") and f["line"] > 0 for f in exception["stack"]), exception)
    print(f"  {language}'s SDK")


def decisions():
    root = "1-6a1f0c3e-0b5174261f6e9f6bc05b8672"
    _, header = invoke("pass", {}, f"Root={root};Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:a87bd80c:0")
    equal("PassThrough keeps the header", header, {"Root": root, "Parent": "53995c3f42cd8ad8", "Sampled": "0", "Lineage": "1:a87bd80c:0"})
    equal("what isn't sampled has no trace", xray.batch_get_traces(TraceIds=[root])["UnprocessedTraceIds"], [root])
    _, header = invoke("pass", {})
    equal("PassThrough decides nothing", header["Sampled"], "0")
    _, header = invoke("pass", {}, traceparent="00-6a1f0c3e0b5174261f6e9f6bc05b8673-53995c3f42cd8ad8-00")
    equal("W3C's traceparent, not sampled", header, {"Root": root[:-1] + "3", "Parent": "53995c3f42cd8ad8", "Sampled": "0"})
    _, header = invoke("pass", {}, traceparent="00-6a1f0c3e0b5174261f6e9f6bc05b8674-53995c3f42cd8ad8-01")
    equal("W3C's traceparent, sampled", (header["Root"], header["Sampled"]), (root[:-1] + "4", "1"))
    parents = [json.loads(s["Document"]).get("parent_id") for t in xray.batch_get_traces(TraceIds=[header["Root"]])["Traces"] for s in t["Segments"]]
    check("the traceparent's span called", "53995c3f42cd8ad8" in parents, parents)
    _, header = invoke("pass", {}, f"Root={root};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a87bd80c:0")
    equal("PassThrough follows the header", (header["Root"], header["Sampled"], header["Lineage"]), (root, "1", "1:a87bd80c:0"))
    service, _ = pair(segments(root, 6), "pass")
    equal("the caller's segment is the parent", service["parent_id"], "53995c3f42cd8ad8")

    _, header = invoke("python", {}, "Sampled=0")
    equal("Active follows the header too", header["Sampled"], "0")
    time.sleep(1.1)
    sampled = [invoke("python", {})[1]["Sampled"] for _ in range(5)]
    check("Active samples the first in a second", sampled[0] == "1", sampled)
    print("  decisions")


def nested():
    answer, header = invoke("python", {"call": "pass"}, "Sampled=1")
    equal("the called function is in the trace", fields(answer["nested"]["header"])["Root"], header["Root"])
    found = segments(header["Root"], 13)
    equal("segments", sorted((s["name"], s["origin"]) for s in found), [
        ("pass", "AWS::Lambda"), ("pass", "AWS::Lambda::Function"), ("python", "AWS::Lambda"), ("python", "AWS::Lambda::Function")])
    service, _ = pair(found, "pass")
    _, caller = pair(found, "python")
    calls = [s for s in every(caller) if s["id"] == service["parent_id"]]
    equal("it was called by the SDK's subsegment", [s["name"] for s in calls], ["lambda"])

    services = xray.get_trace_graph(TraceIds=[header["Root"]])["Services"]
    by = {s["ReferenceId"]: s for s in services}
    edges = sorted((s["Name"], s.get("Type"), by[e["ReferenceId"]]["Name"], by[e["ReferenceId"]]["Type"]) for s in services for e in s["Edges"])
    equal("the trace's graph", edges, [
        ("pass", "AWS::Lambda", "pass", "AWS::Lambda::Function"), ("python", "AWS::Lambda", "python", "AWS::Lambda::Function"),
        ("python", "AWS::Lambda::Function", "pass", "AWS::Lambda"), ("python", "client", "python", "AWS::Lambda")])
    print("  a function that calls another")


def timeout():
    answer, header = invoke("slow", {"sleep": 60}, "Sampled=1")
    equal("the time-out", answer["errorType"], "Sandbox.Timedout")
    service, function = pair(segments(header["Root"], 5), "slow")
    check("a time-out is a fault", function["fault"] and service["fault"], function)
    equal("its exception", function["cause"]["exceptions"][0]["type"], "Sandbox.Timedout")
    check("it lasted", 3 <= function["end_time"] - function["start_time"] < 10, function)
    print("  a time-out")


def sent():
    now = time.time()
    root = f"1-{int(now):08x}-{'0123456789abcdef01234567'}"
    whole = {"id": "00000000000000aa", "trace_id": root, "name": "shop", "start_time": now - 2, "end_time": now,
             "http": {"request": {"url": "http://shop/cart", "method": "GET"}, "response": {"status": 404}}, "annotations": {"cart": "big"}}
    out = xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(whole), "{", json.dumps({**whole, "trace_id": "x"})])
    equal("what is no segment", [(u.get("Id"), u["ErrorCode"]) for u in out["UnprocessedTraceSegments"]],
          [(None, "ParseError"), ("00000000000000aa", "InvalidTraceId")])
    invoke("python", {}, f"Root={root};Parent=00000000000000aa;Sampled=1")
    found = segments(root, 8)
    equal("the function joins the trace", {s["name"] for s in found}, {"shop", "python"})

    summary = [s for s in summaries('service("shop") { http.status = 404 }') if s["Id"] == root]
    equal("its summary", len(summary), 1)
    summary = summary[0]
    equal("flags", (summary["HasError"], summary["HasFault"], summary["HasThrottle"]), (True, False, False))
    equal("entry point", summary["EntryPoint"]["Name"], "shop")
    equal("http", summary["Http"], {"HttpURL": "http://shop/cart", "HttpStatus": 404, "HttpMethod": "GET"})
    equal("annotation", summary["Annotations"]["cart"][0]["AnnotationValue"], {"StringValue": "big"})
    check("response time", abs(summary["ResponseTime"] - 2) < 0.01, summary["ResponseTime"])
    xray.put_telemetry_records(TelemetryRecords=[{"Timestamp": now, "SegmentsReceivedCount": 1}])
    print("  segments from outside")


def summaries(expression=None):
    pages = xray.get_paginator("get_trace_summaries").paginate(
        StartTime=START, EndTime=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=5),
        **({"FilterExpression": expression} if expression else {}),
    )
    return [s for p in pages for s in p["TraceSummaries"]]


def questions():
    everything = summaries()
    for expression, some in (
        ('service("node")', True), ('service("nobody")', False), ("fault", True), ("throttle", False), ("responsetime > 2", True),
        ("duration < 0", False), ('annotation.customer = "Ada"', True), ('annotation.customer = "Eve"', False),
        ("http.status = 200 AND !fault", True), ('edge("python", "pass")', True), ("coldstart", True),
    ):
        n = len(summaries(expression))
        check(expression, (0 < n < len(everything)) == some or (some and n == len(everything)), f"{n} of {len(everything)}")
    try:
        summaries("nonsense(")
        check("a filter that makes no sense", False, "it was taken")
    except ClientError as e:
        equal("a filter that makes no sense", e.response["Error"]["Code"], "InvalidRequestException")
    graph = xray.get_service_graph(StartTime=START, EndTime=datetime.datetime.now(datetime.timezone.utc))["Services"]
    mine = [s for s in graph if s["Name"] == "python" and s["Type"] == "AWS::Lambda::Function"]
    equal("the service graph has the function", len(mine), 1)
    stats = mine[0]["SummaryStatistics"]
    equal("its counts add up", stats["TotalCount"], stats["OkCount"] + stats["FaultStatistics"]["TotalCount"] + stats["ErrorStatistics"]["TotalCount"])

    rules = xray.get_sampling_rules()["SamplingRuleRecords"]
    equal("the rule", [(r["SamplingRule"]["RuleName"], r["SamplingRule"]["FixedRate"], r["SamplingRule"]["ReservoirSize"]) for r in rules], [("Default", 0.05, 1)])
    now = time.time()
    document = {"ClientID": "0123456789abcdef01234567", "Timestamp": now, "RequestCount": 1, "SampledCount": 1}
    out = xray.get_sampling_targets(SamplingStatisticsDocuments=[{"RuleName": "Default", **document}, {"RuleName": "other", **document}])
    equal("targets", [(t["RuleName"], t["FixedRate"]) for t in out["SamplingTargetDocuments"]], [("Default", 0.05)])
    equal("no target", [u["RuleName"] for u in out["UnprocessedStatistics"]], ["other"])
    equal("statistics", [s["RuleName"] for s in xray.get_sampling_statistic_summaries()["SamplingStatisticSummaries"]], ["Default"])
    print("  questions")


def main():
    package = python_package()
    mine = [("python", package, "python3.12", "app.handler", "Active"), ("pass", package, "python3.12", "app.handler", "PassThrough"),
            ("slow", package, "python3.12", "app.handler", "Active"), ("node", node_package(), "nodejs20.x", "index.handler", "Active")]
    try:
        for f in mine:
            create(*f)
        subsegments("Python", "python")
        subsegments("Node", "node")
        decisions()
        nested()
        timeout()
        sent()
        questions()
    finally:
        for f in mine:
            functions.delete_function(FunctionName=f[0])
    finish()


if __name__ == "__main__":
    main()
