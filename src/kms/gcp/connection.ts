/**
 * Clients of Cloud KMS, one for each endpoint, however many keys there are. They carry no credentials: each call
 * brings its own token as metadata, so that making a client asks nobody for anything, the metadata server included.
 */
import { KeyManagementServiceClient } from '@google-cloud/kms';
import { credentials } from '@grpc/grpc-js';
import { type Lease, Shared } from '../shared.ts';

const googleEndpoint = 'https://cloudkms.googleapis.com';

/**
 * Settings of the channel. Repeating a call is the engine's. Without a bound on reconnecting, a channel would go on
 * failing calls for up to two minutes after an outage has ended. Pings find a connection that died in silence.
 */
const channelOptions = {
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_receive_message_length': 4 * 1024 * 1024,
};

/** All clients of a process. */
export class GcpConnections implements Disposable {
  readonly #clients = new Shared<KeyManagementServiceClient>();

  /** A client of the service at an origin, Google's own where none is given; closed after its last lease. */
  lease(endpoint: string = googleEndpoint): Lease<KeyManagementServiceClient> {
    return this.#clients.lease(endpoint, () => {
      const value = openClient(new URL(endpoint));
      return {
        value,
        // It fails only where the client was never usable.
        close: () => void value.close().catch(() => undefined),
      };
    });
  }

  [Symbol.dispose](): void {
    this.#clients[Symbol.dispose]();
  }
}

function openClient({ protocol, hostname, port }: URL): KeyManagementServiceClient {
  const isPlain = protocol === 'http:';
  return new KeyManagementServiceClient({
    apiEndpoint: hostname,
    port: Number(port) || (isPlain ? 80 : 443),
    sslCreds: isPlain ? credentials.createInsecure() : credentials.createSsl(),
    // Given, or the library would look for default credentials to learn it.
    universeDomain: 'googleapis.com',
    fallback: false,
    ...channelOptions,
    ...(isPlain && { 'grpc.enable_http_proxy': 0 }),
  });
}
