import time


def handler(event, context):
    print("this takes longer than the function's time-out")
    time.sleep(60)
