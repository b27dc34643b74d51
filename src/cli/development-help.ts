/** What `serve --dev` prints: that it is not for production, and how to call it. */
import type { DaemonConfig } from '../config/daemon-file.ts';

/** The text, with the addresses in use. */
export function developmentHelp(config: DaemonConfig): string {
  const tcp = config.listen.find((entry) => entry.kind === 'tcp');
  const unix = config.listen.find((entry) => entry.kind === 'unix');
  const address = tcp === undefined ? '' : `${tcp.host}:${tcp.port}`;
  const metrics = `http://${config.http.host ?? '127.0.0.1'}:${config.http.port}/metrics`;
  return `
  ┌────────────────────────────────────────────────────────────────────┐
  │  DEVELOPMENT MODE: the key is a file on this disk. Not for         │
  │  production, not for anybody's real data.                          │
  └────────────────────────────────────────────────────────────────────┘

  Tenants demo and demo-2 · ${address} · unix:${unix?.path ?? ''} · ${metrics}

  grpcurl:
    grpcurl -plaintext -H 'keyproxy-request: true' \\
      -d '{"tenant_id":"demo","plaintext":"aGVsbG8=","encryption_context":{"purpose":"orders"}}' \\
      ${address} keyproxy.v1.KeyProxy/Encrypt

  Python (pip install grpcio grpcio-tools):
    python3 examples/python/roundtrip.py ${address}

  Node:
    node examples/node/roundtrip.ts ${address}

  Stop with Ctrl-C.

`;
}
