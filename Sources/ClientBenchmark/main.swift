import Glibc
import HashRing
import NIOCore
import NIOPosix
import SessionClient

/// Asks a node with the client, or with nothing but a socket, and tells how often and at what cost.
///
///     ClientBenchmark HOST PORT raw|client get|set|getmany TASKS BYTES SECONDS
///
/// One line: operations per second, microseconds of this process's CPU time per operation, and the median
/// and the 99th percentile of their latency in microseconds. Every value is compared with what was stored.
struct Run {
    let host: String
    let port: Int
    let usesClient: Bool
    let operation: String
    let taskCount: Int
    let valueByteCount: Int
    let seconds: Double

    static let keyCount = 1_000
    static let keysPerGet = 50

    init?(_ arguments: [String]) {
        guard arguments.count == 8, let port = Int(arguments[2]), let tasks = Int(arguments[5]),
            let bytes = Int(arguments[6]), let seconds = Double(arguments[7]), tasks > 0
        else { return nil }
        host = arguments[1]
        self.port = port
        usesClient = arguments[3] == "client"
        operation = arguments[4]
        taskCount = tasks
        valueByteCount = bytes
        self.seconds = seconds
    }

    func key(_ number: Int) -> String {
        "session:0123456789abcdef0123456789abcdef:\(number % Self.keyCount)"
    }

    /// Unlike for each key, so that a wrong reply is seen.
    func value(_ number: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: UInt8(ascii: "v"), count: valueByteCount)
        for (place, byte) in "\(number % Self.keyCount)".utf8.enumerated() where place < bytes.count
        {
            bytes[place] = byte
        }
        return bytes
    }
}

func fail(_ reason: String) -> Never {
    let line = Array("ClientBenchmark: \(reason)\n".utf8)
    write(STDERR_FILENO, line, line.count)
    exit(1)
}

func cpuSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
}

func nanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

func report(_ latencies: [UInt64], operationCount: Int, seconds: Double, cpu: Double) {
    let sorted = latencies.sorted()
    func microseconds(_ part: Double) -> Double {
        sorted.isEmpty ? 0 : Double(sorted[Int(Double(sorted.count - 1) * part)]) / 1_000
    }
    let numbers = [
        Double(operationCount) / seconds, cpu / Double(operationCount) * 1e6, microseconds(0.5),
        microseconds(0.99),
    ]
    print(numbers.map { "\((($0 * 100).rounded()) / 100)" }.joined(separator: " "))
}

// MARK: A socket

/// The least that a client can do: requests on a blocking socket, and their replies compared.
final class RawClient {
    private let descriptor: Int32
    private var input = [UInt8](repeating: 0, count: 1 << 20)

    init(_ run: Run) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(run.port)).bigEndian
        inet_pton(AF_INET, run.host, &address.sin_addr)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { fail("cannot connect") }
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(4))
    }

    func ask(_ request: [UInt8], expecting reply: [UInt8]) {
        guard send(descriptor, request, request.count, 0) == request.count else { fail("sending") }
        var count = 0
        while count < reply.count {
            let read = input.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress! + count, $0.count - count, 0)
            }
            guard read > 0 else { fail("receiving") }
            count += read
        }
        guard count == reply.count, memcmp(input, reply, count) == 0 else {
            fail("a wrong reply")
        }
    }
}

