import java.io.FileInputStream;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Validates a path with Java's defaults, which check revocation: ROOT CRLS PATH (PEM files, the leaf first). */
public class ValidatePath {
    public static void main(String[] files) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        TrustAnchor root;
        try (FileInputStream in = new FileInputStream(files[0])) {
            root = new TrustAnchor((X509Certificate) factory.generateCertificate(in), null);
        }
        PKIXParameters parameters = new PKIXParameters(Set.of(root));
        try (FileInputStream in = new FileInputStream(files[1])) {
            parameters.addCertStore(
                CertStore.getInstance("Collection", new CollectionCertStoreParameters(factory.generateCRLs(in))));
        }
        for (int index = 2; index < files.length; index++) {
            try (FileInputStream in = new FileInputStream(files[index])) {
                List<X509Certificate> chain = new ArrayList<>();
                factory.generateCertificates(in).forEach(one -> chain.add((X509Certificate) one));
                CertPath path = factory.generateCertPath(chain);
                CertPathValidator.getInstance("PKIX").validate(path, parameters);
                System.out.println("valid");
            } catch (CertPathValidatorException refused) {
                System.out.println("refused: " + refused.getReason());
            }
        }
    }
}
