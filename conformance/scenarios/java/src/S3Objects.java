import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletionException;

import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.async.AsyncRequestBody;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3ClientBuilder;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.ChecksumMode;
import software.amazon.awssdk.services.s3.model.Delete;
import software.amazon.awssdk.services.s3.model.GetObjectRequest;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.NoSuchKeyException;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.PutObjectRequest;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.model.S3Object;
import software.amazon.awssdk.services.s3.model.ServerSideEncryption;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;
import software.amazon.awssdk.transfer.s3.S3TransferManager;

/** AWS SDK for Java 2 with its defaults, and the JDK's own HTTP client for presigned URLs. */
public final class S3Objects {
    private static final String ODD = "dir with blank/plus+ü&日本=?.txt";
    private static final String NOTE = "grün 日本";
    private static final int REFUSED_BYTES = 20 << 20;
    private static final URI ENDPOINT = URI.create(System.getenv("CONFORMANCE_ENDPOINT"));
    private static final Region REGION = Region.of(System.getenv("AWS_DEFAULT_REGION"));
    private static final StaticCredentialsProvider NOBODY = StaticCredentialsProvider.create(
            AwsBasicCredentials.create(System.getenv("AWS_ACCESS_KEY_ID"), "not-the-secret-of-anybody"));

    private final Scenario scenario = new Scenario();
    private final String bucket = Scenario.bucketName("aws-sdk-java");
    private final HttpClient http = HttpClient.newHttpClient();
    private final S3Client client = builder().build();
    private final S3Client stranger = builder().credentialsProvider(NOBODY).build();

    public static void main(String[] arguments) {
        S3Objects checks = new S3Objects();
        checks.objects();
        checks.transfers();
        checks.conditions();
        checks.presigned();
        checks.refusals();
        checks.removal();
        checks.scenario.finish();
    }

    private static S3ClientBuilder builder() {
        return S3Client.builder().endpointOverride(ENDPOINT).region(REGION).forcePathStyle(true);
    }

    private static S3Presigner.Builder presigner() {
        S3Configuration style = S3Configuration.builder().pathStyleAccessEnabled(true).build();
        return S3Presigner.builder().endpointOverride(ENDPOINT).region(REGION).serviceConfiguration(style);
    }

    private PutObjectRequest.Builder put(String key) {
        return PutObjectRequest.builder().bucket(bucket).key(key);
    }

    private String text(String key) {
        return client.getObjectAsBytes(get -> get.bucket(bucket).key(key)).asUtf8String();
    }

    private List<String> keys(String prefix) {
        var pages = client.listObjectsV2Paginator(list -> list.bucket(bucket).prefix(prefix).maxKeys(7));
        return pages.contents().stream().map(S3Object::key).toList();
    }

    private static void refusedAs(int status, String code, Scenario.Body call) {
        S3Exception error = Scenario.refused(S3Exception.class, call);
        Scenario.same(error.statusCode() + " " + error.awsErrorDetails().errorCode(), status + " " + code);
    }

    private void objects() {
        scenario.check("CreateBucket makes a bucket that ListBuckets shows", () -> {
            client.createBucket(create -> create.bucket(bucket));
            Scenario.same(client.listBuckets().buckets().stream().anyMatch(one -> one.name().equals(bucket)), true);
        });
        scenario.check("PutObject and GetObject keep bytes, type and checksum under an odd key", () -> {
            client.putObject(put(ODD).contentType("text/x-odd").build(), RequestBody.fromString("grün"));
            Scenario.same(text(ODD), "grün");
            HeadObjectResponse head = client.headObject(ask -> ask.bucket(bucket).key(ODD).checksumMode(ChecksumMode.ENABLED));
            Scenario.same(head.contentType(), "text/x-odd");
            Scenario.same(head.checksumCRC32() != null, true);
        });
        scenario.check("metadata outside ASCII, as an encoded word, comes back as such", () -> {
            String word = "=?UTF-8?B?" + Base64.getEncoder().encodeToString(NOTE.getBytes(StandardCharsets.UTF_8)) + "?=";
            client.putObject(put("metadata").metadata(Map.of("note", word, "plain", "ascii")).build(), RequestBody.empty());
            Map<String, String> told = client.headObject(ask -> ask.bucket(bucket).key("metadata")).metadata();
            String[] parts = told.get("note").split("\\?");
            Scenario.same(parts[1].toUpperCase() + parts[2].toUpperCase(), "UTF-8B");
            Scenario.same(new String(Base64.getDecoder().decode(parts[3]), StandardCharsets.UTF_8), NOTE);
            Scenario.same(told.get("plain"), "ascii");
        });
        scenario.check("CopyObject takes an odd key as its source", () -> {
            client.copyObject(copy -> copy.sourceBucket(bucket).sourceKey(ODD).destinationBucket(bucket).destinationKey("copy"));
            Scenario.same(text("copy"), "grün");
        });
        scenario.check("ListObjectsV2 pages through every key in order", () -> {
            List<String> written = new ArrayList<>();
            for (int number = 0; number < 20; number++) {
                String key = String.format("many/%02d ü", number);
                client.putObject(put(key).build(), RequestBody.fromString(key));
                written.add(key);
            }
            Scenario.same(keys("many/"), written);
        });
    }

