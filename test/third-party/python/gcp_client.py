"""Google's own Cloud KMS client: opens what it is given, and encrypts something of its own for others to open.

Reads JSON: endpoint, token_uri, account (a service account's key), key, version (of an RSA key, else null), aad,
ciphertext and plaintext, the last three in base64. Prints JSON: opened and wrapped in base64, and the status that a
ciphertext of other associated data ends with, or of changed bytes where an RSA key binds none.
"""

import base64
import json
import sys

import google.auth.transport.requests
import google_crc32c
import grpc
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import kms
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport
from google.oauth2 import service_account


def connect(question):
    info = {**question["account"], "token_uri": question["token_uri"]}
    scopes = ["https://www.googleapis.com/auth/cloudkms"]
    credentials = service_account.Credentials.from_service_account_info(info, scopes=scopes)
    credentials.refresh(google.auth.transport.requests.Request())
    channel = grpc.insecure_channel(question["endpoint"].removeprefix("http://"))
    client = kms.KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel))
    return client, [("authorization", f"Bearer {credentials.token}")]


def crc32c(data):
    return google_crc32c.value(data)


def symmetric(client, metadata, question, aad, ciphertext, plaintext):
    def decrypt(with_aad):
        request = {
            "name": question["key"],
            "ciphertext": ciphertext,
            "ciphertext_crc32c": crc32c(ciphertext),
            "additional_authenticated_data": with_aad,
            "additional_authenticated_data_crc32c": crc32c(with_aad),
        }
        answer = client.decrypt(request=request, metadata=metadata, retry=None)
        assert answer.plaintext_crc32c == crc32c(answer.plaintext)
        return answer.plaintext

    request = {
        "name": question["key"],
        "plaintext": plaintext,
        "plaintext_crc32c": crc32c(plaintext),
        "additional_authenticated_data": aad,
        "additional_authenticated_data_crc32c": crc32c(aad),
    }
    made = client.encrypt(request=request, metadata=metadata, retry=None)
    assert made.verified_plaintext_crc32c and made.verified_additional_authenticated_data_crc32c
    assert made.ciphertext_crc32c == crc32c(made.ciphertext)
    return decrypt(aad), made.ciphertext, lambda: decrypt(aad + b"x")


def rsa(client, metadata, question, aad, ciphertext, plaintext):
    def decrypt(data):
        request = {"name": question["version"], "ciphertext": data, "ciphertext_crc32c": crc32c(data)}
        answer = client.asymmetric_decrypt(request=request, metadata=metadata, retry=None)
        assert answer.verified_ciphertext_crc32c and answer.plaintext_crc32c == crc32c(answer.plaintext)
        return answer.plaintext

    public = client.get_public_key(request={"name": question["version"]}, metadata=metadata, retry=None)
    assert public.pem_crc32c == crc32c(public.pem.encode())
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    made = serialization.load_pem_public_key(public.pem.encode()).encrypt(plaintext, oaep)
    changed = bytes([*ciphertext[:-1], ciphertext[-1] ^ 1])
    return decrypt(ciphertext), made, lambda: decrypt(changed)


def main():
    question = json.load(sys.stdin)
    aad, ciphertext, plaintext = (base64.b64decode(question[name]) for name in ("aad", "ciphertext", "plaintext"))
    client, metadata = connect(question)
    kind = symmetric if question["version"] is None else rsa
    opened, wrapped, wrong = kind(client, metadata, question, aad, ciphertext, plaintext)
    try:
        wrong()
        refused = None
    except GoogleAPICallError as error:
        refused = error.grpc_status_code.name
    text = {name: base64.b64encode(data).decode() for name, data in (("opened", opened), ("wrapped", wrapped))}
    print(json.dumps({**text, "refused": refused}))


main()
