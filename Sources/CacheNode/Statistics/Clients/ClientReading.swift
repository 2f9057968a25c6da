import EventLoop
import Synchronization

/// By what a connection came.
enum ClientTransport: UInt8, CaseIterable, Sendable {
    case tcp, tls, unix

    var name: String { "\(self)" }
}

/// What a connection said first. It tells of the library behind it what there is to tell: most ask for what their
/// application wants, and nothing else.
enum FirstWord: UInt8, CaseIterable, Sendable {
    /// Nothing yet, or not in one piece.
    case nothing
    case get, gets, gat, set, add, delete, incr, touch
    case version, stats, config, watch, quit
    case mg, ms, md, mn
    case binary
    case other

    /// Of what has arrived.
    init(_ input: UnsafeBufferPointer<UInt8>, isBinary: Bool) {
        guard !isBinary else {
            self = .binary
            return
        }
        let word = input.prefix(16).prefix { $0 > UInt8(ascii: " ") }
        guard word.count < input.count else {
            self = word.count < 16 ? .nothing : .other
            return
        }
        self = Self.commands[String(decoding: word, as: UTF8.self)] ?? .other
    }

    private static let commands: [String: FirstWord] = {
        let commands = allCases.filter { ![.nothing, .binary, .other].contains($0) }
        return Dictionary(uniqueKeysWithValues: commands.map { ($0.name, $0) })
    }()

    var name: String { "\(self)" }
}

/// A space's open connections: by what they came, what they said first, and where from.
struct ClientReading: Sendable {
    var openCount = 0
    var byTransport: [ClientTransport: Int] = [:]
    var byFirstWord: [FirstWord: Int] = [:]
    /// Of so many that were looked at.
    var addressedCount = 0
    private var byAddress: [String: Int] = [:]

    /// - Parameter addressCountMax: the kernel is asked for the addresses of so many.
    init(_ space: Space, _ workers: [WorkerRecord], addressCountMax: Int) {
        var descriptors: [Int32] = []
        for worker in workers {
            worker.connections.withLock { connections in
                for record in connections.values where record.space === space {
                    openCount += 1
                    byTransport[record.transport, default: 0] += 1
                    byFirstWord[record.firstWord, default: 0] += 1
                    if descriptors.count < addressCountMax { descriptors.append(record.descriptor) }
                }
            }
        }
        for descriptor in descriptors {
            byAddress[SocketAddress.peer(of: descriptor).hostName, default: 0] += 1
        }
        addressedCount = descriptors.count
    }

    /// Those with the most connections, at most so many.
    func addresses(count: Int) -> [TopEntry] {
        byAddress.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(count).map {
            TopEntry(name: $0.key, count: UInt64($0.value), error: 0)
        }
    }
}

extension SocketAddress {
    /// Without the port.
    var hostName: String {
        switch self {
        case .tcp(let host, _), .tcp6(let host, _): host
        case .unix: "unix"
        case .unknown: "unknown"
        }
    }
}

/// `stats clients`.
extension StatisticsReading {
    /// Whoever asks on a client's connection keeps a worker from others meanwhile.
    private static let addressCountMax = 256
    private static let addressesShown = 20

    func addClients(to list: inout StatisticsList) {
        let clients = ClientReading(
            space, context.workers, addressCountMax: Self.addressCountMax)
        list.gauge("open", clients.openCount, "Connections that are open")
        for transport in ClientTransport.allCases {
            list.gauge(
                "by:\(transport.name)", clients.byTransport[transport] ?? 0,
                "Of these, connections by this")
        }
        for word in FirstWord.allCases {
            guard let count = clients.byFirstWord[word] else { continue }
            list.gauge("first:\(word.name)", count, "Of these, those that said this first")
        }
        list.gauge(
            "addresses_looked_at", clients.addressedCount,
            "Of these, those whose addresses the kernel was asked for")
        for address in clients.addresses(count: Self.addressesShown) {
            list.gauge(
                "from:\(address.name)", Int(clamping: address.count), "Of the latter, from there")
        }
    }
}
