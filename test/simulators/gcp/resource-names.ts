/** Names of keys, versions and places (https://cloud.google.com/kms/docs/resource-hierarchy). */
import { ServiceError } from './status.ts';

const location = 'projects/([a-z0-9.:-]+)/locations/([a-z0-9-]+)';
const key = String.raw`${location}/keyRings/[\w-]{1,63}/cryptoKeys/[\w-]{1,63}`;
const version = String.raw`${key}/cryptoKeyVersions/[1-9]\d*`;

const forms = {
  location: new RegExp(`^${location}$`),
  key: new RegExp(`^${key}$`),
  version: new RegExp(`^${version}$`),
};

/** The kinds of names that requests have. */
export type NameKind = keyof typeof forms;

/** Throws INVALID_ARGUMENT unless `name` is of one of the kinds; says of which. */
export function checkName(name: string, field: string, kinds: readonly NameKind[]): NameKind {
  const kind = kinds.find((kind) => forms[kind].test(name));
  if (kind === undefined) {
    throw new ServiceError('INVALID_ARGUMENT', `The request has an invalid "${field}" field: ${JSON.stringify(name)}.`);
  }
  return kind;
}

/** The key's own name, for the name of the key or of one of its versions; undefined for anything else. */
export function keyNameOf(name: string): string | undefined {
  const bare = name.replace(/\/cryptoKeyVersions\/[^/]*$/, '');
  return forms.key.test(bare) ? bare : undefined;
}

/** Project and location of any name that begins with them. */
export function placeOf(name: string): { readonly project: string; readonly location: string } {
  const [, project = '', place = ''] = new RegExp(`^${location}`).exec(name) ?? [];
  return { project, location: place };
}

/** The name itself and those above it whose IAM policies it inherits: key, key ring, project. */
export function policyLine(name: string): readonly string[] {
  const bare = keyNameOf(name) ?? name;
  const ring = /^(.*\/keyRings\/[^/]+)\//.exec(bare)?.[1];
  const project = /^projects\/[^/]+/.exec(bare)?.[0];
  return [bare, ...(ring === undefined ? [] : [ring]), ...(project === undefined || project === bare ? [] : [project])];
}
