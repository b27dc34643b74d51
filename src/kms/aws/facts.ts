/** What a key of AWS KMS is called and marked with: its aliases and its tags. AWS tells neither across accounts. */
import { ListAliasesCommand, ListResourceTagsCommand } from '@aws-sdk/client-kms';
import { KmsError } from '../fault.ts';
import { type FactsCall, type KeyFacts, readable, type Unreadable, unreadable } from '../key-facts.ts';
import { emptyAnswer } from './failure.ts';
import type { KmsCalls } from './kms-calls.ts';

const aliasStart = 'alias/';
/** More pages than any key has: quotas are 50 aliases and 50 tags. */
const maxPages = 50;

const unreadAliases: Unreadable = {
  what: 'aliases',
  remedy:
    'allow kms:ListAliases with the resource * in the own policies of the role or user that keyproxy uses, since a ' +
    "key's policy cannot",
};
const unreadTags: Unreadable = {
  what: 'tags',
  remedy: 'allow kms:ListResourceTags on the key to the role or user that keyproxy uses',
};
const elsewhere =
  "and use a role of the key's own account (role_arn), since AWS tells them to no other; check key_arn as well";

/** Reads them with calls that may. Throws a `KmsError`. */
export async function readFacts(keyArn: string, calls: KmsCalls, wanted: FactsCall): Promise<KeyFacts> {
  const { signal } = wanted;
  const names = wanted.names ? await told(unreadAliases, () => aliasesOf(keyArn, calls, signal)) : [];
  const tags = wanted.tags ? await told(unreadTags, () => tagsOf(keyArn, calls, signal)) : [];
  return { names, tags: new Map(tags) };
}

/** All names by which aliases point to the key now. */
function aliasesOf(KeyId: string, calls: KmsCalls, signal: AbortSignal): Promise<string[]> {
  const id = KeyId.slice(KeyId.lastIndexOf('/') + 1);
  return allPages('ListAliases', async (Marker) => {
    const answer = await calls.call('ListAliases', signal, (client, options) =>
      client.send(new ListAliasesCommand({ KeyId, Marker }), options),
    );
    const names = (answer.Aliases ?? [])
      .filter(({ TargetKeyId }) => TargetKeyId === id)
      .flatMap(({ AliasName: name }) => (name?.startsWith(aliasStart) ? [name.slice(aliasStart.length)] : []));
    return { items: names, next: answer.Truncated ? answer.NextMarker : undefined };
  });
}

function tagsOf(KeyId: string, calls: KmsCalls, signal: AbortSignal): Promise<[string, string][]> {
  return allPages('ListResourceTags', async (Marker) => {
    const answer = await calls.call('ListResourceTags', signal, (client, options) =>
      client.send(new ListResourceTagsCommand({ KeyId, Marker }), options),
    );
    const tags = (answer.Tags ?? []).flatMap(({ TagKey: key, TagValue: value }): [string, string][] =>
      key === undefined || value === undefined ? [] : [[key, value]],
    );
    return { items: tags, next: answer.Truncated ? answer.NextMarker : undefined };
  });
}

/** Everything on all pages; a list that does not end is no answer. */
async function allPages<T>(
  operation: string,
  read: (marker: string | undefined) => Promise<{ readonly items: readonly T[]; readonly next: string | undefined }>,
): Promise<T[]> {
  const all: T[] = [];
  let marker: string | undefined;
  for (let page = 0; page < maxPages; page++) {
    const { items, next } = await read(marker);
    all.push(...items);
    if (next === undefined) return all;
    marker = next;
  }
  throw emptyAnswer(operation);
}

/** A caller of another account is told that there is no such key. */
async function told<T>(why: Unreadable, read: () => Promise<T>): Promise<T> {
  try {
    return await readable(why, read);
  } catch (error) {
    if (!(error instanceof KmsError) || error.fault.kind !== 'ambiguous') throw error;
    if (error.fault.reason !== 'KEY_NOT_FOUND') throw error;
    throw unreadable({ what: why.what, remedy: `${why.remedy}, ${elsewhere}` }, error.details);
  }
}
