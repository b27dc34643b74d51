"""Calls keyproxy at the address of its argument with stubs made of the .proto files, and prints what came back."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "proto"), str(ROOT / "examples")]
messages, services = grpc.protos_and_services("keyproxy/v1/keyproxy.proto")
details = grpc.protos("error_details.proto")

COMMON = {"tenant_id": "demo", "encryption_context": {"purpose": "orders"}}
CALL = {"metadata": [("keyproxy-request", "true")], "timeout": 20}
SIZES = [0, 1, 65_536, 1_000_000]
CONCURRENT = 100


def round_trip(keyproxy, plaintext):
    made = keyproxy.Encrypt(messages.EncryptRequest(plaintext=plaintext, **COMMON), **CALL)
    opened = keyproxy.Decrypt(messages.DecryptRequest(ciphertext=made.ciphertext, **COMMON), **CALL)
    assert opened.plaintext == plaintext, "another plaintext came back"
    return made.ciphertext, dict(opened.encryption_context)


def refusal(keyproxy, ciphertext):
    try:
        keyproxy.Decrypt(messages.DecryptRequest(ciphertext=ciphertext[:-1], **COMMON), **CALL)
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata())
        status = details.Status.FromString(trailers["grpc-status-details-bin"])
        info = details.ErrorInfo.FromString(status.details[0].value)
        return [error.code().name, info.domain, info.reason]
    raise AssertionError("a cut ciphertext was opened")


with grpc.insecure_channel(sys.argv[1]) as channel:
    stub = services.KeyProxyStub(channel)
    for size in SIZES:
        ciphertext, context = round_trip(stub, bytes(size))
    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(lambda i: round_trip(stub, str(i).encode()), range(CONCURRENT)))
    dek = stub.GenerateDEK(messages.GenerateDEKRequest(**COMMON), **CALL)
    again = stub.Unwrap(messages.UnwrapRequest(wrapped_dek=dek.wrapped_dek, **COMMON), **CALL)
    assert again.plaintext == dek.plaintext, "another data key came back"
    check = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
    print(
        json.dumps(
            {
                "sizes": SIZES,
                "concurrent": len(done),
                "context": context,
                "dek_bytes": len(dek.plaintext),
                "refused": refusal(stub, ciphertext),
                "health": health_pb2.HealthCheckResponse.ServingStatus.Name(check.status),
            }
        )
    )
