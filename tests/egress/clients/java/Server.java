import com.sun.net.httpserver.HttpServer;
import java.io.FileInputStream;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Opens a connection with the client that the path names, and answers what came over it. With KEEP in the environment, clients that were
 * used before the server listened are used again at /kept/NAME.
 */
public class Server {
    static final String CA = "/run/secrets/peers/ca.crt";
    static final Map<String, Callable<String>> CLIENTS = new HashMap<>(Map.of("/jdbc", Server::jdbc, "/https", Server::https));

    static String jdbc() throws Exception {
        var url = "jdbc:postgresql://db.test/caller?user=caller&password=secret&sslmode=verify-full&sslrootcert=" + CA;
        try (var connection = DriverManager.getConnection(url)) {
            return ask(connection);
        }
    }

    static String https() throws Exception {
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var file = new FileInputStream(CA)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        var context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        var client = HttpClient.newBuilder().sslContext(context).build();
        var request = HttpRequest.newBuilder(URI.create("https://web.test/answer")).build();
        return client.send(request, BodyHandlers.ofString()).body();
    }

    static String ask(Connection connection) throws Exception {
        try (var result = connection.createStatement().executeQuery("SELECT 6 * 7")) {
            result.next();
            return result.getString(1);
        }
    }

    /** Clients with a connection that each is. */
    static void keep() throws Exception {
        var connection = DriverManager.getConnection("jdbc:postgresql://db.test/caller?user=caller&password=secret&sslmode=disable");
        var client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        var request = HttpRequest.newBuilder(URI.create("http://web.test/answer")).build();
        CLIENTS.put("/kept/jdbc", () -> ask(connection));
        CLIENTS.put("/kept/http", () -> client.send(request, BodyHandlers.ofString()).body());
        CLIENTS.get("/kept/jdbc").call();
        CLIENTS.get("/kept/http").call();
    }

    public static void main(String[] arguments) throws Exception {
        if (System.getenv("KEEP") != null) {
            keep();
        }
        var server = HttpServer.create(new InetSocketAddress(Integer.parseInt(System.getenv("PORT"))), 16);
        server.createContext("/", exchange -> {
            var status = 200;
            String text;
            try {
                text = CLIENTS.get(exchange.getRequestURI().getPath()).call();
            } catch (Exception error) {
                status = 500;
                text = error.toString();
            }
            exchange.sendResponseHeaders(status, text.getBytes().length);
            exchange.getResponseBody().write(text.getBytes());
            exchange.close();
        });
        server.start();
    }
}
