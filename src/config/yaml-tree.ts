/**
 * Reads YAML 1.2 into a tree with positions. What makes YAML surprising is refused here by name: aliases (a small
 * file can stand for a huge one), unknown tags, keys that are no strings, keys given twice, several documents.
 * Sentences of the YAML library are not passed on, because they quote the file.
 */
import { type ErrorCode, isAlias, isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument } from 'yaml';
import type { ProblemCollector } from './problem.ts';
import { emptyMap, type MapTree, type Position, type Tree } from './tree.ts';

/** Sections nest four deep in any valid file. */
const deepest = 16;

/** What the YAML library's error codes (its `errors` page) mean to somebody who looks at the line. */
const syntaxMessages: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'an alias cannot have properties',
  BAD_ALIAS: 'an anchor or alias is malformed; write the value out',
  BAD_COLLECTION_TYPE: 'a tag does not fit what follows it; remove the tag',
  BAD_DIRECTIVE: 'a line that begins with % is no directive; remove it',
  BAD_DQ_ESCAPE: 'an escape sequence in double quotes is unknown; double the backslash or use single quotes',
  BAD_INDENT: 'the indentation does not match the lines around it',
  BAD_PROP_ORDER: 'an anchor or tag stands in the wrong place; remove it',
  BAD_SCALAR_START: 'a value cannot begin with this character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a second key stands on the same line; put it on a line of its own or the value in quotes',
  BLOCK_IN_FLOW: 'an indented block cannot stand inside braces or brackets',
  DUPLICATE_KEY: 'the key is given twice; keep one',
  IMPOSSIBLE: 'the YAML cannot be read here',
  KEY_OVER_1024_CHARS: 'a key is longer than 1,024 characters',
  MISSING_CHAR: 'a character is missing: a colon, a comma, a space, a closing quote, brace or bracket',
  MULTILINE_IMPLICIT_KEY: 'a key runs over several lines; a colon or a closing quote is missing before',
  MULTIPLE_ANCHORS: 'a value has several anchors; remove them',
  MULTIPLE_DOCS: 'a second document begins here; a file holds one',
  MULTIPLE_TAGS: 'a value has several tags; remove them',
  NON_STRING_KEY: 'a key must be plain text',
  RESOURCE_EXHAUSTION: 'the YAML is nested too deeply',
  TAB_AS_INDENT: 'a tab is used for indentation; use spaces',
  TAG_RESOLVE_FAILED: 'a tag is unknown; remove it',
  UNEXPECTED_TOKEN: 'something stands here that does not belong; check quotes, commas, braces and brackets',
};

/** More of them say nothing new: one bracket can make hundreds. */
const mostSyntaxErrors = 20;

const directiveMessage = 'a %YAML directive is not taken; the file is read as YAML 1.2, leave it out';

/** A file that was read, as far as it could be. */
export interface YamlFile {
  readonly root: MapTree;
  /**
   * Line of the first syntax error; Infinity where there is none. What was read from there on is a guess, so nothing
   * is to be said about it, and nothing about what is missing.
   */
  readonly soundUntil: number;
}

/** Reads `text`; what is wrong goes to `collector` under the name `file`. Never throws. */
export function readYaml(text: string, file: string, collector: ProblemCollector): YamlFile {
  const lines = new LineCounter();
  const reader = new YamlReader(file, lines, collector);
  const start = { line: 1, column: 1 };
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
    let soundUntil = Number.POSITIVE_INFINITY;
    if (document.directives?.yaml.explicit === true) reader.problem(start, '', directiveMessage);
    for (const error of [...document.errors, ...document.warnings].slice(0, mostSyntaxErrors)) {
      const at = reader.position(error.pos[0]);
      soundUntil = Math.min(soundUntil, at.line);
      reader.problem(at, '', syntaxMessages[error.code] ?? syntaxMessages.IMPOSSIBLE);
    }
    const tree = reader.tree(document.contents, '', start);
    if (tree.kind === 'map') return { root: tree, soundUntil };
    if (tree.kind !== 'scalar' || tree.value !== null) {
      reader.problem(tree.at, '', 'the file must hold keys with values (key: value)');
      return { root: emptyMap(start), soundUntil: 0 };
    }
    return { root: emptyMap(start), soundUntil };
  } catch {
    // The library recurses into nested collections and runs out of stack on thousands of brackets.
    reader.problem(start, '', syntaxMessages.RESOURCE_EXHAUSTION);
    return { root: emptyMap(start), soundUntil: 0 };
  }
}

class YamlReader {
  readonly #file: string;
  readonly #lines: LineCounter;
  readonly #collector: ProblemCollector;

  constructor(file: string, lines: LineCounter, collector: ProblemCollector) {
    this.#file = file;
    this.#lines = lines;
    this.#collector = collector;
  }

  position(offset: number): { line: number; column: number } {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  problem(at: Position, path: string, message: string): void {
    this.#collector.problem({ file: this.#file, ...('line' in at ? at : { line: 0 }), path, message });
  }

  tree(node: unknown, path: string, fallback: Position, depth = 0): Tree {
    const at = this.#start(node, fallback);
    if (depth > deepest) {
      this.problem(at, path, `values are nested more than ${deepest} deep`);
      return { kind: 'refused', at };
    }
    if (isAlias(node)) {
      this.problem(at, path, 'aliases are not used here; write the value out');
      return { kind: 'refused', at };
    }
    if ((isScalar(node) || isMap(node) || isSeq(node)) && node.tag !== undefined) {
      this.problem(at, path, 'tags (!!str) are not taken; put text in quotes');
      return { kind: 'refused', at };
    }
    if (isSeq(node)) {
      const items = node.items.map((item, index) => this.tree(item, `${path}[${index}]`, at, depth + 1));
      return { kind: 'list', at, items };
    }
    if (isMap(node)) return this.#map(node.items, { path, at, depth });
    return { kind: 'scalar', at, value: isScalar(node) ? plainValue(node.value) : null };
  }

  #map(pairs: readonly Pair[], place: { path: string; at: Position; depth: number }): MapTree {
    const map = emptyMap(place.at);
    for (const { key, value } of pairs) {
      const at = this.#start(key, place.at);
      const name = isScalar(key) && key.value !== null ? String(key.value) : undefined;
      if (name === undefined) {
        this.problem(at, place.path, 'a key must be plain text');
        continue;
      }
      const path = place.path === '' ? printableName(name) : `${place.path}.${printableName(name)}`;
      const first = map.entries.get(name);
      if (first === undefined) map.entries.set(name, { at, value: this.tree(value, path, at, place.depth + 1) });
      else this.problem(at, path, `the key is given twice${onLine(first.at)}; keep one`);
    }
    return map;
  }

  #start(node: unknown, fallback: Position): Position {
    const offset = isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range?.[0] : undefined;
    return offset === undefined ? fallback : this.position(offset);
  }
}

/** Dates, big integers and binary are no part of any file here; they come as what they look like. */
function plainValue(value: unknown): string | number | boolean | null {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return value === null || value === undefined ? null : String(value);
}

function onLine(at: Position): string {
  return 'line' in at ? `, first on line ${at.line}` : '';
}

/** A key as it may be printed: one that looks like a pasted secret is described instead. */
export function printableName(name: string): string {
  const digits = name.replace(/[^0-9]/g, '').length;
  const cased = /[A-Z]/.test(name) && name.length >= 16;
  const word = /^[A-Za-z_][A-Za-z0-9_.-]{0,39}$/.test(name) && digits <= 4 && !cased;
  return word ? name : `(a name of ${name.length} characters)`;
}
