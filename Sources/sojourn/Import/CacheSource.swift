/// One memcached or node, or several: each lists what it has.
final class CacheSource: ItemSource {
    let name: String
    private let servers: [CacheServer]
    private let style: CacheServer.DumpStyle

    init(_ places: [ItemPlace], _ access: ItemAccess, _ style: CacheServer.DumpStyle?) throws {
        name = places.map(\.description).joined(separator: ",")
        servers = try places.map { try CacheServer($0, access) }
        // It alone tells when items expire, which the others tell for each.
        self.style = style ?? .metadump
    }

    func list(_ body: (ListedKey) throws -> Void) throws {
        for (number, server) in servers.enumerated() {
            try server.list(style) { key, time in
                try body(ListedKey(server: number, key: key, time: time))
            }
        }
    }

    func read(_ keys: [ListedKey]) throws -> [MovedItem.Reading] {
        let now = wallClockSeconds()
        var readings = [MovedItem.Reading](repeating: .gone, count: keys.count)
        for (number, server) in servers.enumerated() {
            let places = keys.indices.filter { keys[$0].server == number }
            guard !places.isEmpty else { continue }
            for (place, reading) in zip(places, try server.read(places.map { keys[$0] }, now: now))
            {
                readings[place] = reading
            }
        }
        return readings
    }
}
