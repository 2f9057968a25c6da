/// Where a space's items were before it took over: one memcached, or several with a ring.
package struct PredecessorConfiguration: Sendable {
    package struct Server: Equatable, Sendable, CustomStringConvertible {
        package var host: String
        package var port: Int

        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }

        package var description: String {
            host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    /// In the order in which clients had them.
    package var servers: [Server]
    /// The rule by which clients have chosen among them, for operators.
    package var placementName: String
    /// Which of the servers has a key.
    package var place: @Sendable (_ key: [UInt8]) -> Int
    /// How long a client may wait for an answer from there.
    package var timeoutMilliseconds = Self.timeoutMillisecondsDefault
    /// Of an item for which the server cannot tell how long it has to live.
    package var unknownSeconds = Self.unknownSecondsDefault

    package static let serverCountMax = 256
    package static let timeoutMillisecondsDefault = 500
    package static let timeoutMillisecondsRange = 1...10_000
    /// A day.
    package static let unknownSecondsDefault = 86_400

    package init(
        servers: [Server], placementName: String,
        place: @escaping @Sendable (_ key: [UInt8]) -> Int
    ) {
        self.servers = servers
        self.placementName = placementName
        self.place = place
    }

    /// Whether both say the same.
    func matches(_ other: PredecessorConfiguration) -> Bool {
        servers == other.servers && placementName == other.placementName
            && timeoutMilliseconds == other.timeoutMilliseconds
            && unknownSeconds == other.unknownSeconds
    }
}
