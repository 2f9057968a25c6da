// Which node does spymemcached's locator say? Lines in, one index a line out: see scripts/golden-placement.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Proxy;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import net.spy.memcached.DefaultHashAlgorithm;
import net.spy.memcached.KetamaNodeLocator;
import net.spy.memcached.MemcachedNode;

public class Spymemcached {
    /** A node of which only the address is asked. */
    static MemcachedNode node(InetSocketAddress address) {
        return (MemcachedNode) Proxy.newProxyInstance(
            Spymemcached.class.getClassLoader(), new Class<?>[] {MemcachedNode.class},
            (proxy, method, arguments) -> {
                switch (method.getName()) {
                    case "getSocketAddress": return address;
                    case "hashCode": return System.identityHashCode(proxy);
                    case "equals": return proxy == arguments[0];
                    case "toString": return address.toString();
                    default: throw new UnsupportedOperationException(method.getName());
                }
            });
    }

    static String text(String hexadecimal) {
        byte[] bytes = new byte[hexadecimal.length() / 2];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) Integer.parseInt(hexadecimal.substring(2 * i, 2 * i + 2), 16);
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        List<MemcachedNode> nodes = new ArrayList<>();
        Set<Integer> dead = new HashSet<>();
        KetamaNodeLocator locator = null;
        StringBuilder output = new StringBuilder();
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            if (words[0].equals("option")) {
                dead.add(Integer.parseInt(words[1].substring("dead=".length())));
            } else if (words[0].equals("node")) {
                nodes.add(node(new InetSocketAddress(words[1], Integer.parseInt(words[2]))));
            } else {
                if (locator == null) {
                    locator = new KetamaNodeLocator(nodes, DefaultHashAlgorithm.KETAMA_HASH);
                }
                String key = text(words[1]);
                int index = nodes.indexOf(locator.getPrimary(key));
                // As MemcachedConnection does with FailureMode.Redistribute.
                Iterator<MemcachedNode> others = locator.getSequence(key);
                while (dead.contains(index) && others.hasNext()) {
                    index = nodes.indexOf(others.next());
                }
                output.append(dead.contains(index) ? "-" : "" + index).append('\n');
            }
        }
        System.out.print(output);
    }
}
