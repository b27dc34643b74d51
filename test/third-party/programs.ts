/**
 * What this suite needs and nobody here wrote: each program by its package name and exact version. To move to another
 * version, change it here; the suite then says which divergences have gone.
 */

/** A program that installs packages, and has to be on the machine. */
export type Toolchain = 'python3' | 'go';

/** Packages that the toolchain fetches by name. */
interface Packages {
  readonly toolchain: Toolchain;
  /** With their versions, as the toolchain writes them. */
  readonly packages: readonly string[];
  readonly purpose: string;
}

/**
 * A command of Go that cannot be installed by name alone, because its module replaces others. A module of ours stands
 * in front of it, in the folder `modules/<name>`: it names the version, repeats what is replaced, and pins every hash.
 */
interface WrappedCommand {
  readonly toolchain: 'go';
  readonly module: string;
  /** The one package, without a version: that is the module's to say. */
  readonly packages: readonly [string];
  readonly purpose: string;
}

export type Program = Packages | WrappedCommand;

/** Every program, by the name that reports and the cache give it. */
export const programs = {
  moto: {
    toolchain: 'python3',
    packages: ['moto[server]==5.2.5'],
    purpose: 'AWS KMS and STS',
  },
  ministack: {
    toolchain: 'python3',
    packages: ['ministack==1.5.33', 'cryptography==50.0.2'],
    purpose: 'AWS KMS, STS and IAM: states of keys, RSA, trust policies',
  },
  openbao: {
    toolchain: 'go',
    module: 'openbao',
    packages: ['github.com/openbao/openbao'],
    purpose: 'OpenBao 2.4.0: Transit, AppRole, policies, namespaces',
  },
  grpcio: {
    toolchain: 'python3',
    packages: ['grpcio==1.85.1', 'grpcio-tools==1.85.1', 'grpcio-health-checking==1.85.1', 'cryptography==50.0.2'],
    purpose: 'Python client, protobuf compiler, and the script of docs/ciphertexts.md',
  },
  cloudclients: {
    toolchain: 'python3',
    packages: [
      'google-cloud-kms==3.18.0',
      'google-crc32c==1.9.0',
      'azure-keyvault-keys==4.11.3',
      'azure-identity==1.27.0',
      'cryptography==50.0.2',
    ],
    purpose: "Google's and Microsoft's own clients in Python",
  },
  grpcurl: {
    toolchain: 'go',
    packages: ['github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4'],
    purpose: 'grpc-go client by reflection',
  },
} as const satisfies Readonly<Record<string, Program>>;

export type ProgramName = keyof typeof programs;

/** All names, in the order of reports. */
export const programNames = Object.keys(programs) as ProgramName[];
