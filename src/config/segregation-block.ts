/**
 * The `segregation` block of the daemon's file: environment → what its keys have to look like. Tags have the bounds of
 * AWS (https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html), the widest of them.
 */
import type { Segregation } from '../kms/segregation.ts';
import { byDefault, type Fields, optional, type Shape, section } from './shape.ts';
import { environmentName } from './tenant-file.ts';
import { flag, text } from './values.ts';
import { printableName } from './yaml-tree.ts';

/** Most rows, and most tags of one. */
const maxEntries = 50;

const tagCharacters = 'letters, digits, spaces and _.:/=+@-';
const tagName = text(`1 to 128 ${tagCharacters}`, /^[\p{L}\p{Z}\p{N}_.:/=+@-]{1,128}$/u);
const tagValue = text(`at most 256 ${tagCharacters}`, /^[\p{L}\p{Z}\p{N}_.:/=+@-]{0,256}$/u);

const row = section(
  {
    key_prefix: optional(
      text('1 to 128 characters of [A-Za-z0-9._/-]', /^[\w./-]{1,128}$/),
      'What one of the aliases of a key of AWS begins with (without `alias/`), elsewhere its name.',
    ),
    required_tags: byDefault(
      mapping({ type: 'a section of tags with their values', name: tagName, value: tagValue }),
      new Map(),
      'Tags that a key has to have, with exactly these values; labels at Google, in lower case. ' +
        "Vault's keys have none.",
      'none',
    ),
    approval_required: byDefault(
      flag,
      false,
      'Whether a second person has to agree when a key is registered. The control plane asks; the data plane does not.',
    ),
  },
  (_values, place) => {
    if (['key_prefix', 'required_tags', 'approval_required'].some((name) => place.has(name))) return;
    place.problem('key_prefix', 'is missing, and so is required_tags: the row asks for nothing; give one of them');
  },
);

const rows = mapping({
  type: 'a section of environments',
  name: environmentName,
  value: row,
  fields: { ENVIRONMENT: optional(row, 'A row; each environment that has tenants here needs one.') },
});

/** The block's shape. */
export const segregationBlock: Shape<Segregation> = {
  ...rows,
  read(place) {
    const read = rows.read(place);
    if (read?.size === 0) place.report.problem(place.at, place.path, 'is empty; give it a row, or leave it out');
    if (read === undefined || read.size === 0) return undefined;
    return new Map(
      Array.from(read, ([environment, { key_prefix, required_tags, approval_required }]) => [
        environment,
        {
          ...(key_prefix !== undefined && { keyPrefix: key_prefix }),
          ...{ requiredTags: required_tags, approvalRequired: approval_required },
        },
      ]),
    );
  },
};

interface MappingOptions<T> {
  readonly type: string;
  readonly name: Shape<string>;
  readonly value: Shape<T>;
  /** For documents. */
  readonly fields?: Fields;
}

/** A section whose keys are names of its author's choice. */
function mapping<T>({
  type,
  name: nameShape,
  value: valueShape,
  fields,
}: MappingOptions<T>): Shape<ReadonlyMap<string, T>> {
  return {
    type,
    ...(fields && { fields }),
    read({ tree, at, path, report }) {
      if (tree.kind !== 'map' || tree.entries.size > maxEntries) {
        report.problem(at, path, `must be ${type}, at most ${maxEntries}`);
        return undefined;
      }
      const read = new Map<string, T>();
      for (const [name, { at, value: given }] of tree.entries) {
        const inner = { at, path: `${path}.${printableName(name)}`, report };
        const known = nameShape.read({ ...inner, tree: { kind: 'scalar', at, value: name } });
        const value = given.kind === 'refused' ? undefined : valueShape.read({ ...inner, tree: given });
        if (known !== undefined && value !== undefined) read.set(known, value);
      }
      return read.size === tree.entries.size ? read : undefined;
    },
  };
}