/// - Parameter run: as many requests as it has tasks are sent at once, and all replies awaited.
func runRaw(_ run: Run) {
    let client = RawClient(run)
    let done = Array("HD\r\n".utf8)
    let stores = (0..<Run.keyCount).map { number in
        Array("ms \(run.key(number)) \(run.valueByteCount)\r\n".utf8) + run.value(number) + [
            13, 10,
        ]
    }
    for store in stores { client.ask(store, expecting: done) }
    let isStore = run.operation == "set"
    let requests =
        isStore ? stores : (0..<Run.keyCount).map { Array("mg \(run.key($0)) v\r\n".utf8) }
    let replies = (0..<Run.keyCount).map { number in
        isStore ? done : Array("VA \(run.valueByteCount)\r\n".utf8) + run.value(number) + [13, 10]
    }
    let turns = stride(from: 0, to: Run.keyCount, by: run.taskCount).map { first in
        let numbers = (first..<first + run.taskCount).map { $0 % Run.keyCount }
        return (numbers.flatMap { requests[$0] }, numbers.flatMap { replies[$0] })
    }
    var latencies: [UInt64] = []
    latencies.reserveCapacity(1 << 20)
    let (start, cpu) = (nanoseconds(), cpuSeconds())
    let end = start + UInt64(run.seconds * 1e9)
    var before = start
    while before < end {
        let (request, reply) = turns[latencies.count % turns.count]
        client.ask(request, expecting: reply)
        let now = nanoseconds()
        latencies.append(now - before)
        before = now
    }
    report(
        latencies, operationCount: latencies.count * run.taskCount,
        seconds: Double(before - start) / 1e9, cpu: cpuSeconds() - cpu)
}

// MARK: The client

func runClient(_ run: Run) async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    var configuration = CacheClientConfiguration()
    configuration.connectionCountPerNode = 1
    let cache = try CacheClient(
        nodes: [Node(host: run.host, port: run.port)], configuration: configuration,
        eventLoopGroup: group)
    let client = try BenchedClient(run, cache)
    for (key, value) in zip(client.keys, client.values) { try await cache.set(key, to: value) }
    let (start, cpu) = (nanoseconds(), cpuSeconds())
    let end = start + UInt64(run.seconds * 1e9)
    let results = try await withThrowingTaskGroup(of: [UInt64].self) { tasks in
        for task in 0..<run.taskCount {
            tasks.addTask { try await client.latencies(until: end, first: task * 37) }
        }
        var all: [UInt64] = []
        for try await part in tasks { all += part }
        return all
    }
    report(
        results, operationCount: results.count, seconds: Double(nanoseconds() - start) / 1e9,
        cpu: cpuSeconds() - cpu)
    cache.shutDown()
}

/// What each task asks of the client.
struct BenchedClient: Sendable {
    let operation: String
    let cache: CacheClient
    let keys: [CacheKey]
    let values: [[UInt8]]

    init(_ run: Run, _ cache: CacheClient) throws {
        operation = run.operation
        self.cache = cache
        keys = try (0..<Run.keyCount).map { try CacheKey(run.key($0)) }
        values = (0..<Run.keyCount).map { run.value($0) }
    }

    /// How long each call took, until that time.
    func latencies(until end: UInt64, first: Int) async throws -> [UInt64] {
        var latencies: [UInt64] = []
        latencies.reserveCapacity(1 << 16)
        var before = nanoseconds()
        while before < end {
            try await ask(for: (first + latencies.count) % Run.keyCount)
            let now = nanoseconds()
            latencies.append(now - before)
            before = now
        }
        return latencies
    }

    private func ask(for place: Int) async throws {
        switch operation {
        case "set": try await cache.set(keys[place], to: values[place])
        case "getmany":
            let wanted = (0..<Run.keysPerGet).map { keys[(place + $0) % Run.keyCount] }
            let items = await cache.get(wanted)
            guard items.hits.count == Run.keysPerGet,
                items[wanted[7]]?.value == values[(place + 7) % Run.keyCount]
            else { fail("a wrong reply") }
        default:
            guard try await cache.get(keys[place])?.value == values[place] else {
                fail("a wrong reply")
            }
        }
    }
}

guard let run = Run(CommandLine.arguments) else {
    fail("HOST PORT raw|client get|set|getmany TASKS BYTES SECONDS")
}
if run.usesClient {
    do { try await runClient(run) } catch { fail("\(error)") }
} else {
    runRaw(run)
}
