import EventLoop
import Glibc

/// A closed loop of requests on many connections, in one thread on one event loop.
final class Load {
    private let loop: Loop
    private var connections: [LoadConnection] = []

    struct Result {
        var requestCount = 0
        var seconds = 0.0
    }

    init(host: String, port: Int, connectionCount: Int) throws {
        loop = try Loop()
        for _ in 0..<connectionCount {
            let stream = try EventLoop.Stream.connect(host: host, port: port)
            connections.append(try LoadConnection(loop: loop, stream: stream))
        }
    }

    /// Stores every key of the workload.
    func store(_ workload: Workload) throws {
        var next = 0
        let perBatch = max(1, min(100, (1 << 20) / (workload.valueByteCount + 100)))
        _ = try run { _ in
            guard next < workload.keyCount else { return nil }
            var batch = Workload.Batch()
            while next < workload.keyCount, batch.requestCount < perBatch {
                workload.addSet(next, to: &batch)
                next += 1
            }
            return batch
        }
    }

    func run(_ workload: Workload, requestCount: Int) throws -> Result {
        let batches = workload.makeBatches()
        var left = requestCount
        var turn = 0
        return try run { _ in
            guard left > 0 else { return nil }
            left -= batches[turn].requestCount
            turn = (turn + 1) % batches.count
            return batches[turn]
        }
    }

    /// Gives every connection a batch whenever it has none, until there are no more.
    private func run(_ next: @escaping (LoadConnection) -> Workload.Batch?) throws -> Result {
        var result = Result()
        var busy = 0
        var problem: LoadError?
        let start = ContinuousClock.now
        for connection in connections {
            connection.begin(next: next) { [loop] outcome in
                switch outcome {
                case .done(let requests): result.requestCount += requests
                case .broken(let error): problem = problem ?? error
                }
                busy -= 1
                if busy == 0 || problem != nil { loop.stop() }
            }
            busy += 1
        }
        loop.run()
        if let problem { throw problem }
        result.seconds = Double((ContinuousClock.now - start) / .microseconds(1)) / 1_000_000
        return result
    }
}

enum LoadError: Error, CustomStringConvertible {
    case closed
    case failed(errno: Int32)
    case wrongReply(String)

    var description: String {
        switch self {
        case .closed: "the node closed a connection"
        case .failed(let number): "a connection failed: \(String(cString: strerror(number)))"
        case .wrongReply(let text): "the node answered something else: \(text)"
        }
    }
}

/// One connection of a load: sends a batch, compares the replies, goes on.
final class LoadConnection {
    enum Outcome {
        case done(requestCount: Int)
        case broken(LoadError)
    }

    private let stream: EventLoop.Stream
    private var readable: DescriptorEvent?
    private var writable: DescriptorEvent?
    private var batch = Workload.Batch()
    private var sent = 0
    private var received = 0
    private var requestCount = 0
    private var next: (LoadConnection) -> Workload.Batch? = { _ in nil }
    private var finished: (Outcome) -> Void = { _ in }
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)

    init(loop: Loop, stream: consuming EventLoop.Stream) throws {
        self.stream = stream
        let descriptor = self.stream.descriptor
        readable = try DescriptorEvent(
            loop: loop, descriptor: descriptor, interest: .readable
        ) { [unowned self] _ in receive() }
        writable = try DescriptorEvent(
            loop: loop, descriptor: descriptor, interest: .writable
        ) { [unowned self] _ in send() }
        try readable?.enable()
    }

    deinit {
        readable = nil
        writable = nil
        buffer.deallocate()
    }

    func begin(
        next: @escaping (LoadConnection) -> Workload.Batch?, finished: @escaping (Outcome) -> Void
    ) {
        self.next = next
        self.finished = finished
        requestCount = 0
        startBatch()
    }

    private func startBatch() {
        guard let batch = next(self) else {
            return finished(.done(requestCount: requestCount))
        }
        self.batch = batch
        sent = 0
        received = 0
        send()
    }

    private func send() {
        let result = batch.request.withUnsafeBytes { bytes in
            stream.write(UnsafeRawBufferPointer(rebasing: bytes[sent...]))
        }
        switch result {
        case .bytes(let count): sent += count
        case .wouldBlock: break
        case .ended: return finished(.broken(.closed))
        case .failed(let number): return finished(.broken(.failed(errno: number)))
        }
        do {
            if sent < batch.request.count {
                try writable?.enable()
            } else if let writable, writable.isEnabled {
                writable.disable()
            }
        } catch {
            finished(.broken(.failed(errno: errno)))
        }
    }

    private func receive() {
        switch stream.read(into: buffer) {
        case .bytes(let count):
            guard matches(count) else { return }
            received += count
            if received == batch.reply.count {
                requestCount += batch.requestCount
                startBatch()
            }
        case .wouldBlock: break
        case .ended: finished(.broken(.closed))
        case .failed(let number): finished(.broken(.failed(errno: number)))
        }
    }

    /// Whether what has just arrived is what should have.
    private func matches(_ count: Int) -> Bool {
        let isRight =
            received + count <= batch.reply.count
            && batch.reply.withUnsafeBytes { expected in
                guard let expected = expected.baseAddress, let got = buffer.baseAddress else {
                    return false
                }
                return memcmp(expected + received, got, count) == 0
            }
        if !isRight {
            let text = String(decoding: buffer[..<min(count, 80)], as: UTF8.self)
            finished(.broken(.wrongReply(text)))
        }
        return isRight
    }
}
