/**
 * The operations of KMS that list what a key is called and marked with. Neither works across accounts, and the first is
 * for identities' own policies alone: it is about no key, so a key's policy cannot grant it ("AWS KMS permissions" in
 * the KMS developer guide).
 */
import { authorize, principalFacts } from './authorization.ts';
import { kmsError } from './errors.ts';
import type { KeyRecord } from './keys.ts';
import { checkPermission } from './kms-access.ts';
import { type Answer, type KmsRequest, namedKey } from './kms-request.ts';
import { parsePolicy } from './policy-document.ts';

/** Items of a page where nobody asks for another number: AWS says at most 50 and may give fewer, so here it does. */
const usualPage = 3;

/** The aliases that point to one key; all of an account are not listed here. */
export function listAliases(request: KmsRequest): Answer {
  const { principal, region, fields } = request;
  const marks = pageOf(request, 100);
  const resource = { arn: '*', accountId: principal.accountId, policy: leftToIdentities(principal.accountId) };
  const facts = new Map(principalFacts(principal, region));
  const decision = authorize({ principal, action: 'kms:ListAliases', resource, facts });
  if (!decision.allowed) {
    throw kmsError(
      'AccessDeniedException',
      `User: ${principal.arn} is not authorized to perform: kms:ListAliases on resource: * ${decision.because}`,
    );
  }
  if (!fields.has('KeyId')) throw kmsError('UnsupportedOperationException', 'The simulator lists aliases of one key.');
  const key = ownKey(request);
  const aliases = request.keys.aliasesOf(key).map((name) => ({
    AliasName: name,
    AliasArn: `arn:aws:kms:${key.region}:${key.accountId}:${name}`,
    TargetKeyId: key.keyId,
    CreationDate: key.createdAt / 1000,
    LastUpdatedDate: key.createdAt / 1000,
  }));
  return page('Aliases', aliases, marks);
}

/** The tags of a key. */
export function listResourceTags(request: KmsRequest): Answer {
  const marks = pageOf(request, 50);
  const { principal, region } = request;
  checkPermission(namedKey(request, 'KeyId'), { principal, region, action: 'kms:ListResourceTags' });
  const tags = Array.from(ownKey(request).tags, ([TagKey, TagValue]) => ({ TagKey, TagValue }));
  return page('Tags', tags, marks);
}

/** The key of `KeyId`, which to callers of other accounts is none. */
function ownKey(request: KmsRequest): KeyRecord {
  const { key, alias } = namedKey(request, 'KeyId');
  if (alias !== undefined) throw kmsError('NotFoundException', `Invalid keyId '${alias}'`);
  if (key.accountId === request.principal.accountId) return key;
  throw kmsError('NotFoundException', `Key '${key.arn}' does not exist`);
}

interface Page {
  readonly from: number;
  readonly length: number;
}

function pageOf({ fields }: KmsRequest, most: number): Page {
  const length = fields.integer('Limit', { least: 1, most }) ?? usualPage;
  const marker = fields.string('Marker', 1024);
  if (marker === undefined) return { from: 0, length };
  const from = /^from:(\d{1,4})$/.exec(Buffer.from(marker, 'base64').toString())?.[1];
  if (from === undefined) throw kmsError('InvalidMarkerException', 'Could not deserialize marker.');
  return { from: Number(from), length };
}

function page(name: string, items: readonly object[], { from, length }: Page): Answer {
  const end = from + length;
  const isCut = end < items.length;
  return {
    [name]: items.slice(from, end),
    Truncated: isCut,
    ...(isCut && { NextMarker: Buffer.from(`from:${end}`).toString('base64') }),
  };
}

/** What stands in the place of a resource's policy: the account decides by its identities' own. */
function leftToIdentities(accountId: string) {
  const Principal = { AWS: `arn:aws:iam::${accountId}:root` };
  const statement = { Effect: 'Allow', Principal, Action: 'kms:ListAliases', Resource: '*' };
  return parsePolicy({ Version: '2012-10-17', Statement: [statement] }, 'key');
}
