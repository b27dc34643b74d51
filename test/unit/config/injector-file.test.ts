import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseInjectorFile } from '../../../src/config/injector-file.ts';
import { describeProblem } from '../../../src/config/problem.ts';
import { tcpPort } from '../../../src/injector/names.ts';

const own =
  '{ namespace: keyproxy, service: keyproxy-injector, secret: keyproxy-injector-tls, webhook: keyproxy-injector }';
const least = `sidecar: { image: "keyproxy:0.1.0" }\ncertificates: { own: ${own} }\n`;

const problems = (text: string) => parseInjectorFile(text, '/etc/keyproxy/injector.yaml').problems.map(describeProblem);

test('a file of image and certificates has every default', () => {
  expect(parseInjectorFile(least, '/etc/keyproxy/injector.yaml')).toEqual({
    problems: [],
    warnings: [],
    config: {
      listen: { port: 8443 },
      http: { port: 9464 },
      sidecar: {
        ...{ image: 'keyproxy:0.1.0', imagePullPolicy: 'IfNotPresent', native: 'auto', logLevel: 'info' },
        ...{ resources: { requests: {}, limits: {} }, httpPort: 9464, runAsUser: 65_532 },
      },
      certificates: {
        kind: 'own',
        ...{ namespace: 'keyproxy', service: 'keyproxy-injector' },
        ...{ secret: 'keyproxy-injector-tls', webhook: 'keyproxy-injector' },
      },
    },
  });
});

test('the example of the documents is read as it says', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/kubernetes.md'), 'utf8');
  const example = /```yaml\n(# the injector's file\n[\s\S]*?)```/.exec(page)?.[1] ?? '';
  const { config, problems: wrong } = parseInjectorFile(example, '/etc/keyproxy/injector.yaml');
  expect(wrong).toEqual([]);
  expect(config?.sidecar.resources).toEqual({ requests: { cpu: '10m', memory: '96Mi' }, limits: { memory: '192Mi' } });
});

test('amounts may be numbers without quotes, and paths of files begin in the folder of the file', () => {
  const text = `
sidecar: { image: "keyproxy:0.1.0", resources: { limits: { cpu: 1 } } }
certificates: { files: { certificate: tls/tls.crt, key: /tls.key } }
`;
  const { config } = parseInjectorFile(text, '/etc/keyproxy/injector.yaml');
  expect(config?.sidecar.resources.limits).toEqual({ cpu: '1' });
  expect(config?.certificates).toEqual({ kind: 'files', cert: '/etc/keyproxy/tls/tls.crt', key: '/tls.key' });
});

test('everything that is wrong is told at once, each with its line', () => {
  const text = `listen: 8443
sidecar:
  images: x
  native: sometimes
  http_port: 0
  run_as_user: 0
  resources: { requests: { cpu: half, disk: 1 } }
certificates:
  own: { namespace: Keyproxy, service: s, secret: s }
  files: { certificate: a, key: b }
more: 1
`;
  expect(problems(text)).toEqual([
    expect.stringMatching(/injector\.yaml:1: listen: must be an address as IP:port/),
    expect.stringMatching(/:2: sidecar\.image: is missing/),
    expect.stringMatching(/:3: sidecar\.images: is an unknown key; did you mean image\?/),
    expect.stringMatching(/:4: sidecar\.native: must be one of auto, always, never/),
    expect.stringMatching(/:5: sidecar\.http_port: is 0; it must be a whole number from 1 to 65535/),
    expect.stringMatching(/:6: sidecar\.run_as_user: is 0/),
    expect.stringMatching(/:7: sidecar\.resources\.requests\.cpu: must be a quantity of Kubernetes such as 250m/),
    expect.stringMatching(/:7: sidecar\.resources\.requests\.disk: is an unknown key/),
    expect.stringMatching(/:9: certificates\.own\.webhook: is missing/),
    expect.stringMatching(/:9: certificates\.own\.namespace: must be a name of lower-case/),
    expect.stringMatching(/:10: certificates\.files: exactly one of own and files must be there/),
    expect.stringMatching(/:11: more: is an unknown key/),
  ]);
});

test.each([
  ['', /certificates: is missing[\s\S]*sidecar: is missing/],
  [`${least}sidecar: {}\n`, /sidecar/],
  [
    `sidecar: { image: "keyproxy:0.1.0", resources: { requests: { memory: 1Gi }, limits: { memory: 512Mi } } }\ncertificates: { own: ${own} }\n`,
    /sidecar\.resources\.limits: the limit of memory is below what is requested/,
  ],
  ['sidecar: { image: "keyproxy:0.1.0" }\ncertificates: {}\n', /exactly one of own and files/],
  [
    `sidecar: { image: "keyproxy:0.1.0", http_port: ${tcpPort} }\ncertificates: { own: ${own} }\n`,
    /sidecar\.http_port: 50051 is where applications are served over loopback/,
  ],
  ['sidecar: [', /./],
])('what cannot be used is refused: %j', (text, message) => {
  expect(problems(text).join('\n')).toMatch(message);
});
