/** Faults of the token services, each in the form of its service. */
import { describe, expect, it } from 'vitest';
import { startGcpSimulator } from '../../simulators/gcp/server.ts';
import { post } from '../../simulators/gcp/token-clients.ts';

describe('a fault of a token service', () => {
  it('has the form of its service', async () => {
    await using gcp = await startGcpSimulator();
    const error = { kind: 'error', code: 'UNAVAILABLE', status: 503, message: 'later' } as const;
    gcp.faults.add({ service: 'iam', times: 1, fault: error });
    gcp.faults.add({ service: 'sts', times: 1, fault: { ...error, code: 'server_error' } });
    const iam = `${gcp.authorities.gcpIam}/v1/projects/-/serviceAccounts/x:generateAccessToken`;
    const first = await post(iam, {});
    expect([first.status, first.body['error']]).toEqual([503, { code: 503, message: 'later', status: 'UNAVAILABLE' }]);
    const second = await post(`${gcp.authorities.gcpSts}/v1/token`, {});
    expect([second.status, second.body]).toEqual([503, { error: 'server_error', error_description: 'later' }]);
  });

  it('throttles with or without a time to wait, and may be a page or a broken connection', async () => {
    await using gcp = await startGcpSimulator();
    const url = `${gcp.authorities.gcpOauth2}/token`;
    const rule = gcp.faults.add({ service: 'oauth2', fault: { kind: 'throttle', retryAfterSeconds: 7 } });
    const throttled = await post(url, {});
    expect([throttled.status, throttled.headers.get('retry-after')]).toEqual([429, '7']);
    rule.remove();
    const page = gcp.faults.add({ service: 'oauth2', fault: { kind: 'html', status: 502 } });
    expect((await fetch(url, { method: 'POST' })).headers.get('content-type')).toBe('text/html');
    page.remove();
    gcp.faults.add({ service: 'oauth2', fault: { kind: 'reset' } });
    await expect(fetch(url, { method: 'POST' })).rejects.toThrow(TypeError);
    expect(gcp.calls.map(({ outcome }) => outcome)).toEqual(['rate_limit_exceeded', 'fault:html', 'fault:reset']);
  });

  it('meets its own service alone: the others, and paths that none has, are answered as ever', async () => {
    await using gcp = await startGcpSimulator();
    gcp.faults.add({ service: 'sts', fault: { kind: 'hang' } });
    const { status } = await post(`${gcp.authorities.gcpOauth2}/token`, {});
    expect(status).toBe(400);
    expect((await post(`${gcp.authorities.gcpOauth2}/v1/token`, {})).status).toBe(404);
  });
});
