"""Microsoft's own Key Vault client: unwraps what it is given, and wraps something of its own for others to unwrap.

Reads JSON: vault, authority, ca (a PEM file), tenant, client, secret, key (its id with a version), algorithm,
ciphertext and plaintext, the last two in base64. Prints JSON: opened and wrapped in base64, and the status that changed
bytes end with.
"""

import base64
import json
import logging
import sys

from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm


def main():
    # It asks for the key first, to do without the service, and warns where it may not.
    logging.disable()
    question = json.load(sys.stdin)
    ciphertext, plaintext = (base64.b64decode(question[name]) for name in ("ciphertext", "plaintext"))
    trust = {"connection_verify": question["ca"]}
    credential = ClientSecretCredential(
        question["tenant"],
        question["client"],
        question["secret"],
        authority=question["authority"],
        disable_instance_discovery=True,
        **trust,
    )
    client = CryptographyClient(question["key"], credential, verify_challenge_resource=False, retry_total=0, **trust)
    algorithm = KeyWrapAlgorithm(question["algorithm"])
    opened = client.unwrap_key(algorithm, ciphertext).key
    wrapped = client.wrap_key(algorithm, plaintext).encrypted_key
    changed = bytes([*ciphertext[:-1], ciphertext[-1] ^ 1])
    try:
        client.unwrap_key(algorithm, changed)
        refused = None
    except HttpResponseError as error:
        refused = error.status_code
    text = {name: base64.b64encode(data).decode() for name, data in (("opened", opened), ("wrapped", wrapped))}
    print(json.dumps({**text, "refused": refused}))


main()
