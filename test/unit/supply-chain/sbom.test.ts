/** The bill of materials: CycloneDX 1.6, complete, and the same for the same build. */
import { describe, expect, it } from 'vitest';
import { billOfMaterials } from '../../../build/sbom.ts';
import { shipmentOf } from '../../../build/shipped.ts';
import { bundled, lockOf, packages } from './shipment.ts';

const product = { name: 'product', version: '7.0.0', licence: 'Apache-2.0' };

function shipmentFrom(entries: Readonly<Record<string, object>> = packages) {
  const lock = lockOf(entries);
  return shipmentOf({ lock, installed: lock, metafile: bundled, beside: ['node_modules/beside'] });
}

function read(text: string) {
  return JSON.parse(text) as {
    serialNumber: string;
    metadata: { timestamp?: string; component: object };
    components: { purl: string }[];
    dependencies: { ref: string; dependsOn: string[] }[];
  };
}

describe('the bill of materials', () => {
  const text = billOfMaterials(shipmentFrom(), { product });
  const bill = read(text);

  it('says which form it has', () => {
    expect(bill).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6', version: 1 });
    expect(bill.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('is of the product, by a name that no registry gives to somebody else', () => {
    expect(bill.metadata.component).toEqual({
      type: 'application',
      'bom-ref': 'pkg:generic/product@7.0.0',
      name: 'product',
      version: '7.0.0',
      licenses: [{ license: { id: 'Apache-2.0', acknowledgement: 'declared' } }],
      purl: 'pkg:generic/product@7.0.0',
    });
  });

  it('has each package once, with version, licence, and the hash of its archive in hexadecimal', () => {
    expect(bill.components.map(({ purl }) => purl)).toEqual([
      'pkg:npm/%40some/left@1.0.0',
      'pkg:npm/beside@4.0.0',
      'pkg:npm/deep@3.0.0',
      'pkg:npm/twice@5.0.0',
    ]);
    expect(bill.components[0]).toEqual({
      type: 'library',
      'bom-ref': 'pkg:npm/%40some/left@1.0.0',
      group: '@some',
      name: 'left',
      version: '1.0.0',
      hashes: [{ alg: 'SHA-512', content: '01'.repeat(64) }],
      licenses: [{ license: { id: 'MIT', acknowledgement: 'declared' } }],
      purl: 'pkg:npm/%40some/left@1.0.0',
    });
  });

  it('says who needs whom, with every name in it one of its own', () => {
    expect(bill.dependencies).toEqual([
      { ref: 'pkg:generic/product@7.0.0', dependsOn: ['pkg:npm/%40some/left@1.0.0', 'pkg:npm/beside@4.0.0'] },
      { ref: 'pkg:npm/%40some/left@1.0.0', dependsOn: ['pkg:npm/deep@3.0.0', 'pkg:npm/twice@5.0.0'] },
      { ref: 'pkg:npm/beside@4.0.0', dependsOn: [] },
      { ref: 'pkg:npm/deep@3.0.0', dependsOn: ['pkg:npm/twice@5.0.0'] },
      { ref: 'pkg:npm/twice@5.0.0', dependsOn: [] },
    ]);
  });

  it('is the same for the same build, and has another number for another one', () => {
    expect(billOfMaterials(shipmentFrom(), { product })).toBe(text);
    const other = read(billOfMaterials(shipmentFrom(), { product: { ...product, version: '7.0.1' } }));
    expect(other.serialNumber).not.toBe(bill.serialNumber);
  });

  it('has the time that it was given, which does not change its number, and else none', () => {
    const timed = read(billOfMaterials(shipmentFrom(), { product, timestamp: new Date(1_700_000_000_000) }));
    expect(timed.metadata.timestamp).toBe('2023-11-14T22:13:20.000Z');
    expect(timed.serialNumber).toBe(bill.serialNumber);
    expect(bill.metadata).not.toHaveProperty('timestamp');
  });

  it('has an expression for an expression', () => {
    const entries = { ...packages, 'node_modules/deep': { ...packages['node_modules/deep'], license: 'MIT OR ISC' } };
    const components: unknown[] = read(billOfMaterials(shipmentFrom(entries), { product })).components;
    expect(components).toContainEqual(
      expect.objectContaining({ name: 'deep', licenses: [{ expression: 'MIT OR ISC', acknowledgement: 'declared' }] }),
    );
  });

  it.each([undefined, 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk='])('is not written where a hash is %s', (integrity) => {
    const entries = { ...packages, 'node_modules/deep': { ...packages['node_modules/deep'], integrity } };
    expect(() => billOfMaterials(shipmentFrom(entries), { product })).toThrow('node_modules/deep has no SHA-512 hash');
  });
});
