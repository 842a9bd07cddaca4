/** Fails with an exception. */
public class HandlerTest {
    public static void main(String[] arguments) {
        if (!Handler.handle("you").equals("Hello, you!\n")) {
            throw new AssertionError("unexpected answer");
        }
    }
}
