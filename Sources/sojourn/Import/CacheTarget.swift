import HashRing

/// Where items go: one node or memcached, or several with their ring.
final class CacheTarget {
    let name: String
    private let servers: [CacheServer]
    private let ring: Ring?
    /// Whether these are nodes that look for what they do not have at the predecessor: they are asked for each key then, and fetch
    /// it themselves, so that nothing that was deleted meanwhile comes back.
    let fetches: Bool

    /// - Parameter ring: of several, in the order of the places.
    init(_ places: [ItemPlace], _ access: ItemAccess, _ ring: Ring?) throws {
        precondition(places.count == 1 || ring?.nodes.count == places.count)
        name = places.map(\.description).joined(separator: ",")
        servers = try places.map { try CacheServer($0, access) }
        self.ring = ring
        let states = try servers.map { try $0.statistics()["predecessor_state"] }
        let asking = states.map { $0 == "there" || $0 == "late" || $0 == "away" }
        guard Set(asking).count == 1 else {
            throw MovingTrouble(
                "of \(name) some have a predecessor and some do not: give it to all of them, or to none"
            )
        }
        if states.contains("given_up") {
            throw MovingTrouble(
                "\(name) has given its predecessor up, as it has missed too much: restart it with "
                    + "predecessor, or without, and begin again")
        }
        fetches = asking[0]
    }

    private func server(of key: [UInt8]) -> Int { ring?.index(for: key.span.bytes) ?? 0 }

    /// Calls `body` with each server and the places, in `keys`, of those that are its own.
    private func each(_ keys: [[UInt8]], _ body: (CacheServer, [Int]) throws -> Void) throws {
        let numbers = keys.map { server(of: $0) }
        for (number, server) in servers.enumerated() {
            let places = keys.indices.filter { numbers[$0] == number }
            if !places.isEmpty { try body(server, places) }
        }
    }

    func add(_ items: [(key: [UInt8], line: LineKey, item: MovedItem)]) throws -> [CacheServer
        .Storing]
    {
        let now = wallClockSeconds()
        var outcomes = [CacheServer.Storing](repeating: .thereAlready, count: items.count)
        try each(items.map(\.key)) { server, places in
            let own = places.map { (key: items[$0].line, item: items[$0].item) }
            for (place, outcome) in zip(places, try server.add(own, now: now)) {
                outcomes[place] = outcome
            }
        }
        return outcomes
    }

    func has(_ keys: [(key: [UInt8], line: LineKey)]) throws -> [Bool] {
        var outcomes = [Bool](repeating: false, count: keys.count)
        try each(keys.map(\.key)) { server, places in
            for (place, outcome) in zip(places, try server.has(places.map { keys[$0].line })) {
                outcomes[place] = outcome
            }
        }
        return outcomes
    }

    func read(_ keys: [[UInt8]]) throws -> [MovedItem.Reading] {
        let now = wallClockSeconds()
        var readings = [MovedItem.Reading](repeating: .gone, count: keys.count)
        try each(keys) { server, places in
            let own = places.map { ListedKey(server: 0, key: keys[$0]) }
            for (place, reading) in zip(places, try server.read(own, now: now)) {
                readings[place] = reading
            }
        }
        return readings
    }
}
