/** Calls to the API server of Kubernetes, as the user of a bearer token. It knows paths and JSON, and no kinds. */
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';

/** Where an API server is, and who signed its certificate. */
export interface ApiServer {
  /** `https://127.0.0.1:port`. */
  readonly origin: string;
  /** The authority of its certificate, PEM. */
  readonly ca: string;
}

/** What it answered; of a refusal `message` says why. */
export interface Answer {
  readonly status: number;
  readonly message: string;
  /** Warnings for the user, each as a `Warning` header carries it (RFC 7234 §5.5). */
  readonly warnings: readonly string[];
  readonly body: KubernetesObject;
}

/** Any object of the API; what a test looks at it knows itself. */
export interface KubernetesObject {
  readonly kind?: string;
  readonly metadata?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: objects of a hundred kinds, read by tests alone
  readonly [key: string]: any;
}

const callMs = 40_000;

export class KubernetesClient implements Disposable {
  readonly #server: ApiServer;
  readonly #token: string;
  readonly #agent: Agent;

  constructor(server: ApiServer, token: string) {
    this.#server = server;
    this.#token = token;
    this.#agent = new Agent({ keepAlive: true, ca: server.ca, maxSockets: 200 });
  }

  /** Asks and gives back what was answered, be it a refusal. A body goes out as JSON, a patch as a merge patch, or as a JSON patch if it is a list. */
  async ask(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<Answer> {
    const patch = Array.isArray(body) ? 'application/json-patch+json' : 'application/merge-patch+json';
    const type = method === 'PATCH' ? patch : 'application/json';
    const content = body === undefined ? '' : JSON.stringify(body);
    const sent = request(new URL(path, this.#server.origin), {
      method,
      agent: this.#agent,
      headers: {
        authorization: `Bearer ${this.#token}`,
        accept: 'application/json',
        'content-type': type,
        // Node says by itself neither how long the body of a DELETE is nor that it comes in chunks.
        'content-length': Buffer.byteLength(content),
      },
      signal: AbortSignal.timeout(callMs),
    });
    sent.end(content);
    const response = await new Promise<import('node:http').IncomingMessage>((done, fail) => {
      sent.once('response', done).once('error', fail);
    });
    const [status, answered] = [response.statusCode ?? 0, parsed(await text(response))];
    return {
      status,
      message: messageIn(status, answered),
      warnings: response.headersDistinct['warning'] ?? [],
      body: answered,
    };
  }

  /** Asks for what has to work; rejects with the API server's words where it does not. */
  async must(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<KubernetesObject> {
    const { status, message, body: answered } = await this.ask(method, path, body);
    if (status < 200 || status > 299) throw new Error(`${method} ${path}: ${status} ${message}`);
    return answered;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/** Of an error the API server says more in a Status, and sometimes in plain text. */
function messageIn(status: number, { message, text: plain }: KubernetesObject): string {
  return status < 400 ? '' : String(message ?? plain ?? 'without a word');
}

/** `/readyz` and its like answer in plain text. */
function parsed(answer: string): KubernetesObject {
  return answer.startsWith('{') ? (JSON.parse(answer) as KubernetesObject) : { text: answer };
}
