import Glibc
import Synchronization
import Testing

@testable import EventLoop

/// Two connected, non-blocking sockets.
private struct SocketPair: ~Copyable {
    let one: EventLoop.Stream
    let other: EventLoop.Stream

    init() throws {
        var pair: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, type, 0, &pair) == 0)
        one = EventLoop.Stream(descriptor: pair[0])
        other = EventLoop.Stream(descriptor: pair[1])
    }
}

/// Writes a text; returns what the stream said.
private func write(_ text: String, to stream: borrowing EventLoop.Stream)
    -> EventLoop.Stream.Transfer
{
    var text = text
    return text.withUTF8 { stream.write(UnsafeRawBufferPointer($0)) }
}

/// Reads at most `count` bytes; nothing but the text if some came.
private func read(
    _ count: Int, from stream: borrowing EventLoop.Stream
) -> (transfer: EventLoop.Stream.Transfer, text: String) {
    var bytes = [UInt8](repeating: 0, count: count)
    let transfer = bytes.withUnsafeMutableBytes { stream.read(into: $0) }
    guard case .bytes(let length) = transfer else { return (transfer, "") }
    return (transfer, String(decoding: bytes[..<length], as: UTF8.self))
}

/// Runs a loop until `isDone`, or for ten seconds.
private func run(_ loop: Loop, until isDone: () -> Bool) throws {
    let limit = try Timer(loop: loop) {}
    try limit.start(afterMilliseconds: 10_000)
    while !isDone() {
        try #require(limit.isEnabled, "nothing happened in time")
        loop.runOnce()
    }
}

@Suite(.timeLimit(.minutes(10)))
struct StreamTests {
    @Test("What is written to one end is read from the other")
    func readAndWrite() throws {
        let pair = try SocketPair()
        #expect(read(10, from: pair.other).transfer == .wouldBlock)
        #expect(write("hello", to: pair.one) == .bytes(5))
        #expect(read(3, from: pair.other).text == "hel")
        #expect(read(3, from: pair.other).text == "lo")
        #expect(read(3, from: pair.other).transfer == .wouldBlock)
    }

    @Test("Reading fills the first place, then the second")
    func readIntoTwo() throws {
        let pair = try SocketPair()
        #expect(write("abcdefg", to: pair.one) == .bytes(7))
        var first = [UInt8](repeating: 0, count: 3)
        var second = [UInt8](repeating: 0, count: 10)
        func receive() -> EventLoop.Stream.Transfer {
            first.withUnsafeMutableBytes { first in
                second.withUnsafeMutableBytes { pair.other.read(into: first, then: $0) }
            }
        }
        #expect(receive() == .bytes(7))
        #expect(first == Array("abc".utf8))
        #expect(second.prefix(4).elementsEqual("defg".utf8))
        #expect(receive() == .wouldBlock)
    }

    @Test("Several pieces are written by one call, in their order")
    func writePieces() throws {
        let pair = try SocketPair()
        let texts = [Array("ab".utf8), Array("c".utf8), Array("def".utf8)]
        let result = texts[0].withUnsafeBytes { first in
            texts[1].withUnsafeBytes { second in
                texts[2].withUnsafeBytes { pair.one.write([first, second, $0]) }
            }
        }
        #expect(result == .bytes(6))
        #expect(read(10, from: pair.other).text == "abcdef")
    }

    @Test("A peer that does not read blocks the writer, after a short write")
    func blockedWriter() throws {
        let pair = try SocketPair()
        let block = [UInt8](repeating: 7, count: 1 << 20)
        var written = 0
        var last = EventLoop.Stream.Transfer.bytes(0)
        while case .bytes(let count) = last {
            written += count
            last = block.withUnsafeBytes { pair.one.write($0) }
        }
        #expect(last == .wouldBlock)
        #expect(written > 0)
        var taken = 0
        while case .bytes(let count) = read(65_536, from: pair.other).transfer { taken += count }
        #expect(taken == written)
        #expect(write("x", to: pair.one) == .bytes(1))
    }

    @Test("The end of the peer's side is seen after what it sent, and writing to nobody fails")
    func ended() throws {
        let pair = try SocketPair()
        #expect(write("bye", to: pair.one) == .bytes(3))
        shutdown(pair.one.descriptor, Int32(SHUT_WR))
        #expect(read(10, from: pair.other).text == "bye")
        #expect(read(10, from: pair.other).transfer == .ended)
        #expect(write("still here", to: pair.other) == .bytes(10))
        shutdown(pair.one.descriptor, Int32(SHUT_RDWR))
        // A failed write is no signal to the process.
        #expect(write("anybody?", to: pair.other) == .failed(errno: EPIPE))
    }

