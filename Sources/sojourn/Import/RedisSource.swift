import HashRing

/// Where a Redis or Valkey is: `redis://[user:password@]host[:port][/db]`.
struct RedisPlace: Equatable {
    var host: String
    var port = 6_379
    var user: String?
    var password: String?
    var database = 0

    init?(_ text: String) {
        guard text.hasPrefix("redis://") else { return nil }
        var rest = text.dropFirst("redis://".count)
        if let at = rest.lastIndex(of: "@") {
            let login = rest[..<at]
            rest = rest[rest.index(after: at)...]
            let parts = login.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let user = Self.unescaped(parts[0]),
                let password = Self.unescaped(parts[1])
            else { return nil }
            self.user = user.isEmpty ? nil : user
            self.password = password
        }
        if let slash = rest.firstIndex(of: "/") {
            let number = rest[rest.index(after: slash)...]
            guard number.isEmpty || Int(number).map({ (0...65_535).contains($0) }) == true else {
                return nil
            }
            database = Int(number) ?? 0
            rest = rest[..<slash]
        }
        guard let text = HostText(String(rest)), !text.host.isEmpty, text.rest.count <= 1 else {
            return nil
        }
        host = String(text.host)
        if let port = text.rest.first {
            guard let number = Int(port), (1...65_535).contains(number) else { return nil }
            self.port = number
        }
    }

    private static func unescaped(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A Redis or Valkey: its keys by SCAN, their times by PTTL, their values by GET. Nothing is changed there.
final class RedisSource: ItemSource {
    let name: String
    private let connection: RedisConnection
    private let pattern: [UInt8]?

    /// - Parameter pattern: of the keys that are wanted, as Redis has it.
    init(_ place: RedisPlace, timeoutSeconds: Int, matching pattern: String?) throws {
        // Without the password.
        name = "redis://\(place.host):\(place.port)/\(place.database)"
        self.pattern = pattern.map { Array($0.utf8) }
        connection = try RedisConnection(place, timeoutSeconds: timeoutSeconds)
    }

    func list(_ body: (ListedKey) throws -> Void) throws {
        var cursor = Array("0".utf8)
        repeat {
            var words = [Array("SCAN".utf8), cursor, Array("COUNT".utf8), Array("1000".utf8)]
            if let pattern { words += [Array("MATCH".utf8), pattern] }
            try connection.send([words])
            guard case .list(let parts?) = try connection.reply(), parts.count == 2,
                case .bytes(let next?) = parts[0], case .list(let keys?) = parts[1]
            else { throw MovingTrouble("\(name) gives no list of keys to SCAN") }
            for case .bytes(let key?) in keys { try body(ListedKey(server: 0, key: key)) }
            cursor = next
        } while cursor != Array("0".utf8)
    }

    func read(_ keys: [ListedKey]) throws -> [MovedItem.Reading] {
        try connection.send(
            keys.flatMap { [[Array("PTTL".utf8), $0.key], [Array("GET".utf8), $0.key]] })
        return try keys.map { _ in
            let time = try connection.reply()
            let value = try connection.reply()
            guard case .number(let milliseconds) = time else {
                throw MovingTrouble("\(name) does not answer PTTL")
            }
            switch value {
            case .bytes(let bytes?):
                // A key without an end has -1, one that is gone -2.
                return .item(
                    MovedItem(
                        value: bytes,
                        secondsLeft: milliseconds < 0 ? nil : max(1, (milliseconds + 500) / 1_000)))
            case .bytes(nil): return .gone
            case .error(let text) where text.hasPrefix("WRONGTYPE"):
                return .unfit("it is no string, but a list, hash, set or stream")
            default: throw MovingTrouble("\(name) does not answer GET: \(value)")
            }
        }
    }
}

/// A connection to Redis on which somebody waits.
final class RedisConnection {
    private let connection: ItemConnection
    private var reader = RESPReader()

    init(_ place: RedisPlace, timeoutSeconds: Int) throws {
        var access = ItemAccess()
        access.timeoutSeconds = timeoutSeconds
        connection = try ItemConnection(
            ItemPlace(address: .tcp(host: place.host, port: place.port)), access)
        if let password = place.password {
            let words = ["AUTH"] + [place.user].compactMap(\.self) + [password]
            try expectOK(words, "the login")
        }
        if place.database != 0 { try expectOK(["SELECT", "\(place.database)"], "SELECT") }
        try send([[Array("PING".utf8)]])
        let answer = try reply()
        guard answer == .simple("PONG") else {
            if case .error(let text) = answer {
                throw MovingTrouble("\(connection.place): \(text)")
            }
            throw MovingTrouble("\(connection.place) is no Redis")
        }
    }

    private func expectOK(_ words: [String], _ what: String) throws {
        try send([words.map { Array($0.utf8) }])
        let answer = try reply()
        guard answer == .simple("OK") else {
            if case .error(let text) = answer {
                throw MovingTrouble("\(connection.place) refuses \(what): \(text)")
            }
            throw MovingTrouble("\(connection.place) is no Redis")
        }
    }

    func send(_ commands: [[[UInt8]]]) throws {
        var bytes: [UInt8] = []
        for words in commands {
            bytes += Array("*\(words.count)\r\n".utf8)
            for word in words {
                bytes += Array("$\(word.count)\r\n".utf8)
                bytes += word
                bytes += Array("\r\n".utf8)
            }
        }
        try connection.send(bytes)
    }

    func reply() throws -> RESPValue {
        while true {
            do {
                if let value = try reader.next() { return value }
            } catch {
                throw MovingTrouble(
                    "\(connection.place) answers what cannot be understood: \(error.text)")
            }
            reader.append(try connection.part())
        }
    }
}
