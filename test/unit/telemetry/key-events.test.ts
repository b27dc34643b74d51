/** The gauge of the tenants' states: bounded, and a tenant that goes leaves its place to the next. */
import { describe, expect, it } from 'vitest';
import { tenantStateGauge } from '../../../src/telemetry/key-events.ts';
import { createMetrics, maxTenantLabels } from '../../../src/telemetry/metrics.ts';

function world() {
  const metrics = createMetrics({
    cacheEntries: () => 0,
    credentialExpiries: () => [],
    auditEntries: () => ({ written: 0, refused: 0, lost: 0 }),
    openCircuits: () => [],
  });
  const gauge = tenantStateGauge(metrics);
  return {
    show: (id: string, kind: 'active' | 'refused' | 'gone') =>
      gauge({ id, state: { kind: kind === 'gone' ? 'active' : kind } }, kind !== 'gone'),
    async series(): Promise<string[]> {
      const { values } = await metrics.tenantState.get();
      return values.map(({ labels }) => `${labels['tenant']} ${labels['state']}`);
    },
  };
}

describe("the gauge of the tenants' states", () => {
  it('has one series for each tenant, in the state that it is in', async () => {
    const { show, series } = world();
    show('a', 'active');
    show('b', 'active');
    show('a', 'refused');
    expect((await series()).sort()).toEqual(['a refused', 'b active']);
    show('a', 'gone');
    expect(await series()).toEqual(['b active']);
  });

  it('has none for more tenants than it may, however they come and go', async () => {
    const { show, series } = world();
    for (let i = 0; i < maxTenantLabels + 5; i++) show(`t${i}`, 'active');
    show(`t${maxTenantLabels}`, 'refused');
    show(`t${maxTenantLabels + 1}`, 'gone');
    expect(await series()).toHaveLength(maxTenantLabels);
    expect(await series()).not.toContain(`t${maxTenantLabels} refused`);
  });

  it('has one for a tenant that came after as many, once others have gone', async () => {
    const { show, series } = world();
    for (let i = 0; i < maxTenantLabels; i++) show(`t${i}`, 'active');
    for (let i = 0; i < 990; i++) show(`t${i}`, 'gone');
    show('late', 'active');
    show('late', 'refused');
    expect(await series()).toHaveLength(11);
    expect(await series()).toContain('late refused');
  });

  it('has one for a tenant that had no place, once there is one and it is refused', async () => {
    const { show, series } = world();
    for (let i = 0; i < maxTenantLabels; i++) show(`t${i}`, 'active');
    show('late', 'active');
    show('t0', 'gone');
    show('late', 'refused');
    expect(await series()).toContain('late refused');
  });
});
