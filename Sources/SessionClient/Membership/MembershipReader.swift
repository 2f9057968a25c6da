import ClusterFile
import HashRing
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Looks up the nodes of a membership, again and again.
struct MembershipReader: Sendable {
    /// Why there is no answer.
    struct Trouble: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// All addresses of a name, as text. It may block.
    typealias Resolver = @Sendable (String) throws -> [String]

    private let membership: Membership
    private let resolve: Resolver
    private let queryTimeout: TimeAmount
    private let group: any EventLoopGroup
    private let access: NodeAccess
    /// The file's text that was taken last.
    private var lastText: String?
    /// Another text, seen once: whoever writes it may not be done.
    private var newText: String?
    private var lastVersion = -1
    private var knownNodes: [Node] = []
    /// What the nodes came with; nil of sources that know nodes only.
    private(set) var rule: PlacementRule?

    init(
        _ membership: Membership, group: any EventLoopGroup, access: NodeAccess = .open,
        queryTimeout: TimeAmount,
        resolve: @escaping Resolver = { try Self.addresses(of: $0) }
    ) {
        self.membership = membership
        self.group = group
        self.access = access
        self.queryTimeout = queryTimeout
        self.resolve = resolve
    }

    /// The nodes that are there without asking anybody: a list, or a definition's.
    ///
    /// - Returns: nil if somebody has to be asked.
    mutating func firstNodes() throws -> [Node]? {
        switch membership {
        case .fixed(let nodes): return nodes
        case .definition(let path, _):
            let text = try Self.firstText(of: path)
            lastText = text
            return taken(try ClusterDefinition(yaml: text, file: path))
        case .dns, .clusterConfiguration, .custom: return nil
        }
    }

    /// - Returns: nil if nothing has changed.
    mutating func changedNodes() async throws -> [Node]? {
        switch membership {
        case .fixed: return nil
        case .definition(let path, _):
            let text = try await NIOThreadPool.singleton.runIfActive {
                try ClusterDefinition.text(of: path)
            }
            return try nodes(ofText: text, at: path)
        case .dns(let name, let port, _):
            let resolve = resolve
            let addresses = try await NIOThreadPool.singleton.runIfActive { try resolve(name) }
            guard !addresses.isEmpty else { throw Trouble("\(name) has no address") }
            // In another order it is the same cluster.
            let hosts = Set(Self.ofOneFamily(addresses)).sorted()
            return changed(hosts.map { Node(host: $0, port: port) })
        case .clusterConfiguration(let seeds, _): return try await askCluster(seeds)
        case .custom(_, let nodes): return changed(try await nodes())
        }
    }

    private mutating func changed(_ nodes: [Node], rule: PlacementRule? = nil) -> [Node]? {
        // A node that can tell nodes only does not undo what another one has told.
        let rule = rule ?? self.rule
        guard nodes != knownNodes || rule != self.rule else { return nil }
        knownNodes = nodes
        self.rule = rule
        return nodes
    }

    private mutating func taken(_ definition: ClusterDefinition) -> [Node]? {
        changed(definition.nodes, rule: PlacementRule(definition))
    }

    // MARK: Files

    private mutating func nodes(ofText text: String, at path: String) throws -> [Node]? {
        guard text != lastText else {
            newText = nil
            return nil
        }
        // The beginning of a definition may be one, too, of a cluster whose other nodes seem to be gone.
        guard text == newText else {
            newText = text
            return nil
        }
        // What is wrong with a text is told once.
        lastText = text
        return taken(try ClusterDefinition(yaml: text, file: path))
    }

    /// The text of a file that somebody may be writing: if it was changed a moment ago, it has to be the
    /// same when it is looked at again.
    static func firstText(of path: String) throws -> String {
        try settled {
            var status = stat()
            guard stat(path, &status) == 0 else { return false }
            let age = time(nil) - status.changeUnixSeconds
            return (0...1).contains(age)
        } pause: {
            usleep(10_000)
        } read: {
            try ClusterDefinition.text(of: path)
        } ?? { throw Trouble("\(path) is still being written") }()
    }

    /// - Returns: nil if no two looks agree.
    static func settled(
        isFresh: () -> Bool, pause: () -> Void, read: () throws -> String
    ) rethrows -> String? {
        var text = try read()
        for _ in 0..<20 {
            guard isFresh() else { return text }
            pause()
            let next = try read()
            if next == text { return text }
            text = next
        }
        return nil
    }

    // MARK: Names

    /// A server with an A and an AAAA record is one node, not two: it must not get both copies of an item.
    /// Every client has to decide alike, whatever order its resolver prefers: IPv4, where there is any.
    static func ofOneFamily(_ addresses: [String]) -> [String] {
        let ipv4 = addresses.filter { !$0.contains(":") }
        return ipv4.isEmpty ? addresses : ipv4
    }

    static func addresses(of name: String) throws -> [String] {
        var hints = addrinfo()
        #if canImport(Glibc)
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #else
            hints.ai_socktype = SOCK_STREAM
        #endif
        var first: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(name, nil, &hints, &first)
        guard result == 0 else {
            throw Trouble("cannot resolve \(name): \(String(cString: gai_strerror(result)))")
        }
        defer { freeaddrinfo(first) }
        var addresses: [String] = []
        for entry in sequence(first: first, next: { $0?.pointee.ai_next }).prefix(while: {
            $0 != nil
        }) {
            guard let entry = entry?.pointee else { break }
            var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let length = socklen_t(host.count)
            guard
                getnameinfo(
                    entry.ai_addr, entry.ai_addrlen, &host, length, nil, 0, NI_NUMERICHOST) == 0
            else { continue }
            let bytes = host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            addresses.append(String(decoding: bytes, as: UTF8.self))
        }
        return addresses
    }

    // MARK: Nodes

    /// Asks one node after the other, those that are known at last first.
    private mutating func askCluster(_ seeds: [Node]) async throws -> [Node]? {
        var trouble: any Error = Trouble("no nodes to ask for the cluster")
        for node in knownNodes.shuffled() + seeds {
            do {
                let answer = try await ClusterQuery.ask(
                    node, access: access, on: group, timeout: queryTimeout)
                // A node that has not been told yet does not undo what another one has said.
                guard answer.version > lastVersion else { return nil }
                lastVersion = answer.version
                return changed(answer.nodes, rule: answer.rule)
            } catch {
                trouble = error
            }
        }
        throw trouble
    }
}

extension stat {
    /// When the file was written last.
    fileprivate var changeUnixSeconds: Int {
        #if canImport(Darwin)
            st_mtimespec.tv_sec
        #else
            st_mtim.tv_sec
        #endif
    }
}
