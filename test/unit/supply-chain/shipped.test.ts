/** What ships is what is in the bundle and beside it, all of it known to the lockfile. */
import { describe, expect, it } from 'vitest';
import { shipmentOf } from '../../../build/shipped.ts';
import { bundled, lockOf, metafileOf, packages } from './shipment.ts';

const lock = lockOf();
const beside = ['node_modules/beside'];

describe('a shipment', () => {
  const shipment = shipmentOf({ lock, installed: lock, metafile: bundled, beside });

  it('holds each package with a byte in the bundle, and those beside it, once', () => {
    expect(shipment.packages.map(({ path }) => path)).toEqual([
      'node_modules/@some/left',
      'node_modules/beside',
      'node_modules/deep',
      'node_modules/deep/node_modules/twice',
      'node_modules/twice',
    ]);
  });

  it('knows what each needs, also by way of a package that left nothing in the bundle', () => {
    const needs = Object.fromEntries(shipment.packages.map((one) => [one.path, one.needs]));
    expect(needs).toEqual({
      'node_modules/@some/left': ['node_modules/deep', 'node_modules/twice'],
      'node_modules/beside': [],
      'node_modules/deep': ['node_modules/deep/node_modules/twice'],
      'node_modules/deep/node_modules/twice': [],
      'node_modules/twice': [],
    });
    expect(shipment.direct).toEqual(['node_modules/@some/left', 'node_modules/beside']);
  });
});

describe('a build is refused', () => {
  it('where something ships that the lockfile does not have', () => {
    const metafile = metafileOf({ 'node_modules/@some/left/node_modules/hidden/index.js': 1 });
    expect(() => shipmentOf({ lock, installed: lock, metafile, beside })).toThrow(
      "what ships is not among the lockfile's dependencies for running: node_modules/@some/left/node_modules/hidden",
    );
  });

  it('where something ships that the lockfile has for development alone', () => {
    const metafile = metafileOf({ 'node_modules/tool/index.js': 1 });
    expect(() => shipmentOf({ lock, installed: lock, metafile, beside })).toThrow(/for running: node_modules\/tool$/);
  });

  it('where another archive was installed than the lockfile has', () => {
    const other = { ...packages['node_modules/deep'], integrity: packages['node_modules/gone'].integrity };
    const installed = lockOf({ ...packages, 'node_modules/deep': other });
    expect(() => shipmentOf({ lock, installed, metafile: bundled, beside })).toThrow(
      'not installed as the lockfile has it, run npm ci: node_modules/deep',
    );
  });
});
