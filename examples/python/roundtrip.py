#!/usr/bin/env python3
"""One record through keyproxy and back, and what a refused call looks like.

    pip install grpcio grpcio-tools
    python3 examples/python/roundtrip.py [ADDRESS]

ADDRESS is unix:/path or host:port; without it KEYPROXY_ADDRESS is asked, else the socket of a sidecar.
TENANT names the tenant, demo where it is not set.
"""

import os
import sys
from pathlib import Path

import grpc

ROOT = Path(__file__).resolve().parents[2]
# grpcio makes the stubs at run time from .proto files that it finds on the module path.
sys.path[:0] = [str(ROOT / "proto"), str(ROOT / "examples")]
messages, services = grpc.protos_and_services("keyproxy/v1/keyproxy.proto")
details = grpc.protos("error_details.proto")

# Required over TCP, where it keeps web pages out; harmless on the socket.
MARKED = {"metadata": [("keyproxy-request", "true")], "timeout": 5}
RECORD = '{"order":17,"card":"4111 1111 1111 1111","to":"Søren, Århus"}'.encode()


def encrypt_there(keyproxy, tenant):
    """keyproxy encrypts. The id of the row is bound to the ciphertext, so it opens in no other row."""
    common = {
        "tenant_id": tenant,
        "encryption_context": {"purpose": "orders"},
        "associated_data": b"order-17",
    }
    made = keyproxy.Encrypt(messages.EncryptRequest(plaintext=RECORD, **common), **MARKED)
    print(f"encrypted {len(RECORD)} bytes into {len(made.ciphertext)} under {made.key.provider} {made.key.key_id}")
    opened = keyproxy.Decrypt(messages.DecryptRequest(ciphertext=made.ciphertext, **common), **MARKED)
    if opened.plaintext != RECORD:
        raise SystemExit("another record came back")
    print("decrypted them again")
    return made.ciphertext


def take_a_data_key(keyproxy, tenant):
    """keyproxy hands out a data key to encrypt with in this process. Only the wrapped key is stored."""
    common = {"tenant_id": tenant, "encryption_context": {"purpose": "orders"}}
    made = keyproxy.GenerateDEK(messages.GenerateDEKRequest(**common), **MARKED)
    again = keyproxy.Unwrap(messages.UnwrapRequest(wrapped_dek=made.wrapped_dek, **common), **MARKED)
    if len(made.plaintext) != 32 or again.plaintext != made.plaintext:
        raise SystemExit("another data key came back")
    print(f"took a data key of 32 bytes, kept as {len(made.wrapped_dek)} wrapped bytes, and unwrapped it again")


def be_refused(keyproxy, tenant, ciphertext):
    """What a refused call looks like: the same ciphertext, in another row."""
    elsewhere = messages.DecryptRequest(tenant_id=tenant, ciphertext=ciphertext, associated_data=b"order-18")
    try:
        keyproxy.Decrypt(elsewhere, **MARKED)
    except grpc.RpcError as error:
        print(line(error))
        return
    raise SystemExit("a refusal was due")


def line(error):
    """One line that says what was refused and why: google.rpc.ErrorInfo is in a trailer of the call."""
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            for detail in details.Status.FromString(value).details:
                if detail.type_url.endswith("/google.rpc.ErrorInfo"):
                    reason = details.ErrorInfo.FromString(detail.value).reason
                    return f"refused: {reason} ({error.code().name}): {error.details()}"
    return f"failed: {error.code().name}: {error.details()}"


def main():
    default = os.environ.get("KEYPROXY_ADDRESS", "unix:///run/keyproxy/keyproxy.sock")
    address = sys.argv[1] if len(sys.argv) > 1 else default
    tenant = os.environ.get("TENANT", "demo")
    with grpc.insecure_channel(address) as channel:
        keyproxy = services.KeyProxyStub(channel)
        try:
            ciphertext = encrypt_there(keyproxy, tenant)
            take_a_data_key(keyproxy, tenant)
            be_refused(keyproxy, tenant, ciphertext)
        except grpc.RpcError as error:
            raise SystemExit(line(error)) from None


if __name__ == "__main__":
    main()
