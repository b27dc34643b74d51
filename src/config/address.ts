/** Network addresses in configuration: where to listen, and which endpoints may be called. */
import { BlockList, isIP } from 'node:net';
import { type Shape, scalar } from './shape.ts';

/** Where to listen. */
export interface HostPort {
  /** An IP address or `localhost`; absent for every interface. */
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

const hostPortType = 'an address as IP:port ("127.0.0.1:50051", "[::1]:50051"), or :port for every interface';

/** `host:port` with an IP address or `localhost`, or `:port`. */
export const hostPort: Shape<HostPort> = scalar(hostPortType, (value) => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9a-z.]*)):(\d{1,5})$/i.exec(String(value));
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3] ?? Number.NaN);
  const known = match?.[1] === undefined ? host === '' || host === 'localhost' || isIP(host) === 4 : isIP(host) === 6;
  if (!known || !(port <= 65_535)) return { wrong: `must be ${hostPortType}` };
  return { value: host === '' ? { port } : { host, port } };
});

/** Loopback, this host, link-local, and the instance metadata address of AWS, which is not link-local in IPv6. */
const ownMachine = new BlockList();
ownMachine.addSubnet('127.0.0.0', 8);
ownMachine.addSubnet('0.0.0.0', 8);
ownMachine.addSubnet('169.254.0.0', 16);
ownMachine.addAddress('::', 'ipv6');
ownMachine.addAddress('::1', 'ipv6');
ownMachine.addSubnet('fe80::', 10, 'ipv6');
ownMachine.addAddress('fd00:ec2::254', 'ipv6');

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

/** Tells whether a listener on this address is reachable from this machine alone. */
export function isLoopback(address: HostPort): boolean {
  if (address.host === undefined) return false;
  return address.host === 'localhost' || inList(loopback, address.host);
}

/** Origin of an `http` or `https` URL, as which endpoints are compared; undefined where `value` is no such URL. */
export function originOf(value: string): string | undefined {
  if (!URL.canParse(value)) return undefined;
  const url = new URL(value);
  return url.protocol === 'https:' || url.protocol === 'http:' ? url.origin : undefined;
}

const endpointType = 'a URL with scheme and host and nothing else (https://kms.example.com)';

/** The origin of a service: scheme, host, perhaps a port; no path, no query, no credentials. */
export const endpoint: Shape<string> = scalar(endpointType, (value) => {
  const origin = originOf(String(value));
  if (origin === undefined || !(String(value) === origin || isSameUrl(String(value), origin))) {
    return { wrong: `must be ${endpointType}` };
  }
  return { value: origin };
});

function isSameUrl(value: string, origin: string): boolean {
  return new URL(value).href === new URL(origin).href;
}

/**
 * What keeps a tenant's file from naming `origin` as its key service's endpoint, or undefined. Names are judged as
 * they are written: one that resolves to this machine is not recognised, and has to pass its TLS there.
 */
export function endpointProblem(origin: string, trusted: readonly string[]): string | undefined {
  if (trusted.includes(origin)) return undefined;
  const url = new URL(origin);
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const advice = "use another, or list it under trusted_endpoints in the daemon's file";
  if (url.protocol !== 'https:') return `must begin with https://; ${advice}`;
  if (host === 'localhost' || host.endsWith('.localhost') || inList(ownMachine, host)) {
    return `is a loopback or link-local address; ${advice}`;
  }
  return undefined;
}

function inList(addresses: BlockList, host: string): boolean {
  const family = isIP(host);
  return family !== 0 && addresses.check(host, family === 6 ? 'ipv6' : 'ipv4');
}
