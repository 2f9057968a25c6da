/// How many copies there are of an item, and what is asked of them.
///
/// The copies of a key are on the first `count` nodes that the ring has for it. Each state of an item
/// has a version, which its writer chooses and the nodes keep as its CAS unique; a deleted item leaves a
/// tombstone. Whoever reads asks all copies and takes the newest; copies that lag behind are brought up
/// to date in passing, never over something newer.
///
/// What is promised: a copy that missed writes (its node was down, `-e`) is never taken for the item
/// while any node that has the newest state answers, at most `stragglerTimeout` after the others. With `readCountMin + writeCountMin > count`, and
/// nodes that keep their items (`-e`), some such node is among those that answer, or the command fails:
/// then an outdated copy is never taken at all. With the defaults it is, if every node that has the
/// newest state is down and one that missed it is not.
///
/// Not promised: a total order. Two clients that see different nodes may both win an `add` or a
/// compare-and-set; the later version then stays. A write that failed may have reached some of the nodes.
///
/// A deletion, an expiry and a shorter time are changes, too. What a write that misses a copy leaves with
/// an expiry stays at the nodes as long as a deletion does (`tombstoneLifetime`), and counts as deleted
/// from its time on: an older copy that was to live longer is not the item then. (A node
/// that had to evict it has forgotten it.) Such a write is counted
/// (`sojourn_client_short_writes`); one that reaches fewer copies than `writeCountMin` fails, also where
/// the cluster has fewer nodes.
///
/// What it costs: a retrieval asks `count` nodes at once; one that sets a new expiry takes two round
/// trips, a store by compare-and-set, a deletion and `set` two, `add` and `replace` three, arithmetic three
/// or more. A write that misses a copy takes one more.
///
/// The nodes have to know the meta flag E: Sojourn, or memcached from 1.6.19 on. All clients of keys
/// with copies have to be such clients: what others write counts as older than anything.
public struct Copies: Hashable, Sendable {
    /// 1 to 5. 1 means that an item is on its own node only, and none of the above.
    public var count: Int
    /// Copies that a retrieval has to hear from. 1 to `count`.
    public var readCountMin: Int
    /// Copies that a change has to reach. 1 to `count`.
    public var writeCountMin: Int
    /// How long a deletion is remembered. A node that comes back later than that can bring deleted items
    /// back: at least the longest time that items live. 1 s to 30 days.
    public var tombstoneLifetime: Duration
    /// How long a command waits for further copies when as many as it has to hear from have answered: what
    /// a hung node costs each command until it is ejected. A newer copy that takes longer is not seen.
    /// 1 ms to 1 h.
    public var stragglerTimeout: Duration

    /// Settings for so many copies; their ranges are checked when a client is made of them.
    public init(
        count: Int = 1, readCountMin: Int = 1, writeCountMin: Int = 1,
        tombstoneLifetime: Duration = .seconds(86_400),
        stragglerTimeout: Duration = .milliseconds(100)
    ) {
        self.count = count
        self.readCountMin = readCountMin
        self.writeCountMin = writeCountMin
        self.tombstoneLifetime = tombstoneLifetime
        self.stragglerTimeout = stragglerTimeout
    }

    /// How often a command begins again that others have overtaken.
    static let attemptCountMax = 8

    func validate() throws(ConfigurationError) {
        guard (1...5).contains(count) else {
            throw ConfigurationError("copies.count must be 1 to 5, not \(count)")
        }
        for (name, number) in [("readCountMin", readCountMin), ("writeCountMin", writeCountMin)] {
            guard (1...count).contains(number) else {
                throw ConfigurationError("\(name) must be 1 to copies.count, not \(number)")
            }
        }
        guard (.seconds(1) ... .seconds(2_592_000)).contains(tombstoneLifetime) else {
            throw ConfigurationError("tombstoneLifetime must be 1 s to 30 days")
        }
        guard (.milliseconds(1) ... .seconds(3_600)).contains(stragglerTimeout) else {
            throw ConfigurationError("stragglerTimeout must be 1 ms to 1 h")
        }
    }
}
