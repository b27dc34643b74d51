"""Makes the calls that outcome.ts tells, on grpcio, at the target of its argument, and prints what came back."""

import json
import sys
from pathlib import Path
from threading import Semaphore

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules/grpccpp"))
messages, services = grpc.protos_and_services("test.proto")

SIZES = [31415, 9, 2653, 58979]
METADATA = [
    ("x-grpc-test-echo-initial", "said at the beginning"),
    ("x-grpc-test-echo-trailing-bin", b"\x00\x01\xfe\xff"),
]


def unary(stub):
    request = messages.SimpleRequest(response_size=314159, payload=messages.Payload(body=bytes(271828)))
    answer, call = stub.UnaryCall.with_call(request, metadata=METADATA, timeout=20)
    initial, trailing = dict(call.initial_metadata()), dict(call.trailing_metadata())
    return {
        "authority": trailing["x-test-authority"],
        "unary": len(answer.payload.body),
        "initial": initial["x-grpc-test-echo-initial"],
        "trailing": trailing["x-grpc-test-echo-trailing-bin"].hex(),
    }


def ping_pong(stub):
    """The next request is sent when the answer to the one before has come."""
    sizes, came = [], Semaphore(0)

    def requests():
        for sent, size in enumerate(SIZES):
            assert len(sizes) == sent, "a request is sent before the last answer"
            wanted = [messages.ResponseParameters(size=size)]
            yield messages.StreamingOutputCallRequest(
                response_parameters=wanted, payload=messages.Payload(body=bytes(size))
            )
            came.acquire(timeout=20)

    for answer in stub.FullDuplexCall(requests(), timeout=20):
        sizes.append(len(answer.payload.body))
        came.release()
    return sizes


def refusal(stub):
    wanted = messages.EchoStatus(code=5, message="nobody of that name: Zoë ☺")
    try:
        stub.UnaryCall(messages.SimpleRequest(response_status=wanted), timeout=20)
    except grpc.RpcError as error:
        return {"code": error.code().value[0], "message": error.details()}
    raise AssertionError("the call was not refused")


with grpc.insecure_channel(sys.argv[1]) as channel:
    service = services.TestServiceStub(channel)
    seen = unary(service)
    print(json.dumps({**seen, "streamed": ping_pong(service), **refusal(service)}))
