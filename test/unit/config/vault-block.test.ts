import { expect, it } from 'vitest';
import { parseTenantFile } from '../../../src/config/tenant-file.ts';

function problemsWith(audience: string): string[] {
  const text = `
customer: acme
tenant_id: acme
encryption:
  provider: vault
  vault: { address: "https://vault.example.com", key_name: k, auth: { method: kubernetes, role: r, audience: "${audience}" } }
`;
  const { problems } = parseTenantFile(text, 'f.yaml', { allowLocal: false, trustedEndpoints: [] });
  return problems.map(({ path, message }) => `${path}: ${message}`);
}

it.each([
  'https://kubernetes.default.svc',
  'https://kubernetes.default.svc.cluster.local',
  'https://kubernetes.default',
  'kubernetes.default.svc',
])("no Vault gets a token for the cluster's own API server: %s", (audience) => {
  expect(problemsWith(audience)).toEqual([
    expect.stringMatching(/vault\.auth\.audience: is the cluster's own API server/),
  ]);
});

it.each(['vault-of-acme', 'https://vault.example.com', 'kubernetes'])(
  '%s is an audience like any other',
  (audience) => {
    expect(problemsWith(audience)).toEqual([]);
  },
);
