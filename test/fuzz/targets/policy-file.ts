/** The policy's file: read or refused with problems that repeat nothing of it, and what was read can be asked anything. */
import { parseTenantId } from '../../../src/base/ids.ts';
import { isVerb } from '../../../src/base/verb.ts';
import { parsePolicyFile } from '../../../src/config/policy-file.ts';
import { callerNamed } from '../../../src/identity/caller-name.ts';
import { Policy } from '../../../src/identity/policy.ts';
import { feature } from '../engine/map.ts';
import { Fault, type Target } from '../engine/target.ts';
import { checkParsed, mutateText } from './config-text.ts';

const texts = [
  'rules: []\n',
  `rules:
  - callers: ["system:serviceaccount:shop:*", "spiffe://example.org/ns/*/sa/web", "socket:uid=1000,gid=*"]
    tenants: [acme, "shop-*"]
    operations: [generate_dek, unwrap, encrypt]
  - { callers: ["*"], tenants: ["*"], operations: ["*"] }
`,
  'rules: [{ callers: [anonymous, socket], tenants: [a.b_c], operations: [decrypt, rewrap, describe_tenant] }]\n',
  'rules:\n  - callers: [root]\n    tenants: ["a b"]\n    operations: [read]\n    deny: true\n',
];
const names = ['socket', 'anonymous', 'system:serviceaccount:shop:orders', 'spiffe://example.org/ns/shop/sa/web'];
const tenant = parseTenantId('acme');

export const policyFileTarget: Target = {
  name: 'policy-file',
  maxSize: 4_000,
  seeds: texts.map((text) => Buffer.from(text)),
  run(input) {
    const text = input.toString('utf8');
    const parsed = parsePolicyFile(text, 'p.yaml');
    checkParsed(parsed, text);
    if (parsed.config === undefined) return;
    const policy = new Policy(parsed.config);
    const isForAll = parsed.config.some(({ callers }) => callers.includes('*'));
    for (const [at, name] of names.entries()) {
      const caller = callerNamed(name);
      if (caller === undefined) throw new Fault('a caller has no name any more');
      const verbs = [...policy.rightsOf(caller)(tenant)];
      feature(41, at, verbs.length);
      if (!verbs.every(isVerb)) throw new Fault('a policy allows what is no verb');
      if (verbs.length > 0 && !isForAll && !text.includes(name.slice(0, 5))) {
        throw new Fault('a policy allows a caller that it does not name');
      }
    }
  },
  mutate: mutateText,
};
