import EventLoop
import Glibc
import Synchronization
import TestSupport

@testable import CacheNode
@testable import NodeStage

/// Workers with threads of their own, as a node has them, and peers that are connected to one or the
/// other. The clock goes.
final class WorkerBench {
    let node: InProcessNode
    let context: NodeContext
    let workers: [Worker]
    private var threads: [NodeThread] = []

    init(workerCount: Int, _ change: (inout NodeConfiguration) -> Void) throws {
        var configuration = NodeConfiguration.small
        configuration.locks.keys = [LockKeys("lock.")].compactMap { $0 }
        change(&configuration)
        node = try InProcessNode(configuration, workerCount: workerCount)
        context = node.context
        node.space.clock.resume()
        workers = try (0..<workerCount).map { [context] in
            try Worker(number: $0, context: context)
        }
        threads = try workers.map { worker in try NodeThread { worker.run() } }
    }

    deinit { stop() }

    /// Ends the workers, in order.
    func stop() {
        for worker in workers { worker.stop() }
        for thread in threads { thread.join() }
        threads = []
    }

    /// What the node's timer does every second.
    func maintain() { for worker in workers { worker.requestMaintenance() } }

    /// A connected peer of a worker.
    func connect(to worker: Int = 0) throws -> BenchPeer {
        var pair: [Int32] = [-1, -1]
        let type =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        guard socketpair(AF_UNIX, type, 0, &pair) == 0 else { throw Trouble("no pair: \(errno)") }
        node.space.acceptance.openCount.add(1, ordering: .relaxed)
        workers[worker].adopt(pair[1], listener: node.listener)
        return BenchPeer(descriptor: pair[0])
    }

    func locks() throws -> LockQueues.Counts {
        guard let locks = node.space.locks else { throw Trouble("no locks") }
        return locks.counts
    }

    /// Waits until something holds.
    func wait(for what: String, _ holds: () throws -> Bool) throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while try !holds() {
            guard ContinuousClock.now < deadline else { throw Trouble("no \(what) in 30 s") }
            usleep(200)
        }
    }
}

/// A peer of a worker: one thread's.
final class BenchPeer {
    private(set) var descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close() }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Sends what there is room for; how much that was.
    @discardableResult
    func send(_ text: String) -> Int {
        var text = text
        return text.withUTF8 {
            max(0, Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)))
        }
    }

    /// What comes within a time, up to the first read that ends with a line's end.
    func receive(milliseconds: Int32 = 30_000) -> String {
        var all: [UInt8] = []
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while all.last != 10, poll(&request, 1, milliseconds) > 0 {
            var part = [UInt8](repeating: 0, count: 65_536)
            let count = read(descriptor, &part, part.count)
            guard count > 0 else { break }
            all += part[..<count]
        }
        return String(decoding: all, as: UTF8.self)
    }

    func ask(_ text: String) -> String {
        send(text)
        return receive()
    }

    /// Whether the node has hung up, after what it had to say.
    func isClosed() -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&request, 1, 30_000) > 0 else { return false }
        var byte: UInt8 = 0
        return read(descriptor, &byte, 1) == 0
    }
}
