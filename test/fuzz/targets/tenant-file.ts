/** A tenant's file: read or refused with problems that repeat nothing of it, and the same again the second time. */
import { parseTenantFile } from '../../../src/config/tenant-file.ts';
import { Fault, type Target } from '../engine/target.ts';
import { checkParsed, fixture, mutateText } from './config-text.ts';

const options = { allowLocal: true, trustedEndpoints: ['http://127.0.0.1:1'] };

const names = ['byok_config.yaml', 'every-key-said.yaml', 'every-provider.yaml'];
const faulty = ['five-mistakes.yaml', 'replica-repeated.yaml', 'quote-not-closed.yaml', 'value-by-alias.yaml'];

const short = `customer: c
tenant_id: t
encryption:
  provider: local
  local: { key_name: a, key_file: b }
`;

export const tenantFileTarget: Target = {
  name: 'tenant-file',
  maxSize: 6_000,
  seeds: [short, ...[...names, ...faulty.map((name) => `tenants-with-faults/${name}`)].map(fixture)].map((text) =>
    Buffer.from(text),
  ),
  run(input) {
    const text = input.toString('utf8');
    const parsed = parseTenantFile(text, 't.yaml', options);
    checkParsed(parsed, text);
    if (parsed.config === undefined) return;
    const again = parseTenantFile(text, 't.yaml', options);
    if (JSON.stringify(again) !== JSON.stringify(parsed)) throw new Fault('the same file is read as something else');
  },
  mutate: mutateText,
};
