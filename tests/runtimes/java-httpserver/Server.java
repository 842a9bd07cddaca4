import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/** com.sun.net.httpserver with a pool of threads; an error in a handler closes the connection. */
public final class Server {
    private interface Route {
        byte[] answer(byte[] body) throws IOException;
    }

    private static final AtomicInteger CALLS = new AtomicInteger();
    private static final SecureRandom RANDOM = new SecureRandom();

    public static void main(String[] args) throws IOException {
        String port = System.getenv().getOrDefault("PORT", "8080");
        HttpServer server = HttpServer.create(new InetSocketAddress(Integer.parseInt(port)), 0);
        route(server, "/count", body -> text(Integer.toString(CALLS.incrementAndGet())));
        route(server, "/uuid", body -> text(UUID.randomUUID().toString()));
        route(server, "/random", body -> random());
        route(server, "/json", Server::echo);
        route(server, "/body", body -> body);
        route(server, "/file", Server::file);
        route(server, "/fail", body -> {
            throw new IllegalStateException("nobody catches this");
        });
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.start();
    }

    private static void route(HttpServer server, String path, Route route) {
        server.createContext(path, exchange -> {
            byte[] content = route.answer(exchange.getRequestBody().readAllBytes());
            exchange.sendResponseHeaders(200, content.length);
            exchange.getResponseBody().write(content);
            exchange.close();
        });
    }

    /** The JDK has no JSON: the document is put into another one as it is. */
    private static byte[] echo(byte[] body) {
        return text("{\"echo\": " + new String(body, StandardCharsets.UTF_8) + "}");
    }

    private static byte[] random() {
        byte[] bytes = new byte[16];
        RANDOM.nextBytes(bytes);
        return text(HexFormat.of().formatHex(bytes));
    }

    private static byte[] file(byte[] body) throws IOException {
        Path path = Path.of("/tmp/written");
        Files.write(path, body);
        return Files.readAllBytes(path);
    }

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
