/** The tables of docs/configuration.md, rendered from the shapes that read the files. */
import { daemonFields } from './daemon-file.ts';
import { overrides } from './environment.ts';
import { injectorFields } from './injector-file.ts';
import { kmsPluginFields } from './kms-plugin-file.ts';
import type { Fields } from './shape.ts';
import { tenantFields } from './tenant-file.ts';

/** Every key of the files and every variable as Markdown, in titled tables. */
export function configurationTables(): string {
  const tenant = tenantFields({ allowLocal: true, trustedEndpoints: [] });
  return [
    titled("Keys of the daemon's file", keyTable(daemonFields)),
    titled("Keys of a tenant's file", keyTable(tenant)),
    titled("Keys of the injector's file", keyTable(injectorFields)),
    titled("Keys of the KMS plugin's file", keyTable(kmsPluginFields)),
    titled(
      'Environment variables of the daemon',
      table(
        ['variable', 'stands for', 'meaning'],
        overrides.map(({ variable, key, doc }) => [code(variable), code(key), doc]),
      ),
    ),
  ].join('\n\n');
}

function titled(title: string, content: string): string {
  return `### ${title}\n\n${content}`;
}

function keyTable(fields: Fields): string {
  return table(['key', 'value', 'default', 'meaning'], rows(fields, ''));
}

/** One row a key, sections before their keys. Keys of a list's items are shown once, where the block stands itself. */
function rows(fields: Fields, prefix: string): string[][] {
  return Object.entries(fields).flatMap(([name, { shape, shown, doc }]) => {
    const key = `${prefix}${name}`;
    const fallback = shown === undefined ? '**required**' : shown;
    const inner = shape.fields !== undefined && !repeats(shape.fields, fields) ? shape.fields : {};
    return [[code(key), shape.type, fallback, doc], ...rows(inner, `${key}${shape.list ? '[]' : ''}.`)];
  });
}

/** Tells whether a list's items have the very keys that stand beside the list. */
function repeats(inner: Fields, beside: Fields): boolean {
  return Object.keys(inner).every((name) => name in beside);
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}