    @Test("A stream that goes away closes its descriptor")
    func closes() throws {
        let pair = try SocketPair()
        func drop(_ stream: consuming EventLoop.Stream) {}
        drop(pair.one)
        // A process that another test is just starting has the descriptor until it runs its own program.
        var request = pollfd(fd: pair.other.descriptor, events: Int16(POLLIN), revents: 0)
        #expect(poll(&request, 1, 60_000) == 1)
        #expect(read(1, from: pair.other).transfer == .ended)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct LoopTests {
    @Test("A handler is called while its descriptor is ready, and not when it is disabled")
    func readable() throws {
        let loop = try Loop()
        let pair = try SocketPair()
        var calls: [Readiness] = []
        let event = try DescriptorEvent(
            loop: loop, descriptor: pair.other.descriptor, interest: .readable
        ) { calls.append($0) }
        #expect(!event.isEnabled)
        try event.enable()
        #expect(event.isEnabled)
        #expect(write("x", to: pair.one) == .bytes(1))
        try run(loop) { calls.count == 2 }
        #expect(calls.allSatisfy { $0 == .readable })
        event.disable()
        var hasPassed = false
        let timer = try Timer(loop: loop) { hasPassed = true }
        try timer.start(afterMilliseconds: 0)
        try run(loop) { hasPassed }
        #expect(calls.count == 2)
    }

    @Test("A writer is told when its peer has made room")
    func writable() throws {
        let loop = try Loop()
        let pair = try SocketPair()
        let block = [UInt8](repeating: 7, count: 1 << 20)
        while case .bytes = block.withUnsafeBytes({ pair.one.write($0) }) {}
        var isWritable = false
        let event = try DescriptorEvent(
            loop: loop, descriptor: pair.one.descriptor, interest: .writable
        ) { readiness in isWritable = readiness == .writable }
        try event.enable()
        var hasPassed = false
        let timer = try Timer(loop: loop) { hasPassed = true }
        try timer.start(afterMilliseconds: 0)
        try run(loop) { hasPassed }
        #expect(!isWritable)
        while case .bytes = read(65_536, from: pair.other).transfer {}
        try run(loop) { isWritable }
    }

    @Test("An event can be fired without its descriptor being ready")
    func fired() throws {
        let loop = try Loop()
        let pair = try SocketPair()
        var calls = 0
        let event = try DescriptorEvent(
            loop: loop, descriptor: pair.other.descriptor, interest: .readable
        ) { _ in calls += 1 }
        try event.enable()
        event.fire(.readable)
        try run(loop) { calls == 1 }
    }

    @Test("An event source that has gone is not called any more")
    func gone() throws {
        let loop = try Loop()
        let pair = try SocketPair()
        var calls = 0
        do {
            let event = try DescriptorEvent(
                loop: loop, descriptor: pair.other.descriptor, interest: .readable
            ) { _ in calls += 1 }
            try event.enable()
        }
        #expect(write("x", to: pair.one) == .bytes(1))
        var hasPassed = false
        let timer = try Timer(loop: loop) { hasPassed = true }
        try timer.start(afterMilliseconds: 1)
        try run(loop) { hasPassed }
        #expect(calls == 0)
    }

    @Test("A timer calls once for each start, the shorter one first")
    func timers() throws {
        let loop = try Loop()
        var order: [String] = []
        let late = try Timer(loop: loop) { order.append("late") }
        let early = try Timer(loop: loop) { order.append("early") }
        try late.start(afterMilliseconds: 20)
        try early.start(afterMilliseconds: 1)
        try run(loop) { order.count == 2 }
        #expect(order == ["early", "late"])
        #expect(!early.isEnabled)
        try early.start(afterMilliseconds: 0)
        try run(loop) { order.count == 3 }
        #expect(order.last == "early")
        try early.start(afterMilliseconds: 0)
        early.disable()
        try late.start(afterMilliseconds: 1)
        try run(loop) { order.count == 4 }
        #expect(order.last == "late")
    }

    @Test("Another thread wakes a loop, once for any number of calls")
    func wakeUp() throws {
        let loop = try Loop()
        var calls = 0
        let wakeUp = try WakeUp(loop: loop) { calls += 1 }
        let thread = try OtherThread { for _ in 0..<1_000 { wakeUp.wake() } }
        thread.join()
        try run(loop) { calls == 1 }
        let second = try OtherThread { wakeUp.wake() }
        try run(loop) { calls == 2 }
        second.join()
        var hasPassed = false
        let timer = try Timer(loop: loop) { hasPassed = true }
        try timer.start(afterMilliseconds: 1)
        try run(loop) { hasPassed }
        #expect(calls == 2)
    }

    @Test("A loop that waits is stopped by a handler, from another thread's wake-up")
    func stop() throws {
        let loop = try Loop()
        let wakeUp = try WakeUp(loop: loop) { loop.stop() }
        let thread = try OtherThread { wakeUp.wake() }
        loop.run()
        thread.join()
    }

    @Test("A signal to the process calls its source")
    func signals() throws {
        let loop = try Loop()
        var calls = 0
        do {
            let source = try SignalSource(loop: loop, signal: SIGUSR2) { calls += 1 }
            // Twice one after the other: signals do not queue.
            for count in 1...2 {
                #expect(kill(getpid(), SIGUSR2) == 0)
                try run(loop) { calls == count }
            }
            #expect(source.isEnabled)
        }
    }

    @Test("The kernel interface is epoll, and libevent says its version")
    func backend() throws {
        #expect(try Loop().backend == "epoll")
        #expect(Loop.libraryVersion.hasPrefix("2."))
    }
}

/// A thread that does one thing.
private final class OtherThread {
    private var thread = pthread_t()

    private final class Work {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    init(_ body: @escaping @Sendable () -> Void) throws {
        let work = Unmanaged.passRetained(Work(body))
        let result = pthread_create(
            &thread, nil,
            { work in
                guard let work else { return nil }
                Unmanaged<Work>.fromOpaque(work).takeRetainedValue().body()
                return nil
            }, work.toOpaque())
        try #require(result == 0)
    }

    func join() { pthread_join(thread, nil) }
}
