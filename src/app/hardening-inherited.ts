/**
 * What of the options and variables of Node that a process was started with goes on into its hardened successor: what
 * sizes it, says whom it trusts or how it reaches others. All else of Node's is left behind, known or not, since most of
 * it loads code, opens a debugger, or writes memory, profiles or traces to files.
 */

/**
 * What is taken over, and the names of what is not. Values are not told, they may be anything, but for those of
 * permissions: folders.
 */
export interface Inherited {
  /** Options for the command line. */
  readonly options: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly dropped: readonly string[];
}

/** Options of `NODE_OPTIONS` or of the command line that are kept; Node takes `_` for `-` in all of them. */
const keptOptions: ReadonlySet<string> = new Set([
  // How large it may grow.
  '--max-heap-size',
  '--max-old-space-size',
  '--max-old-space-size-percentage',
  '--max-semi-space-size',
  '--min-semi-space-size',
  '--v8-pool-size',
  // What it trusts, and how it encrypts.
  '--enable-fips',
  '--force-fips',
  '--openssl-config',
  '--secure-heap',
  '--secure-heap-min',
  '--tls-min-v1.2',
  '--tls-min-v1.3',
  '--use-bundled-ca',
  '--use-openssl-ca',
  '--use-system-ca',
  // How it reaches others.
  '--dns-result-order',
  '--network-family-autoselection',
  '--network-family-autoselection-attempt-timeout',
  '--no-network-family-autoselection',
  '--use-env-proxy',
  // What it says of itself.
  '--disable-warning',
  '--enable-source-maps',
  '--no-warnings',
  '--stack-trace-limit',
]);

/** Variables that are kept: Node's own, and those that only look like it. */
const keptVariables: ReadonlySet<string> = new Set([
  'NODE_ENV',
  'NODE_EXTRA_CA_CERTS',
  'NODE_NO_WARNINGS',
  'NODE_USE_ENV_PROXY',
  'NODE_USE_SYSTEM_CA',
  // Set by Node's official image (nodejs/docker-node).
  'NODE_VERSION',
  // What many pods call the name and the address of their machine.
  'NODE_NAME',
  'NODE_IP',
]);

/**
 * Sorts the options and variables of a process. Variables that are not Node's are all taken over; options that are among
 * `flags`, and permissions to read, are neither taken over nor dropped, as the successor has its own.
 */
export function inherited(
  process: {
    readonly execArgv: readonly string[];
    readonly env: Readonly<Record<string, string | undefined>>;
  },
  flags: readonly string[] = [],
): Inherited {
  const options: string[] = [];
  const dropped: string[] = [];
  const given = [...groups(wordsOf(process.env['NODE_OPTIONS'] ?? '')), ...groups(process.execArgv)];
  for (const group of given) {
    const { name, text } = optionOf(group);
    if (flags.includes(text) || name === '--allow-fs-read') continue;
    if (keptOptions.has(name)) options.push(...group);
    else dropped.push(name.startsWith('--allow-') ? text : name);
  }
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value === undefined || name === 'NODE_OPTIONS') continue;
    if (!name.startsWith('NODE_') || keptVariables.has(name)) env[name] = value;
    else if (value !== '') dropped.push(name);
  }
  return { options, env, dropped: [...new Set(dropped)] };
}

/** Each option with the words after it that are its value: `--require file`. */
function groups(words: readonly string[]): string[][] {
  const found: string[][] = [];
  for (const word of words) {
    if (word.startsWith('-') || found.length === 0) found.push([word]);
    else found.at(-1)?.push(word);
  }
  return found;
}

/** The option's name, and all of it, as `hardenedFlags` would write it. */
function optionOf(group: readonly string[]): { name: string; text: string } {
  const [given = '', ...value] = group.join('=').split('=');
  const name = given.replaceAll('_', '-');
  return { name, text: [name, ...value].join('=') };
}

/** Takes `NODE_OPTIONS` apart as Node does: at spaces, outside of double quotes, in which `\` frees what follows it. */
function wordsOf(text: string): string[] {
  return [...text.matchAll(/(?:[^ "]|"(?:[^"\\]|\\.)*")+/gs)].map(([word]) =>
    word.replace(/"((?:[^"\\]|\\.)*)"/gs, (_, quoted: string) => quoted.replace(/\\(.)/gs, '$1')),
  );
}
