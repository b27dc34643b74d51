/**
 * Counts branches: the code under test is loaded with a counter in each function, loop, arm and right-hand side. The
 * types are only blanked out beforehand, so that places in the code stay where they are.
 */
import { readFileSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAst } from 'vitest/node';
import { branchSlots, mapName } from './map.ts';

/** A branch: its file and line. */
export interface Branch {
  readonly file: string;
  readonly line: number;
}

/** All branches of the code that has been loaded, by their slots in the map. */
export const branches: Branch[] = [];

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

interface Insertion {
  readonly at: number;
  readonly text: string;
}

/** Loads what comes from now on with counters, as far as its path matches `code`. */
export function instrumentWhatIsLoaded(code: RegExp): void {
  registerHooks({
    load(url, context, next) {
      if (!code.test(url) || !url.endsWith('.ts')) return next(url, context);
      const path = fileURLToPath(url);
      const source = stripTypeScriptTypes(readFileSync(path, 'utf8'));
      return { format: 'module', shortCircuit: true, source: instrumented(source, basename(path)) };
    },
  });
}

function instrumented(source: string, file: string): string {
  const insertions: Insertion[] = [];
  const count = (at: number): string => {
    const slot = branches.length;
    if (slot >= branchSlots) throw new Error('instrumenting: there are more branches than slots');
    branches.push({ file, line: source.slice(0, at).split('\n').length });
    return `__map[${slot}]++`;
  };
  const atStart = (node: Node) => insertions.push({ at: node.start + 1, text: `${count(node.start)};` });
  const wrapped = (node: Node) => {
    insertions.push({ at: node.start, text: `(${count(node.start)},(` });
    insertions.push({ at: node.end, text: '))' });
  };
  const asBlock = (node: Node | undefined) => {
    if (node === undefined) return;
    if (node.type === 'BlockStatement') atStart(node);
    else {
      insertions.push({ at: node.start, text: `{${count(node.start)};` });
      insertions.push({ at: node.end, text: '}' });
    }
  };
  walk(parseAst(source) as unknown as Node, (node) => {
    for (const part of armsOf(node)) {
      if (part.how === 'block') asBlock(part.node);
      else if (part.how === 'value') wrapped(part.node);
      else insertions.push({ at: colonAfter(source, part.node) + 1, text: `${count(part.node.start)};` });
    }
  });
  return `const __map = globalThis.${mapName};${withInsertions(source, insertions)}`;
}

interface Arm {
  readonly node: Node;
  readonly how: 'block' | 'value' | 'case';
}

function armsOf(node: Node): Arm[] {
  const child = (key: string, how: Arm['how']): Arm[] => (isNode(node[key]) ? [{ node: node[key], how }] : []);
  switch (node.type) {
    case 'FunctionExpression':
    case 'FunctionDeclaration':
    case 'ForStatement':
    case 'ForOfStatement':
    case 'WhileStatement':
    case 'DoWhileStatement':
    case 'CatchClause':
      return child('body', 'block');
    case 'ArrowFunctionExpression':
      return isNode(node['body']) && node['body'].type === 'BlockStatement'
        ? child('body', 'block')
        : child('body', 'value');
    case 'IfStatement':
      return [...child('consequent', 'block'), ...child('alternate', 'block')];
    case 'ConditionalExpression':
      return [...child('consequent', 'value'), ...child('alternate', 'value')];
    case 'LogicalExpression':
      return child('right', 'value');
    case 'SwitchCase':
      return [{ node, how: 'case' }];
    default:
      return [];
  }
}

/** The colon of `case x:` or `default:`. */
function colonAfter(source: string, node: Node): number {
  return source.indexOf(':', isNode(node['test']) ? node['test'].end : node.start);
}

function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, visit);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

/** Of insertions at one place, an end comes before a beginning, and an outer beginning before an inner one. */
function withInsertions(source: string, insertions: readonly Insertion[]): string {
  const ordered = insertions
    .map((insertion, order) => ({ ...insertion, order, closes: /^[)}]/.test(insertion.text) }))
    .sort(
      (a, b) =>
        a.at - b.at || Number(b.closes) - Number(a.closes) || (a.closes ? b.order - a.order : a.order - b.order),
    );
  let text = '';
  let from = 0;
  for (const { at, text: inserted } of ordered) {
    text += source.slice(from, at) + inserted;
    from = at;
  }
  return text + source.slice(from);
}
