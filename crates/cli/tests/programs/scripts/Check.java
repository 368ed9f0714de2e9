import com.sun.net.httpserver.HttpServer;
import java.net.*;
import java.net.http.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;

/** An HTTP server and eight requests at once, a refusal, a datagram, and a file by transferTo. */
public class Check {
    public static void main(String[] words) throws Exception {
        byte[] noise = Files.readAllBytes(Path.of("noise"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 8000), 50);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(200, noise.length);
            try (var body = exchange.getResponseBody()) {
                body.write(noise);
            }
        });
        server.start();
        HttpClient client = HttpClient.newHttpClient();
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:8000/")).build();
        var answers = new ArrayList<CompletableFuture<HttpResponse<byte[]>>>();
        for (int n = 0; n < 8; n++) {
            answers.add(client.sendAsync(request, HttpResponse.BodyHandlers.ofByteArray()));
        }
        int same = 0;
        for (var answer : answers) {
            same += Arrays.equals(answer.get().body(), noise) ? 1 : 0;
        }
        System.out.println("fetched " + same);
        try {
            new Socket("127.0.0.1", 8001);
        } catch (ConnectException error) {
            System.out.println(error.getMessage());
        }
        DatagramSocket datagrams = new DatagramSocket(0, InetAddress.getByName("127.0.0.1"));
        datagrams.setSoTimeout(5000);
        datagrams.send(new DatagramPacket("x".getBytes(), 1, datagrams.getLocalSocketAddress()));
        DatagramPacket received = new DatagramPacket(new byte[9], 9);
        datagrams.receive(received);
        System.out.println("datagram of " + received.getLength());
        ServerSocketChannel listener = ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 0));
        SocketChannel reader = SocketChannel.open(listener.getLocalAddress());
        SocketChannel writer = listener.accept();
        FileChannel file = FileChannel.open(Path.of("noise"));
        new Thread(() -> {
            try (writer) {
                for (long sent = 0; sent < file.size(); ) {
                    sent += file.transferTo(sent, file.size() - sent, writer);
                }
            } catch (Exception error) {
                error.printStackTrace();
            }
        }).start();
        ByteBuffer buffer = ByteBuffer.allocate(noise.length);
        while (buffer.hasRemaining() && reader.read(buffer) >= 0) {}
        System.out.println("transferred " + Arrays.equals(buffer.array(), noise));
        System.exit(0);
    }
}
