// Holds spymemcached, a client in Java, against nodes, in the binary protocol and in the text one:
//   java -cp spymemcached.jar SpymemcachedChecks.java HOST:PORT [HOST:PORT ...]
//
// Ends with status 0 and the number of checks, or with the first check that failed.

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;
import net.spy.memcached.AddrUtil;
import net.spy.memcached.CASResponse;
import net.spy.memcached.CASValue;
import net.spy.memcached.ConnectionFactoryBuilder;
import net.spy.memcached.ConnectionFactoryBuilder.Locator;
import net.spy.memcached.ConnectionFactoryBuilder.Protocol;
import net.spy.memcached.MemcachedClient;

public class SpymemcachedChecks {
    static int checked = 0;

    static void check(String name, Object got, Object wanted) {
        if (!Objects.equals(got, wanted)) {
            System.err.println(name + ": " + got + " instead of " + wanted);
            System.exit(1);
        }
        checked++;
    }

    static MemcachedClient connect(Protocol protocol, String[] servers) throws Exception {
        return new MemcachedClient(
            new ConnectionFactoryBuilder().setProtocol(protocol).setLocatorType(Locator.CONSISTENT)
                .setOpTimeout(10_000).setDaemon(true).build(),
            AddrUtil.getAddresses(String.join(" ", servers)));
    }

    static void commands(MemcachedClient client) throws Exception {
        check("flush", client.flush().get(), true);
        check("get of nothing", client.get("k"), null);
        check("set", client.set("k", 100, "value").get(), true);
        check("get", client.get("k"), "value");
        for (Object value : List.of("", "schl\u00fcssel", 17, 18L, true, new ArrayList<>(List.of(1, "a")))) {
            check("set of " + value, client.set("k", 100, value).get(), true);
            check("get of " + value, client.get("k"), value);
        }
        check("add of what is there", client.add("k", 100, "x").get(), false);
        check("add", client.add("l", 100, "x").get(), true);
        check("replace", client.replace("l", 100, "y").get(), true);
        check("replace of nothing", client.replace("m", 100, "y").get(), false);
        check("append", client.append("l", "z").get(), true);
        check("prepend", client.prepend("l", "x").get(), true);
        check("get of the three", client.get("l"), "xyz");
        check("append to nothing", client.append("m", "x").get(), false);
        check("touch", client.touch("l", 200).get(), true);
        check("touch of nothing", client.touch("m", 200).get(), false);
        check("delete", client.delete("l").get(), true);
        check("delete of nothing", client.delete("l").get(), false);
        check("thirty-one days", client.set("k", 31 * 86_400, "x").get(), true);
    }

    static void uniques(MemcachedClient client) throws Exception {
        client.set("k", 100, "1").get();
        CASValue<Object> found = client.gets("k");
        check("gets", found.getValue(), "1");
        check("cas", client.cas("k", found.getCas(), "2"), CASResponse.OK);
        check("cas of an old unique", client.cas("k", found.getCas(), "3"), CASResponse.EXISTS);
        check("get after cas", client.get("k"), "2");
        client.delete("k").get();
        check("cas of nothing", client.cas("k", found.getCas(), "3"), CASResponse.NOT_FOUND);
        check("gets of nothing", client.gets("k"), null);
    }

    static void numbers(MemcachedClient client) throws Exception {
        client.delete("n").get();
        check("incr of nothing", client.incr("n", 1), -1L);
        check("incr with a default", client.incr("n", 1, 10L, 100), 10L);
        check("incr", client.incr("n", 5), 15L);
        check("decr", client.decr("n", 6), 9L);
        check("decr below nothing", client.decr("n", 60), 0L);
    }

    static void many(MemcachedClient client) throws Exception {
        Map<String, Object> values = new HashMap<>();
        for (int number = 0; number < 300; number++) {
            values.put("key" + number, ("value" + number).repeat(number));
            client.set("key" + number, 100, values.get("key" + number));
        }
        List<String> keys = new ArrayList<>(values.keySet());
        keys.add("absent");
        check("getBulk", client.getBulk(keys), values);
        byte[] large = new byte[900_000];
        new java.util.Random(1).nextBytes(large);
        check("set of 900,000 bytes", client.set("k", 100, large).get(), true);
        check("get of them", java.util.Arrays.equals((byte[]) client.get("k"), large), true);
    }

    public static void main(String[] servers) throws Exception {
        System.setProperty("net.spy.log.LoggerImpl", "net.spy.memcached.compat.log.SunLogger");
        Logger.getLogger("net.spy.memcached").setLevel(Level.OFF);
        for (Protocol protocol : Protocol.values()) {
            MemcachedClient client = connect(protocol, servers);
            commands(client);
            uniques(client);
            numbers(client);
            many(client);
            if (protocol == Protocol.BINARY) {
                check("getAndTouch", client.getAndTouch("key1", 200).getValue(), "value1");
            }
            check("stats", client.getStats().size(), servers.length);
            check("versions", client.getVersions().size(), servers.length);
            client.shutdown(5, TimeUnit.SECONDS);
        }
        System.out.println(checked + " checks passed");
        System.exit(0);
    }
}
