package sample;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;

/** Spring MVC on Tomcat; Spring answers what a controller throws with 500. */
@SpringBootApplication
@RestController
public class Server {
    private final AtomicInteger calls = new AtomicInteger();
    private final SecureRandom random = new SecureRandom();

    public static void main(String[] args) {
        SpringApplication.run(Server.class, args);
    }

    @GetMapping("/count")
    String count() {
        return Integer.toString(calls.incrementAndGet());
    }

    @GetMapping("/uuid")
    String uuid() {
        return UUID.randomUUID().toString();
    }

    @GetMapping("/random")
    String random() {
        byte[] bytes = new byte[16];
        random.nextBytes(bytes);
        return HexFormat.of().formatHex(bytes);
    }

    @PostMapping("/json")
    Map<String, Object> echo(@RequestBody Map<String, Object> document) {
        return Map.of("echo", document);
    }

    @PostMapping("/body")
    byte[] body(@RequestBody byte[] body) {
        return body;
    }

    @PostMapping("/file")
    byte[] file(@RequestBody byte[] body) throws IOException {
        Path path = Path.of("/tmp/written");
        Files.write(path, body);
        return Files.readAllBytes(path);
    }

    @GetMapping("/fail")
    String fail() {
        throw new IllegalStateException("nobody catches this");
    }
}
