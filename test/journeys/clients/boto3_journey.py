"""Every Lambda operation that Wick has, through boto3, and what AWS says to wrong input.

Run it against any Wick: AWS_ENDPOINT_URL=http://127.0.0.1:4566 python boto3_journey.py
It prints what it checked and leaves the server as it found it.
"""

import base64
import contextlib
import hashlib
import io
import json
import re
import urllib.request
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from checks import check, equal, finish

REGION, ACCOUNT = "us-east-1", "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/journey"
NAME = "boto3-journey"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}"
NAME_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)

SOURCE = '''
import os

served = 0


class Refused(Exception):
    pass


def handler(event, context):
    global served
    served += 1
    print("served", served)
    if event.get("fail"):
        raise Refused("as asked")
    return {
        "edition": 1,
        "served": served,
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "version": context.function_version,
        "memory": context.memory_limit_in_mb,
        "left": context.get_remaining_time_in_millis(),
        "greeting": os.environ.get("GREETING"),
        "client": context.client_context.custom if context.client_context else None,
        "event": event,
    }
'''

config = Config(
    region_name=REGION,
    parameter_validation=False,  # wrong input shall reach the server
    retries={"total_max_attempts": 1},
)
aws = boto3.client("lambda", config=config, aws_access_key_id="journey", aws_secret_access_key="journey")


def matches(what, got, pattern):
    check(f"{what} {got!r}", re.fullmatch(pattern, str(got)), f"no match for {pattern}")


def package(source=SOURCE, module="app.py"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as z:
        entry = zipfile.ZipInfo(module, (2026, 1, 1, 0, 0, 0))
        entry.external_attr = 0o644 << 16
        z.writestr(entry, source)
    return buffer.getvalue()


ZIP = package()
BASE = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE, "Code": {"ZipFile": ZIP}}


def wait(waiter, **kwargs):
    aws.get_waiter(waiter).wait(FunctionName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 30}, **kwargs)
    check(f"waiter {waiter} returns", True)


def invoke(event=None, name=NAME, **kwargs):
    answer = aws.invoke(FunctionName=name, Payload=json.dumps(event or {}), **kwargs)
    payload = answer["Payload"].read()
    answer["Body"] = json.loads(payload) if payload else None
    answer["Log"] = base64.b64decode(answer.get("LogResult", "")).decode()
    return answer


def account():
    print("GetAccountSettings")
    got = aws.get_account_settings()
    limit, usage = got["AccountLimit"], got["AccountUsage"]
    equal("TotalCodeSize", limit["TotalCodeSize"], 80530636800)
    equal("CodeSizeUnzipped", limit["CodeSizeUnzipped"], 262144000)
    equal("CodeSizeZipped", limit["CodeSizeZipped"], 52428800)
    equal("ConcurrentExecutions", limit["ConcurrentExecutions"], 1000)
    equal("UnreservedConcurrentExecutions", limit["UnreservedConcurrentExecutions"], 1000)
    check("AccountUsage", usage["FunctionCount"] >= 0 and usage["TotalCodeSize"] >= 0, usage)
    return usage


