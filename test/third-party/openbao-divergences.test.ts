/** Each line of `openbao-divergences.ts` on a running server. */
import { expect } from 'vitest';
import { describeDivergences } from './foreign.contract.ts';
import { openbaoDivergences } from './openbao-divergences.ts';
import { OpenBaoWorld } from './openbao-world.ts';

const shown: Record<keyof typeof openbaoDivergences, (world: OpenBaoWorld) => Promise<void>> = {
  async namespaces_need_no_licence({ owner, namespace }) {
    await owner.call('POST', 'sys/namespaces/inner');
    const { path } = await owner.call('GET', 'sys/namespaces/inner');
    expect(path).toBe(`${namespace}/inner/`);
  },

  async keys_can_be_marked_for_deletion(world) {
    await using key = await world.openKey();
    const path = `${world.mount}/keys/${key.name}`;
    await world.owner.call('POST', `${path}/config`, { deletion_allowed: true });
    await world.owner.call('DELETE', `${path}/soft-delete`);
    expect(await world.owner.call('GET', path)).toMatchObject({ soft_deleted: true });
    await world.owner.call('POST', `${path}/soft-delete-restore`);
    expect(await world.owner.call('GET', path)).toMatchObject({ soft_deleted: false });
  },
};

describeDivergences('openbao', openbaoDivergences, { start: (endpoint) => OpenBaoWorld.enter(endpoint), shown });
