/** The daemon's file: read or refused with problems that repeat nothing of it. */
import { parseDaemonFile } from '../../../src/config/daemon-file.ts';
import type { Target } from '../engine/target.ts';
import { checkParsed, mutateText } from './config-text.ts';

const texts = [
  'tenants: { directory: /etc/keyproxy/tenants }\n',
  `environment: production
listen:
  - { unix: /run/keyproxy/keyproxy.sock, mode: "0660", transport: native, identity: socket }
  - { tcp: 127.0.0.1:50051, transport: grpc-js, identity: insecure_loopback }
http: { address: 0.0.0.0:9464 }
tenants: { directory: /etc/keyproxy/tenants }
cache: { max_bytes: 64MiB }
policy: /etc/keyproxy/policy.yaml
audit: { path: stdout, on_failure: refuse }
workers: 1
log: { level: info }
allow_local: true
trusted_endpoints: [ "http://127.0.0.1:4566" ]
state: { directory: /var/lib/keyproxy }
limits: { max_message_bytes: 4MiB }
`,
  `listen: [ { tcp: "[::1]:1" }, { tcp: 0.0.0.0:70000 } ]
tenants: /x
workers: 2
segregation: { production: { key_prefix: prod- } }
identity: { token: { issuer: https://x.example } }
`,
  `environment: production
listen:
  - { unix: /run/a, identity: socket }
  - { tcp: 127.0.0.1:1, identity: token }
  - { tcp: 0.0.0.0:2, identity: mtls }
tenants: { directory: /x }
policy: /p.yaml
segregation: { production: { key_prefix: prod-, required_tags: { Environment: production } } }
identity:
  token: { issuer: https://x.example, audience: keyproxy, jwks_uri: https://x.example/keys }
  mtls: { cert: /c, key: /k, ca: /a, trust_domain: example.org }
audit: { path: /a.log, on_failure: continue }
`,
];

export const daemonFileTarget: Target = {
  name: 'daemon-file',
  maxSize: 6_000,
  seeds: texts.map((text) => Buffer.from(text)),
  run(input) {
    const text = input.toString('utf8');
    checkParsed(parseDaemonFile(text, 'k.yaml', {}), text);
  },
  mutate: mutateText,
};