def create():
    print("CreateFunction")
    got = aws.create_function(
        FunctionName=NAME,
        Description="what boto3 sees",
        MemorySize=256,
        Timeout=10,
        Environment={"Variables": {"GREETING": "hello"}},
        Tags={"team": "journeys"},
        **BASE,
    )
    equal("status", got["ResponseMetadata"]["HTTPStatusCode"], 201)
    equal("FunctionArn", got["FunctionArn"], ARN)
    equal("State", got["State"], "Pending")
    equal("StateReason", got["StateReason"], "The function is being created.")
    equal("StateReasonCode", got["StateReasonCode"], "Creating")
    equal("CodeSize", got["CodeSize"], len(ZIP))
    equal("CodeSha256", got["CodeSha256"], base64.b64encode(hashlib.sha256(ZIP).digest()).decode())
    equal("Version", got["Version"], "$LATEST")
    equal("PackageType", got["PackageType"], "Zip")
    equal("Architectures", got["Architectures"], ["x86_64"])
    equal("EphemeralStorage", got["EphemeralStorage"], {"Size": 512})
    equal("TracingConfig", got["TracingConfig"], {"Mode": "PassThrough"})
    equal("SnapStart", got["SnapStart"], {"ApplyOn": "None", "OptimizationStatus": "Off"})
    equal("LoggingConfig", got["LoggingConfig"], {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{NAME}"})
    equal("Environment", got["Environment"], {"Variables": {"GREETING": "hello"}})
    matches("LastModified", got["LastModified"], r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")
    matches("RevisionId", got["RevisionId"], r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
    matches("RuntimeVersionArn", got["RuntimeVersionConfig"]["RuntimeVersionArn"], rf"arn:aws:lambda:{REGION}::runtime:[0-9a-f]{{64}}")
    wait("function_exists")
    wait("function_active_v2")
    wait("function_updated_v2")


def read():
    print("GetFunction, GetFunctionConfiguration")
    got = aws.get_function(FunctionName=NAME)
    conf = got["Configuration"]
    equal("State", conf["State"], "Active")
    equal("LastUpdateStatus", conf["LastUpdateStatus"], "Successful")
    check("an active function has no StateReason", "StateReason" not in conf, conf)
    equal("Tags", got.get("Tags"), {"team": "journeys"})
    equal("RepositoryType", got["Code"]["RepositoryType"], "S3")
    with urllib.request.urlopen(got["Code"]["Location"]) as download:
        equal("Code.Location downloads the package, byte for byte", hashlib.sha256(download.read()).hexdigest(), hashlib.sha256(ZIP).hexdigest())
    again = aws.get_function_configuration(FunctionName=NAME)
    again.pop("ResponseMetadata")
    equal("GetFunctionConfiguration says the same", again, conf)
    for name in (ARN, f"{ACCOUNT}:function:{NAME}", f"{NAME}:$LATEST", f"{ARN}:$LATEST"):
        equal(f"named {name}", aws.get_function_configuration(FunctionName=name)["FunctionName"], NAME)
    qualified = aws.get_function_configuration(FunctionName=NAME, Qualifier="$LATEST")
    equal("with a qualifier the ARN has it, too", qualified["FunctionArn"], ARN + ":$LATEST")
    return conf


def invocations():
    print("Invoke")
    got = invoke({"n": 1}, LogType="Tail")
    body = got["Body"]
    equal("StatusCode", got["StatusCode"], 200)
    equal("ExecutedVersion", got["ExecutedVersion"], "$LATEST")
    check("no FunctionError", "FunctionError" not in got, got.get("FunctionError"))
    equal("the event arrives", body["event"], {"n": 1})
    equal("the environment arrives", body["greeting"], "hello")
    equal("memory_limit_in_mb", int(body["memory"]), 256)
    check("get_remaining_time_in_millis", 0 < body["left"] <= 10000, body["left"])
    equal("invoked_function_arn", body["arn"], ARN)
    equal("x-amzn-requestid is the function's request ID", got["ResponseMetadata"]["RequestId"], body["request_id"])
    log = got["Log"]
    request = body["request_id"]
    check("the tail has START", f"START RequestId: {request} Version: $LATEST\n" in log, log)
    check("the tail has the function's line", "served 1\n" in log, log)
    check("the tail has END", f"END RequestId: {request}\n" in log, log)
    check(
        "the tail has a cold REPORT",
        re.search(
            rf"REPORT RequestId: {request}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB"
            r"\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t\n",
            log,
        ),
        log,
    )
    warm = invoke({}, LogType="Tail")
    equal("the second event meets the same instance", warm["Body"]["served"], 2)
    check("a warm REPORT has no Init Duration", "REPORT" in warm["Log"] and "Init Duration" not in warm["Log"], warm["Log"])
    check("without LogType there is no tail", "LogResult" not in invoke(), "LogResult")

    custom = base64.b64encode(json.dumps({"custom": {"tier": "gold"}}).encode()).decode()
    equal("the client context arrives", invoke(ClientContext=custom)["Body"]["client"], {"tier": "gold"})

    for name in (ARN, f"{ACCOUNT}:function:{NAME}"):
        equal(f"invoked as {name}", invoke(name=name)["Body"]["arn"], ARN)
    equal("invoked with a qualifier", invoke(Qualifier="$LATEST")["Body"]["arn"], ARN + ":$LATEST")

    dry = invoke(InvocationType="DryRun")
    equal("DryRun", (dry["StatusCode"], dry["Body"]), (204, None))

    failed = invoke({"fail": True}, LogType="Tail")
    equal("a failing function is a 200", failed["StatusCode"], 200)
    equal("with FunctionError", failed.get("FunctionError"), "Unhandled")
    error = failed["Body"]
    equal("errorType", error.get("errorType"), "Refused")
    equal("errorMessage", error.get("errorMessage"), "as asked")
    equal("requestId", error.get("requestId"), failed["ResponseMetadata"]["RequestId"])
    check("stackTrace", any("app.py" in line for line in error.get("stackTrace", [])), error)
    check("the log has the error", "[ERROR] Refused: as asked" in failed["Log"], failed["Log"])
    equal("and the next one works", invoke()["StatusCode"], 200)


def update(before):
    print("UpdateFunctionConfiguration")
    got = aws.update_function_configuration(
        FunctionName=NAME,
        Timeout=5,
        Environment={"Variables": {"GREETING": "bonjour"}},
        RevisionId=aws.get_function_configuration(FunctionName=NAME)["RevisionId"],
    )
    equal("LastUpdateStatus", got["LastUpdateStatus"], "InProgress")
    equal("Timeout", got["Timeout"], 5)
    equal("what isn't named stays", got["MemorySize"], 256)
    check("RevisionId is new", got["RevisionId"] != before["RevisionId"], got["RevisionId"])
    wait("function_updated_v2")
    body = invoke()["Body"]
    equal("invocations see the new environment", body["greeting"], "bonjour")
    equal("from a new instance", body["served"], 1)

    print("UpdateFunctionCode")
    code = package(SOURCE.replace('"edition": 1', '"edition": 2'))
    dry = aws.update_function_code(FunctionName=NAME, ZipFile=code, DryRun=True)
    equal("DryRun says what would be", dry["CodeSha256"], base64.b64encode(hashlib.sha256(code).digest()).decode())
    equal("DryRun changes nothing", invoke()["Body"]["edition"], 1)
    got = aws.update_function_code(FunctionName=NAME, ZipFile=code)
    equal("CodeSize", got["CodeSize"], len(code))
    wait("function_updated_v2")
    equal("invocations run the new code", invoke()["Body"]["edition"], 2)


def listing(usage):
    print("ListFunctions")
    names = [f"boto3-page-{i}" for i in range(5)]
    for name in names:
        aws.create_function(FunctionName=name, **BASE)
    try:
        pages = list(aws.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
        listed = [f["FunctionName"] for page in pages for f in page["Functions"]]
        ours = [n for n in listed if n in names or n == NAME]
        equal("every function once, by name", ours, sorted(names + [NAME]))
        check("two to a page", all(len(p["Functions"]) <= 2 for p in pages) and len(pages) >= 3, [len(p["Functions"]) for p in pages])
        check("NextMarker on every page but the last", all("NextMarker" in p for p in pages[:-1]) and "NextMarker" not in pages[-1])
        equal("AccountUsage counts them", aws.get_account_settings()["AccountUsage"]["FunctionCount"], usage["FunctionCount"] + 6)
    finally:
        for name in names:
            aws.delete_function(FunctionName=name)


def layers():
    print("Layers")
    name = "boto3-layer"
    versions = []
    for word in ("one", "two"):
        out = aws.publish_layer_version(
            LayerName=name,
            Description=word,
            LicenseInfo="MIT",
            Content={"ZipFile": package(f"word = {word!r}", "python/shared.py")},
            CompatibleRuntimes=["python3.12"],
            CompatibleArchitectures=["x86_64", "arm64"],
        )
        versions.append(out)
    numbers = [v["Version"] for v in versions]
    equal("versions follow one another", numbers[1], numbers[0] + 1)
    one, two = (v["LayerVersionArn"] for v in versions)
    equal("a version's ARN", one, f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{name}:{numbers[0]}")
    with urllib.request.urlopen(versions[0]["Content"]["Location"]) as content:
        digest = base64.b64encode(hashlib.sha256(content.read()).digest()).decode()
    equal("the content downloads", digest, versions[0]["Content"]["CodeSha256"])
    strip = ("ResponseMetadata", "Content")
    for what, got in (
        ("GetLayerVersion", aws.get_layer_version(LayerName=name, VersionNumber=numbers[0])),
        ("GetLayerVersionByArn", aws.get_layer_version_by_arn(Arn=one)),
    ):
        equal(what, {k: v for k, v in got.items() if k not in strip}, {k: v for k, v in versions[0].items() if k not in strip})
    listed = [v["Version"] for page in aws.get_paginator("list_layer_versions").paginate(LayerName=name) for v in page["LayerVersions"]]
    equal("ListLayerVersions, newest first", listed, numbers[::-1])
    newest = [i["LatestMatchingVersion"]["Version"] for i in aws.list_layers(CompatibleRuntime="python3.12")["Layers"] if i["LayerName"] == name]
    equal("ListLayers has the newest", newest, numbers[1:])
    equal("none is for another runtime", [i for i in aws.list_layers(CompatibleRuntime="ruby3.3")["Layers"] if i["LayerName"] == name], [])

    source = "import shared\ndef handler(event, context): return shared.word"
    aws.update_function_code(FunctionName=NAME, ZipFile=package(source))
    wait("function_updated_v2")
    for arn, word in ((one, "one"), (two, "two")):
        answer = aws.update_function_configuration(FunctionName=NAME, Layers=[arn])
        equal("the update shows the layer", [layer["Arn"] for layer in answer["Layers"]], [arn])
        wait("function_updated_v2")
        equal("the function imports from it", invoke()["Body"], word)
    for n in numbers:
        aws.delete_layer_version(LayerName=name, VersionNumber=n)
    equal("no version is left", aws.list_layer_versions(LayerName=name)["LayerVersions"], [])
    aws.update_function_configuration(FunctionName=NAME, Description="new instances")
    wait("function_updated_v2")
    aws.update_function_code(FunctionName=NAME, ZipFile=package(source + " + '!'"))
    wait("function_updated_v2")
    equal("the function keeps the deleted version", invoke()["Body"], "two!")
    aws.update_function_configuration(FunctionName=NAME, Layers=[])
    wait("function_updated_v2")
    equal("an empty list takes layers away", aws.get_function_configuration(FunctionName=NAME).get("Layers"), None)
    matches("and the module is gone", invoke()["Body"].get("errorMessage"), "Unable to import module 'app': No module named 'shared'")


def timeout():
    print("A time-out")
    source = "import time\ndef handler(event, context):\n    time.sleep(30)\n"
    aws.create_function(FunctionName="boto3-slow", **BASE | {"Code": {"ZipFile": package(source)}}, Timeout=1)
    try:
        aws.get_waiter("function_active_v2").wait(FunctionName="boto3-slow", WaiterConfig={"Delay": 1})
        got = invoke(name="boto3-slow", LogType="Tail")
        request = got["ResponseMetadata"]["RequestId"]
        equal("FunctionError", got.get("FunctionError"), "Unhandled")
        equal(
            "the error object",
            got["Body"],
            {"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: {request} Error: Task timed out after 1.00 seconds"},
        )
        check("the log says so", f"{request} Task timed out after 1.00 seconds\n" in got["Log"], got["Log"])
        check("REPORT says so", "\tStatus: timeout" in got["Log"], got["Log"])
    finally:
        aws.delete_function(FunctionName="boto3-slow")


def delete():
    print("DeleteFunction")
    got = aws.delete_function(FunctionName=NAME)
    equal("status", got["ResponseMetadata"]["HTTPStatusCode"], 204)
    try:
        aws.get_function(FunctionName=NAME)
        check("it is gone", False, "GetFunction found it")
    except ClientError as e:
        equal("it is gone", e.response["Error"]["Code"], "ResourceNotFoundException")


def constraint(value, member, rule):
    """Returns AWS's words for one violated constraint of the model, as a pattern."""
    return re.escape(f"1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: Member must {rule}")


def wrong_inputs():
    """Yields what is wrong, the call, and the code, status and message that AWS answers."""
    gone = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:no-such"
    invalid, missing, constraints = "InvalidParameterValueException", "ResourceNotFoundException", "ValidationException"
    not_found = (missing, 404, re.escape(f"Function not found: {gone}"))

    def creating(**changes):
        args = {"FunctionName": "boto3-wrong"} | BASE | changes
        return lambda: aws.create_function(**{k: v for k, v in args.items() if v is not None})

    yield "GetFunction of none", lambda: aws.get_function(FunctionName="no-such"), *not_found
    yield "GetFunctionConfiguration of none", lambda: aws.get_function_configuration(FunctionName="no-such"), *not_found
    yield "DeleteFunction of none", lambda: aws.delete_function(FunctionName="no-such"), *not_found
    yield "UpdateFunctionCode of none", lambda: aws.update_function_code(FunctionName="no-such", ZipFile=ZIP), *not_found
    yield "UpdateFunctionConfiguration of none", lambda: aws.update_function_configuration(FunctionName="no-such", Timeout=5), *not_found
    yield "Invoke of none", lambda: aws.invoke(FunctionName="no-such"), *not_found

    yield "a version that isn't there", lambda: aws.get_function(FunctionName=NAME, Qualifier="99"), missing, 404, re.escape(f"Function not found: {ARN}:99")
    yield "$latest in lower case", lambda: aws.invoke(FunctionName=NAME, Qualifier="$latest"), missing, 404, re.escape(f"Function not found: {ARN}:$latest")
    yield (
        "an ARN of another region",
        lambda: aws.get_function(FunctionName=ARN.replace(REGION, "eu-west-1")),
        missing, 404, re.escape(f"Functions from 'eu-west-1' are not reachable in this region ('{REGION}')"),
    )
    yield (
        "two qualifiers that differ",
        lambda: aws.get_function(FunctionName=NAME + ":$LATEST", Qualifier="1"),
        invalid, 400, re.escape("The derived qualifier from the function name does not match the specified qualifier."),
    )
    yield (
        "deleting $LATEST",
        lambda: aws.delete_function(FunctionName=NAME, Qualifier="$LATEST"),
        invalid, 400, re.escape("$LATEST version cannot be deleted without deleting the function."),
    )
    yield (
        "deleting an alias as if it were a version",
        lambda: aws.delete_function(FunctionName=NAME, Qualifier="live"),
        invalid, 400, re.escape("Deletion of aliases is not currently supported."),
    )

    name_rule = f"satisfy regular expression pattern: {NAME_PATTERN}"
    yield "a name with !", lambda: aws.invoke(FunctionName="my-function!"), constraints, 400, constraint("'my-function!'", "functionName", name_rule)
    yield "a name of *", lambda: aws.get_function(FunctionName="*"), constraints, 400, constraint("'*'", "functionName", name_rule)
    no_account = f"arn:aws:lambda:{REGION}::function:my-function"
    yield "an ARN without account", lambda: aws.get_function(FunctionName=no_account), constraints, 400, constraint(f"'{no_account}'", "functionName", name_rule)
    ec2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance:i-1234567890abcdef0"
    yield "another service's ARN", lambda: aws.invoke(FunctionName=ec2), constraints, 400, constraint(f"'{ec2}'", "functionName", name_rule)
    yield (
        "a qualifier with !",
        lambda: aws.invoke(FunctionName=NAME, Qualifier="invalid!"),
        constraints, 400, constraint("'invalid!'", "qualifier", r"satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"),
    )
    long = "a" * 129
    yield (
        "a qualifier of 129 characters",
        lambda: aws.get_function(FunctionName=NAME, Qualifier=long),
        constraints, 400, constraint(f"'{long}'", "qualifier", "have length less than or equal to 128"),
    )
    yield "a name of 65 characters", creating(FunctionName="a" * 65), invalid, 400, r".*'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"

    yield "a name that is taken", creating(FunctionName=NAME), "ResourceConflictException", 409, f"Function already exist: {NAME}"
    yield "an unknown runtime", creating(Runtime="cobol85"), invalid, 400, r"Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: \[.*\] or be a valid ARN"
    yield "a runtime in capitals", creating(Runtime="PYTHON3.12"), invalid, 400, r"Value PYTHON3\.12 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: \[.*\] or be a valid ARN"
    for runtime in ("nodejs12.x", "provided", "dotnetcore3.1"):
        yield (
            f"the deprecated runtime {runtime}",
            creating(Runtime=runtime),
            invalid, 400,
            re.escape(
                f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
                "We recommend you use a supported runtime while creating or updating functions."
            ),
        )
    yield "a role that is no ARN", creating(Role="r1"), constraints, 400, constraint("'r1'", "role", r"satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")
    yield "no role", creating(Role=None), constraints, 400, constraint("null", "role", "not be null")
    yield "64 MB", creating(MemorySize=64), constraints, 400, constraint("'64'", "memorySize", "have value greater than or equal to 128")
    yield "40,000 MB", creating(MemorySize=40000), constraints, 400, r"1 validation error detected: Value '40000' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to \d+"
    yield "a time-out of 0", creating(Timeout=0), constraints, 400, constraint("'0'", "timeout", "have value greater than or equal to 1")
    yield "a time-out of two hours", creating(Timeout=7200), constraints, 400, r"1 validation error detected: Value '7200' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to \d+"
    yield "a /tmp of 100 MB", creating(EphemeralStorage={"Size": 100}), constraints, 400, constraint("'100'", "ephemeralStorage.size", "have value greater than or equal to 512")
    yield "a description of 257 characters", creating(Description="d" * 257), constraints, 400, constraint(f"'{'d' * 257}'", "description", "have length less than or equal to 256")
    yield "a handler with a space", creating(Handler="app handler"), constraints, 400, constraint("'app handler'", "handler", r"satisfy regular expression pattern: [^\s]+")
    yield "an architecture of old", creating(Architectures=["mips"]), constraints, 400, r"1 validation error detected: Value '\[mips\]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: \[Member must satisfy enum value set: \[x86_64, arm64\].*\]"
    yield "five kilobytes of environment", creating(Environment={"Variables": {"LARGE": "x" * 5000}}), invalid, 400, r"Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit\. String measured: .*"
    yield "a reserved variable", creating(Environment={"Variables": {"AWS_REGION": "mars"}}), invalid, 400, r"Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys.*AWS_REGION"
    yield "51 tags", creating(Tags={f"k{i}": "v" for i in range(51)}), invalid, 400, re.escape("Number of tags exceeds resource tag limit.")
    yield "a package that is no zip", creating(Code={"ZipFile": b"not a zip"}), invalid, 400, re.escape("Could not unzip uploaded file. Please check your file, then try to upload again.")
    yield "a package of two sources", creating(Code={"ZipFile": ZIP, "S3Bucket": "bucket", "S3Key": "key"}), invalid, 400, r"Please do not provide other FunctionCode parameters when providing a ZipFile\."
    yield "a zip without runtime", creating(Runtime=None), invalid, 400, re.escape("Runtime and Handler are mandatory parameters for functions created with deployment packages.")

    yield "an event that isn't JSON", lambda: aws.invoke(FunctionName=NAME, Payload=b"{nope"), "InvalidRequestContentException", 400, r"(?s)Could not parse request body into json: .*"
    yield "an event of 7 MB", lambda: aws.invoke(FunctionName=NAME, Payload=b'"' + b"x" * 7_000_000 + b'"'), "RequestEntityTooLargeException", 413, re.escape("7000002 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)")
    yield "an unknown invocation type", lambda: aws.invoke(FunctionName=NAME, InvocationType="Later"), constraints, 400, r"1 validation error detected: Value 'Later' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: \[.*\]"
    yield "an unknown log type", lambda: aws.invoke(FunctionName=NAME, LogType="Head"), constraints, 400, r"1 validation error detected: Value 'Head' at 'logType' failed to satisfy constraint: Member must satisfy enum value set: \[.*\]"
    yield (
        "an old RevisionId",
        lambda: aws.update_function_configuration(FunctionName=NAME, Timeout=4, RevisionId="00000000-0000-0000-0000-000000000000"),
        "PreconditionFailedException", 412,
        re.escape("The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"),
    )
    yield "an image for a zip function", lambda: aws.update_function_code(FunctionName=NAME, ImageUri="1.dkr.ecr.us-east-1.amazonaws.com/x:1"), invalid, 400, re.escape("Please don't provide ImageUri when updating a function with packageType Zip.")
    yield "pages of 0", lambda: aws.list_functions(MaxItems=0), constraints, 400, constraint("'0'", "maxItems", "have value greater than or equal to 1")
    yield "pages of 10,001", lambda: aws.list_functions(MaxItems=10001), constraints, 400, constraint("'10001'", "maxItems", "have value less than or equal to 10000")

    layer = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:l"
    yield "a layer that isn't there", creating(Layers=[f"{layer}:1"]), invalid, 400, f"Layer version {layer}:1 does not exist\\."
    yield "six layers", creating(Layers=[f"{layer}:{n}" for n in range(1, 7)]), invalid, 400, "Cannot reference more than 5 layers\\."
    yield "a layer without version", creating(Layers=[layer]), constraints, 400, r".*Value '\[" + layer + r"\]' at 'layers' failed.*"
    yield "version 0 of a layer", lambda: aws.get_layer_version(LayerName="l", VersionNumber=0), invalid, 400, "Layer Version Cannot be less than 1"
    yield "no version of a layer", lambda: aws.get_layer_version(LayerName="l", VersionNumber=9), missing, 404, "The resource you requested does not exist\\."

    # What AWS has and Wick hasn't yet is refused by name.
    for what, call, named in (
        ("asynchronous invocation", lambda: aws.invoke(FunctionName=NAME, InvocationType="Event"), "InvocationType"),
        ("Publish", creating(Publish=True), "Publish"),
        ("images", creating(PackageType="Image", Code={"ImageUri": "1.dkr.ecr.us-east-1.amazonaws.com/x:1"}, Runtime=None, Handler=None), "Image"),
        ("permissions of layers", lambda: aws.get_layer_version_policy(LayerName="l", VersionNumber=1), "GetLayerVersionPolicy"),
    ):
        yield f"not in Wick yet: {what}", call, r"\w+", None, rf"(?s).*{named}.*"


def refused():
    print("Wrong input")
    count = 0
    for what, call, code, status, message in wrong_inputs():
        count += 1
        try:
            call()
        except ClientError as e:
            error, got = e.response["Error"], e.response["ResponseMetadata"]["HTTPStatusCode"]
            said = error.get("Message") or ""
            seen = f"{error['Code']} {got} {said}"
            check(
                f"{what}: {seen[:150]}",
                re.fullmatch(code, error["Code"]) and (status or got) == got and got >= 400 and re.fullmatch(message, said),
                {"got": seen, "want": f"{code} {status} {message}"},
            )
        else:
            check(what, False, "it was accepted")
            with contextlib.suppress(ClientError):
                aws.delete_function(FunctionName="boto3-wrong")
    print(f"  {count} wrong inputs")


def main():
    usage = account()
    create()
    try:
        before = read()
        invocations()
        update(before)
        listing(usage)
        layers()
        timeout()
        refused()
    finally:
        delete()
    equal("nothing is left", aws.get_account_settings()["AccountUsage"], usage)
    finish()


if __name__ == "__main__":
    main()
