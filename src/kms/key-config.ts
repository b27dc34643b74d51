/** What a tenant file says about one key, checked and with its defaults in place. */

export interface AwsKeyConfig {
  readonly provider: 'aws_kms';
  readonly keyArn: string;
  /** From the ARN unless the file names another. */
  readonly region: string;
  /** Absent: keyproxy's own identity calls the key service. */
  readonly role?: { readonly arn: string; readonly externalId: string };
  /** A VPC endpoint or a simulator; absent: the region's own, or the SDK's environment variables. */
  readonly endpoint?: string;
}

export interface LocalKeyConfig {
  readonly provider: 'local';
  /** Names the key in wrapped DEKs. */
  readonly keyName: string;
  /** A file with 32 raw bytes, mode 0600. */
  readonly keyFile: string;
}

export type KeyConfig = AwsKeyConfig | LocalKeyConfig;

/** The name by which two configurations stand for the same key. */
export function keyIdOf(config: KeyConfig): string {
  return config.provider === 'aws_kms' ? config.keyArn : config.keyName;
}
