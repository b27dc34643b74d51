"""Calls AWS as a customer does, through botocore: reads a list of calls as JSON and prints their answers.

Each call is {"service": "iam", "operation": "CreateRole", "parameters": {...}}; the address and the identity come from
the environment, by the names that botocore itself reads.
"""

import json
import sys

import botocore.session
from botocore import xform_name


def main() -> None:
    session = botocore.session.get_session()
    clients = {}
    answers = []
    for call in json.load(sys.stdin):
        service = call["service"]
        if service not in clients:
            clients[service] = session.create_client(service)
        answer = getattr(clients[service], xform_name(call["operation"]))(**call["parameters"])
        answer.pop("ResponseMetadata", None)
        answers.append(answer)
    json.dump(answers, sys.stdout, default=str)


main()
