/** Levels of the log, from the most talkative. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** Least level that is logged. */
export type LogLevel = (typeof logLevels)[number];
