/** Documents keep what they promise: links lead somewhere, commands exist, tables agree with the code. */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { configurationPage, staleFiles, writePages } from '../../docs/generate.ts';
import { errorTable } from '../../src/base/errors.ts';
import { exitCodes } from '../../src/cli/exit.ts';
import { parseDaemonFile } from '../../src/config/daemon-file.ts';
import { describeProblems } from '../../src/config/problem.ts';
import { parseTenantFile } from '../../src/config/tenant-file.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { blocksOf, readPage as read, projectRoot as root } from '../support/pages.ts';

const pages = [
  ...['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'examples/README.md', 'helm/keyproxy/README.md'],
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** A page without its blocks of code, where nothing is a link. */
function prose(page: string): string {
  return read(page).replaceAll(/^```[\s\S]*?^```$/gm, '');
}

/** Anchors of a page's headings, as GitHub makes them. */
function anchors(page: string): string[] {
  return [...prose(page).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function relativeLinks(page: string): string[] {
  return [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, to = '']) => (/^[a-z]+:/.test(to) ? [] : [to]));
}

/** What stands between the bars of a row, for each row of the table under a heading. */
function firstColumn(page: string, heading: string): string[] {
  const section = read(page).split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return [...section.matchAll(/^\| `?([^`|]+?)`? \|/gm)].map(([, cell = '']) => cell).slice(2);
}

describe('links', () => {
  test('are there to be checked', () => {
    expect(pages.length).toBeGreaterThan(8);
    expect(pages.flatMap(relativeLinks).length).toBeGreaterThan(30);
  });

  test.each(pages)('of %s lead to files and headings that exist', (page) => {
    const broken = relativeLinks(page).filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : relative(root, resolve(root, dirname(page), path));
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && !anchors(target).includes(anchor);
    });
    expect(broken).toEqual([]);
  });
});

describe('commands', () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'));
  const named = (text: string) =>
    [...text.matchAll(/\bnpm (?:run ([\w:-]+)|(test|start)\b)/g)].map((m) => m[1] ?? m[2]);

  test.each(pages)('of npm that %s names are scripts of package.json', (page) => {
    expect(named(read(page)).filter((name) => name === undefined || !Object.hasOwn(scripts, name))).toEqual([]);
  });

  test('of the README are the two of a newcomer, and start', () => {
    expect(named(read('README.md'))).toEqual(expect.arrayContaining(['demo', 'test', 'start']));
  });

  test('in blocks of code run files that exist', () => {
    const files = pages.flatMap((page) => [...read(page).matchAll(/^(?:npx node|python3) ([\w./-]+\.(?:ts|py))\b/gm)]);
    expect(files.length).toBeGreaterThan(5);
    expect(files.map(([, file = '']) => file).filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });
});

describe('README.md', () => {
  const blocks = blocksOf('README.md', 'yaml');

  test('shows the file of a tenant byte for byte as the tests load it', () => {
    const fixture = read('test/support/fixtures/config/byok_config.yaml');
    const shown = blocks.filter((block) => block.startsWith('# byok_config.yaml\n'));
    expect(shown.map((block) => block.trimEnd())).toEqual([fixture.trimEnd()]);
    expect(
      describeProblems(parseTenantFile(fixture, 't.yaml', { allowLocal: false, trustedEndpoints: [] }).problems),
    ).toBe('');
  });

  test('shows the file of a tenant at another service, which loads', () => {
    const shown = blocks.filter((block) => block.startsWith('# byok_vault.yaml\n'));
    expect(shown).toHaveLength(1);
    const { problems, warnings } = parseTenantFile(shown[0] ?? '', 't.yaml', {
      allowLocal: false,
      trustedEndpoints: [],
    });
    expect(describeProblems([...problems, ...warnings])).toBe('');
  });

  test("shows a daemon's file that loads without a problem or a warning", () => {
    const shown = blocks.filter((block) => block.startsWith('# keyproxy.yaml\n'));
    expect(shown).toHaveLength(1);
    const { problems, warnings } = parseDaemonFile(shown[0] ?? '', 'k.yaml', {});
    expect(describeProblems([...problems, ...warnings])).toBe('');
  });
});

describe('docs/architecture.md', () => {
  const page = read('docs/architecture.md');
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const folderOf = (file: string) => /^kms\/\w+(?=\/)/.exec(file)?.[0] ?? dirname(file).split('/')[0] ?? '';

  test('names only files that exist', () => {
    const files = [...page.matchAll(/`([\w/.-]+\.ts)`/g)].map(([, file = '']) => file);
    expect(files.length).toBeGreaterThan(20);
    expect(files.filter((file) => !sources.includes(file) && !existsSync(join(root, file)))).toEqual([]);
  });

  test('has every folder of the source, with the folders that it imports', () => {
    const rows = [...page.matchAll(/^\| (`[^|]+`) \| ([^|]+) \| [^|]+ \|$/gm)].flatMap(
      ([, folders = '', imports = '']) =>
        [...folders.matchAll(/`([^`]+)`/g)].map(([, folder = '']) => [folder, imports.split(', ')] as const),
    );
    const table = new Map(rows);
    expect([...table.keys()].toSorted()).toEqual(
      [...new Set(sources.map(folderOf))].filter((folder) => folder !== '.').toSorted(),
    );
    const undocumented = sources.flatMap((file) =>
      [...read(`src/${file}`).matchAll(/from '(\.[^']+)'/g)]
        .map(([, to = '']) => folderOf(join(dirname(file), to)))
        .filter((folder) => folder !== folderOf(file) && folderOf(file) !== '.')
        .filter((folder) => !table.get(folderOf(file))?.some((known) => known === folder || known === 'all but cli'))
        .map((folder) => `${file} imports ${folder}`),
    );
    expect(undocumented).toEqual([]);
  });
});

