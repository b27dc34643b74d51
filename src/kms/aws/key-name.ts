/** Whether the name in an entry is the name of a configured key. */

/** `arn:PARTITION:kms:` · region · `:ACCOUNT:key/KEY-ID`. */
const keyArnForm = /^(?<before>arn:[^:]+:kms:)[^:]+(?<after>:[^:]+:key\/(?<id>[^:]+))$/;
const regionForm = /^[a-z0-9-]{1,32}$/;

/**
 * Tells for the `providerInfo` of entries whether the key of this ARN opens them: they name it exactly, or they name a
 * multi-Region key that is related to it. Such keys share id, account and material, so their names differ in the
 * region alone (AWS Encryption SDK Specification, "AWS KMS MRK Match for Decrypt"). Only names are compared; a request
 * always carries the configured ARN.
 */
export function nameMatcher(keyArn: string): (providerInfo: Buffer) => boolean {
  const exact = Buffer.from(keyArn, 'utf8');
  const { before, after, id } = keyArnForm.exec(keyArn)?.groups ?? {};
  if (before === undefined || after === undefined || id?.startsWith('mrk-') !== true) {
    return (providerInfo) => providerInfo.equals(exact);
  }
  return (providerInfo) => {
    if (providerInfo.equals(exact)) return true;
    // One character a byte: bytes that are no ASCII cannot turn into any that the patterns take.
    const name = providerInfo.toString('latin1');
    if (name.length <= before.length + after.length || !name.startsWith(before) || !name.endsWith(after)) return false;
    return regionForm.test(name.slice(before.length, -after.length));
  };
}