    private void transfers() {
        scenario.check("the transfer manager sends 17 MiB in parts and brings them back", () -> {
            byte[] bytes = new byte[17 << 20];
            new Random(1).nextBytes(bytes);
            Path file = Files.write(Path.of("large.bin"), bytes);
            Path back = Path.of("back.bin");
            try (S3AsyncClient async = inParts();
                    S3TransferManager manager = S3TransferManager.builder().s3Client(async).build()) {
                var sent = manager.uploadFile(up -> up.source(file).putObjectRequest(put("large").build()))
                        .completionFuture().join();
                Scenario.same(sent.response().eTag().endsWith("-3\""), true);
                GetObjectRequest wanted = GetObjectRequest.builder().bucket(bucket).key("large").build();
                manager.downloadFile(down -> down.destination(back).getObjectRequest(wanted))
                        .completionFuture().join();
            }
            Scenario.same(Arrays.equals(Files.readAllBytes(back), bytes), true);
        });
    }

    /** Without its setting the asynchronous client sends no parts. */
    private static S3AsyncClient inParts() {
        return S3AsyncClient.builder().endpointOverride(ENDPOINT).region(REGION).forcePathStyle(true)
                .multipartEnabled(true).build();
    }

    private void conditions() {
        scenario.check("ifNoneMatch '*' writes once, and the second time is PreconditionFailed", () -> {
            client.putObject(put("once").ifNoneMatch("*").build(), RequestBody.fromString("first"));
            refusedAs(412, "PreconditionFailed",
                    () -> client.putObject(put("once").ifNoneMatch("*").build(), RequestBody.fromString("second")));
            Scenario.same(text("once"), "first");
        });
        scenario.check("an upload in parts is held to ifNoneMatch '*' as well", () -> {
            try (S3AsyncClient async = inParts()) {
                AsyncRequestBody body = AsyncRequestBody.fromBytes(new byte[17 << 20]);
                var sent = async.putObject(put("once").ifNoneMatch("*").build(), body);
                CompletionException error = Scenario.refused(CompletionException.class, sent::join);
                Scenario.same(((S3Exception) error.getCause()).statusCode(), 412);
            }
            Scenario.same(text("once"), "first");
        });
        scenario.check("a missing key is NoSuchKeyException for GetObject and HeadObject", () -> {
            Scenario.refused(NoSuchKeyException.class, () -> text("none"));
            Scenario.refused(NoSuchKeyException.class, () -> client.headObject(ask -> ask.bucket(bucket).key("none")));
        });
    }

    private HttpResponse<String> send(String url, HttpRequest.BodyPublisher body) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url));
        return http.send((body == null ? request.GET() : request.PUT(body)).build(), HttpResponse.BodyHandlers.ofString());
    }

    private String urlToPut(S3Presigner signer, String key) {
        return signer.presignPutObject(sign -> sign.signatureDuration(Duration.ofMinutes(1)).putObjectRequest(put(key).build()))
                .url().toString();
    }

    private void presigned() {
        scenario.check("presigned URLs of PutObject and GetObject work with the JDK's client", () -> {
            try (S3Presigner signer = presigner().build()) {
                HttpResponse<String> sent = send(urlToPut(signer, "pre +ü"), HttpRequest.BodyPublishers.ofString("presigned"));
                Scenario.same(sent.statusCode() + sent.body(), "200");
                String url = signer.presignGetObject(sign -> sign.signatureDuration(Duration.ofMinutes(1))
                        .getObjectRequest(get -> get.bucket(bucket).key("pre +ü"))).url().toString();
                Scenario.same(send(url, null).body(), "presigned");
                HttpResponse<String> tampered = send(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"), null);
                Scenario.same(tampered.statusCode(), 403);
                Scenario.same(tampered.body().contains("<Code>SignatureDoesNotMatch</Code>"), true);
            }
        });
    }

    private void refusals() {
        scenario.check("a PUT of 20 MiB with a wrong secret is SignatureDoesNotMatch, which the client reads", () ->
            refusedAs(403, "SignatureDoesNotMatch",
                    () -> stranger.putObject(put("refused").build(), RequestBody.fromBytes(new byte[REFUSED_BYTES]))));
        scenario.check("a PUT of 20 MiB that asks for what is not there is NotImplemented, which the client reads", () ->
            refusedAs(501, "NotImplemented", () -> client.putObject(
                    put("refused").serverSideEncryption(ServerSideEncryption.AWS_KMS).build(),
                    RequestBody.fromBytes(new byte[REFUSED_BYTES]))));
        scenario.check("the JDK's client reads the refusal of a presigned PUT of 20 MiB", () -> {
            try (S3Presigner signer = presigner().credentialsProvider(NOBODY).build()) {
                var body = HttpRequest.BodyPublishers.ofByteArray(new byte[REFUSED_BYTES]);
                HttpResponse<String> sent = send(urlToPut(signer, "refused"), body);
                Scenario.same(sent.statusCode(), 403);
                Scenario.same(sent.body().contains("<Code>SignatureDoesNotMatch</Code>"), true);
            }
        });
    }

    private void removal() {
        scenario.check("DeleteObject, DeleteObjects and DeleteBucket leave nothing", () -> {
            client.deleteObject(one -> one.bucket(bucket).key(ODD));
            List<String> left = keys("");
            Scenario.same(left.contains("refused"), false);
            List<ObjectIdentifier> gone = left.stream().map(key -> ObjectIdentifier.builder().key(key).build()).toList();
            var answer = client.deleteObjects(many -> many.bucket(bucket).delete(Delete.builder().objects(gone).build()));
            Scenario.same(answer.deleted().size() + " " + answer.errors().size(), gone.size() + " 0");
            client.deleteBucket(one -> one.bucket(bucket));
        });
    }
}
