"""The job of `validate` for a JPEG, as one would write it in Python with boto3, under the same Runtime API."""

import hashlib
import json
import os
import struct
import urllib.request

import boto3

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
s3 = boto3.client("s3")
table = boto3.client("dynamodb")


def facts(head):
    """Width and height: the frame header of a JPEG."""
    place = 2
    while place + 9 < len(head):
        marker, length = head[place + 1], struct.unpack(">H", head[place + 2:place + 4])[0]
        if marker in (0xC0, 0xC1, 0xC2):
            height, width = struct.unpack(">HH", head[place + 5:place + 9])
            return {"format": "jpeg", "width": width, "height": height}
        place += 2 + length
    raise ValueError("no frame header")


def handle(event):
    """Reads the header by a range, and appends to the lane what it found."""
    image, execution = event["image"], event["context"]["execution"]
    head = s3.get_object(Bucket=image["bucket"], Key=image["key"], Range="bytes=0-65535")["Body"].read()
    found = facts(head)
    name = os.environ["SAFELIGHT_TABLE"]
    lane = table.query(
        TableName=name, ConsistentRead=True, KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": {"S": f"X#{execution}"}, ":sk": {"S": "E#trunk#"}})["Items"]
    previous = lane[-1]["hash"]["S"] if lane else "0" * 64
    body = json.dumps({"type": "image.validated", "facts": found}, sort_keys=True)
    table.put_item(
        TableName=name, ConditionExpression="attribute_not_exists(pk)",
        Item={"pk": {"S": f"X#{execution}"}, "sk": {"S": f"E#trunk#{len(lane) + 1:010}"}, "body": {"S": body},
              "hash": {"S": hashlib.sha256((previous + body).encode()).hexdigest()}})
    return {"facts": found}


while True:
    with urllib.request.urlopen(f"{API}/next") as invocation:
        request, event = invocation.headers["lambda-runtime-aws-request-id"], json.load(invocation)
    answer = json.dumps(handle(event)).encode()
    urllib.request.urlopen(urllib.request.Request(f"{API}/{request}/response", data=answer, method="POST")).close()
