import ArgumentParser
import ClusterFile
import Glibc
import HashRing
import Logging
import MemcacheProtocol
import SessionClient

/// How the commands for items reach a cluster: as an application would, through the client library.
struct ItemOptions: ParsableArguments {
    @OptionGroup var placement: PlacementOptions
    @OptionGroup(title: "TLS and users") var access: AccessOptions

    @Option(help: ArgumentHelp("Until a node has failed.", valueName: "seconds"))
    var timeout = 1.0

    @Flag(name: .shortAndLong, help: "Tell, on standard error, which nodes a key is on.")
    var verbose = false

    func validate() throws {
        try check("timeout", timeout, 0.001...3_600)
        try refuseArgumentsWithoutText("give such a value on standard input")
    }

    /// - Throws: for a definition that makes no ring, or asks for more copies than the client takes, and for
    ///   certificates that cannot be used.
    func cluster() throws -> Cluster {
        try Cluster(placement.definition(), access, seconds: timeout)
    }
}

/// A cluster whose items are read and changed.
struct Cluster {
    let cache: CacheClient
    private let ring: Ring
    private let copyCount: Int
    private let access: NodeAccess
    private let seconds: Double

    /// The largest that a node can be told to take.
    static let valueByteCountMax = 134_217_728

    /// Copies that the client library takes at most.
    private static let copyCountMax = 5

    init(_ definition: ClusterDefinition, _ access: AccessOptions, seconds: Double) throws {
        guard definition.copyCountForClients <= Self.copyCountMax else {
            throw ValidationError(
                "the definition has copies: \(definition.copyCountForClients); items can be reached with at "
                    + "most \(Self.copyCountMax)")
        }
        let timeout = Duration.seconds(seconds)
        var configuration = CacheClientConfiguration()
        configuration.strategy = definition.strategy
        configuration.keyHash = definition.keyHash
        configuration.hashTag = definition.hashTag
        configuration.copies = Copies(count: definition.copyCountForClients)
        configuration.requestTimeout = timeout
        configuration.connectTimeout = timeout
        configuration.silenceTimeout = timeout
        configuration.valueByteCountMax = Self.valueByteCountMax
        // That a node is ejected would hide why, and nobody wants to wait for one that is not there.
        configuration.failureCountUntilEjection = 1_000
        configuration.restartPatience = .zero
        try access.apply(to: &configuration, definition)
        ring = try definition.ring()
        copyCount = definition.copyCount
        self.access = try access.access(definition)
        self.seconds = seconds
        cache = try CacheClient(
            nodes: definition.nodes, configuration: configuration,
            logger: Logger(label: "sojourn") { _ in SwiftLogNoOpLogHandler() })
    }

    /// How old a key's item is, and how long nobody has accessed it, as the first node of these knows that is there.
    func history(of key: CacheKey) async -> ItemHistory? {
        await ItemHistory.ask(
            ring.nodes(for: key.bytes, count: copyCount), key, access, seconds: seconds)
    }

    /// The names of the nodes that a key's copies are on, its own first.
    func places(of key: CacheKey) -> String {
        ring.nodes(for: key.bytes, count: copyCount).map(\.name).joined(separator: ", ")
    }
}

extension CacheError {
    /// For the one who typed the command.
    var sentence: String {
        let node = node.map { "node \($0)" } ?? "its node"
        return switch code {
        case .nodeUnavailable: "\(node) cannot be reached: \(reason ?? "no reason is known")"
        case .deadlineExceeded: "\(node) does not answer in time"
        case .authenticationFailed:
            "\(node) does not let us in: \(reason ?? "no reason is known")"
        case .refused: "\(node) refuses: \(reason ?? "no reason is known")"
        case .valueTooLarge: "too large for \(node): \(reason ?? "no reason is known")"
        default: description
        }
    }
}

/// Refuses arguments that are no UTF-8: a `String` would hold other bytes than those that were given.
func refuseArgumentsWithoutText(_ advice: String) throws {
    let arguments = UnsafeBufferPointer(
        start: CommandLine.unsafeArgv, count: Int(CommandLine.argc))
    for case let argument? in arguments where String(validatingCString: argument) == nil {
        throw ValidationError("'\(String(cString: argument))' is no UTF-8; \(advice)")
    }
}

/// A key from the command line.
///
/// - Throws: `ValidationError`, for what is no key.
func itemKey(_ text: String) throws -> CacheKey {
    let limit = ProtocolLimits.keyByteCountMax
    guard (1...limit).contains(text.utf8.count) else {
        throw ValidationError("a key has 1 to \(limit) bytes, not \(text.utf8.count)")
    }
    do {
        return try CacheKey(text)
    } catch {
        throw ValidationError("a key has no spaces and no control characters")
    }
}

/// An exptime from the command line.
struct ExptimeArgument: ExpressibleByArgument {
    static let meaning =
        "Seconds from now, or from 1000000000 on a Unix time; 0: never; negative: at once."

    let expiry: Expiry
    var defaultValueDescription: String { "0" }

    init(_ expiry: Expiry) { self.expiry = expiry }

    init?(argument: String) {
        guard let number = Int32(argument) else { return nil }
        switch number {
        case 0: self.init(.never)
        case ..<ProtocolLimits.relativeExptimeEnd: self.init(.after(.seconds(number)))
        default: self.init(.at(unixSeconds: Int64(number)))
        }
    }
}
