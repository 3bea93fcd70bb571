"""Stands in for Amazon Rekognition, which the emulator has not: DetectLabels in its wire format, throttling included.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectLabels.html
"""

import collections
import json

# An answer in the shape of the ones that the service's documents show.
ANSWER = {
    "Labels": [
        {"Name": "Lake", "Confidence": 98.7123, "Instances": [],
         "Parents": [{"Name": "Nature"}, {"Name": "Outdoors"}, {"Name": "Water"}], "Aliases": [],
         "Categories": [{"Name": "Nature and Outdoors"}]},
        {"Name": "Person", "Confidence": 83.25, "Parents": [], "Aliases": [{"Name": "Human"}],
         "Instances": [{"BoundingBox": {"Width": 0.12, "Height": 0.31, "Left": 0.44, "Top": 0.52}, "Confidence": 83.25}],
         "Categories": [{"Name": "Person Description"}]},
    ],
    "LabelModelVersion": "3.0",
    "ImageProperties": {
        "Quality": {"Brightness": 71.5, "Sharpness": 88.1, "Contrast": 64.9},
        "DominantColors": [{"Red": 70, "Green": 130, "Blue": 180, "HexCode": "#4682b4", "CSSColor": "steelblue",
                            "SimplifiedColor": "blue", "PixelPercent": 41.7}],
    },
}


class Rekognition:
    def __init__(self):
        self.calls = collections.Counter()
        # How often the calls for a key are throttled before one is answered.
        self.throttled = {}

    def answer(self, body):
        """Status and body of a call of DetectLabels."""
        asked = json.loads(body)
        place = asked.get("Image", {}).get("S3Object", {})
        if not {"Bucket", "Name"} <= place.keys() or set(asked["Features"]) != {"GENERAL_LABELS", "IMAGE_PROPERTIES"}:
            return 400, error("InvalidParameterException", "Request has invalid parameters")
        key = place["Name"]
        self.calls[key] += 1
        if self.calls[key] <= self.throttled.get(key, 0):
            return 400, error("ProvisionedThroughputExceededException", "Provisioned Rate exceeded")
        return 200, json.dumps(ANSWER).encode()


def error(name, message):
    return json.dumps({"__type": name, "Message": message}).encode()
