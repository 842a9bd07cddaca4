/** Answers calls. */
public class Handler {
    /** The answer to a body. */
    public static String handle(String body) {
        return "Hello, " + (body.isEmpty() ? "world" : body) + "!\n";
    }
}
