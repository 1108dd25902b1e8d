package shadowtwin;

import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.ServerVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import java.util.List;

/** Serves MongoDB's protocol on a free port of 127.0.0.1 until its standard input ends. */
public final class MongoLauncher {

    /**
     * MONGO_5_0 announces wire version 8, which belongs to MongoDB 4.2; PyMongo 4.20 talks to 9 and above only. The
     * plain operations of our stores are the same in both, which the contract suite itself proves by running on it.
     */
    private static final MongoVersion ANNOUNCED = new MongoVersion() {
        @Override
        public List<Integer> getVersionArray() {
            return ServerVersion.MONGO_5_0.getVersionArray();
        }

        @Override
        public int getWireVersion() {
            return 9;
        }
    };

    private MongoLauncher() {
    }

    public static void main(String[] arguments) throws Exception {
        MongoServer server = new MongoServer(H2Backend.inMemory().version(ANNOUNCED));
        server.bind("127.0.0.1", 0);
        System.out.println("port " + server.getLocalAddress().getPort());
        System.out.flush();
        // Whoever started this holds the other end: when it dies, however it dies, this process ends too.
        while (System.in.read() >= 0) {
            continue;
        }
        server.shutdownNow();
    }
}
