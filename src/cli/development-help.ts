/** What `serve --dev` prints: that it is not for production, and how to call it. */
import type { DaemonConfig } from '../config/daemon-file.ts';

/** The text, with the addresses and the tenants in use. Commands are for a shell in the project's folder. */
export function developmentHelp(config: DaemonConfig): string {
  const { names, example } = tenantsOf(config);
  const addresses = addressesOf(config);
  const metrics = `http://${authority(config.http.host ?? '127.0.0.1', config.http.port)}/metrics`;
  const [address = ''] = addresses;
  const marked = address.startsWith('unix:') ? '' : "-H 'keyproxy-request: true' ";
  return `
  ┌────────────────────────────────────────────────────────────────────┐
  │  DEVELOPMENT MODE: the key is a file on this disk. Not for         │
  │  production, not for anybody's real data.                          │
  └────────────────────────────────────────────────────────────────────┘

  Tenants    ${names}
  gRPC       ${addresses.join('\n             ')}
  Metrics    ${metrics}

  Call it from another shell:

  grpcurl -plaintext ${marked}\\
    -d '{"tenant_id":"${example}","plaintext":"aGVsbG8=","encryption_context":{"purpose":"orders"}}' \\
    ${address} keyproxy.v1.KeyProxy/Encrypt

  npx node examples/node/roundtrip.ts ${address}

  pip install grpcio grpcio-tools
  python3 examples/python/roundtrip.py ${address}

  Stop with Ctrl-C.

`;
}

/** gRPC targets, TCP first: it is the one that every tool takes. */
function addressesOf({ listen }: DaemonConfig): string[] {
  const tcp = listen.flatMap((entry) => (entry.kind === 'tcp' ? [authority(entry.host, entry.port)] : []));
  const unix = listen.flatMap((entry) => (entry.kind === 'unix' ? [`unix:${entry.path}`] : []));
  return [...tcp, ...unix];
}

function tenantsOf({ tenants }: DaemonConfig): { names: string; example: string } {
  if (tenants.kind !== 'embedded') return { names: `the files of ${tenants.path}`, example: 'TENANT' };
  const ids = tenants.tenants.map(({ tenantId }) => tenantId);
  return { names: ids.join(', '), example: ids[0] ?? 'TENANT' };
}

function authority(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
