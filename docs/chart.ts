/**
 * What the Helm chart contains because it stands elsewhere: the table of values in its README.md, from the comments of
 * its values.yaml, and copies of rules and dashboards, since a chart cannot read outside its folder.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMap, isNode, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml';

const chart = 'helm/keyproxy';
const marks = ['<!-- values: written by `npm run docs` from values.yaml -->\n', '\n<!-- values: end -->'] as const;

/** Folder of the repository → what of it the chart takes, and where to. Files that test rules have no `groups`. */
const copies = [
  { from: 'deploy/prometheus', to: `${chart}/files/prometheus`, name: /\.yaml$/, content: /^groups:/m },
  { from: 'deploy/grafana', to: `${chart}/files/grafana`, name: /\.json$/, content: /^\{/ },
] as const;

/** A value of the chart. */
export interface ChartValue {
  /** Keys on the way to it, joined by dots. */
  readonly path: string;
  /** Of JSON. */
  readonly byDefault: unknown;
  readonly meaning: string;
}

/**
 * The values of a values.yaml: keys with a comment above them, but for maps that hold such keys. Throws where a key has
 * no comment and nobody above it has one either.
 */
export function chartValues(text: string): ChartValue[] {
  const { contents } = parseDocument(text);
  if (!isMap(contents)) throw new Error('values.yaml is not a map');
  return valuesIn(contents, '');
}

function valuesIn(map: YAMLMap, prefix: string): ChartValue[] {
  return map.items.flatMap((pair) => {
    const { key, value } = pair;
    const path = `${prefix}${isScalar(key) ? key.value : ''}`;
    if (isMap(value) && hasComments(value)) return valuesIn(value, `${path}.`);
    const comment = commentAbove(map, pair);
    if (comment === undefined) throw new Error(`values.yaml: ${path} has no comment that says what it is`);
    // A paragraph before the last one is about the file.
    const meaning = comment.split('\n\n').at(-1)?.trim().replaceAll(/\s+/g, ' ') ?? '';
    return [{ path, byDefault: isNode(value) ? value.toJSON() : null, meaning }];
  });
}

/** The parser gives the comment above a map's first key to the map. */
function commentAbove(map: YAMLMap, pair: Pair): string | undefined {
  const own = isNode(pair.key) ? pair.key.commentBefore : undefined;
  return own ?? (pair === map.items[0] ? map.commentBefore : undefined) ?? undefined;
}

function hasComments(map: YAMLMap): boolean {
  return map.items.some((pair) => {
    return commentAbove(map, pair) !== undefined || (isMap(pair.value) && hasComments(pair.value));
  });
}

/** The chart's README.md with its table as the comments say; the rest of the page stays. Throws without its marks. */
export function chartReadme(page: string, values: readonly ChartValue[]): string {
  const [start, end] = [page.indexOf(marks[0]) + marks[0].length, page.indexOf(marks[1])];
  if (start < marks[0].length || end < start) throw new Error(`${chart}/README.md has lost the marks of its table`);
  const rows = values.map(({ path, byDefault, meaning }) => {
    return `| \`${path}\` | \`${JSON.stringify(byDefault)}\` | ${meaning.replaceAll('|', '\\|')} |`;
  });
  const table = ['| value | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
  return `${page.slice(0, start)}\n${table}\n${page.slice(end)}`;
}

/**
 * Files of the chart in the repository `root` → their content as it should be, made from what it is. Throws where a copy
 * has lost what it is a copy of.
 */
export async function chartPages(root: string): Promise<Record<string, (current: string) => string>> {
  const values = chartValues(await readFile(join(root, chart, 'values.yaml'), 'utf8'));
  const pages = { [`${chart}/README.md`]: (page: string) => chartReadme(page, values) };
  return Object.assign(pages, ...(await Promise.all(copies.map((copy) => copiedPages(root, copy)))));
}

async function copiedPages(root: string, { from, to, name, content }: (typeof copies)[number]) {
  const pages: Record<string, () => string> = {};
  for (const file of await filesIn(join(root, from))) {
    const text = name.test(file) ? await readFile(join(root, from, file), 'utf8') : '';
    if (content.test(text)) pages[`${to}/${file}`] = () => text;
  }
  for (const file of await filesIn(join(root, to))) {
    if (!(`${to}/${file}` in pages)) throw new Error(`${to}/${file} is a copy of nothing in ${from}; delete it`);
  }
  return pages;
}

/** None where there is no such folder. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.flatMap((entry) => (entry.isFile() ? [entry.name] : [])).sort();
}
