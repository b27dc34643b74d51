/**
 * What `npm audit --json` said. Its forms are those of npm 7 and later: a report with `auditReportVersion` 2, or, where
 * there is none, an object with `message` and perhaps `statusCode`, or one with `error.code`
 * (https://docs.npmjs.com/cli/commands/npm-audit; recorded in test/unit/supply-chain/recorded).
 */

/** In npm's order, the least first. */
export const severities = ['info', 'low', 'moderate', 'high', 'critical'] as const;
export type Severity = (typeof severities)[number];

/** One weakness of one package. */
export interface Advisory {
  /** `GHSA-…`, or the registry's own number where the address shows no such id. */
  readonly id: string;
  readonly package: string;
  readonly severity: Severity;
  /** Versions it is in. */
  readonly range: string;
  readonly title: string;
}

/** How an audit ended. Reasons name no address of a registry, which may hold a password. */
export type AuditAnswer =
  /** `packages`: how many the report is about. */
  | { readonly kind: 'checked'; readonly packages: number; readonly advisories: readonly Advisory[] }
  /** Nobody looked: the registry does not audit, does not answer, or knows nothing. */
  | { readonly kind: 'not_checked'; readonly why: string }
  /** It should have worked, so somebody has to look. */
  | { readonly kind: 'failed'; readonly why: string };

/** Statuses of registries and mirrors that offer no audit, and of those that are out of order for now. */
const excused: Readonly<Record<number, string>> = {
  404: 'the registry offers no audit',
  405: 'the registry offers no audit',
  410: 'the registry offers no audit',
  501: 'the registry offers no audit',
  429: 'the registry wants fewer requests',
  500: 'the registry is out of order',
  502: 'the registry is out of order',
  503: 'the registry is out of order',
  504: 'the registry is out of order',
};

/** Failures of the network, which say nothing of the other side. A certificate that is not trusted is none of them. */
const networkFailure =
  /\b(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE)\b|\btimeout\b/;

interface Report {
  readonly auditReportVersion?: number;
  readonly vulnerabilities?: Readonly<Record<string, { readonly via?: readonly (string | Via)[] }>>;
  readonly metadata?: {
    readonly vulnerabilities?: { readonly total?: number };
    readonly dependencies?: { readonly total?: number };
  };
  readonly message?: string;
  readonly statusCode?: number;
  readonly error?: { readonly code?: string; readonly summary?: string };
}

/** A string names another vulnerable package; an object is the weakness itself. */
interface Via {
  readonly source?: number;
  readonly name?: string;
  readonly title?: string;
  readonly url?: string;
  readonly severity?: string;
  readonly range?: string;
}

/** Reads npm's standard output. Never throws: what it does not understand is a failure, never a clean report. */
export function readAuditAnswer(output: string): AuditAnswer {
  let report: unknown;
  try {
    report = JSON.parse(output);
  } catch {
    return { kind: 'failed', why: 'npm audit wrote no JSON' };
  }
  if (typeof report !== 'object' || report === null) return { kind: 'failed', why: 'npm audit wrote no report' };
  return answerOf(report as Report);
}

function answerOf(report: Report): AuditAnswer {
  if (report.message !== undefined || report.error !== undefined) return withoutReport(report);
  const packages = report.metadata?.dependencies?.total ?? 0;
  if (report.auditReportVersion !== 2 || report.vulnerabilities === undefined || packages === 0) {
    return { kind: 'failed', why: 'npm audit wrote a report of another form, or about no package' };
  }
  const advisories = advisoriesIn(report.vulnerabilities);
  const total = report.metadata?.vulnerabilities?.total ?? 0;
  if (advisories === undefined || (total > 0 && advisories.length === 0)) {
    return { kind: 'failed', why: 'npm audit counts weaknesses that its report does not explain' };
  }
  return { kind: 'checked', packages, advisories };
}

/** Undefined where one of them cannot be understood. */
function advisoriesIn(vulnerabilities: NonNullable<Report['vulnerabilities']>): Advisory[] | undefined {
  const found = new Map<string, Advisory>();
  for (const via of Object.values(vulnerabilities).flatMap((one) => one.via ?? [])) {
    if (typeof via === 'string') continue;
    const severity = severities.find((name) => name === via.severity);
    const id = /GHSA(-\w{4}){3}/.exec(String(via.url))?.[0] ?? via.source?.toString();
    if (severity === undefined || id === undefined || via.name === undefined) return undefined;
    const advisory = { id, package: via.name, severity, range: via.range ?? '', title: via.title ?? '' };
    found.set(`${id} ${via.name}`, advisory);
  }
  return [...found.values()];
}

function withoutReport({ message, statusCode, error }: Report): AuditAnswer {
  const why = (message ?? `${error?.code ?? ''} ${error?.summary ?? ''}`).replaceAll(/https?:\/\/\S+/g, '(address)');
  const excuse = statusCode === undefined ? undefined : excused[statusCode];
  if (excuse !== undefined) return { kind: 'not_checked', why: `${excuse}: ${why}` };
  if (statusCode === undefined && networkFailure.test(why)) {
    return { kind: 'not_checked', why: `the registry cannot be reached: ${why}` };
  }
  return { kind: 'failed', why };
}
