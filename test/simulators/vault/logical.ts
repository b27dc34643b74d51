/** A request as the backends see it, what they answer, and how a path finds the one that serves it. */
import { refusals } from './errors.ts';
import { Fields, type Schema } from './fields.ts';
import type { Token } from './tokens.ts';

/** What a method asks for; a write becomes `create` where the thing does not exist yet and the path can tell. */
export type Operation = 'read' | 'list' | 'update' | 'create' | 'delete' | 'other';

/** What a backend answers. */
export interface Reply {
  readonly data?: Readonly<Record<string, unknown>>;
  readonly auth?: Readonly<Record<string, unknown>>;
  readonly warnings?: readonly string[];
  /** 200 unless given. */
  readonly status?: number;
}

/** A request on its way into a backend. */
export interface LogicalRequest {
  readonly operation: Operation;
  readonly fields: Fields;
  /** Path inside the namespace, as the client wrote it. */
  readonly path: string;
  readonly token: Token | undefined;
  readonly remoteAddress: string;
}

/** One pattern of a backend; a missing handler is an operation that the path does not support. */
export interface Route<Backend> {
  readonly pattern: RegExp;
  /** The operation's name in calls and faults, by what is asked for. */
  readonly names: Partial<Record<Operation, string>>;
  readonly schema: Schema;
  readonly handlers: Partial<
    Record<Operation, (request: LogicalRequest, backend: Backend) => Promise<Reply | undefined> | Reply | undefined>
  >;
  /** Whether what a write is about exists already; paths without it are always updated. */
  readonly exists?: (fields: Fields, backend: Backend) => boolean;
}

/** The name of a key or role in a path, as the framework's generic pattern has it. */
export const namePattern = '(?<name>\\w(?:[\\w.-]*\\w)?)';

export interface FoundRoute<Backend> {
  readonly route: Route<Backend>;
  readonly captures: Readonly<Record<string, string>>;
}

/** The first route whose pattern fits the rest of the path. */
export function findRoute<Backend>(routes: readonly Route<Backend>[], rest: string): FoundRoute<Backend> | undefined {
  for (const route of routes) {
    const match = route.pattern.exec(rest);
    if (match !== null) return { route, captures: { ...match.groups } };
  }
  return undefined;
}

/** Runs the handler of a route; adds the framework's own warnings to what it answers. */
export async function runRoute<Backend>(
  { route, captures }: FoundRoute<Backend>,
  request: Omit<LogicalRequest, 'fields'> & { raw: Readonly<Record<string, unknown>> },
  backend: Backend,
): Promise<Reply | undefined> {
  const handler = route.handlers[request.operation];
  if (handler === undefined) throw refusals.unsupportedOperation();
  const fields = new Fields(request.raw, captures, { schema: route.schema, existenceCheck: false });
  const reply = await handler({ ...request, fields }, backend);
  if (reply === undefined) return undefined;
  const warnings = [...(reply.warnings ?? []), ...fields.warnings()];
  return warnings.length === 0 ? reply : { ...reply, warnings };
}

/** The body of an answer that is not an error. */
export function successBody(reply: Reply, requestId: string): string {
  const body = {
    request_id: requestId,
    lease_id: '',
    renewable: false,
    lease_duration: 0,
    data: reply.data ?? null,
    wrap_info: null,
    warnings: reply.warnings ?? null,
    auth: reply.auth ?? null,
  };
  return `${JSON.stringify(body)}\n`;
}
