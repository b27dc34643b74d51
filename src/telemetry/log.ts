/** The log: JSON lines by pino. Messages are constant, what varies is in fields, and no field holds a secret. */
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';

export type Log = Logger;

/** A log that writes lines of `level` and above to `destination`, standard output where none is given. */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options: LoggerOptions = { level, timestamp: pino.stdTimeFunctions.isoTime };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Standard output for lines that must be out before the process is replaced; all other logging is asynchronous. */
export function synchronousOutput(): DestinationStream {
  return pino.destination({ dest: 1, sync: true });
}
