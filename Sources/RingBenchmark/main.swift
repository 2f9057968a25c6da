// What a lookup costs, in time and in allocations: see scripts/ring-bench.
//
//   RingBenchmark [ROUNDS]    of 1,024 lookups each; the fastest counts. 200 unless told.
//
// A program of its own and not a test: times want a release build, and allocations are counted through a hook
// of the runtime that is for single-threaded processes only.

import Glibc
import HashRing

/// Counts the objects that are allocated, through the runtime's hook for instruments.
private enum Allocations {
    typealias Allocate =
        @convention(c) (UnsafeRawPointer?, Int, Int) -> UnsafeMutableRawPointer?

    // There is one thread.
    nonisolated(unsafe) static var original: Allocate?
    nonisolated(unsafe) static var count = 0

    private static func symbol<Value>(_ name: String, as: Value.Type) -> UnsafeMutablePointer<Value>
    {
        guard let symbol = dlsym(nil, name) else { fatalError("the runtime has no \(name)") }
        return symbol.assumingMemoryBound(to: Value.self)
    }

    static func count(_ body: () -> Void) -> Int {
        let isHooked = symbol(
            "_swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly",
            as: Bool.self)
        let hook = symbol("_swift_allocObject", as: Allocate?.self)
        original = hook.pointee
        count = 0
        hook.pointee = { metadata, size, alignment in
            Allocations.count += 1
            return Allocations.original?(metadata, size, alignment)
        }
        isHooked.pointee = true
        body()
        isHooked.pointee = false
        hook.pointee = original
        return count
    }
}

private func nanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

/// 1,024 keys of 40 bytes each, as session keys are, one behind the other: counting references to keys
/// would be a part of the times.
private let keyCount = 1_024
private let keyByteCount = 40
private let keys: [UInt8] = (0..<keyCount).flatMap { number in
    let digits = String(number * 7_919)
    return Array("session:".utf8)
        + Array(repeating: UInt8(ascii: "0"), count: 32 - digits.utf8.count)
        + Array(digits.utf8)
}

/// The sum over all keys.
@inline(__always) private func sum(_ body: (RawSpan) -> Int) -> Int {
    let all = keys.span.bytes
    var sum = 0
    for number in 0..<keyCount {
        let start = number * keyByteCount
        sum &+= body(all.extracting(start..<start + keyByteCount))
    }
    return sum
}

private let roundCount = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 200

/// The fastest round, in nanoseconds per key, with one decimal.
@inline(__always) private func time(_ body: (RawSpan) -> Int) -> String {
    var best = UInt64.max
    for _ in 0..<roundCount {
        let start = nanoseconds()
        let sum = sum(body)
        best = min(best, nanoseconds() - start)
        precondition(sum != 1, "the work is used")
    }
    let tenths = best * 10 / UInt64(keyCount)
    return "\(tenths / 10).\(tenths % 10)"
}

private func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
}

private func row(_ name: String, _ columns: [String]) {
    let padding = String(repeating: " ", count: max(1, 22 - name.count))
    print(name + padding + columns.map { padded($0, 14) }.joined())
}

private let nodes = (1...10).map { Node(host: "10.0.0.\($0)") }

print("10 nodes, keys of 40 bytes, ns per lookup")
row("strategy", ["index", "hash alone", "node left out", "allocations"])
for strategy in Ring.Strategy.allCases {
    let ring = try Ring(nodes: nodes, strategy: strategy)
    let rest = try ring.leavingOut([3])
    // Tables that are made when they are first used are made here.
    precondition(sum { ring.index(for: $0) + rest.index(for: $0) } > 0, "the work is used")
    let allocationCount = Allocations.count {
        precondition(sum { ring.index(for: $0) + rest.index(for: $0) } > 0, "the work is used")
    }
    row(
        strategy.rawValue,
        [
            time { ring.index(for: $0) },
            ring.keyHash.map { hash in time { Int(hash.hash($0)) } } ?? "-",
            time { rest.index(for: $0) },
            String(allocationCount),
        ])
}
// An array that grows: if nothing is counted here, the column above says nothing.
private let control = Allocations.count {
    var array: [Int] = []
    for number in 0..<1_000 { array.append(number) }
    precondition(array.count == 1_000, "the work is used")
}
row("(a growing array)", ["-", "-", "-", String(control)])
