/** Whether this cluster has native sidecars: Kubernetes has had them switched on since 1.29 (KEP-753). */
import type { Form } from '../../injector/settings.ts';
import type { ApiServer } from './api-server.ts';

const firstNative = { major: 1, minor: 29 };

/** Asks the API server for its version. Rejects where it does not tell. */
export async function formByVersion(api: ApiServer): Promise<Form> {
  const { status, body } = await api.call({ method: 'GET', path: '/version' });
  const { major, minor } = (status === 200 ? body : {}) as { readonly major?: unknown; readonly minor?: unknown };
  // Some providers have a plus behind the number.
  const found = { major: Number.parseInt(String(major), 10), minor: Number.parseInt(String(minor), 10) };
  if (Number.isNaN(found.major) || Number.isNaN(found.minor)) {
    throw new Error(`GET /version: the API server answered ${status} and no version`);
  }
  const isNative =
    found.major > firstNative.major || (found.major === firstNative.major && found.minor >= firstNative.minor);
  return isNative ? 'native' : 'classic';
}
