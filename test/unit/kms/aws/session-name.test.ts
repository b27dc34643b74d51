import { describe, expect, it } from 'vitest';
import { sessionName } from '../../../../src/kms/aws/session-name.ts';

const awsPattern = /^[\w+=,.@-]{2,64}$/;

describe('sessionName', () => {
  it('names tenant and node in clear where they fit', () => {
    expect(sessionName('tenant_12345', 'node-7')).toBe('keyproxy-tenant_12345-node-7');
  });

  it('keeps a name of exactly 64 characters as it is', () => {
    const node = 'n'.repeat(64 - 'keyproxy-t-'.length);
    expect(sessionName('t', node)).toBe(`keyproxy-t-${node}`);
  });

  const nodes = ['', 'a/b', 'a b', 'ip-10-0-0-1.ec2.internal', 'ß', '😀', 'x'.repeat(65), 'x'.repeat(1_000)];
  it.each(nodes)('fits the pattern of AWS for the node "%s"', (node) => {
    for (const tenant of ['t', 'T_1.a-b', 'y'.repeat(128)]) expect(sessionName(tenant, node)).toMatch(awsPattern);
  });

  it('differs for names that are equal once they have been cut', () => {
    const tenant = 'z'.repeat(128);
    expect(sessionName(tenant, 'node-1')).not.toBe(sessionName(tenant, 'node-2'));
    expect(sessionName(`${tenant.slice(1)}a`, 'node-1')).not.toBe(sessionName(`${tenant.slice(1)}b`, 'node-1'));
  });

  it('differs for names that are equal once they have been cleaned', () => {
    expect(sessionName('t', 'a/b')).not.toBe(sessionName('t', 'a b'));
    expect(sessionName('t', 'a/b')).not.toBe(sessionName('t', 'a-b'));
  });
});
