"""Turns CSV text into JSON records, numbers as numbers."""

import csv
import io


def number_or_text(value):
    for convert in (int, float):
        try:
            return convert(value)
        except (TypeError, ValueError):
            pass
    return value


def lambda_handler(event, context):
    rows = csv.DictReader(io.StringIO(event["csv"]), delimiter=event.get("delimiter", ","))
    records = [{key: number_or_text(value) for key, value in row.items()} for row in rows]
    print(f"{len(records)} records")
    return records
