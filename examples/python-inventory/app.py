import boto3

# boto3 is the runtime's own: `wick runtimes install sdk` brings it.
client = boto3.client("lambda")


def handler(event, context):
    pages = client.get_paginator("list_functions").paginate()
    functions = [f for page in pages for f in page["Functions"]]
    by_runtime = {}
    for function in functions:
        runtime = function.get("Runtime", "image")
        by_runtime[runtime] = by_runtime.get(runtime, 0) + 1
    return {"functions": len(functions), "byRuntime": by_runtime, "with": f"boto3 {boto3.__version__}"}
