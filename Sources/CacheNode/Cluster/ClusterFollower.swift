import EventLoop
import Glibc
import Logging
import Synchronization

/// Where a node learns which nodes its cluster has: a file, and the way to read it.
package struct ClusterSource: Sendable {
    package struct Found: Sendable {
        /// What clients are told.
        package var told: ToldCluster
        /// None where nodes know nothing of one another.
        package var peers: PeerDefinition?

        package init(told: ToldCluster, peers: PeerDefinition?) {
            self.told = told
            self.peers = peers
        }
    }

    package let path: String
    /// What the file says, or an error that tells in one line what is wrong with which file.
    package let read: @Sendable (_ path: String) throws -> Found

    package init(path: String, read: @escaping @Sendable (_ path: String) throws -> Found) {
        self.path = path
        self.read = read
    }
}

/// Keeps what `config get cluster` and `config get definition` answer up to date: reads the cluster's file at the start, within a
/// second of each change, when two looks find it the same, and when told to: of a file that is half
/// written clients would learn that the rest of the nodes is gone.
///
/// A file that is wrong or gone later on is logged once, and changes nothing. On the main thread only,
/// which a large file keeps from accepting connections for some tens of milliseconds.
final class ClusterFollower {
    /// What tells one state of a file from another.
    private struct Signature: Equatable {
        var inode: ino_t
        var byteCount: off_t
        var seconds: Int
        var nanoseconds: Int
    }

    private let source: ClusterSource
    private let space: Space
    private let logger: Logger
    private var signature: Signature?
    private var timer: Timer?

    /// Another state of the file, seen once: whoever writes it may not be done.
    private var changing: Signature?

    private static let checkMilliseconds = 500

    init(_ source: ClusterSource, of space: Space, logger: Logger) {
        self.source = source
        self.space = space
        self.logger = logger
    }

    /// - Throws: what is wrong with the file; the answer stays as it was.
    func read() throws {
        let signature = currentSignature()
        self.signature = signature
        let found = try source.read(source.path)
        if let peers = space.peers {
            guard let definition = found.peers else {
                throw NodeError(
                    message: "\(source.path): its nodes have no peers, which takes a restart of all"
                )
            }
            if let reason = peers.offer(definition) {
                throw NodeError(message: "\(source.path): \(reason)")
            }
            // Clients are told once the node goes by it.
            guard space.cluster.withLock({ $0 }) == nil else { return }
        }
        let cluster = found.told
        let known = space.cluster.withLock { $0 }
        guard cluster != known?.cluster else { return }
        // Nodes do not talk to each other, and each may restart: the time of the change is what they
        // agree on best. It is that of the inode, which no copying tool sets back.
        let version = max(signature?.seconds ?? 0, (known?.version ?? 0) + 1)
        do {
            let listing = try ClusterListing(cluster, version: version)
            space.cluster.withLock { $0 = listing }
        } catch {
            throw NodeError(message: "\(source.path): \(error)")
        }
        if !cluster.isListable, known?.cluster.isListable ?? true {
            logger.notice(
                "'config get cluster' is refused: it cannot tell weights, or who is in whose place")
        }
    }

    func readAgain() {
        do {
            try read()
            // Its members tell what becomes of it.
            guard space.peers == nil else { return }
            let count = space.cluster.withLock { $0?.cluster.places.count ?? 0 }
            logger.notice("read \(source.path) again: \(count) nodes")
        } catch {
            logger.error("the cluster's nodes stay as they were: \(error)")
        }
    }

    func watch(on loop: Loop) throws(EventLoopError) {
        let timer = try Timer(loop: loop) { [unowned self] in
            let current = currentSignature()
            // A file that is about to be replaced may be gone for a moment.
            if let current, current != signature {
                if current == changing { readAgain() }
                changing = current
            }
            start()
        }
        self.timer = timer
        try timer.start(afterMilliseconds: Self.checkMilliseconds)
    }

    private func start() {
        do {
            try timer?.start(afterMilliseconds: Self.checkMilliseconds)
        } catch {
            logger.error("\(source.path) is no longer watched: \(error)")
        }
    }

    func stop() { timer = nil }

    private func currentSignature() -> Signature? {
        var status = stat()
        guard stat(source.path, &status) == 0 else { return nil }
        return Signature(
            inode: status.st_ino, byteCount: status.st_size, seconds: status.st_ctim.tv_sec,
            nanoseconds: status.st_ctim.tv_nsec)
    }
}

extension Space {
    /// The node goes by another generation of its definition.
    func tellClients(of told: ToldCluster, logger: Logger) {
        let known = cluster.withLock { $0 }
        guard told != known?.cluster else { return }
        // What others say of the same generation is the same, whatever its version is there.
        let version = max(Int(time(nil)), (known?.version ?? 0) + 1)
        do {
            let listing = try ClusterListing(told, version: version)
            cluster.withLock { $0 = listing }
        } catch {
            logger.error("clients are told of the nodes before: \(error)")
        }
    }
}
