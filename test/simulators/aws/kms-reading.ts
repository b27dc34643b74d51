/** The operations of KMS that look at a key and do not use it. */
import { kmsError } from './errors.ts';
import { algorithms, keyMetadata } from './key-metadata.ts';
import { checkPermission, checkState } from './kms-access.ts';
import { type Answer, type KmsRequest, namedKey } from './kms-request.ts';

/** All about a key but its material. Works in every key state: it is how one learns the state. */
export function describeKey(request: KmsRequest): Answer {
  const resolved = namedKey(request, 'KeyId');
  request.fields.refuseGrantTokens();
  checkPermission(resolved, { principal: request.principal, region: request.region, action: 'kms:DescribeKey' });
  return { KeyMetadata: keyMetadata(resolved.key) };
}

/** The public half of an asymmetric key that is enabled. */
export async function getPublicKey(request: KmsRequest): Promise<Record<string, unknown>> {
  const resolved = namedKey(request, 'KeyId');
  const { key } = resolved;
  request.fields.refuseGrantTokens();
  checkPermission(resolved, { principal: request.principal, region: request.region, action: 'kms:GetPublicKey' });
  if (key.pair === undefined) throw kmsError('UnsupportedOperationException', `${key.arn} is not an asymmetric key.`);
  checkState(key);
  const { publicKey } = await key.pair();
  return {
    KeyId: key.arn,
    PublicKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
    CustomerMasterKeySpec: key.spec,
    KeySpec: key.spec,
    KeyUsage: key.usage,
    ...algorithms(key),
  };
}

/** The key's policy. Never for callers of another account, whatever the policies allow. */
export function getKeyPolicy(request: KmsRequest): Answer {
  const resolved = namedKey(request, 'KeyId');
  const { key } = resolved;
  const { principal, region, fields } = request;
  const name = fields.string('PolicyName', 128) ?? 'default';
  checkPermission(resolved, { principal, region, action: 'kms:GetKeyPolicy' });
  if (principal.accountId !== key.accountId) throw kmsError('NotFoundException', `Key '${key.arn}' does not exist`);
  if (name !== 'default') throw kmsError('NotFoundException', `No policy of the name ${name}`);
  return { Policy: key.policyText, PolicyName: name };
}

/** How often AWS replaces the material. Rotation is for symmetric keys whose material AWS made. */
export function getKeyRotationStatus(request: KmsRequest): Answer {
  const resolved = namedKey(request, 'KeyId');
  const { key } = resolved;
  checkPermission(resolved, {
    principal: request.principal,
    region: request.region,
    action: 'kms:GetKeyRotationStatus',
  });
  if (key.spec !== 'SYMMETRIC_DEFAULT' || key.store !== undefined) throw kmsError('UnsupportedOperationException');
  const days = key.family.rotationDays;
  return {
    KeyId: key.arn,
    KeyRotationEnabled: days !== undefined,
    ...(days === undefined ? {} : { RotationPeriodInDays: days }),
  };
}
