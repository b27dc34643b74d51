/** nghttp2's HPACK as a program: `nghttp2.c`, built here once into the cache of this suite. */
import { createHash } from 'node:crypto';
import { access, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { HeaderField, HeaderList } from '../../../src/h2/hpack/field.ts';
import { cacheFolder } from '../install.ts';
import { run } from '../run.ts';

const source = join(import.meta.dirname, 'nghttp2.c');

/**
 * The program's path; undefined where the machine has no C compiler, or not nghttp2 with its headers. Throws where it has
 * both and the program is not to be built.
 */
export async function nghttp2Program(): Promise<string | undefined> {
  const headers = await run('gcc', ['-E', '-dM', '-'], { input: '#include <nghttp2/nghttp2.h>\n' });
  if (headers.code !== 0) return undefined;
  const version = /define NGHTTP2_VERSION .*/.exec(headers.stdout)?.[0];
  const compiler = await run('gcc', ['--version']);
  const identity = [await readFile(source, 'utf8'), compiler.stdout, version].join('\0');
  return build(createHash('sha256').update(identity).digest('hex').slice(0, 16));
}

/** A file in the cache is whole or not there at all: it is built under another name. */
async function build(digest: string): Promise<string> {
  const cache = cacheFolder(process.env);
  const program = join(cache, `nghttp2-hpack-${digest}`);
  const isBuilt = await access(program).then(
    () => true,
    () => false,
  );
  if (isBuilt) return program;
  await mkdir(cache, { recursive: true });
  const draft = `${program}.${process.pid}`;
  const { code, stderr } = await run('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', source, '-o', draft, '-lnghttp2']);
  if (code !== 0) throw new Error(`building nghttp2.c: ${stderr}`);
  await rename(draft, program);
  return program;
}

/** A command that deflates a list. */
export function deflate(list: HeaderList): string {
  return ['D', ...list.map(({ name, value }) => `${digits(name)}:${digits(value)}`)].join(' ');
}

/** A command that inflates a block. */
export function inflate(block: Buffer): string {
  return `I ${block.toString('hex')}`;
}

/** The block in an answer to `deflate`. */
export function blockOf(answer: string): Buffer {
  return Buffer.from(answer.slice(1), 'hex');
}

/** The fields in an answer to `inflate`, and which of them must never be indexed; undefined where it failed. */
export function fieldsOf(answer: string): { fields: HeaderField[]; neverIndexed: string[] } | undefined {
  if (/ !-\d+$/.test(answer)) return undefined;
  const words = answer.split(' ').slice(1);
  const read = (word: string): HeaderField => {
    const [name = '', value = ''] = word.replace('!', '').split(':').map(textOf);
    return { name, value };
  };
  const fields = words.map(read);
  return { fields, neverIndexed: words.filter((word) => word.endsWith('!')).map((word) => read(word).name) };
}

/** Runs commands in order from empty tables; as many answers. */
export async function answers(program: string, commands: readonly string[]): Promise<string[]> {
  const { code, stdout, stderr } = await run(program, [], { input: commands.map((each) => `${each}\n`).join('') });
  const lines = stdout.split('\n').slice(0, -1);
  if (code === 0 && lines.length === commands.length) return lines;
  throw new Error(`asking nghttp2: exit code ${code}, ${lines.length} answers of ${commands.length}: ${stderr}`);
}

function digits(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}

function textOf(hex: string): string {
  return Buffer.from(hex, 'hex').toString('latin1');
}
