import io.grpc.testing.integration.TestServiceClient;

/**
 * Runs grpc-java's interop client once for every case that is named, in one process: `Interop HOST PORT OKHTTP CASE...`.
 * Prints a line for each case: its name, and `passed` or what was thrown.
 */
public final class Interop {
  public static void main(String[] args) {
    for (int i = 3; i < args.length; i++) {
      System.out.println(args[i] + ": " + outcome(args[i], args));
      System.out.flush();
    }
    System.exit(0);
  }

  private static String outcome(String name, String[] args) {
    try {
      TestServiceClient.main(
          new String[] {
            "--server_host=" + args[0],
            "--server_port=" + args[1],
            "--use_okhttp=" + args[2],
            "--use_tls=false",
            "--test_case=" + name,
          });
      return "passed";
    } catch (Throwable thrown) {
      Throwable cause = thrown;
      while (cause.getCause() != null) cause = cause.getCause();
      return String.valueOf(cause).lines().findFirst().orElse("failed");
    }
  }
}
