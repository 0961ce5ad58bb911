import java.util.Locale;
import java.util.UUID;

/** What {@code harness/scenario.py} is for Python: a check prints one JSON object, a failed one is recorded. */
final class Scenario {
    private static final int REASON_CHARACTERS = 3000;
    private int failed;

    interface Body {
        void run() throws Exception;
    }

    static String bucketName(String purpose) {
        return purpose + "-" + UUID.randomUUID().toString().replace("-", "").substring(0, 12);
    }

    void check(String name, Body body) {
        long started = System.nanoTime();
        String reason = null;
        try {
            body.run();
        } catch (Exception | AssertionError error) {
            failed++;
            String where = "";
            for (StackTraceElement frame : error.getStackTrace()) {
                if (frame.getClassName().equals("S3Objects")) {
                    where = frame + ": ";
                    break;
                }
            }
            String text = (where + error).replace(System.getenv("AWS_SECRET_ACCESS_KEY"), "[secret]");
            reason = text.substring(0, Math.min(text.length(), REASON_CHARACTERS));
        }
        double seconds = (System.nanoTime() - started) / 1e9;
        String told = reason == null ? "null" : quoted(reason);
        String line = "{\"check\": %s, \"seconds\": %.2f, \"reason\": %s}";
        System.out.println(String.format(Locale.ROOT, line, quoted(name), seconds, told));
    }

    static void same(Object found, Object wanted) {
        if (!wanted.equals(found)) {
            throw new AssertionError("found " + found + ", wanted " + wanted);
        }
    }

    /** The error of this type that {@code call} has to end with. */
    static <T extends Exception> T refused(Class<T> wanted, Body call) {
        try {
            call.run();
        } catch (Exception error) {
            if (wanted.isInstance(error)) {
                return wanted.cast(error);
            }
            throw new AssertionError("wanted " + wanted.getSimpleName() + ", found " + error);
        }
        throw new AssertionError("was accepted, wanted " + wanted.getSimpleName());
    }

    void finish() {
        System.exit(failed == 0 ? 0 : 1);
    }

    private static String quoted(String text) {
        StringBuilder json = new StringBuilder("\"");
        for (char one : text.toCharArray()) {
            if (one == '"' || one == '\\') {
                json.append('\\').append(one);
            } else if (one < ' ') {
                json.append(String.format("\\u%04x", (int) one));
            } else {
                json.append(one);
            }
        }
        return json.append('"').toString();
    }
}
