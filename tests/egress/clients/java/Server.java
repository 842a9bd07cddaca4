import com.sun.net.httpserver.HttpServer;
import java.io.FileInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.sql.DriverManager;
import java.util.Map;
import java.util.concurrent.Callable;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Opens a connection with the client that the path names, and answers what came over it. */
public class Server {
    static final String CA = "/run/secrets/peers/ca.crt";
    static final Map<String, Callable<String>> CLIENTS = Map.of("/jdbc", Server::jdbc, "/https", Server::https);

    static String jdbc() throws Exception {
        var url = "jdbc:postgresql://db.test/caller?user=caller&password=secret&sslmode=verify-full&sslrootcert=" + CA;
        try (var connection = DriverManager.getConnection(url);
                var result = connection.createStatement().executeQuery("SELECT 6 * 7")) {
            result.next();
            return result.getString(1);
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

    public static void main(String[] arguments) throws IOException {
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
