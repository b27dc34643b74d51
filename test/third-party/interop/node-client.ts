/** Makes the calls that `outcome.ts` tells, on grpc-js. */
import { resolve } from 'node:path';
import {
  type ClientDuplexStream,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { expected, type Outcome } from './outcome.ts';

const definition = loadSync(resolve(import.meta.dirname, '../modules/grpccpp/test.proto'), { keepCase: true });

/** What `test.proto` says, as far as it is read here. */
interface Answer {
  readonly payload: { readonly body: Buffer };
}

type Service = InstanceType<ServiceClientConstructor>;
type Called = Pick<Outcome, 'authority' | 'unary' | 'initial' | 'trailing'>;

function payload(size: number): Answer['payload'] {
  return { body: Buffer.alloc(size) };
}

function options(): { deadline: number } {
  return { deadline: Date.now() + 20_000 };
}

/** The service of that package at `target`. */
function serviceAt(target: string): Service {
  const { grpc } = loadPackageDefinition(definition);
  // The two are there, as the proto file has them.
  const { testing } = grpc as unknown as { testing: { TestService: ServiceClientConstructor } };
  return new testing.TestService(target, credentials.createInsecure());
}

function unary(service: Service): Promise<Called> {
  const metadata = new Metadata();
  metadata.set('x-grpc-test-echo-initial', expected.initial);
  metadata.set('x-grpc-test-echo-trailing-bin', Buffer.from(expected.trailing, 'hex'));
  return new Promise((done, fail) => {
    let [unary, initial] = [-1, ''];
    const ended = (error: ServiceError | null, answer?: Answer) => {
      if (error !== null) fail(error);
      unary = answer?.payload.body.length ?? -1;
    };
    service['UnaryCall']?.({ response_size: 314_159, payload: payload(271_828) }, metadata, options(), ended)
      .on('metadata', (fields: Metadata) => {
        initial = String(fields.get('x-grpc-test-echo-initial')[0]);
      })
      .on('status', ({ metadata: fields }: { metadata: Metadata }) => {
        const trailing = Buffer.from(fields.get('x-grpc-test-echo-trailing-bin')[0] ?? '').toString('hex');
        // The answer is told in the same turn as the status, before or after it.
        setImmediate(() => done({ authority: String(fields.get('x-test-authority')[0]), unary, initial, trailing }));
      });
  });
}

async function pingPong(service: Service): Promise<number[]> {
  const stream: ClientDuplexStream<object, Answer> = service['FullDuplexCall']?.(options());
  const sizes = [31_415, 9, 2653, 58_979];
  const ask = (size: number | undefined) => {
    if (size === undefined) stream.end();
    else stream.write({ response_parameters: [{ size }], payload: payload(size) });
  };
  const streamed: number[] = [];
  ask(sizes[0]);
  for await (const answer of stream as AsyncIterable<Answer>) {
    streamed.push(answer.payload.body.length);
    ask(sizes[streamed.length]);
  }
  return streamed;
}

function refusal(service: Service): Promise<Pick<Outcome, 'code' | 'message'>> {
  const { code, message } = expected;
  return new Promise((done) => {
    service['UnaryCall']?.({ response_status: { code, message } }, options(), (error: ServiceError | null) => {
      done({ code: error?.code ?? 0, message: error?.details ?? '' });
    });
  });
}

/** Calls the server at `target`. */
export async function callOnNode(target: string): Promise<Outcome> {
  const service = serviceAt(target);
  try {
    return { ...(await unary(service)), streamed: await pingPong(service), ...(await refusal(service)) };
  } finally {
    service.close();
  }
}