describe('docs/operations.md', () => {
  test('tells what to do about every reason, and about no other', () => {
    expect(firstColumn('docs/operations.md', 'Reasons').toSorted()).toEqual(Object.keys(errorTable).toSorted());
  });

  test('explains every exit code, and no other', () => {
    const codes = firstColumn('docs/operations.md', 'Exit codes').map(Number);
    expect(codes.toSorted()).toEqual(Object.values(exitCodes).toSorted());
  });

  test('has every line that is logged as a warning or an error', () => {
    const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    );
    const calls = sources.flatMap((name) => [
      ...read(`src/${name}`).matchAll(/\blog(?:\.(?:warn|error)|\[level\])\(([\s\S]*?)\);\n/g),
    ]);
    const messages = calls.map(([, text = '']) =>
      [...text.matchAll(/'([^'\n]+)'|"([^"\n]+)"/g)].at(-1)?.slice(1).join(''),
    );
    expect(messages.length).toBeGreaterThan(5);
    const page = read('docs/operations.md');
    expect(messages.filter((message) => message === undefined || !page.includes(`\`${message}\``))).toEqual([]);
  });
});

describe('generated documents', () => {
  test('are as the code would write them', async () => {
    expect(await staleFiles(root)).toEqual([]);
  });

  test('that were changed by hand or are missing are named, and written again', async () => {
    await using folder = await temporaryFolder();
    const file = (name: string) => join(folder.path, 'docs', name);
    for (const name of ['metrics.md', 'configuration.md']) cpSync(join(root, 'docs', name), file(name));
    writeFileSync(file('metrics.md'), `${read('docs/metrics.md')}one more line\n`);
    writeFileSync(file('configuration.md'), read('docs/configuration.md').replace('| `environment` |', '| `milieu` |'));
    const stale = ['docs/errors.md', 'docs/metrics.md', 'docs/configuration.md'];
    expect(await staleFiles(folder.path)).toEqual(stale);
    expect(await writePages(folder.path)).toEqual(stale);
    expect(await staleFiles(folder.path)).toEqual([]);
    expect(readFileSync(file('configuration.md'), 'utf8')).toBe(read('docs/configuration.md'));
  });

  test('keep what people wrote around their tables, and do not guess where tables belong', () => {
    const page = 'before\n<!-- tables: here -->\nold\n<!-- tables: end -->\nafter\n';
    expect(configurationPage(page)).toMatch(
      /^before\n<!-- tables: here -->\n\n### [\s\S]+\n\n<!-- tables: end -->\nafter\n$/,
    );
    expect(() => configurationPage('a page without marks')).toThrow('has lost the marks');
  });

  test('say of every reason whether a retry helps, as the table does', () => {
    const rows = read('docs/errors.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    expect(rows).toHaveLength(Object.keys(errorTable).length);
    for (const [reason, { retry, message }] of Object.entries(errorTable)) {
      const row = rows.find((line) => line.startsWith(`| \`${reason}\` |`));
      expect(row?.split(' | ').slice(-2)).toEqual([retry ? 'yes' : 'no', `${message} |`]);
    }
  });
});
