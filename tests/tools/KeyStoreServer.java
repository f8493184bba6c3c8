import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;

/** Serve one TLS connection with a key store: port, type, file, file of the password. */
public class KeyStoreServer {
    public static void main(String[] arguments) throws Exception {
        char[] password = Files.readString(Path.of(arguments[3])).strip().toCharArray();
        KeyStore store = KeyStore.getInstance(arguments[1]);
        try (var file = new FileInputStream(arguments[2])) {
            store.load(file, password);
        }
        var keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, password);
        var context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        try (var server = context.getServerSocketFactory().createServerSocket(Integer.parseInt(arguments[0]))) {
            System.out.println("ready");
            try (var connection = (SSLSocket) server.accept()) {
                connection.startHandshake();
            }
        }
    }
}
